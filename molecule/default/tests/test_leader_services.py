"""OneFlow, OneGate, hooks and showback run once: where the leader is, whatever happens on the other machines."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import pytest
from testinfra.host import Host

from tests.zone import ask
from tests.zone.raft import leader

UNITS = ("opennebula-flow.service", "opennebula-gate.service", "opennebula-hem.service", "opennebula-showback.timer")
ENDED = {"inactive", "failed"}
LEADS = "/run/nebula-health-agent/leads"
FOLLOW_WITHIN = 15.0  # seconds after an election
# A server that stops has its own bound, and one of these units that hangs may hold up oned no longer than its own.
STOP_WITHIN = 7.0
DEAF = "/run/systemd/system/opennebula-flow.service.d"
# Every look of the program that starts and stops them has been made after this.
TWO_LOOKS = 25.0

# How a machine's units are: those that run.
Places = Mapping[str, frozenset[str]]


@pytest.fixture
def where(frontends: Mapping[str, Host]) -> Callable[[], dict[str, frozenset[str]]]:
    """Give the units that run, by machine; one that is starting or stopping counts."""

    def look() -> dict[str, frozenset[str]]:
        command = "systemctl show --property ActiveState --value " + " ".join(UNITS)
        found = {name: host.check_output(command).split() for name, host in frontends.items()}
        return {
            name: frozenset(unit for unit, state in zip(UNITS, states, strict=True) if state not in ENDED)
            for name, states in found.items()
        }

    return look


@pytest.fixture
def leading(endpoints: Mapping[str, str], session: str) -> Callable[[], str | None]:
    """Name the leader, in the servers' own words."""

    def name() -> str | None:
        found = leader(ask.servers(list(endpoints.values()), session))
        return next((name for name, endpoint in endpoints.items() if endpoint == found), None)

    return name


def on(frontends: Mapping[str, Host], leader_is: str) -> dict[str, frozenset[str]]:
    """Give how it should be."""
    return {name: frozenset(UNITS if name == leader_is else ()) for name in frontends}


def a_follower(frontends: Mapping[str, Host], leading: Callable[[], str | None]) -> tuple[str, str]:
    """Name the leader, and a server that is not."""
    name = leading()
    assert name
    return name, next(other for other in frontends if other != name)


def test_all_run_on_the_leader_and_none_elsewhere(
    frontends: Mapping[str, Host], where: Callable[[], Places], leading: Callable[[], str | None]
) -> None:
    """And the agent's file is there alone."""
    name, _ = a_follower(frontends, leading)
    wanted = on(frontends, name)
    assert ask.wait_for(where, lambda found: found == wanted, FOLLOW_WITHIN) == wanted
    assert [other for other, host in frontends.items() if host.file(LEADS).exists] == [name]


@pytest.mark.parametrize("unit", [*UNITS, "opennebula-showback.service"])
def test_a_person_cannot_start_one_on_a_follower(
    frontends: Mapping[str, Host], leading: Callable[[], str | None], unit: str
) -> None:
    """The start succeeds and does nothing: systemd says that its condition is not met."""
    _, follower = a_follower(frontends, leading)
    frontends[follower].check_output("systemctl start %s", unit)
    told = frontends[follower].check_output("systemctl show --property ActiveState,ConditionResult %s", unit)
    assert sorted(told.split()) == ["ActiveState=inactive", "ConditionResult=no"]


def test_hooks_do_not_come_with_a_followers_oned(
    frontends: Mapping[str, Host], where: Callable[[], Places], leading: Callable[[], str | None]
) -> None:
    """Its unit wants the hook manager and the timer, at a restart as at a boot."""
    name, follower = a_follower(frontends, leading)
    wants = frontends[follower].check_output("systemctl show --property Wants --value opennebula").split()
    assert {"opennebula-hem.service", "opennebula-showback.timer"} <= set(wants)
    frontends[follower].check_output("systemctl restart opennebula")
    seen: set[str] = set()
    end = time.monotonic() + 5
    while time.monotonic() < end:
        seen |= where()[follower]
    assert seen == set()
    assert leading() == name


def test_a_boot_starts_none_of_them(frontends: Mapping[str, Host]) -> None:
    """One alone starts them."""
    for name, host in frontends.items():
        for unit in UNITS:
            assert host.run("systemctl is-enabled %s", unit).stdout.strip() in {"disabled", "static"}, f"{name}: {unit}"


def test_what_ended_on_the_leader_is_started_again(
    frontends: Mapping[str, Host], where: Callable[[], Places], leading: Callable[[], str | None]
) -> None:
    """Without an event that tells of it."""
    name, _ = a_follower(frontends, leading)
    frontends[name].check_output("systemctl stop opennebula-hem opennebula-showback.timer")
    wanted = on(frontends, name)
    assert where() != wanted
    assert ask.wait_for(where, lambda found: found == wanted, TWO_LOOKS) == wanted


def test_they_follow_the_leader_and_hold_up_no_oned(
    frontends: Mapping[str, Host],
    endpoints: Mapping[str, str],
    session: str,
    where: Callable[[], Places],
    leading: Callable[[], str | None],
    figures: list[str],
) -> None:
    """The leader's oned is stopped, and its OneFlow does not hear that it should end: nobody waits long for that."""
    old, _ = a_follower(frontends, leading)
    frontends[old].check_output(f"mkdir -p {DEAF} && printf '[Service]\\nKillSignal=SIGCONT\\n' > {DEAF}/deaf.conf")
    frontends[old].check_output("systemctl daemon-reload")
    try:
        begin = time.monotonic()
        frontends[old].check_output("systemctl stop opennebula")
        took = time.monotonic() - begin
        new = ask.wait_for(leading, lambda name: name not in {None, old}, 60)
        assert new
        elected = time.monotonic()
        wanted = on(frontends, new)
        assert ask.wait_for(where, lambda found: found == wanted, FOLLOW_WITHIN) == wanted
        followed = time.monotonic() - elected
    finally:
        frontends[old].check_output(f"rm -r {DEAF} && systemctl daemon-reload && systemctl start opennebula")
    figures.append(
        f"the leader's oned stopped within {took:.1f} s beside a OneFlow that hangs (limit {STOP_WITHIN:g} s); "
        f"all services with the next leader after {followed:.1f} s (limit {FOLLOW_WITHIN:g} s)"
    )
    assert took <= STOP_WITHIN
    assert ask.wait_until_whole(list(endpoints.values()), session, 60) == []
    assert where() == wanted
