# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.nebula.ha.plugins.module_utils.service_conf import (
    ServiceConfError,
    changes,
    edit,
    parse,
    spell,
)

yaml = pytest.importorskip("yaml")

TEXT = """\
# Where it listens
:host: 0.0.0.0   # all of them
:port: 9869
:sessions: memory
:env: 'prod'
:empty:
:commented: # nothing yet
:support_fs:
  - ext4
:flat:
- one
:log:
  :level: 3
  # :port: 1 is no entry
  :port: 514
:paginate: "[[6, 12],
  [6, 12]]"
#:memcache_host: localhost
:endpoint: "http://localhost:2616"
"""


def loaded(text: str) -> dict[str, Any]:
    """The file as YAML reads it: symbols are strings with a colon."""
    values: dict[str, Any] = yaml.safe_load(text)
    return {name.strip(":"): value for name, value in values.items()}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("host", "10.0.0.1"),
        ("port", 80),
        ("sessions", "memcache"),
        ("sessions", "no"),
        ("env", "it's"),
        ("empty", "x"),
        ("commented", "x"),
        ("endpoint", ""),
        ("one_xmlrpc", "http://127.0.0.1:12633/RPC2"),
        ("new", True),
        ("new", "12"),
        ("new", "12:30"),
        ("new", "a: b # c"),
        ("new", "~"),
    ],
)
def test_one_value_changes_and_nothing_else(name: str, value: Any) -> None:
    after = edit(TEXT, {name: value})
    assert loaded(after) == {**loaded(TEXT), name: value}
    assert type(loaded(after)[name]) is type(value)
    assert edit(after, {name: value}) == after
    untouched = [line for line in TEXT.splitlines() if not line.startswith(f":{name}:")]
    assert [line for line in after.splitlines() if not line.startswith(f":{name}:")] == untouched
    assert len(changes(TEXT, after)) == 1


def test_comments_behind_a_value_stay() -> None:
    after = edit(TEXT, {"host": "10.0.0.1", "commented": 1})
    assert ":host: '10.0.0.1'   # all of them\n" in after
    assert ":commented: 1 # nothing yet\n" in after


@pytest.mark.parametrize(
    ("name", "value"), [("port", 9869), ("sessions", "memory"), ("env", "prod"), ("endpoint", "http://localhost:2616")]
)
def test_what_is_said_already_stays_as_it_is_spelled(name: str, value: Any) -> None:
    assert edit(TEXT, {name: value}) == TEXT


def test_a_number_in_quotes_is_a_text_to_ruby() -> None:
    assert edit(":port: '9869'\n", {"port": 9869}) == ":port: 9869\n"


@pytest.mark.parametrize("name", ["support_fs", "flat", "log", "paginate"])
def test_what_is_no_single_value_is_refused(name: str) -> None:
    with pytest.raises(ServiceConfError, match=rf"^{name}: line \d+ holds more than a single value"):
        edit(TEXT, {name: "x"})


@pytest.mark.parametrize(
    ("text", "settings", "said"),
    [
        (":a: 1\n:a: 2\n", {"a": 3}, r"a: it occurs 2 times \(lines 1, 2\)"),
        (":a: 1\nb = 2\n", {"a": 3}, "line 2: ':name: value' was expected"),
        ("", {":a:": 3}, "':a:' is no name"),
        ("", {"a": ["x"]}, "a: a list cannot be set"),
        ("", {"a": None}, "a: a NoneType cannot be set"),
        ("", {"a": "x\ny"}, "a: a value cannot hold a line break"),
    ],
)
def test_refusals_name_the_setting(text: str, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ServiceConfError, match=said):
        edit(text, settings)


def test_line_ends_and_a_missing_last_one_are_kept() -> None:
    assert edit(":a: 1\r\n:b: 2", {"a": 5, "c": "x"}) == ":a: 5\r\n:b: 2\n:c: x\n"


def test_changes_say_what_was_and_what_is() -> None:
    after = edit(TEXT, {"sessions": "memcache", "empty": "x", "new": 1})
    assert changes(TEXT, after) == ["sessions: memory -> memcache", "empty: nothing -> x", "new: added 1"]


def test_parse_knows_only_the_left_margin() -> None:
    assert [entry.name for entry in parse(TEXT)].count("port") == 1


@pytest.mark.parametrize("value", ["true", "Off", "null", "0x1f", "1.5", "-", "[", "{}", "!x", "&x", "a:", " a", "é"])
def test_whatever_is_spelled_reads_back_as_a_text(value: str) -> None:
    assert yaml.safe_load(spell(value)) == value
