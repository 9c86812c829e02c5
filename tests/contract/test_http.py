"""That the comparison of web exchanges can fail: every kind of change to an answer is found."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from email.utils import formatdate

import pytest

from tests.contract.http_exchanges import BODIES, LISTED, Exchange, Names, Reply, compare, described, load, reason
from tests.contract.http_situations import Web, compare_keys, report

EXCHANGES = load()
COMPARED = {name: exchange for name, exchange in EXCHANGES.items() if reason(name) is None}
NOW = 1_800_000_000.0
IDS = {
    f"{kind}-{n}": f"{n}{kind[0].lower().replace('s', 'a')}" * 32
    for kind in ("SESSIONID", "CSRFTOKEN")
    for n in range(1, 9)
}
# Of these the recording holds a part, or what is not compared.
FORMS = {
    "memory: host at fe1": '{"HOST_POOL":{}}',
    "memcache: api-datastore-csrf-timeout": '{"DATASTORE_POOL":{"DATASTORE":[{"ID":"2","UID":"0","NAME":"system"}]}}',
    "memcache: api-zone-0": '{\n  "ZONE": {\n    "ID": "0",\n    "NAME": "OpenNebula",\n    "STATE": "0",\n'
    '    "TEMPLATE": {\n    }\n  }\n}',
}


def answer(name: str) -> Reply:
    """The recorded answer as this run would get it."""
    want = COMPARED[name].answer
    assert want is not None
    live = Names(dict(IDS))
    headers = {key: live.live(value) for key, value in want.headers.items()}
    return replace(want, headers=headers, token=live.live(want.token), body=FORMS.get(name, want.body))


def differences(name: str, have: Reply, proxied: bool = False) -> list[str]:
    return compare(COMPARED[name], have, Names(dict(IDS)), proxied)


@pytest.mark.parametrize("name", sorted(COMPARED))
def test_a_recording_equals_itself_and_no_other_status(name: str) -> None:
    have = answer(name)
    assert differences(name, have) == []
    assert differences(name, replace(have, status=have.status + 1))


@pytest.mark.parametrize("name", sorted(COMPARED))
def test_every_header_counts(name: str) -> None:
    have = answer(name)
    for key in have.headers:
        assert differences(name, replace(have, headers={k: v for k, v in have.headers.items() if k != key})), key
        assert differences(name, replace(have, headers={**have.headers, key: have.headers[key] + "x"})), key
    assert differences(name, replace(have, headers={**have.headers, "location": "/"}))
    for key in {"set-cookie", "vary"} - have.headers.keys():
        assert differences(name, replace(have, headers={**have.headers, key: "a=b"})), key


@pytest.mark.parametrize("name", sorted(COMPARED))
def test_another_page_body_or_length_differs(name: str) -> None:
    have = answer(name)
    assert differences(name, replace(have, page="other" if have.page else "login"))
    if not have.page:
        changed = replace(have, body="x" + have.body, length=None if have.length is None else have.length + 1)
        assert differences(name, changed)


def cookie(name: str, old: str, new: str) -> list[str]:
    have = answer(name)
    text = have.headers["set-cookie"]
    assert old in text
    return differences(name, replace(have, headers={**have.headers, "set-cookie": text.replace(old, new)}))


def test_a_cookie_is_its_name_its_session_its_end_and_its_flags() -> None:
    assert cookie("memcache: api-host-csrf", "rack.session", "sunstone")
    assert cookie("memcache: api-host-csrf", IDS["SESSIONID-1"], "b" * 64)
    assert cookie("memcache: api-host-csrf", IDS["SESSIONID-1"], "b")
    assert cookie("memcache: api-host-csrf", "HOUR", "MONTH")
    assert cookie("memcache: api-host-csrf", "; HttpOnly", "")
    assert cookie("memcache: login-ok-remember", "; expires=MONTH", "")


def test_a_name_stands_for_one_value_and_a_value_for_one_name() -> None:
    names = Names()
    assert names.bind("SESSIONID-1", "a")
    assert names.bind("SESSIONID-1", "a")
    assert not names.bind("SESSIONID-1", "b")
    assert not names.bind("SESSIONID-2", "a")
    assert names.live("x=SESSIONID-1; SESSIONID-3") == f"x=a; {'f' * 64}"


def test_a_page_with_another_token_differs() -> None:
    have = answer("memcache: other-fe-root")
    assert have.token
    assert differences("memcache: other-fe-root", replace(have, token="c" * 64))
    assert differences("memcache: other-fe-root", replace(have, token=""))


def test_a_request_waits_for_the_cache_when_the_recorded_one_did() -> None:
    waited = "unreachable: memcached machine unreachable, GET / with cookie, try 0, +0.0s"
    did_not = "unreachable: memcached machine unreachable, GET / with cookie, try 1, +2.1s"
    assert differences(waited, replace(answer(waited), seconds=0.1))
    assert differences(waited, replace(answer(waited), seconds=9.0))
    assert differences(did_not, replace(answer(did_not), seconds=2.1))


def test_behind_a_balancer_the_connection_is_its_own() -> None:
    have = answer("forwarded: host via lb1 with forwardfor")
    assert differences(
        "forwarded: host via lb1 with forwardfor", replace(have, headers={**have.headers, "connection": "x"})
    )
    other = replace(have, headers={**have.headers, "connection": "x"})
    assert differences("forwarded: host via lb1 with forwardfor", other, proxied=True) == []


@pytest.mark.parametrize(("seconds", "word"), [(3600, "HOUR"), (30 * 24 * 3600 - 1, "MONTH"), (1800, "1800 s")])
def test_an_answer_is_described_in_the_recorded_words(seconds: int, word: str) -> None:
    expires = formatdate(NOW + seconds, usegmt=True)
    headers = {"set-cookie": f"sunstone=x; path=/; expires={expires}; HttpOnly", "date": "now", "server": "thin"}
    found = described(Reply(200, headers, "short"), NOW)
    assert found.headers == {"set-cookie": f"sunstone=x; path=/; expires={word}; HttpOnly"}
    assert (found.page, found.body, found.length) == ("", "short", 5)


@pytest.mark.parametrize(
    ("body", "page", "token"),
    [
        ('<html><form id="login_form"></form></html>', "login", ""),
        (f"<html><script>var csrftoken = '{'a' * 64}';</script></html>", "index", "a" * 64),
        ("<html>csrftoken = ''</html>", "other", ""),
    ],
)
def test_a_page_is_known_by_what_it_is_for(body: str, page: str, token: str) -> None:
    found = described(Reply(200, {}, body), NOW)
    assert (found.page, found.token, found.body) == (page, token, "")


def test_keys_differ_by_number_and_end() -> None:
    assert compare_keys([-1, 3600], [3555, -1]) == []
    assert compare_keys([-1, 3600], [-1])
    assert compare_keys([-1, 3600], [-1, 2591999])
    assert compare_keys([-1, 3600], [-1, -1])


def test_a_recording_that_is_neither_compared_nor_listed_is_red() -> None:
    said: list[str] = []

    def web(differences: Mapping[str, list[str]]) -> Web:
        return Web((), (), said.append, EXCHANGES, differences=dict(differences))

    everything: dict[str, list[str]] = {name: [] for name in COMPARED}
    assert report(web(everything))
    lost = next(iter(COMPARED))
    assert not report(web({name: [] for name in COMPARED if name != lost}))
    assert f"NEITHER compared nor listed: {lost}" in said
    assert not report(web({**everything, "keys: x": ["other"]}))


def test_every_reason_and_form_is_of_use() -> None:
    for names, why in LISTED:
        assert why
        assert any(re.fullmatch(names, name) for name in EXCHANGES), names
    assert set(BODIES) <= set(COMPARED)
    assert all(exchange.answer is not None for exchange in COMPARED.values())
    assert isinstance(EXCHANGES["gate.root.leader-ob2"], Exchange)
