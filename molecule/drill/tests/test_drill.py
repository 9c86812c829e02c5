"""The leader is lost in every way there is, and what was promised for it holds: in each trial, and over all of them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host as Machine

from lab.hosts.plan import Lab
from tests.client import trial
from tests.client.judge import judge_ledger, judge_pause, judge_service, turns
from tests.drift.play import ROOT
from tests.faults import drill, verdict
from tests.faults.drill import ABORTS, CUT, FROZEN, HUNG, KILLED, STOPPED, Drill, Trial
from tests.faults.site import Site, term
from tests.zone.raft import leader

CASES = drill.chosen()
# Every trial's figures, one a line, for `make bench`.
RECORDS = ROOT / "tests" / "output" / "drill.jsonl"
# Seconds without a good write, at worst.
FAST = {KILLED: 3.5, STOPPED: 3.5, CUT: 5.0, FROZEN: 5.0, HUNG: 5.0, ABORTS: 5.0}
# Election timeouts without a good write, the median of all trials, in make bench.
DEFAULT = {KILLED: 1.2, STOPPED: 1.2, CUT: 1.5, FROZEN: 1.5}
OTHERWISE = 30.0
COLLIDES = "upstream"  # its timers are equal
ENOUGH = 10  # trials for a median
READ_GAP = 1.5
NO_TRAFFIC_AFTER = 2.0
STOPS_ITS_OWN = 10.0 + 3.0  # what stops takes its time


@pytest.fixture(scope="module")
def the_drill(
    lab: Lab,
    cloud: Any,
    machines: Mapping[str, Machine],
    endpoints: Mapping[str, str],
    session: str,
    inventory: Path,
    auth_file: Path,
    variables: Mapping[str, Any],
    write: Any,
) -> Drill:
    """The cloud of this scenario."""
    return Drill(Site(lab, cloud, machines, endpoints, session), inventory, auth_file, variables, write)


@pytest.fixture(scope="module")
def records() -> list[verdict.Record]:
    """The figures of the trials so far, on disk as well."""
    RECORDS.parent.mkdir(parents=True, exist_ok=True)
    RECORDS.write_text("")
    return []


@pytest.fixture(scope="module", params=CASES, ids=str)
def trial_of(
    request: pytest.FixtureRequest,
    the_drill: Drill,
    records: list[verdict.Record],
    figures: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Trial:
    """Run one trial, with its profile, and keep its figures whatever becomes of the assertions."""
    the_drill.switch(request.param.profile)
    found = the_drill.trial(request.param, tmp_path_factory.mktemp("trial"))
    record = recorded(found)
    records.append(record)
    with RECORDS.open("a") as lines:
        lines.write(json.dumps(dataclasses.asdict(record)) + "\n")
    figures.append(
        f"{request.param}: {found.struck}, then {record.led}: no good write for {record.gap:.2f} s, "
        f"{record.ratio:.2f} of {record.timer:g} s, reads {record.read_gap:.2f} s, term +{record.risen}, "
        f"services {record.services} s, {record.skipped} skipped, {record.acknowledged} acknowledged, "
        f"aborted {sum(found.aborted.values())}"
    )
    return found


def recorded(found: Trial) -> verdict.Record:
    """Give the figures of a trial."""
    assert found.elected
    name, at = found.elected
    writes = judge_pause(found.calls, "write", found.fault)
    ledger = judge_ledger(found.calls, found.held, found.prefix)
    since = verdict.holds_since(found.units[name], verdict.all_run)
    risen = term(found.during) - term(found.before.servers)
    return verdict.Record(
        profile=found.case.profile,
        fault=found.case.fault,
        trial=found.case.number,
        struck=found.struck,
        led=name,
        timer=found.timer,
        failing=writes.failing,
        back=writes.back,
        gap=writes.gap,
        read_gap=judge_pause(found.calls, "read", found.fault).gap,
        risen=risen,
        lost=sum(found.lost.values()),
        collided=verdict.collided(risen, found.lost),
        services=None if since is None else round(max(0.0, since - at), 1),
        skipped=len(found.unapplied[found.struck]),
        acknowledged=len(ledger.acknowledged),
        missing=len(missing(found)),
        unanswered=len(ledger.applied_unacknowledged),
    )


def missing(found: Trial) -> set[str]:
    """Name the acknowledged writes that the leader's database lacks, or half of all."""
    ledger = judge_ledger(found.calls, found.held, found.prefix)
    lacking = {
        name: {server for server, names in ledger.missing.items() if name in names} for name in ledger.acknowledged
    }
    new = leader(found.after)
    return {name for name, servers in lacking.items() if new in servers or 2 * len(servers) >= len(found.held)}


def test_the_fault_hit_the_leader(trial_of: Trial) -> None:
    """The deed is proven, writes failed, and another server leads."""
    assert trial_of.proof
    assert judge_pause(trial_of.calls, "write", trial_of.fault).failed
    new = leader({**trial_of.during, trial_of.struck: None})
    assert new
    assert new != trial_of.struck
    if trial_of.case.fault == ABORTS:
        assert trial_of.aborted.total() - trial_of.aborted["refused"] > 200, trial_of.aborted


def test_writes_go_on_in_time(trial_of: Trial) -> None:
    """Once, and for good: nothing fails when the struck server comes back."""
    bar = FAST[trial_of.case.fault] if trial_of.case.profile == "fast" else OTHERWISE
    service = judge_service(trial_of.calls, "write", trial_of.fault)
    pause = judge_pause(trial_of.calls, "write", trial_of.fault)
    assert service.before >= trial.WARM
    assert service.watched >= trial_of.healed - trial_of.fault.hit
    assert pause.failing is not None, "writes did not come back"
    assert pause.gap <= bar, pause


def test_reads_go_on(trial_of: Trial) -> None:
    """At the port for calls that only read, while nobody leads and afterwards."""
    service = judge_service(trial_of.calls, "read", trial_of.fault)
    assert service.before >= trial.WARM
    assert service.longest_gap <= READ_GAP, service


def test_one_election_was_enough(trial_of: Trial) -> None:
    """Candidates did not take each other's votes, and nobody asks for votes when the struck server comes back."""
    assert term(trial_of.after) == term(trial_of.during)
    if trial_of.case.profile != COLLIDES:
        risen = term(trial_of.during) - term(trial_of.before.servers)
        assert not verdict.collided(risen, trial_of.lost), (risen, trial_of.lost)
        assert trial_of.elected
        assert leader(trial_of.after) == trial_of.elected[0]


def test_one_machine_holds_the_address(trial_of: Trial) -> None:
    """The same before, meanwhile and afterwards."""
    meanwhile, afterwards = trial_of.holders
    answered = [turn.balancer for turn in turns(trial_of.calls)]
    assert meanwhile == afterwards == answered, (meanwhile, afterwards, answered)
    assert len(answered) == 1


def test_no_acknowledged_write_is_lost_or_doubled(trial_of: Trial) -> None:
    """All are in the leader's database and in those of a majority, and none is anywhere twice."""
    ledger = judge_ledger(trial_of.calls, trial_of.held, trial_of.prefix)
    assert len(ledger.acknowledged) > 60
    assert len(trial_of.held) == 3
    assert not any(ledger.repeated.values()), ledger.repeated
    assert not any(ledger.foreign.values()), ledger.foreign
    assert missing(trial_of) == set()


def test_every_skipped_record_is_named_and_counted(trial_of: Trial) -> None:
    """By the judgement of every agent; the server's own agent counts them as its database does."""
    skipping = {name for name, records in trial_of.unapplied.items() if records}
    assert skipping <= {trial_of.struck}
    assert trial_of.named == dict.fromkeys(trial_of.named, skipping)
    assert len(trial_of.named) == 3
    for name, records in trial_of.unapplied.items():
        said = trial_of.said[name]
        assert (said["skipped"], said["skipped_count"]) == ([int(index) for index in records[:20]], len(records)), name


def test_the_struck_leader_gets_no_traffic(trial_of: Trial) -> None:
    """After 2 s: its agent denies that it leads, the balancer counts it as down, and no write is answered by it."""
    since = trial_of.fault.hit + NO_TRAFFIC_AFTER
    looks = [look for look in trial_of.balanced if look.at >= since]
    assert len(looks) > 50
    for way in ("api", "flow", "gate"):
        server = f"{way}/{trial_of.struck}"
        assert verdict.taken(trial_of.balanced[:1], server), f"{server} was never up: that it is down says nothing"
        assert verdict.taken(looks, server) == []
    answered = [call for call in trial_of.calls if call.kind == "write" and call.outcome == "acknowledged"]
    assert [call for call in answered if call.served_by == trial_of.struck and call.sent >= since] == []
    if trial_of.case.fault in (KILLED, STOPPED, CUT, HUNG):
        said = [look.saw for look in trial_of.agent if since <= look.at <= trial_of.healed]
        assert len(said) > 20
        assert {status for status, _body in said} == {503}, said
        assert all(json.loads(body)["reason"] for _status, body in said)


def test_no_running_oned_dies(trial_of: Trial) -> None:
    """Nothing that clients do ends one; the struck one may end where the fault ends or freezes it."""
    spared = [*trial_of.survivors, *([trial_of.struck] if trial_of.case.fault == CUT else [])]
    assert {name: trial_of.processes[name] for name in spared} == {
        name: trial_of.before.processes[name] for name in spared
    }


def test_services_follow_the_leader(trial_of: Trial) -> None:
    """All run with it within 15 s of the election, none among the others that are reached, then or later."""
    assert trial_of.elected
    new, at = trial_of.elected
    until = at + drill.SERVICES_WITHIN
    running = verdict.holds_since(trial_of.units[new], verdict.all_run)
    assert running is not None and running <= until, trial_of.units[new][-1:]
    for name in set(trial_of.reached) - {new}:
        silent = verdict.holds_since(trial_of.units[name], verdict.none_runs)
        assert silent is not None and silent <= until, (name, trial_of.units[name][-1:])
    for name in set(trial_of.survivors) - {new}:
        said = [look.saw for look in trial_of.units[name] if look.saw]
        assert len(said) > 10
        assert all(map(verdict.none_runs, said)), f"{name} never led and ran services"
    running_after = {name for name, units in trial_of.units_after.items() if not verdict.none_runs(units)}
    assert running_after == {new}
    assert verdict.all_run(trial_of.units_after[new])


def test_a_leader_that_is_cut_off_stops_its_own(trial_of: Trial) -> None:
    """It cannot know that another leads, but that it sees no majority."""
    if trial_of.case.fault != CUT:
        pytest.skip("nobody was cut off")
    looks = [look for look in trial_of.units[trial_of.struck] if look.at <= trial_of.healed]
    silent = verdict.holds_since(looks, verdict.none_runs)
    assert silent is not None, looks[-1:]
    assert silent - trial_of.fault.hit <= STOPS_ITS_OWN


def test_the_struck_server_follows_by_itself(trial_of: Trial) -> None:
    """Within 30 s of the end of the fault, whatever became of its process."""
    assert trial_of.followed is not None, trial_of.after
    assert trial_of.followed <= drill.FOLLOWS_WITHIN


def test_a_hook_of_before_runs_and_nodes_are_measured(trial_of: Trial, figures: list[str]) -> None:
    """The hook was made while the struck server led; each node's time goes on within 5 minutes."""
    if not trial_of.case.thorough:
        pytest.skip("looked at in one trial")
    assert trial_of.elected
    _new, at = trial_of.elected
    assert [moment for moment in trial_of.ran if moment >= at]
    assert len(trial_of.measured) == 2
    assert min(trial_of.before.measured.values()) > 0
    figures.append(f"nodes measured again {max(trial_of.measured.values()) - at:.0f} s after the election")
    assert all(at < stamp <= at + drill.MONITORED_WITHIN for stamp in trial_of.measured.values()), trial_of.measured


def test_the_zone_is_whole_again(trial_of: Trial) -> None:
    """All three in step by their own words, a server that skipped a record once it was rebuilt."""
    assert trial_of.wrong == []
    assert trial_of.differing == []


MEDIANS = {
    fault: bar
    for fault, bar in DEFAULT.items()
    if sum((case.profile, case.fault) == ("default", fault) for case in CASES) >= ENOUGH
}
if MEDIANS:

    def test_the_median_outage_of_the_default_timers(records: list[verdict.Record]) -> None:
        """In election timeouts, over all trials."""
        assert verdict.broken(records, "default", MEDIANS) == []
