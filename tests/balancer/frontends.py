"""Front-ends without OpenNebula: an agent that says what it is told to, and an oned that counts what reaches it.

This oned ends as the real one does: by a connection that is reset before it was taken.
"""

from __future__ import annotations

import contextlib
import http.server
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Literal

Manner = Literal["answer", "close", "reset", "hang"]

ANSWER = b"<?xml version='1.0'?><methodResponse><params/></methodResponse>"
RESET = struct.pack("ii", 1, 0)


class Listener:
    """A port of a front-end; connections are taken one by one, as many at once as there is room for."""

    ROOM = 200

    def __init__(self, address: str, port: int, name: str) -> None:
        """Listen."""
        self.address, self.port, self.name = address, port, name
        self.manner: Manner = "answer"
        self.received: list[str] = []
        self.halves = 0
        self.ended = False
        self.pause = 0.0
        self.go_on = threading.Event()
        self._room = threading.Semaphore(self.ROOM)
        self.socket = self._open()

    def _open(self) -> socket.socket:
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((self.address, self.port))
        listening.listen(128)
        threading.Thread(target=self._take, args=(listening,), daemon=True).start()
        return listening

    def close(self) -> None:
        """Refuse from now on."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.go_on.set()

    def _take(self, listening: socket.socket) -> None:
        while True:
            self._room.acquire()
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            try:
                connection.getpeername()
            except OSError:
                self.ended = True
                listening.close()
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(20)
            request = self._read(connection)
            if request is None:
                self.halves += 1
            else:
                self.received.append(request)
                self._say(connection)
        self._room.release()

    def _say(self, connection: socket.socket) -> None:
        manner = self.manner
        if manner == "hang":
            self.go_on.wait(20)
        elif manner == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        elif manner == "answer":
            time.sleep(self.pause)
            head = f"HTTP/1.1 200 OK\r\nConnection: close\r\nX-By: {self.name}\r\nContent-Length: {len(ANSWER)}\r\n\r\n"
            connection.sendall(head.encode() + ANSWER)

    @staticmethod
    def _read(connection: socket.socket) -> str | None:
        text = b""
        while True:
            head, mark, body = text.partition(b"\r\n\r\n")
            if mark:
                length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
                if len(body) >= (int(length[1]) if length else 0):
                    return body.decode()
            chunk = connection.recv(65536)
            if not chunk:
                return None
            text += chunk


class Agent:
    """Says whether this server leads, and whether it answers reads."""

    def __init__(self, address: str, port: int) -> None:
        """Listen."""
        self.leads, self.serves, self.silent = False, True, False
        self._end = threading.Event()
        agent = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if agent.silent:
                    agent._end.wait(20)
                good = {"/leader": agent.leads, "/server": agent.serves}[self.path]
                body = b"{}" if good else b'{"reason": "another leads"}'
                self.send_response(200 if good else 503)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as the base names it
                pass

        self._server = http.server.ThreadingHTTPServer((address, port), Handler)
        # HAProxy ends its checks with a reset
        self._server.handle_error = lambda request, client_address: None  # type: ignore[method-assign]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        """Answer nobody from now on."""
        self._end.set()
        self._server.shutdown()
        self._server.server_close()


class FrontEnd:
    """One machine of the zone."""

    def __init__(self, name: str, address: str, ports: dict[str, int]) -> None:
        """Everything listens; it follows."""
        self.name, self.address, self.ports = name, address, ports
        self.agent = Agent(address, ports["agent"])
        self.oned = Listener(address, ports["oned"], name)
        self.flow = Listener(address, ports["flow"], name)
        self.gate = Listener(address, ports["gate"], name)

    def close(self) -> None:
        """Go away."""
        for part in (self.agent, self.oned, self.flow, self.gate):
            part.close()


class Zone:
    """Three front-ends, of which at most one leads."""

    def __init__(self, ports: dict[str, int], base: str = "127.0.7.") -> None:
        """The first leads."""
        self.ports = ports
        self.servers = [FrontEnd(f"fe{n}", f"{base}{n}", ports) for n in (1, 2, 3)]
        self.lead("fe1")

    def __getitem__(self, name: str) -> FrontEnd:
        return next(server for server in self.servers if server.name == name)

    def __iter__(self) -> Iterator[FrontEnd]:
        return iter(self.servers)

    def lead(self, *names: str) -> None:
        """These say that they lead."""
        for server in self.servers:
            server.agent.leads = server.name in names

    def received(self, part: str = "oned") -> list[tuple[str, str]]:
        """Whole requests: who got them, and what they were."""
        return [(server.name, body) for server in self for body in getattr(server, part).received]

    def close(self) -> None:
        """The end of the test."""
        for server in self.servers:
            server.close()
