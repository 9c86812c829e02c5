"""HTTP around the calls, with the recorded headers: a call a connection, a thread each, so many at once and no more."""

from __future__ import annotations

import os
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import Any

_SERVER = "Xmlrpc-c_Abyss/1.33.14 (nebula stand-in)"
_NOT_ALLOWED = b"<HTML><HEAD><TITLE>Error 405</TITLE></HEAD><BODY><H1>Error 405</H1><P>POST only</P></BODY></HTML>"
MAX_BYTES = 64 * 2**20
RESET = 1


class Web(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], answer: Callable[[bytes], bytes], at_once: int, waiting: int) -> None:
        self.answer = answer
        self.request_queue_size = waiting
        self._free = threading.BoundedSemaphore(at_once)
        super().__init__(address, _Handler)

    def get_request(self) -> tuple[socket.socket, str]:
        """Take no further connection before one ends: whoever it is waits, a leader's own words included.

        The recorded server's library asks who it is that it took, and ends the process if nobody is there any more."""
        self._free.acquire()
        try:
            connection, address = super().get_request()
            connection.getpeername()
        except OSError as error:
            print(f"oned: a client reset its connection before it was taken: {error}", file=sys.stderr, flush=True)
            os._exit(RESET)
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who goes before its call is read does no harm; anything else is shown with its place."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self._free.release()


class _Handler(BaseHTTPRequestHandler):
    server: Web
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MAX_BYTES:
            self._send(400, "Bad Request", "text/html", b"<HTML><BODY>A Content-length is wanted</BODY></HTML>")
        elif self.path != "/RPC2":
            self._send(404, "Not Found", "text/html", b"<HTML><BODY>Calls are answered at /RPC2</BODY></HTML>")
        else:
            answer = self.server.answer(self.rfile.read(int(length)))
            self._send(200, "OK", "text/xml; charset=utf-8", answer)

    def _refuse(self) -> None:
        self._send(405, "Method Not Allowed", "text/html", _NOT_ALLOWED)

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self._refuse
        raise AttributeError(name)

    def _send(self, status: int, reason: str, kind: str, content: bytes) -> None:
        head = {"Content-type": kind, "Content-length": str(len(content))}
        if status != 200:
            del head["Content-length"]
        date = formatdate(time.time(), usegmt=True).replace("GMT", "UTC")
        head |= {"Connection": "close", "Date": date, "Server": _SERVER}
        text = f"HTTP/1.1 {status} {reason}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in head.items())
        self.close_connection = True
        try:
            self.wfile.write(text.encode("ascii") + b"\r\n" + content)
        except ConnectionError:
            # The client has gone; what it asked for is done or under way all the same.
            return

    def log_message(self, *_: object) -> None:
        """Calls are not logged."""
