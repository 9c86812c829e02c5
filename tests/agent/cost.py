# SPDX-License-Identifier: Apache-2.0
"""What one agent costs, asked as in a cloud: python -m tests.agent.cost [SECONDS]

Two balancers with four checks each, four times a second, every check a new connection; two peers' agents beside.
"""

from __future__ import annotations

import socket
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from lab.standin.tests.zone import Database, database
from tests.agent.harness import Agent, zone

BALANCERS, CHECKS, INTERVAL = 2, 4, 0.25


@dataclass
class Cost:
    """Of one agent: share of a core, most resident megabytes, questions to oned a second; and how fast it answers."""

    core: float
    megabytes: float
    oned: float
    median: float
    slowest: float

    def __str__(self) -> str:
        return (
            f"{self.core:.2%} of a core, {self.megabytes:.1f} MB, {self.oned:.1f} questions to oned a second, "
            f"answers in {self.median * 1000:.1f} ms (median), {self.slowest * 1000:.1f} ms (slowest)"
        )


def _seconds(agent: Agent) -> float:
    """Processor time of all its threads, by the scheduler's own account."""
    assert agent.process is not None
    tasks = Path(f"/proc/{agent.process.pid}/task")
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9


def _megabytes(agent: Agent) -> float:
    assert agent.process is not None
    status = Path(f"/proc/{agent.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def _check(agent: Agent, path: bytes) -> float:
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", agent.port), 5) as line:
        line.sendall(b"GET " + path + b" HTTP/1.0\r\n\r\n")
        while line.recv(4096):
            pass
    return time.monotonic() - started


def measure(agent: Agent, seconds: float) -> Cost:
    """Ask it as balancers do, beside its peers."""
    times: list[float] = []
    end = time.monotonic() + seconds

    def balancer() -> None:
        while time.monotonic() < end:
            for path in (b"/leader", b"/server", b"/leader", b"/leader")[:CHECKS]:
                times.append(_check(agent, path))
                time.sleep(INTERVAL / CHECKS)

    calls, before, started = len(agent.oned.calls), _seconds(agent), time.monotonic()
    balancers = [threading.Thread(target=balancer) for _ in range(BALANCERS)]
    for one in balancers:
        one.start()
    for one in balancers:
        one.join()
    taken = time.monotonic() - started
    return Cost(
        (_seconds(agent) - before) / taken,
        _megabytes(agent),
        (len(agent.oned.calls) - calls) / taken,
        statistics.median(times),
        max(times),
    )


def settled(agents: list[Agent]) -> Agent:
    """The leader's, once it has done what it does only at its start."""
    time.sleep(2)
    return agents[0]


def main(arguments: list[str]) -> None:
    seconds = float(arguments[0]) if arguments else 20.0
    with tempfile.TemporaryDirectory(prefix="agents") as name:
        root = Path(name)
        (root / "maria").mkdir()
        with database(root / "maria") as maria:
            run(root, maria, seconds)


def run(root: Path, maria: Database, seconds: float) -> None:
    with zone(root, [maria], production=True) as agents:
        print(measure(settled(agents), seconds))


if __name__ == "__main__":
    main(sys.argv[1:])
