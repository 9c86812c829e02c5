"""After the loss of its leader a zone whose timers are equal collides, one whose timers are distinct does not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import pytest

from lab.standin.oned.raft import RECORDED, Raft, Timers
from lab.standin.tests.simnet import Network

RUNS = 60
FAULTS = ("killed", "cut", "frozen")


@dataclass(frozen=True)
class Election:
    """By how much the term rose after the loss, who won in those terms, and how long it took the first."""

    terms: int
    winners: list[int]
    seconds: float


def lose_the_leader(seed: int, timeouts: tuple[float, ...], rpc: float, fault: str) -> Election:
    network = Network(
        seed,
        partial(Raft, traps=RECORDED),
        timers=[Timers(timeout, 0.5, 0.0, 0.05) for timeout in timeouts],
        call_timeout=rpc,
    )
    while network.leader() is None:
        network.run(network.now + 1.0)
    network.run(network.now + 2.0 + network.random.random())
    old = network.leader()
    assert old is not None
    term, lost = network.disks[old].term, network.now
    network.lose(old, fault)
    network.run(lost + 8 * max(timeouts))
    new = network.leader()
    assert new is not None
    won = [(at - lost, me) for at, me in network.elected if at > lost]
    return Election(network.disks[new].term - term, [me for _, me in won], won[0][0])


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("timeout", "rpc"), [(5.0, 1.0), (2.0, 0.5)])
def test_equal_timers_collide(fault: str, timeout: float, rpc: float) -> None:
    found = [lose_the_leader(seed, (timeout,) * 3, rpc, fault) for seed in range(RUNS)]
    collided = sum(election.terms > 1 for election in found)
    # Recorded: 9 of 18 when killed, 25 of 44 when cut off or frozen.
    assert RUNS // 5 <= collided <= 9 * RUNS // 10


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("timeouts", [(2.0, 3.0, 4.0), (4.0, 5.0, 6.0)])
def test_distinct_timers_do_not_collide(fault: str, timeouts: tuple[float, ...]) -> None:
    found = [lose_the_leader(seed, timeouts, 0.5, fault) for seed in range(RUNS)]
    assert {(election.terms, len(election.winners)) for election in found} == {(1, 1)}
    # Whoever is asked first may have vanished: that costs one call's timeout, and no more.
    assert max(election.seconds for election in found) < timeouts[1] + 0.5 + 0.2


def test_a_step_no_longer_than_a_call_s_timeout_collides() -> None:
    """What preflight refuses: the second timer ends while the first candidate waits for the one that vanished."""
    found = [lose_the_leader(seed, (4.0, 5.0, 6.0), 1.0, "cut") for seed in range(RUNS)]
    assert sum(election.terms > 1 for election in found) >= RUNS // 4
