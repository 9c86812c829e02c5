"""Hooks, against what a real zone answered, and the manager that runs them: whose it learns and whose it does not."""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from xml.etree import ElementTree

from lab.standin.oned.conf import parse
from lab.standin.oned.events import address, call_info
from lab.standin.tests.test_cloud import replay
from lab.standin.tests.zone import REPOSITORY, Oned, leader_of, wait_for


@contextmanager
def manager(server: Oned) -> Iterator[None]:
    """The hook manager of a server, as its unit starts it: it knows the hooks once it says so."""
    environment = {**os.environ, "ONE_LOCATION": str(server.root), "ONE_XMLRPC": server.endpoint}
    command = [sys.executable, "-m", "lab.standin.oned.hem"]
    output = server.root / "hem.log"
    before = said(server).count("knows")
    with output.open("a") as log, subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=log) as process:
        try:
            wait_for("the manager to know the hooks", lambda: said(server).count("knows") > before)
            yield
        finally:
            process.terminate()


def said(server: Oned) -> str:
    output = server.root / "hem.log"
    return output.read_text() if output.exists() else ""


def hook(name: str) -> str:
    """note appends its first word to hooks.log."""
    return f'NAME="{name}"\nTYPE="api"\nCALL="one.document.allocate"\nCOMMAND="note"\nARGUMENTS="{name} $API"'


def document(server: Oned) -> None:
    assert server.call("one.document.allocate", 'NAME = "x"', 4200)[0] is True


def test_hooks_are_kept_as_recorded(solo: Oned) -> None:
    replay(solo, "solo.hookpool.info", "ha3.hook.allocate.host-state", "ha3.hook.allocate.vm-state")
    replay(solo, "ha3.hook.allocate.api", "err.hook.allocate.duplicate", "err.hook.allocate.no-type")
    replay(solo, "ha3.hook.info", "ha3.hookpool.info")


def test_a_hook_changes_as_recorded(solo: Oned) -> None:
    replay(solo, "ha3.hook.allocate.probe", "ha3.hook.info.probe")
    replay(solo, "ha3.hook.update.merge", "ha3.hook.info.probe-updated")
    replay(solo, "ha3.hook.update.replace", "ha3.hook.info.probe-replaced")
    replay(solo, "err.hook.update.replace-without-command", "ha3.hook.info.probe-after-bad-replace")
    replay(solo, "err.hook.update.call-change", "ha3-accepted.hook.update.type-change", "err.hook.update.not-found")
    replay(solo, "ha3.hook.rename", "ha3.hook.delete", "err.hook.info.deleted")


def test_only_oneadmin_sees_hooks(solo: Oned) -> None:
    assert solo.call("one.hook.allocate", hook("mine"))[0] is True
    assert solo.call("one.user.allocate", "eve", "pw", "core")[0] is True
    assert solo.call("one.hookpool.info", -2, -1, -1, session="eve:pw")[1] == "<HOOK_POOL></HOOK_POOL>"
    assert solo.call("one.hook.info", 0, session="eve:pw")[2] == 512
    assert solo.call("one.hook.allocate", hook("hers"), session="eve:pw")[2] == 512


def test_a_hook_gets_the_call_without_the_session() -> None:
    found = ElementTree.fromstring(base64.b64decode(call_info(("<a>", 4200), (True, 247, 0))))
    values = [[leaf.text for leaf in parameter] for parameter in found.iterfind("PARAMETERS/PARAMETER")]
    assert values == [
        *(["1", "IN", "****"], ["2", "IN", "<a>"], ["3", "IN", "4200"]),
        *(["1", "OUT", "true"], ["2", "OUT", "247"], ["3", "OUT", "0"]),
    ]


def test_events_are_where_the_driver_says() -> None:
    driver = 'HM_MAD = [ EXECUTABLE = "one_hm", ARGUMENTS = "-p 2101 -l 2102 -b 127.0.0.1" ]'
    assert address(parse(driver)) == ("127.0.0.1", 2101)
    assert address(parse("PORT = 1")) is None


def test_a_manager_runs_what_it_knew_and_what_is_made_while_it_runs(solo: Oned) -> None:
    assert solo.call("one.hook.allocate", hook("old"))[0] is True
    document(solo)
    with manager(solo):
        document(solo)
        wait_for("the old hook", lambda: solo.hooks() == ["old"])
        made = solo.call("one.hook.allocate", hook("new"))[1]
        document(solo)
        wait_for("both hooks", lambda: sorted(solo.hooks()) == ["new", "old", "old"])
        assert solo.call("one.hook.delete", made)[0] is True
        solo.call("one.document.info", 0, False)
        assert solo.call("one.document.allocate", "NAME=", 1, session="oneadmin:wrong")[0] is False
        # A server that starts again is heard again; what the manager knows stays what it was.
        assert solo.stop() == 0
        solo.start()

        def heard() -> bool:
            document(solo)
            return len(solo.hooks()) > 3

        wait_for("a call that is heard", heard)
        assert set(solo.hooks()[3:]) == {"old"}


def test_a_hook_that_another_leader_took_never_runs_until_the_manager_starts_again(trio: list[Oned]) -> None:
    leader = leader_of(trio)
    assert leader is not None
    others = [server for server in trio if server is not leader]
    with contextlib.ExitStack() as ends:
        for server in trio:
            ends.enter_context(manager(server))
        assert leader.call("one.hook.allocate", hook("made"))[0] is True
        document(others[0])
        wait_for("the hook on the leader", lambda: leader.hooks()[-1] == "made")
        assert all("made" not in server.hooks() for server in others)
        leader.kill()
        second = wait_for("a new leader", lambda: leader_of(others))
        assert "made" in second.call("one.hookpool.info", -2, -1, -1)[1]
        marker = second.call("one.hook.allocate", hook("marker"))
        assert marker[0] is True
        document(second)
        # Its own manager is alive and hears the call, but knows nothing of the first hook.
        wait_for("the marker", lambda: "marker" in second.hooks())
        assert "made" not in second.hooks()
    with manager(second):
        document(second)
        wait_for("the hook after a restart", lambda: "made" in second.hooks())
