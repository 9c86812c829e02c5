"""The hook manager: runs the commands of the api hooks that it knows, for the calls that its oned carries out.

It reads the hooks once, when it starts, and then learns from the same events: of a hook that another server made it
hears nothing, as recorded. ONE_LOCATION and ONE_XMLRPC as elsewhere.
"""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

from . import conf, events
from .hooks import Hook

AGAIN_S = 0.5
AT_ONCE = 10


class Manager:
    def __init__(self, endpoint: str, session: str, hooks: Path) -> None:
        self._endpoint, self._session, self._hooks = endpoint, session, hooks
        self._known: dict[int, Hook] | None = None
        self._pool = ThreadPoolExecutor(AT_ONCE)

    def _ask(self, method: str, *arguments: int) -> str:
        """The document, or nothing where the call is refused (a hook that is gone again)."""
        with xmlrpc.client.ServerProxy(self._endpoint) as oned:
            answer = getattr(oned, method)(self._session, *arguments)
        if not isinstance(answer, list) or not answer[0]:
            raise xmlrpc.client.Error(str(answer))
        return str(answer[1])

    def listen(self, lines: Iterable[str]) -> None:
        """Whoever calls is connected already, so that no hook is made between the reading and the listening."""
        if self._known is None:
            pool = ElementTree.fromstring(self._ask("one.hookpool.info", -2, -1, -1))
            found = [Hook.read(ElementTree.tostring(hook, "unicode")) for hook in pool]
            self._known = {hook.oid: hook for hook in found}
            say(f"knows {len(found)} hooks")
        for line in lines:
            event = json.loads(line)
            self._learn(self._known, event["call"], int(event["object"]))
            for hook in self._known.values():
                if hook.kind == "api" and hook.get("CALL") == event["call"]:
                    self._pool.submit(self._run, hook, event["api"])

    def _learn(self, known: dict[int, Hook], call: str, oid: int) -> None:
        if call == "one.hook.delete":
            known.pop(oid, None)
        elif call.startswith("one.hook."):
            known[oid] = Hook.read(self._ask("one.hook.info", oid))

    def _run(self, hook: Hook, api: str) -> None:
        words = shlex.split(hook.get("ARGUMENTS").replace("$API", api))
        by_stdin = hook.get("ARGUMENTS_STDIN").upper() == "YES"
        command = [str(self._hooks / hook.get("COMMAND")), *([] if by_stdin else words)]
        try:
            done = subprocess.run(
                command, input=" ".join(words) if by_stdin else "", capture_output=True, text=True, check=False
            )
        except OSError as error:
            say(f"hook {hook.name} ({hook.oid}) cannot be run: {error}")
        else:
            say(f"hook {hook.name} ({hook.oid}) ended with {done.returncode} {done.stderr.strip()}".rstrip())


def say(text: str) -> None:
    print(f"stand-in's hook manager: {text}", flush=True)


def main() -> int:
    root = os.environ.get("ONE_LOCATION")
    etc, var = (Path(root, "etc"), Path(root, "var")) if root else (Path("/etc/one"), Path("/var/lib/one"))
    configuration = conf.parse((etc / "oned.conf").read_text())
    where = events.address(configuration)
    if where is None:
        say("oned.conf has no HM_MAD with a port: there is nobody to listen to")
        return 1
    endpoint = os.environ.get("ONE_XMLRPC") or f"http://localhost:{configuration.single('PORT', '2633')}/RPC2"
    auth = Path(os.environ.get("ONE_AUTH") or var / ".one/one_auth")
    manager = Manager(endpoint, auth.read_text().strip(), var / "remotes/hooks")
    while True:
        try:
            with socket.create_connection(where) as bus, bus.makefile() as lines:
                manager.listen(lines)
        except (OSError, xmlrpc.client.Error, ElementTree.ParseError) as error:
            say(f"oned does not answer: {error}")
        time.sleep(AGAIN_S)


if __name__ == "__main__":
    sys.exit(main())
