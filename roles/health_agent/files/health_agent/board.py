# SPDX-License-Identifier: Apache-2.0
"""What the probes saw last. Each replaces what lies in its own place by one assignment; all others only read."""

from __future__ import annotations

from dataclasses import dataclass

from zone.leadership import NEVER, Limits, Membership, Observation, leaderless, membership
from zone.model import Answer, DatabaseState, LogFacts, MachineFacts, Zone

from .config import Config

# How long nobody may lead before the hurry ends, and how old a leader's word may be that prevents it.
HURRY_ENDS = 60.0
LEADER_SEEN = 1.0


@dataclass(frozen=True)
class Reads:
    """What oned gave when it was asked for documents, and when."""

    zone: Zone | None = None
    version: str | None = None
    seen: float = NEVER


@dataclass(frozen=True)
class DatabaseSight:
    """What the database did with the newest write, and when one was put that it took."""

    state: DatabaseState = DatabaseState.DEAD
    detail: str = "it was not asked yet"
    written: float = NEVER

    @property
    def fault(self) -> str:
        """Empty if the newest write was taken."""
        return "" if self.state is DatabaseState.OK else self.detail or self.state.value


@dataclass(frozen=True)
class DiskSight:
    """Room on the fullest of the disks."""

    free: int | None = None
    total: int | None = None
    seen: float = NEVER


@dataclass(frozen=True)
class PeerSight:
    """What a peer's agent said: of its oned as an observation and as an answer, and of its machine."""

    view: Observation
    answer: Answer
    machine: MachineFacts | None = None
    # When the newest question was put that its agent answered.
    heard: float = NEVER


class Board:
    """Everything that is known, and what a thread needs to know of the others."""

    def __init__(self, config: Config, now: float) -> None:
        self.config = config
        self.own = Observation(config.name, config.endpoint)
        # When the newest question was put that was answered, or failed.
        self.own_asked = now
        self.reads = Reads()
        self.credentials: str | None = None
        self.database = DatabaseSight()
        self.log: LogFacts | None = None
        self.swept: int | None = None
        self.disk = DiskSight()
        self.peers = [PeerSight(Observation(peer.name, peer.endpoint), Answer(peer.endpoint)) for peer in config.peers]
        self.requests = 0
        self._members: tuple[Zone | None, Membership] | None = None
        self._led = now

    @property
    def limits(self) -> Limits:
        """The limits of the configuration."""
        return self.config.limits

    @property
    def views(self) -> list[Observation]:
        """The peers as their agents describe them."""
        return [peer.view for peer in self.peers]

    def members(self) -> Membership:
        """Who belongs to the zone."""
        zone = self.reads.zone
        if self._members is None or self._members[0] is not zone:
            configured = [self.config.endpoint, *(peer.endpoint for peer in self.config.peers)]
            self._members = zone, membership(zone, configured)
        return self._members[1]

    def hurry(self, now: float) -> bool:
        """Whether an election is to be expected: then all look more often, for a while."""
        if not leaderless([self.own, *self.views], now, LEADER_SEEN):
            self._led = now
        return 0 < now - self._led < HURRY_ENDS
