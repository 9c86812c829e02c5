"""memcached over one connection, giving up and coming back as the recorded client library does."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from io import BufferedRWPair
from typing import TypeVar

SECONDS = 1.0  # to connect, and for each answer
FAILURES = 2  # in a row, and the server counts as down
PAUSE = 0.1  # before the second attempt
RETRY = 30.0  # a server that is down is not asked for so long

T = TypeVar("T")


class Down(Exception):
    """There is no server to ask."""


class Client:
    """Not for two threads at once."""

    def __init__(self, host: str, port: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._address, self._clock = (host, port), clock
        self._socket: socket.socket | None = None
        self._stream: BufferedRWPair | None = None
        self._failures = 0
        self._down_since: float | None = None

    def get(self, key: str) -> bytes | None:
        def value(stream: BufferedRWPair) -> bytes | None:
            words = _line(stream).split()
            if words == [b"END"]:
                return None
            data = stream.read(int(words[3]) + 2)[:-2]
            if _line(stream) != b"END":
                raise ConnectionError("memcached did not end a value")
            return data

        return self._ask(f"get {key}\r\n".encode(), value)

    def store(self, verb: str, key: str, value: bytes, ttl: int) -> bool:
        """`set`, or `add` if there is none yet."""
        head = f"{verb} {key} 0 {ttl} {len(value)}\r\n".encode()
        return self._ask(head + value + b"\r\n", _line) == b"STORED"

    def delete(self, key: str) -> None:
        self._ask(f"delete {key}\r\n".encode(), _line)

    def _ask(self, request: bytes, read: Callable[[BufferedRWPair], T]) -> T:
        while True:
            stream = self._stream or self._connect()
            try:
                return _exchange(stream, request, read)
            except (OSError, ValueError, IndexError):
                self._failed()

    def _connect(self) -> BufferedRWPair:
        if self._down_since is not None and self._clock() < self._down_since + RETRY:
            raise Down
        try:
            self._socket = socket.create_connection(self._address, SECONDS)
            stream = self._stream = self._socket.makefile("rwb")
            _exchange(stream, b"version\r\n", _line)
        except OSError as error:
            self._failed()
            raise Down from error
        self._failures, self._down_since = 0, None
        return stream

    def _failed(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = self._stream = None
        self._failures += 1
        if self._failures >= FAILURES:
            self._down_since = self._clock()
        else:
            time.sleep(PAUSE)


def _exchange(stream: BufferedRWPair, request: bytes, read: Callable[[BufferedRWPair], T]) -> T:
    stream.write(request)
    stream.flush()
    return read(stream)


def _line(stream: BufferedRWPair) -> bytes:
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("memcached closed the connection")
    return line[:-2]
