"""A zone that drifted is reported as it is and mended, and one that did not is left alone."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from testinfra.host import Host

from tests.drift.argv import Watch
from tests.drift.machine import differences, fingerprint
from tests.drift.play import Run, only, run
from tests.zone import ask, database

# One damage per machine, so that whatever a run says of a machine is about that damage.
EDITED, STOPPED, DROPPED = "fe1", "fe2", "fe3"
FLUSHED = "cache1"
RULES = "nft list table inet nebula_ha_firewall"
CONF = "/etc/one/oned.conf"
GRANTS = "SELECT COUNT(*) FROM mysql.db WHERE Db = 'opennebula' AND User = 'oneadmin'"


@dataclasses.dataclass
class Mended:
    """What the runs said and did about the damages."""

    predicted: Run
    still_damaged: tuple[bool, ...]
    touched: Mapping[str, object]
    made: Run
    argv: Watch


def damages(machines: Mapping[str, Host]) -> tuple[bool, ...]:
    """Say which damage is there: the edited file, the stopped unit, the dropped grant, the flushed rules."""
    return (
        bool(re.search(r"XMLRPC_TIMEOUT_MS\s*=\s*777\b", machines[EDITED].file(CONF).content_string)),
        machines[STOPPED].check_output("systemctl show --property ActiveState --value opennebula") == "inactive",
        database.query(machines[DROPPED], GRANTS) == [["0"]],
        machines[FLUSHED].run(RULES).rc != 0,
    )


@pytest.fixture(scope="module")
def mended(machines: Mapping[str, Host], frontends: Mapping[str, Host], inventory: Path, session: str) -> Mended:
    """Damage all four machines, look, and mend."""
    frontends[EDITED].check_output(r"sed -i -E 's/(XMLRPC_TIMEOUT_MS\s*=\s*)[0-9]+/\1777/' %s", CONF)
    frontends[STOPPED].check_output("systemctl stop opennebula")
    host = frontends[DROPPED]
    host.check_output("mariadb --execute %s", "REVOKE ALL PRIVILEGES ON opennebula.* FROM oneadmin@localhost")
    machines[FLUSHED].check_output("nft flush ruleset")
    assert damages(machines) == (True, True, True, True)
    password = re.findall(r'^[^#\n]*PASSWD\s*=\s*"([^"]+)"', host.file(CONF).content_string, re.MULTILINE)[0]
    before = {name: fingerprint(host) for name, host in frontends.items()}
    predicted = run("playbooks/site.yml", inventory, "--check", "--diff")
    touched = {name: differences(before[name], fingerprint(host)) for name, host in frontends.items()}
    still_damaged = damages(machines)
    with Watch([session.partition(":")[2], password]) as watch:
        made = run("playbooks/site.yml", inventory, "--diff")
    return Mended(predicted, still_damaged, touched, made, watch)


def test_looking_mends_nothing(mended: Mended) -> None:
    """Files, modes, packages and processes are what they were; the verdict is that the zone lacks a server."""
    assert len(mended.predicted.failures) == 1, mended.predicted.failures
    assert "degraded" in mended.predicted.failures[0]
    assert STOPPED in mended.predicted.failures[0]
    assert mended.still_damaged == (True, True, True, True)
    assert not any(mended.touched.values()), mended.touched


def test_the_edit_is_shown_as_the_diff_that_is_then_made(mended: Mended) -> None:
    """The same diff of the same file, before and while it is made, and it says both values."""
    predicted = only(mended.predicted.of(EDITED), CONF)
    made = only(mended.made.of(EDITED), CONF)
    assert predicted.diffs == made.diffs
    assert "777" in made.diffs[0]


def test_the_stopped_unit_is_reported(mended: Mended) -> None:
    """By the look and by the run."""
    for told in (mended.predicted, mended.made):
        assert any("systemd" in change.action or "service" in change.action for change in told.of(STOPPED))


def test_the_dropped_grant_is_reported(mended: Mended) -> None:
    """By the look and by the run."""
    for told in (mended.predicted, mended.made):
        only(told.of(DROPPED), "mariadb_user")


def test_the_flushed_rules_are_reported(mended: Mended) -> None:
    """By the look and by the run: what counts is what the kernel has, for the file is as it was."""
    for told in (mended.predicted, mended.made):
        assert ["systemd" in change.action for change in told.of(FLUSHED)] == [True], told.of(FLUSHED)


def test_the_run_mends_all_and_nothing_else(mended: Mended, machines: Mapping[str, Host]) -> None:
    """No damage is left, and each machine changed in its own damage and what follows from it."""
    mended.made.must_succeed()
    assert damages(machines) == (False, False, False, False)
    assert [change.host for change in mended.made.changes if any(CONF in diff for diff in change.diffs)] == [EDITED]
    assert [change.host for change in mended.made.changes if "mariadb_user" in change.action] == [DROPPED]


def test_no_password_was_on_a_command_line_meanwhile(mended: Mended) -> None:
    """Neither here nor on the machines: their processes are seen from here, dozens of times during the run."""
    assert mended.argv.looks > 20
    assert mended.argv.seen == set()


def test_the_zone_is_whole_again(mended: Mended, endpoints: Mapping[str, str], session: str) -> None:
    """All three, in step."""
    assert ask.wait_until_whole(list(endpoints.values()), session, 60) == []


def test_a_second_run_changes_nothing(
    mended: Mended, frontends: Mapping[str, Host], endpoints: Mapping[str, str], session: str, inventory: Path
) -> None:
    """Changed is 0 on every machine, and files, modes, packages, processes and the zone's log are what they were."""
    assert ask.wait_until_whole(list(endpoints.values()), session, 60) == []
    machines = {name: fingerprint(host) for name, host in frontends.items()}
    servers = ask.servers(list(endpoints.values()), session)
    again = run("playbooks/site.yml", inventory).must_succeed()
    assert not any(again.changed.values()), again.changes
    for name, host in frontends.items():
        assert differences(machines[name], fingerprint(host)) == {}
    assert ask.servers(list(endpoints.values()), session) == servers
