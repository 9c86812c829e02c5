# SPDX-License-Identifier: Apache-2.0
"""Questions to a peer's agent, over one connection that is kept as long as it works."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Callable

from zone.leadership import Observation
from zone.model import Answer, Failure, FailureKind, RaftStatus, ServerState, Zone, ZoneServer

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


def parse_raft(value: Mapping[str, Any]) -> RaftStatus:
    """The state of a server as model.answer_dict writes it."""
    return RaftStatus(
        server_id=int(value["server_id"]),
        state=ServerState[str(value["state"]).upper()],
        term=int(value["term"]),
        voted_for=int(value["voted_for"]),
        commit=int(value["commit"]),
        log_index=int(value["index"]),
        log_term=int(value["log_term"]),
        fedlog_index=int(value["fedlog_index"]),
    )


def parse_zone(value: Mapping[str, Any]) -> Zone:
    """A zone as model.zone_dict writes it."""
    return Zone(
        id=int(value["id"]),
        name=str(value["name"]),
        enabled=bool(value["enabled"]),
        endpoint=str(value["endpoint"]),
        servers=tuple(
            ZoneServer(int(item["id"]), str(item["name"]), str(item["endpoint"])) for item in value["servers"]
        ),
    )


def parse_failure(value: Mapping[str, Any]) -> Failure:
    """A failure as model.answer_dict writes it."""
    errno = value.get("errno")
    return Failure(FailureKind(value["kind"]), str(value["detail"]), None if errno is None else int(errno))


def parse_status(text: bytes, peer: Peer, asked: float, before: PeerSight) -> PeerSight:
    """What a peer's /status says; the last state that its oned told stays known while it tells none."""
    try:
        value = json.loads(text)
        raft = None if value["raft"] is None else parse_raft(value["raft"])
        zone = None if value["zone"] is None else parse_zone(value["zone"])
        failure = None if value["failure"] is None else parse_failure(value["failure"])
        version = None if value["version"] is None else str(value["version"])
        age = float(value["age"]) if value["age"] is not None else None
        machine = value["machine"]
    except (ValueError, KeyError, TypeError) as error:
        raise PeerError(FailureKind.PROTOCOL, f"its agent's answer is no status: {error}") from None
    if not isinstance(machine, dict):
        raise PeerError(FailureKind.PROTOCOL, "its agent's answer is no status: it says nothing of its machine")
    view = replace(before.view, failure=failure)
    if raft is not None and age is not None and age >= 0:
        view = Observation(peer.name, peer.endpoint, raft, asked - age, failure)
    return PeerSight(view, Answer(peer.endpoint, raft, zone, version, failure, None), machine, asked)


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
            sight = parse_status(self._line.get("/status"), self._peer, asked, before)
        except PeerError as error:
            self._line.close()
            failure = Failure(error.kind, str(error))
            self._board.peers[self._place] = PeerSight(
                replace(before.view, failure=failure), Answer(self._peer.endpoint, failure=failure), None, before.heard
            )
            return
        self._board.peers[self._place] = sight
        old, new = before.view.raft, sight.view.raft
        if new is not None and (old is None or (old.state, old.term) != (new.state, new.term)):
            self._changed()
