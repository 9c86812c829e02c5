"""One setting changed in the inventory changes exactly that."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest
from testinfra.host import Host

from tests.drift.machine import started_after_write
from tests.drift.play import Run, only
from tests.zone import ask

CONF = "/etc/one/oned.conf"


@pytest.fixture(scope="module")
def before(frontends: Mapping[str, Host]) -> dict[str, str]:
    """Each oned.conf as it was."""
    return {name: host.file(CONF).content_string for name, host in frontends.items()}


@pytest.fixture(scope="module")
def changed(before: object, site: Callable[..., Run]) -> Run:
    """A run with another log retention."""
    return site("--diff", "--extra-vars", json.dumps({"one_log_retention": 123456}))


def test_one_value_of_one_file_changes(changed: Run, before: Mapping[str, str], frontends: Mapping[str, Host]) -> None:
    """In the file itself, on every front-end, byte for byte."""
    changed.must_succeed()
    for name, host in frontends.items():
        assert before[name].count("250000") == 1
        assert host.file(CONF).content_string == before[name].replace("250000", "123456")


def test_only_the_file_and_its_reader_change(changed: Run, frontends: Mapping[str, Host]) -> None:
    """Besides oned.conf nothing but oned's restarts, which a run books under the host that steers them."""
    edits = [only(changed.of(name), CONF) for name in frontends]
    rest = [change for change in changed.changes if change not in edits]
    assert rest
    assert all("systemd" in change.action for change in rest), rest


def test_oned_runs_with_it(
    changed: Run, frontends: Mapping[str, Host], endpoints: Mapping[str, str], session: str
) -> None:
    """Every server started since, the leader says the value itself, and the zone is whole."""
    assert ask.wait_until_whole(list(endpoints.values()), session, 60) == []
    assert all(started_after_write(host, "opennebula", CONF) for host in frontends.values())
    assert "123456" in str(ask.ask(endpoints["fe1"], session, "one.system.config"))
