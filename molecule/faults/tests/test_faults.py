"""Each fault with a client outside that writes and reads five times a second, from before it to 30 s after it."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from testinfra.host import Host

from lab.hosts import machines
from lab.hosts.plan import Lab
from tests.client import trial
from tests.client.calls import Call
from tests.client.judge import Fault, judge_ledger, judge_service
from tests.zone import ask, database
from tests.zone.raft import Server, leader

FAULTS = ("the leader's oned is killed", "the leader's machine is killed", "a follower's machine is killed")
HEALS_WITHIN = 90.0


class Strike(NamedTuple):
    """A fault that is ready: the deed, and the proof that it was done."""

    do: Callable[[], None]
    prove: Callable[[], str]


@dataclasses.dataclass
class Zone:
    """What a trial acts on."""

    lab: Lab
    frontends: Mapping[str, Host]
    endpoints: Mapping[str, str]
    session: str

    def servers(self) -> dict[str, Server | None]:
        """Give every server's own words, by name."""
        answers = ask.servers(list(self.endpoints.values()), self.session)
        return {name: answers[endpoint] for name, endpoint in self.endpoints.items()}

    def leader(self) -> str | None:
        """Name the front-end that leads."""
        return leader(self.servers())

    def wrong(self, seconds: float) -> list[str]:
        """Give what is wrong with the zone after waiting for it to be whole."""
        return ask.wait_until_whole(list(self.endpoints.values()), self.session, seconds)

    def kill_oned(self, name: str) -> Strike:
        """Prepare to kill oned: the very process has to be gone, and systemd has to say by what."""
        host = self.frontends[name]
        pid = host.check_output("systemctl show --property MainPID --value opennebula")
        assert int(pid) > 1, f"oned does not run on {name}"

        def strike() -> None:
            host.check_output(
                'timeout 5 sh -c \'kill -9 "$1"; while [ -d "/proc/$1" ]; do sleep 0.01; done\' sh %s', pid
            )

        def prove() -> str:
            told = host.check_output("journalctl --quiet --unit opennebula --output cat --lines 20")
            assert "status=9/KILL" in told
            return f"process {pid} on {name} is gone, killed by signal 9"

        return Strike(strike, prove)

    def kill_machine(self, name: str) -> Strike:
        """Prepare to kill a machine: nothing at its address may answer, not even ssh."""
        host = self.lab.host(name)

        def prove() -> str:
            with pytest.raises(OSError, match=r"timed out|[Nn]o route|unreachable"):
                socket.create_connection((str(host.address), 22), timeout=0.5)
            return f"nothing answers at {host.address}"

        return Strike(lambda: machines.power_cut(host), prove)


@dataclasses.dataclass
class Trial:
    """A fault, what the client saw of it, and the zone before, during and after."""

    name: str
    victim: str
    proof: str
    calls: list[Call]
    fault: Fault
    prefix: str
    before: Mapping[str, Server | None]
    during: Mapping[str, Server | None]
    wrong_after: list[str]
    held: Mapping[str, list[str]]
    contents: Mapping[str, Mapping[str, str]]
    unapplied: Mapping[str, list[str]]


@pytest.fixture(scope="module")
def zone(lab: Lab, inventory: Path, frontends: Mapping[str, Host], endpoints: Mapping[str, str], session: str) -> Zone:
    """The zone of this scenario."""
    return Zone(lab, frontends, endpoints, session)


@pytest.fixture(scope="module", params=FAULTS, ids=lambda text: text.replace(" ", "-").replace("'", ""))
def trial_of(
    request: pytest.FixtureRequest,
    zone: Zone,
    auth_file: Path,
    write: Callable[[str, str], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Trial:
    """Run one trial: whole before, struck under the client, healed, and whole again."""
    assert zone.wrong(HEALS_WITHIN) == [], "the zone was not whole before the fault"
    before = zone.servers()
    leading = leader(before)
    assert leading
    victim = next(name for name in before if name != leading) if request.param.startswith("a follower") else leading
    strike = zone.kill_oned(victim) if "oned" in request.param else zone.kill_machine(victim)
    proofs: list[str] = []
    # The client starts at the victim: a fault beside its path would prove little.
    order = [victim, *(name for name in before if name != victim)]
    prefix = f"trial-{FAULTS.index(request.param)}-"
    folder = tmp_path_factory.mktemp("trial")
    servers = [zone.endpoints[name] for name in order]
    calls, fault = trial.run(folder, prefix, servers, auth_file, strike.do, lambda: proofs.append(strike.prove()))
    during = zone.servers()
    if "machine" in request.param:
        machines.power_on(zone.lab, zone.lab.host(victim))
    ask.wait_for(zone.servers, lambda servers: all(servers.values()) and leader(servers) is not None, HEALS_WITHIN)
    # An idle zone does not tell a server that is behind what it missed: the next write does.
    write(zone.endpoints[zone.leader() or leading], "settle")
    wrong_after = zone.wrong(HEALS_WITHIN)
    contents = ask.wait_for(
        lambda: {name: database.contents(host) for name, host in zone.frontends.items()},
        lambda found: not database.differing(found),
        20,
    )
    return Trial(
        name=request.param,
        victim=victim,
        proof=proofs[0],
        calls=calls,
        fault=fault,
        prefix=prefix,
        before=before,
        during=during,
        wrong_after=wrong_after,
        held={name: database.documents(host, prefix) for name, host in zone.frontends.items()},
        contents=contents,
        unapplied={name: database.unapplied(host) for name, host in zone.frontends.items()},
    )


def term(servers: Mapping[str, Server | None]) -> int:
    """Give the highest term that anybody knows."""
    return max(server.term for server in servers.values() if server)


def test_the_fault_hit(trial_of: Trial) -> None:
    """The process or the machine is gone, and the zone noticed: another leads if and only if the leader was struck."""
    assert trial_of.proof
    old, new = leader(trial_of.before), leader(trial_of.during)
    assert new
    if "leader" in trial_of.name:
        assert old == trial_of.victim != new
        assert term(trial_of.during) > term(trial_of.before)
    else:
        assert old == new != trial_of.victim
        assert term(trial_of.during) == term(trial_of.before)
    if "machine" in trial_of.name:
        assert trial_of.during[trial_of.victim] is None


@pytest.mark.parametrize("kind", ["write", "read"])
def test_the_service_is_back_in_time(
    trial_of: Trial, kind: Any, variables: Mapping[str, Any], figures: list[str]
) -> None:
    """Within three times the shortest election timer, the strictest reading; and no second outage follows it."""
    limit = 3 * variables["one_election_timeout_ms"] / 1000
    service = judge_service(trial_of.calls, kind, trial_of.fault)
    figures.append(
        f"{trial_of.name}: {kind}s back after {service.outage and round(service.outage, 2)} s (limit {limit:g} s), "
        f"longest gap {service.longest_gap:.2f} s, {dict(service.counts)}"
    )
    assert service.before >= trial.WARM
    assert service.watched >= trial.WATCH - 2
    assert service.outage is not None
    assert service.outage <= limit
    assert service.longest_gap <= limit


def test_no_acknowledged_write_is_lost_or_doubled(trial_of: Trial, figures: list[str]) -> None:
    """Every one is read back from all three databases, once."""
    ledger = judge_ledger(trial_of.calls, trial_of.held, trial_of.prefix)
    figures.append(
        f"{trial_of.name}: {len(ledger.acknowledged)} writes acknowledged, in all three databases once; "
        f"{len(ledger.applied_unacknowledged)} applied without an answer"
    )
    assert len(ledger.acknowledged) > 100
    assert len(trial_of.held) == 3
    assert ledger.sound, ledger


def test_the_zone_is_whole_again(trial_of: Trial) -> None:
    """All three in step by their own words, and their databases equal by content."""
    assert trial_of.wrong_after == []
    assert database.differing(trial_of.contents) == []
    assert not any(trial_of.unapplied.values()), trial_of.unapplied
