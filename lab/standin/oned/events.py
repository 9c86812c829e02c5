"""What oned tells its hook manager: a line of JSON for every call that wrote, to whoever is connected then."""

from __future__ import annotations

import base64
import json
import shlex
import socket
import threading
from collections.abc import Sequence

from .api import escape
from .conf import Conf
from .log import Log
from .wire import Scalar

SLOW_S = 1.0


def address(conf: Conf) -> tuple[str, int] | None:
    """Where the hook driver of oned.conf publishes; none without that driver."""
    words = shlex.split(conf.vector("HM_MAD").get("ARGUMENTS", ""))
    options = dict(zip(words[::2], words[1::2], strict=False))
    return (options.get("-b", "127.0.0.1"), int(options["-p"])) if "-p" in options else None


def call_info(arguments: Sequence[Scalar], answer: Sequence[Scalar]) -> str:
    """A call as a hook gets it in $API, base64. The session is hidden; the object of the call is left out."""

    def said(values: Sequence[Scalar], kind: str) -> str:
        texts = [str(value).lower() if isinstance(value, bool) else escape(str(value)) for value in values]
        return "".join(
            f"<PARAMETER><POSITION>{position}</POSITION><TYPE>{kind}</TYPE><VALUE>{text}</VALUE></PARAMETER>"
            for position, text in enumerate(texts, 1)
        )

    parameters = said(("****", *arguments), "IN") + said(answer, "OUT")
    text = f"<CALL_INFO><RESULT>1</RESULT><PARAMETERS>{parameters}</PARAMETERS></CALL_INFO>"
    return base64.b64encode(text.encode()).decode()


class Events:
    def __init__(self, log: Log, where: tuple[str, int] | None) -> None:
        self._log, self._where = log, where
        self._lock = threading.Lock()
        self._listeners: list[socket.socket] = []

    def start(self) -> None:
        if self._where is not None:
            threading.Thread(target=self._accept, args=(self._where,), name="events", daemon=True).start()

    def _accept(self, where: tuple[str, int]) -> None:
        try:
            with socket.create_server(where) as server:
                while True:
                    listener, _ = server.accept()
                    listener.settimeout(SLOW_S)
                    with self._lock:
                        self._listeners.append(listener)
        except OSError as error:
            self._log.write("HKM", "E", f"No hook will run, events cannot be published at {where}: {error}")

    def publish(self, call: str, arguments: Sequence[Scalar], answer: Sequence[Scalar]) -> None:
        with self._lock:
            if not self._listeners:
                return
            event = {"call": call, "object": str(answer[1]), "api": call_info(arguments, answer)}
            line = (json.dumps(event) + "\n").encode()
            self._listeners = [listener for listener in self._listeners if self._told(listener, line)]

    def _told(self, listener: socket.socket, line: bytes) -> bool:
        try:
            listener.sendall(line)
        except OSError:
            listener.close()
            return False
        return True
