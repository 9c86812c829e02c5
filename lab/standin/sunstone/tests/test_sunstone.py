"""Sunstone's double: login, page, pools, logout; where sessions are, whose they are, when they end."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.standin.sunstone.sunstone import sunstone
from lab.standin.sunstone.web import Log

from .services import RIGHT, Browser, Cache, Oned, listening, wait_until

WRONG = "oneadmin:wrong"
NAMESPACE = "opennebula.sunstone"
MONTH = 30 * 24 * 3600


def conf(oned: Oned, **more: str) -> dict[str, str]:
    return {"one_xmlrpc": oned.endpoint, "sessions": "memory", **more}


def in_memcached(oned: Oned, cache: Cache) -> dict[str, str]:
    port = str(cache.port)
    return conf(oned, sessions="memcache", memcache_host="127.0.0.1", memcache_port=port, memcache_namespace=NAMESPACE)


@pytest.fixture
def web(oned: Oned, log: Log) -> Iterator[Browser]:
    """Sessions in memory."""
    with listening(sunstone(conf(oned), log), log) as browser:
        yield browser


@pytest.fixture
def cached(oned: Oned, cache: Cache, log: Log) -> Iterator[Browser]:
    """Sessions in memcached."""
    with listening(sunstone(in_memcached(oned, cache), log), log) as browser:
        yield browser


def test_a_stranger_gets_the_login_page_and_a_user_the_one_behind_it(web: Browser) -> None:
    for path in ("/", "/login"):
        assert 'id="login_form"' in web.ask("GET", path).body
    cookie = web.login()
    page = web.ask("GET", "/", cookie)
    assert re.fullmatch("[0-9a-f]{64}", page.token)
    assert '<span id="user">oneadmin</span>' in page.body
    assert 'id="logout"' in page.body
    assert web.ask("GET", "/login", cookie).headers["Location"].endswith("/")


@pytest.mark.parametrize("user", [WRONG, "nobody:x", ""])
def test_a_wrong_login_is_refused_without_words_and_without_a_session(web: Browser, user: str) -> None:
    reply = web.ask("POST", "/login", user=user)
    assert (reply.status, reply.body, reply.cookie) == (401, "", "")


def test_a_login_needs_a_leader_and_a_session_does_not(web: Browser, oned: Oned) -> None:
    cookie = web.login()
    token = web.token(cookie)
    oned.leader = False
    reply = web.ask("POST", "/login", user=RIGHT)
    assert (reply.status, reply.cookie) == (500, "")
    assert web.token(cookie) == token


def test_the_first_page_after_a_start_needs_a_leader(cached: Browser, cache: Cache, oned: Oned, log: Log) -> None:
    cookie = cached.login()
    oned.leader = False
    with listening(sunstone(in_memcached(oned, cache), log), log) as other:
        page = other.ask("GET", "/", cookie)
        assert (page.status, page.body) == (500, "")
        oned.leader = True
        assert other.ask("GET", "/", cookie).status == 200


def test_a_pool_wants_the_token_and_pool_filter(web: Browser) -> None:
    cookie = web.login()
    token = web.token(cookie)
    for path in ("/host", "/host?pool_filter=-2", f"/host?pool_filter=-2&csrftoken={'0' * 64}", "/nothing"):
        reply = web.ask("GET", path, cookie)
        assert (reply.status, reply.body) == (401, "csrftoken"), path
    assert web.ask("GET", f"/host?pool_filter=-2&csrftoken={token}").status == 401
    broken = web.ask("GET", f"/host?csrftoken={token}", cookie)
    assert (broken.status, len(broken.body)) == (500, 30)
    assert web.ask("GET", f"/host?pool_filter=-2&csrftoken={token}", cookie).body == '{"HOST_POOL":{}}'
    assert web.ask("GET", f"/vm?pool_filter=-2&csrftoken={token}", cookie).body == '{"VM_POOL":{"VM":null}}'
    missing = web.ask("GET", f"/nothing?pool_filter=-2&csrftoken={token}", cookie)
    assert missing.status == 404
    assert missing.body == '{\n  "error": {\n    "message": "Error: nothing resource not supported"\n  }\n}'


def test_an_object_is_shown_indented(web: Browser) -> None:
    cookie = web.login()
    body = web.ask("GET", f"/user/0?csrftoken={web.token(cookie)}", cookie).body
    assert body == '{\n  "USER": {\n    "ID": "0",\n    "NAME": "oneadmin",\n    "TEMPLATE": {\n    }\n  }\n}'


def test_without_oned_a_page_and_a_call_say_so(web: Browser, oned: Oned) -> None:
    cookie = web.login()
    token = web.token(cookie)
    oned.stop()
    assert web.ask("GET", f"/host?pool_filter=-2&csrftoken={token}", cookie).status == 500
    assert web.ask("POST", "/login", user=RIGHT).status == 500
    page = web.ask("GET", "/", cookie)
    assert (page.status, page.body) == (500, "OpenNebula is unreachable")
    assert web.ask("GET", "/").status == 200


def test_a_logout_wants_the_token_and_ends_the_session(cached: Browser, cache: Cache) -> None:
    cookie = cached.login()
    token = cached.token(cookie)
    assert cached.ask("POST", "/logout", cookie).status == 401
    reply = cached.ask("POST", "/logout", cookie, body=json.dumps({"csrftoken": token}))
    assert reply.status == 204
    after = reply.cookie.partition(";")[0]
    assert after != cookie
    assert 'id="login_form"' in cached.ask("GET", "/", cookie).body
    assert not {f"{NAMESPACE}:{cookie.partition('=')[2]}"} & set(cache.keys())


def test_a_session_is_in_memcached_under_the_namespace_and_the_cookie(cached: Browser, cache: Cache) -> None:
    cookie = cached.login()
    name, _, value = cookie.partition("=")
    assert name == "rack.session"
    assert cache.keys() == {f"{NAMESPACE}:{value}": -1}


def test_any_web_machine_knows_a_session_in_memcached(cached: Browser, cache: Cache, oned: Oned, log: Log) -> None:
    cookie = cached.login()
    with listening(sunstone(in_memcached(oned, cache), log), log) as other:
        assert other.token(cookie) == cached.token(cookie) != ""


def test_no_other_machine_knows_a_session_in_memory(web: Browser, oned: Oned, log: Log) -> None:
    cookie = web.login()
    assert cookie.startswith("sunstone=")
    with listening(sunstone(conf(oned), log), log) as other:
        reply = other.ask("GET", "/", cookie)
        assert reply.token == ""
        assert reply.cookie.startswith("sunstone=")
        assert reply.cookie.partition(";")[0] != cookie


def test_a_session_ends_after_its_last_call_and_never_after_a_page(cached: Browser, cache: Cache) -> None:
    cookie = cached.login()
    token, key = cached.token(cookie), f"{NAMESPACE}:{cookie.partition('=')[2]}"
    call = cached.ask("GET", f"/host?pool_filter=-2&csrftoken={token}", cookie)
    assert "expires=" in call.cookie
    assert 3590 < cache.keys()[key] - time.time() < 3605
    assert cached.ask("GET", f"/host?pool_filter=-2&timeout=true&csrftoken={token}", cookie).cookie == ""
    assert cached.ask("GET", "/host?timeout=true", f"rack.session={'f' * 64}").cookie == ""
    assert cached.ask("GET", "/", cookie).cookie == ""
    assert cache.keys()[key] == -1


@pytest.mark.parametrize(("path", "body"), [("/login?remember=true", None), ("/login", "remember=true")])
def test_a_remembered_session_ends_after_a_month(cached: Browser, cache: Cache, path: str, body: str | None) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"} if body else None
    reply = cached.ask("POST", path, user=RIGHT, body=body, headers=form)
    assert "expires=" in reply.cookie
    assert MONTH - 10 < next(iter(cache.keys().values())) - time.time() < MONTH + 5


def test_a_strange_cookie_is_never_a_key(cached: Browser, cache: Cache) -> None:
    strange = "x".center(300, "y") + "%0d%0aflush_all"
    reply = cached.ask("GET", "/", f"rack.session={strange}")
    assert (reply.status, reply.token) == (200, "")
    assert list(cache.keys()) == [f"{NAMESPACE}:{reply.cookie.partition('=')[2].partition(';')[0]}"]


CLIENT, OTHER = "203.0.113.5", "203.0.113.6"


@pytest.mark.parametrize(
    ("hops", "same"),
    [
        (CLIENT, True),
        (f"{CLIENT}, 10.213.77.21", True),
        (f"203.0.113.9, {CLIENT}", True),
        (OTHER, False),
        (f"{CLIENT}, {OTHER}", False),
        ("", False),
    ],
)
def test_a_session_is_the_client_s_whom_the_proxy_names(web: Browser, hops: str, same: bool) -> None:
    first = {"X-Forwarded-For": CLIENT}
    cookie = web.login(**first)
    token = web.token(cookie, **first)
    reply = web.ask(
        "GET",
        f"/host?pool_filter=-2&csrftoken={token}",
        cookie,
        headers={"X-Forwarded-For": hops} if hops else {},
    )
    assert reply.status == (200 if same else 401)


def test_behind_private_addresses_only_the_first_hop_is_the_client(web: Browser) -> None:
    headers = {"X-Forwarded-For": "10.213.91.1, 10.213.91.31"}
    cookie = web.login(**headers)
    assert web.token(cookie, **{"X-Forwarded-For": "10.213.91.1"})
    assert not web.token(cookie, **{"X-Forwarded-For": "10.213.91.31"})


def test_behind_tls_the_cookie_is_for_tls_only(web: Browser) -> None:
    secure = web.ask("POST", "/login", user=RIGHT, headers={"X-Forwarded-Proto": "https"}).cookie
    assert secure.endswith("; path=/; secure; HttpOnly")
    assert "secure" not in web.ask("POST", "/login", user=RIGHT).cookie


def test_the_log_has_the_recorded_shape(web: Browser, location: Path) -> None:
    web.ask("GET", "/version", headers={"X-Forwarded-For": CLIENT})
    web.ask("POST", "/login", user=WRONG)
    path = location / "var/sunstone.log"
    wait_until("both requests are logged", lambda: '"POST' in path.read_text())
    lines = path.read_text().splitlines()
    stamp = r"\w{3} \w{3} [\d ]\d \d\d:\d\d:\d\d \d{4}"
    assert re.fullmatch(rf'{stamp} \[I\]: {CLIENT} - - \[[^]]+\] "GET /version HTTP/1\.1" 200 20 \d\.\d{{4}}', lines[0])
    assert re.fullmatch(rf"{stamp} \[E\]: User oneadmin could not be authenticated", lines[1])
    assert lines[-1].rsplit(" ", 3)[1:3] == ["401", "-"]
