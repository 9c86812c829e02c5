# SPDX-License-Identifier: Apache-2.0
"""The HTTP server: one thread, sockets that never block, and bounds on whatever a client can hold.

A client has so many connections, bytes and seconds; who has too many loses the oldest. An address that is not allowed
gets its 403 at once and holds nothing.
"""

from __future__ import annotations

import selectors
import socket
import time
from typing import Callable

from .config import Allowed
from .pages import Page

LARGEST_REQUEST = 4096
REQUEST_SECONDS = 2.0
IDLE_SECONDS = 15.0
CONNECTIONS = 256
CONNECTIONS_OF_ONE = 24
BACKLOG = 128
AT_ONCE = 32

REASONS = {
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}
TEXT = "application/json"


class _Client:
    __slots__ = ("address", "awaits", "deadline", "ending", "inbox", "line", "number", "outbox")

    def __init__(self, line: socket.socket, address: str, deadline: float) -> None:
        self.line = line
        self.number = line.fileno()
        self.address = address
        # For which events the selector looks at it; 0: for none
        self.awaits = 0
        self.deadline = deadline
        self.inbox = b""
        self.outbox = b""
        self.ending = False


class Front:
    """Listens, and answers with `pages`; calls `tick` at least every `beat` seconds in between."""

    def __init__(
        self,
        place: tuple[str, int],
        allowed: Allowed,
        pages: Callable[[str], Page],
        tick: Callable[[], None],
        beat: float,
    ) -> None:
        self._allowed = allowed
        self._pages = pages
        self._tick = tick
        self._beat = beat
        self._clients: dict[int, _Client] = {}
        family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Who connects is shown when he has sent something: one awakening instead of two for every check.
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)
        self._listener.bind(place)
        self._listener.listen(BACKLOG)
        self._listener.setblocking(False)
        self._selector = selectors.EpollSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._due = 0.0

    def serve(self) -> None:
        """Without end."""
        while True:
            now = time.monotonic()
            if now >= self._due:
                self._due = now + self._beat
                self._tick()
                self._expire(now)
            for key, events in self._selector.select(max(self._due - time.monotonic(), 0.0)):
                client: _Client | None = key.data
                if client is None:
                    self._accept()
                elif not self._open(client):
                    continue
                elif events & selectors.EVENT_WRITE:
                    self._flush(client)
                else:
                    self._read(client)

    def _accept(self) -> None:
        for _turn in range(AT_ONCE):
            try:
                line, place = self._listener.accept()
            except OSError:
                # Nobody is left, went away again, or there is no descriptor for him yet.
                return
            line.setblocking(False)
            address = str(place[0])
            if address not in self._allowed:
                self._refuse(line)
                continue
            self._make_room(address)
            client = _Client(line, address, time.monotonic() + REQUEST_SECONDS)
            self._clients[client.number] = client
            self._read(client)
            if self._open(client) and not client.awaits:
                self._await(client, selectors.EVENT_READ)

    def _refuse(self, line: socket.socket) -> None:
        """What he has sent is taken first: closed over unread bytes, a connection is reset, and the answer lost."""
        try:
            line.send(_response(403, TEXT, b'{"reason": "this address is not allowed"}\n', ending=True))
            line.recv(LARGEST_REQUEST)
        except OSError:
            # He went away, or has sent nothing yet.
            pass
        line.close()

    def _make_room(self, address: str) -> None:
        """The oldest come first."""
        of_one = [client for client in self._clients.values() if client.address == address]
        if len(of_one) >= CONNECTIONS_OF_ONE:
            self._close(of_one[0])
        elif len(self._clients) >= CONNECTIONS:
            self._close(next(iter(self._clients.values())))

    def _expire(self, now: float) -> None:
        for client in [client for client in self._clients.values() if now > client.deadline]:
            self._close(client)

    def _close(self, client: _Client) -> None:
        # Its number may belong to a newer one by now.
        if self._open(client):
            del self._clients[client.number]
            if client.awaits:
                self._selector.unregister(client.line)
            client.line.close()

    def _open(self, client: _Client) -> bool:
        return self._clients.get(client.number) is client

    def _await(self, client: _Client, events: int) -> None:
        if client.awaits == events:
            return
        if client.awaits:
            self._selector.modify(client.line, events, client)
        else:
            self._selector.register(client.line, events, client)
        client.awaits = events

    def _read(self, client: _Client) -> None:
        try:
            data = client.line.recv(LARGEST_REQUEST)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._close(client)
            return
        if not data:
            self._close(client)
            return
        client.inbox += data
        self._answer(client)

    def _answer(self, client: _Client) -> None:
        """Every whole request that has come, as long as the client takes the answers."""
        while not client.ending and not client.outbox and self._open(client):
            head, end, rest = client.inbox.partition(b"\r\n\r\n")
            if not end:
                if len(client.inbox) > LARGEST_REQUEST:
                    client.ending = True
                    self._send(client, _error(431, "the request is too large"))
                return
            started_empty = not rest
            client.inbox = rest
            response, client.ending = self._respond(head)
            now = time.monotonic()
            client.deadline = now + (IDLE_SECONDS if started_empty else REQUEST_SECONDS)
            self._send(client, response)

    def _respond(self, head: bytes) -> tuple[bytes, bool]:
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1.") or not words[1].startswith("/"):
            return _error(400, "this is no request of HTTP/1"), True
        method, path, version = words
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
            return _error(400, "a request has no body here"), True
        if method not in ("GET", "HEAD"):
            return _error(405, "GET and HEAD only"), True
        wish = headers.get("connection", "").lower()
        ending = wish == "close" or (version == "HTTP/1.0" and wish != "keep-alive")
        status, kind, body = self._pages(path)
        return _response(status, kind, body, ending, head_only=method == "HEAD"), ending

    def _send(self, client: _Client, data: bytes) -> None:
        client.outbox += data
        self._flush(client)

    def _flush(self, client: _Client) -> None:
        try:
            sent = client.line.send(client.outbox)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self._close(client)
            return
        client.outbox = client.outbox[sent:]
        if client.outbox:
            # He takes nothing more for now: he has as long as for a request, and is not read before.
            if client.awaits != selectors.EVENT_WRITE:
                client.deadline = time.monotonic() + REQUEST_SECONDS
                self._await(client, selectors.EVENT_WRITE)
        elif client.ending:
            self._close(client)
        elif client.awaits == selectors.EVENT_WRITE:
            self._await(client, selectors.EVENT_READ)
            self._answer(client)


def _response(status: int, kind: str, body: bytes, ending: bool, head_only: bool = False) -> bytes:
    head = (
        f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        f"Cache-Control: no-store\r\nConnection: {'close' if ending else 'keep-alive'}\r\n\r\n"
    ).encode("ascii")
    return head if head_only else head + body


def _error(status: int, reason: str) -> bytes:
    return _response(status, TEXT, b'{"reason": "' + reason.encode("ascii") + b'"}\n', ending=True)
