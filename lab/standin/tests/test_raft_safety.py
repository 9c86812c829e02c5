"""Raft in the simulated network: the four safety checks hold, each can fail, and a zone left in peace recovers."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from functools import partial

import pytest

from lab.standin.oned.raft import RECORDED, Raft, Replicate, State
from lab.standin.tests.simnet import Core, Network, Result, simulate

RUNS = int(os.environ.get("STANDIN_RUNS", "10000"))
MUTANT_RUNS = 300


class VotesTwice(Raft):
    """Gives its vote to whoever asks, however often in a term."""

    def _promised_to_another(self, candidate: int) -> bool:
        return False


class TakesAnyRecord(Raft):
    """Takes a record without looking at the one before."""

    def _fits(self, message: Replicate) -> bool:
        return True


class VotesForOldLogs(Raft):
    """Helps a candidate to the lead whose log lacks what this server has."""

    def _outdated(self, log_index: int, log_term: int) -> bool:
        return False


# A heartbeat applies a stale tail: the recorded trap that the daemon has, in an otherwise safe core.
TRAPPED = partial(Raft, traps=RECORDED)


def run_many(core: Core, runs: int) -> list[Result]:
    with multiprocessing.get_context("fork").Pool(os.cpu_count()) as pool:
        return pool.map(partial(simulate, core=core), range(runs), chunksize=50)


def test_safety_holds() -> None:
    results = run_many(Raft, RUNS)
    broken = [result for result in results if result.violation]
    assert not broken, f"{len(broken)} of {RUNS} runs broke a check; the first: {broken[0]}"
    counts = sum((Counter(result.counts) for result in results), Counter())
    print(f"\n{RUNS} runs, no violation: {dict(sorted(counts.items()))}")
    # Runs in which nothing happens would prove nothing.
    for what, at_least in {
        "elections": 1.5,
        "commits": 4,
        "crashes": 1,
        "partitions": 1,
        "cut": 0.2,
        "doubled": 0.5,
    }.items():
        assert counts[what] >= at_least * RUNS, f"only {counts[what]} {what} in {RUNS} runs: the faults do not bite"


@pytest.mark.parametrize(
    ("core", "check"),
    [
        (VotesTwice, "election safety"),
        (TakesAnyRecord, "log matching"),
        (VotesForOldLogs, "leader completeness"),
        (TRAPPED, "state-machine safety"),
    ],
)
def test_each_check_can_fail(core: Core, check: str) -> None:
    found = Counter(result.violation for result in run_many(core, MUTANT_RUNS) if result.violation)
    assert set(found) == {check}
    assert found[check] >= MUTANT_RUNS // 30


def test_a_run_can_be_repeated() -> None:
    assert simulate(42) == simulate(42)


@pytest.mark.parametrize("seed", range(40))
def test_a_zone_left_in_peace_recovers(seed: int) -> None:
    network = Network(seed)
    network.run(4.0)
    before = max(network.checks.committed, default=0)
    network.calm(8.0)
    servers = [server for server in network.servers if server is not None]
    assert len(servers) == len(network.members)
    states = Counter(server.state for server in servers)
    assert states == {State.LEADER: 1, State.FOLLOWER: len(servers) - 1}
    last, _ = network.disks[0].last()
    assert last > before
    assert {disk.last() for disk in network.disks} == {network.disks[0].last()}
    assert {server.commit for server in servers} == {last}
    logs = [[disk.record(index) for index in range(last + 1)] for disk in network.disks]
    assert all(log == logs[0] for log in logs)
