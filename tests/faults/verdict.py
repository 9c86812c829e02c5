"""What the looks of a drill mean: who led when, where the leader's services ran, what a record weighs. Pure."""

from __future__ import annotations

import dataclasses
import re
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tests.zone.raft import LEADER, Server

# A candidate that lost says so in these words, the real one's and the stand-in's.
LOST = "No leader found"
ENDED = ("inactive", "failed")


@dataclasses.dataclass(frozen=True)
class Look:
    """What was seen, and when."""

    at: float
    saw: Any


def election_timeout(conf: str) -> float:
    """Read the seconds that a server waits for a silent leader, out of its oned.conf."""
    lines = "\n".join(line.split("#")[0] for line in conf.splitlines())
    found = re.findall(r"^\s*RAFT\s*=\s*\[[^\]]*?\bELECTION_TIMEOUT_MS\s*=\s*\"?(\d+)", lines, re.MULTILINE)
    if len(found) != 1:
        raise ValueError(f"oned.conf gives {len(found)} values of ELECTION_TIMEOUT_MS, not one")
    return int(found[0]) / 1000


def collided(risen: int, lost: Mapping[str, int]) -> bool:
    """Say whether candidates took each other's votes; `lost` counts the elections that each server lost."""
    return risen != 1 or sum(count > 0 for count in lost.values()) > 1


def elected(looks: Iterable[Look], after: int) -> tuple[str, float] | None:
    """Name the first that was seen to lead in a higher term, and when; a look is what servers say, by name."""
    for look in looks:
        servers: Mapping[str, Server | None] = look.saw
        leading = [
            name for name, server in servers.items() if server and server.state == LEADER and server.term > after
        ]
        if leading:
            return leading[0], look.at
    return None


def holds_since(looks: Sequence[Look], true: Callable[[Any], bool]) -> float | None:
    """Give the moment from which on something was seen to the end; None: the last look did not show it."""
    since: float | None = None
    for look in looks:
        if not true(look.saw):
            since = None
        elif since is None:
            since = look.at
    return since


def all_run(units: Mapping[str, str] | None) -> bool:
    """Say whether every unit is up."""
    return bool(units) and all(state == "active" for state in (units or {}).values())


def none_runs(units: Mapping[str, str] | None) -> bool:
    """Say whether every unit is down; a machine that does not say counts for neither."""
    return bool(units) and all(state in ENDED for state in (units or {}).values())


def taken(looks: Iterable[Look], server: str) -> list[Look]:
    """Give the looks at HAProxy's servers in which it would have sent a call to this one; none is no answer."""
    return [look for look in looks if look.saw is not None and str(look.saw.get(server, "UP")).startswith("UP")]


@dataclasses.dataclass(frozen=True)
class Record:
    """The figures of one trial."""

    profile: str
    fault: str
    trial: int
    struck: str
    led: str  # who leads after it
    timer: float  # the lowest election timeout among the survivors
    failing: float | None  # seconds from the first failed to the next good write
    back: float | None  # from the order of the fault to that write
    gap: float  # longest time without a good write
    read_gap: float
    risen: int  # terms
    lost: int  # elections without a winner, in the logs of the survivors
    collided: bool
    services: float | None  # seconds from the election until all run with the new leader
    skipped: int  # records that the struck server never applied
    acknowledged: int
    missing: int  # of these, in the leader's database or in those of a majority
    unanswered: int  # writes that were applied all the same

    @property
    def ratio(self) -> float:
        """Give the outage in election timeouts; without an end it is without bound."""
        return float("inf") if self.failing is None else self.failing / self.timer


def broken(records: Iterable[Record], profile: str, bars: Mapping[str, float]) -> list[str]:
    """Give each fault of the profile whose median ratio is over its bar, or that has no trial to tell."""
    found = []
    for fault, bar in bars.items():
        ratios = [record.ratio for record in records if (record.profile, record.fault) == (profile, fault)]
        if not ratios:
            found.append(f"{profile}, {fault}: no trial")
        elif statistics.median(ratios) > bar:
            found.append(
                f"{profile}, {fault}: the median of {len(ratios)} trials is {statistics.median(ratios):.2f} election "
                f"timeouts, more than {bar:g}"
            )
    return found
