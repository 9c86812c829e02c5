"""Sessions as the recorded Sunstone keeps them: in its memory, or in memcached under NAMESPACE:COOKIE."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from queue import LifoQueue

from .memcached import Client, Down

CONNECTIONS = 5
_ID = re.compile("[0-9a-f]{64}")

Data = dict[str, str]


def fresh() -> str:
    return secrets.token_hex(32)


class Memory:
    """`find` the session of a cookie, or a new one; `delete` one, which gives the name for what comes after it."""

    cookie = "sunstone"

    def __init__(self) -> None:
        self._all: dict[str, Data] = {}

    def find(self, wanted: str | None) -> tuple[str | None, Data]:
        if wanted in self._all:
            return wanted, dict(self._all[wanted])
        return fresh(), {}

    def write(self, name: str, data: Data, seconds: int) -> bool:  # noqa: ARG002 (here a session has no end)
        self._all[name] = data
        return True

    def delete(self, name: str) -> str | None:
        self._all.pop(name, None)
        return fresh()


class Memcached:
    """The same; without a cache there is no session."""

    cookie = "rack.session"

    def __init__(self, host: str, port: int, namespace: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._namespace = namespace
        self._clients: LifoQueue[Client] = LifoQueue()
        for _ in range(CONNECTIONS):
            self._clients.put(Client(host, port, clock))

    @contextmanager
    def _client(self) -> Iterator[Client]:
        client = self._clients.get()
        try:
            yield client
        finally:
            self._clients.put(client)

    def _key(self, name: str) -> str:
        return f"{self._namespace}:{name}"

    def find(self, wanted: str | None) -> tuple[str | None, Data]:
        try:
            with self._client() as client:
                if wanted and _ID.fullmatch(wanted):
                    stored = client.get(self._key(wanted))
                    if stored is not None:
                        return wanted, json.loads(stored)
                name = fresh()
                client.store("add", self._key(name), b"{}", 0)
                return name, {}
        except Down:
            return None, {}

    def write(self, name: str, data: Data, seconds: int) -> bool:
        try:
            with self._client() as client:
                return client.store("set", self._key(name), json.dumps(data).encode(), seconds)
        except Down:
            return False

    def delete(self, name: str) -> str | None:
        try:
            with self._client() as client:
                client.delete(self._key(name))
        except Down:
            return None
        return fresh()


Store = Memory | Memcached


class Session:
    """One request's view. It is fetched when first read (if there is a cookie) or written, and then written back."""

    def __init__(self, store: Store, cookie: str | None) -> None:
        self._store, self._cookie = store, cookie
        self._name: str | None = None
        self._data: Data = {}
        self._loaded = False

    def _load(self) -> None:
        if not self._loaded:
            self._name, self._data = self._store.find(self._cookie)
            self._loaded = True

    def get(self, key: str) -> str | None:
        if self._cookie:
            self._load()
        return self._data.get(key)

    def update(self, data: Data) -> None:
        self._load()
        self._data |= data

    def destroy(self) -> None:
        self._data = {}
        if self._name is not None:
            self._name = self._store.delete(self._name)

    def commit(self, seconds: int | None, *, deferred: bool, secure: bool) -> str | None:
        """Write it back; the answer is the cookie to set, if it is a new one or has a new end."""
        if not self._loaded or self._name is None:
            return None
        if not self._store.write(self._name, self._data, 0 if seconds is None else seconds + 1):
            return None
        if deferred or (seconds is None and self._name == self._cookie):
            return None
        parts = [f"{self._store.cookie}={self._name}", "path=/"]
        if seconds is not None:
            parts.append(f"expires={formatdate(time.time() + seconds, usegmt=True)}")
        return "; ".join([*parts, *(["secure"] if secure else []), "HttpOnly"])
