# SPDX-License-Identifier: Apache-2.0
"""Questions to a peer's agent, over one connection that is kept as long as it works."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from typing import Callable

from zone.leadership import Observation
from zone.model import Answer, Failure, FailureKind, parse_status

from .board import Board, PeerSight
from .config import Peer

LARGEST = 256 * 1024


class PeerError(Exception):
    """The peer's agent gave no answer that can be used."""

    def __init__(self, kind: FailureKind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


class Line:
    """A connection to one agent; `get` takes no longer than its timeout altogether."""

    def __init__(self, address: str, port: int, timeout: float) -> None:
        self._place = (address, port)
        self._timeout = timeout
        self._socket: socket.socket | None = None
        host = f"[{address}]" if ":" in address else address
        self._host = f"{host}:{port}"

    def get(self, path: str) -> bytes:
        """The body of a 200."""
        deadline = time.monotonic() + self._timeout
        kept = self._socket is not None
        try:
            try:
                return self._exchange(path, deadline)
            except (ConnectionError, PeerError):
                self.close()
                # An agent that started again has closed what was kept.
                if not kept:
                    raise
                return self._exchange(path, deadline)
        except socket.timeout:
            self.close()
            raise PeerError(FailureKind.TIMEOUT, f"its agent gave no answer within {self._timeout:g} s") from None
        except ConnectionRefusedError:
            self.close()
            raise PeerError(FailureKind.UNREACHABLE, "its agent does not run (connection refused)") from None
        except OSError as error:
            self.close()
            reason = error.strerror or type(error).__name__
            raise PeerError(FailureKind.UNREACHABLE, f"its agent cannot be reached: {reason}") from None
        except PeerError:
            self.close()
            raise

    def close(self) -> None:
        """Begin anew with the next question."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, path: str, deadline: float) -> bytes:
        if self._socket is None:
            self._socket = socket.create_connection(self._place, _left(deadline))
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line = self._socket
        line.settimeout(_left(deadline))
        line.sendall(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode("ascii"))
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more(line, deadline, len(data))
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (item.partition(":") for item in lines[1:])
        }
        length = headers.get("content-length", "")
        if not length.isdigit() or int(length) > LARGEST:
            raise PeerError(FailureKind.PROTOCOL, "its agent's answer has no length, or too much of it")
        while len(body) < int(length):
            body += self._more(line, deadline, len(body))
        if headers.get("connection", "").lower() == "close":
            self.close()
        status = lines[0].split(" ")[1:2]
        if status != ["200"]:
            raise PeerError(FailureKind.HTTP, f"its agent answered HTTP status {''.join(status) or 'none'}")
        return body

    def _more(self, line: socket.socket, deadline: float, have: int) -> bytes:
        if have > LARGEST:
            raise PeerError(FailureKind.PROTOCOL, "its agent's answer has no end")
        line.settimeout(_left(deadline))
        data = line.recv(65536)
        if not data:
            raise ConnectionResetError("closed")
        return data


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise socket.timeout
    return left


def sight(text: bytes, peer: Peer, asked: float, before: Observation) -> PeerSight:
    """What a peer's /status says; the last state that its oned told stays known while it tells none."""
    try:
        status = parse_status(text.decode("utf-8"))
    except ValueError as error:
        raise PeerError(FailureKind.PROTOCOL, f"its agent's answer is no status: {error}") from None
    # Under which endpoint it is known is the inventory's word, not its own.
    answer = replace(status.answer, endpoint=peer.endpoint)
    view = replace(before, failure=answer.failure)
    if answer.raft is not None:
        view = Observation(peer.name, peer.endpoint, answer.raft, asked - max(status.age, 0.0), answer.failure)
    return PeerSight(view, answer, status.machine, asked)


class PeerProbe:
    """Asks one peer's agent what it knows of its own machine."""

    def __init__(self, board: Board, place: int, changed: Callable[[], None]) -> None:
        self._board = board
        self._place = place
        self._peer = board.config.peers[place]
        self._changed = changed
        self._line = Line(self._peer.address, self._peer.port, board.config.timeouts.peers)

    def __call__(self) -> None:
        """One look."""
        asked = time.monotonic()
        before = self._board.peers[self._place]
        try:
            seen = sight(self._line.get("/status"), self._peer, asked, before.view)
        except PeerError as error:
            self._line.close()
            failure = Failure(error.kind, str(error))
            self._board.peers[self._place] = PeerSight(
                replace(before.view, failure=failure), Answer(self._peer.endpoint, failure=failure), None, before.heard
            )
            return
        self._board.peers[self._place] = seen
        old, new = before.view.raft, seen.view.raft
        if new is not None and (old is None or (old.state, old.term) != (new.state, new.term)):
            self._changed()
