"""The client gives up and comes back as recorded, and Sunstone without its cache never fails."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from lab.standin.sunstone import memcached
from lab.standin.sunstone.memcached import Client, Down
from lab.standin.sunstone.sessions import Memcached
from lab.standin.sunstone.sunstone import Sunstone
from lab.standin.sunstone.web import Log
from lab.standin.sunstone.web import Oned as Caller

from .services import Browser, Cache, Oned, listening


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(cache: Cache, clock: Clock) -> Client:
    return Client("127.0.0.1", cache.port, clock)


@pytest.fixture
def web(oned: Oned, cache: Cache, clock: Clock, log: Log) -> Iterator[Browser]:
    sessions = Memcached("127.0.0.1", cache.port, "ns", clock)
    with listening(Sunstone(Caller({"one_xmlrpc": oned.endpoint}), sessions, log), log) as browser:
        yield browser


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Grows with every attempt to connect: a busy machine makes all of them slow, but no more of them."""
    attempts: list[object] = []
    connect = socket.create_connection

    def counted(address: tuple[str, int], seconds: float) -> socket.socket:
        if seconds == memcached.SECONDS:  # the client's, not the test's own
            attempts.append(address)
        return connect(address, seconds)

    monkeypatch.setattr(socket, "create_connection", counted)
    return attempts


def seconds_to_fail(client: Client) -> float:
    began = time.monotonic()
    with pytest.raises(Down):
        client.get("key")
    return time.monotonic() - began


def test_values_are_kept_added_once_and_deleted(client: Client) -> None:
    assert client.get("key") is None
    assert client.store("add", "key", b"one\r\nEND\r\n", 0)
    assert not client.store("add", "key", b"two", 0)
    assert client.get("key") == b"one\r\nEND\r\n"
    assert client.store("set", "key", b"two", 60)
    assert client.get("key") == b"two"
    client.delete("key")
    assert client.get("key") is None


def test_a_restarted_cache_is_reached_again_at_once(client: Client, cache: Cache) -> None:
    for _ in range(2):  # one lost connection does not count towards the next
        assert client.store("set", "key", b"one", 0)
        cache.stop()
        cache.start()
        assert client.get("key") is None


def test_a_dead_cache_is_asked_twice_and_then_left_alone_for_thirty_seconds(
    client: Client, cache: Cache, clock: Clock, connected: list[object]
) -> None:
    client.get("key")
    cache.stop()
    connected.clear()
    assert seconds_to_fail(client) >= memcached.PAUSE
    assert len(connected) == 1
    cache.start()
    clock.now += 29.9
    seconds_to_fail(client)
    assert len(connected) == 1
    clock.now += 0.2
    assert client.get("key") is None


def test_a_frozen_cache_costs_two_seconds_then_nothing_then_one(
    client: Client, cache: Cache, clock: Clock, connected: list[object]
) -> None:
    client.get("key")
    cache.freeze()
    connected.clear()
    assert seconds_to_fail(client) > 2.0
    assert len(connected) == 1
    seconds_to_fail(client)
    assert len(connected) == 1
    clock.now += 30.1
    assert seconds_to_fail(client) >= 1.0
    assert len(connected) == 2
    cache.thaw()
    seconds_to_fail(client)
    assert len(connected) == 2
    clock.now += 30.1
    assert client.get("key") is None


def test_what_is_no_memcached_is_a_cache_that_is_down() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = Client("127.0.0.1", listener.getsockname()[1])
        assert seconds_to_fail(client) > 0.9


def test_without_its_cache_sunstone_shows_the_login_page_and_nothing_fails(web: Browser, cache: Cache) -> None:
    cookie = web.login()
    token = web.token(cookie)
    cache.stop()
    page = web.ask("GET", "/", cookie)
    assert (page.status, page.token, page.cookie) == (200, "", "")
    call = web.ask("GET", f"/host?pool_filter=-2&csrftoken={token}", cookie)
    assert (call.status, call.body, call.cookie) == (401, "csrftoken", "")
    login = web.ask("POST", "/login", user="oneadmin:throwaway-oneadmin")
    assert (login.status, login.cookie) == (204, "")
    assert web.ask("POST", "/login", user="oneadmin:wrong").status == 401
    assert web.ask("GET", "/version").status == 200


def test_a_login_holds_again_thirty_seconds_after_a_request_without_a_cache(
    web: Browser, cache: Cache, clock: Clock
) -> None:
    web.login()
    cache.stop()
    web.login()
    cache.start()
    clock.now += 29
    assert web.login() == ""
    clock.now += 2
    assert web.token(web.login())


def test_a_session_outlives_a_frozen_cache(web: Browser, cache: Cache, clock: Clock) -> None:
    cookie = web.login()
    token = web.token(cookie)
    cache.freeze()
    frozen = web.ask("GET", "/", cookie)
    assert (frozen.status, frozen.token) == (200, "")
    assert frozen.seconds > 2.0
    cache.thaw()
    clock.now += 30.1
    assert web.token(cookie) == token
