# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a server leads its zone, as that server's machine may say it. Pure: what was seen and when in, a word out.

A leader has no lease: one that was cut off, or that slept, goes on saying that it leads. So its word counts only while
a majority was seen to follow in its own term, by questions put lately. Moments are of one machine's monotonic clock,
and an observation has the moment at which its question was put: what it says was true then or later, however long the
answer lay in a buffer.

A candidate's term takes nothing from a leader. Whoever fails to reach the others, or has another secret, counts terms
up without end, and the majority, which would have to be in such a term for it to count, is seen in the leader's own.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Sequence
from dataclasses import dataclass

from .model import Failure, FailureKind, RaftStatus, ServerState, Zone, endpoint_key

NEVER = float("-inf")

# The same few endpoints, many times a second.
_key = functools.lru_cache(maxsize=256)(endpoint_key)


@dataclass(frozen=True)
class Limits:
    """How old, in seconds, an observation may be for what it is asked to prove; and how little room a disk may have."""

    fresh: float = 2.0
    confirm: float = 1.2
    majority: float = 2.0
    services: float = 10.0
    readable: float = 6.0
    written: float = 3.0
    disk_seen: float = 30.0
    disk_bytes: int = 128 * 1024 * 1024
    disk_share: float = 0.0


@dataclass(frozen=True)
class Observation:
    """The last state that a server told, when it was asked for it, and how the newest question failed, if it did."""

    name: str
    endpoint: str
    raft: RaftStatus | None = None
    seen: float = NEVER
    failure: Failure | None = None

    @property
    def gone(self) -> bool:
        """Nobody listens there: the process has ended."""
        return self.failure is not None and self.failure.kind is FailureKind.REFUSED

    def within(self, now: float, seconds: float) -> bool:
        """Whether it told its state that lately, and has not ended since."""
        return self.raft is not None and not self.gone and now - self.seen <= seconds


class Standing(str, enum.Enum):
    """What a server is to its zone."""

    LEADS = "leads"
    # It said so last, and nothing speaks against it but that a majority has not been seen lately.
    UNCONFIRMED = "unconfirmed"
    FOLLOWS = "follows"
    GONE = "gone"


@dataclass(frozen=True)
class Leadership:
    """What a server is to its zone and why; `confirmed`: the moment up to which a majority vouches for it."""

    standing: Standing
    reason: str
    term: int | None = None
    confirmed: float = NEVER

    @property
    def leads(self) -> bool:
        """Whether it is the leader beyond doubt."""
        return self.standing is Standing.LEADS


@dataclass(frozen=True)
class Membership:
    """The servers of the zone, and how many of them are a majority."""

    endpoints: frozenset[tuple[str, str, int, str]]
    total: int
    # How many the inventory has.
    configured: int

    @property
    def quorum(self) -> int:
        """A majority. An entry made twice counts twice for oned, and so it does here."""
        return self.total // 2 + 1

    def has(self, observation: Observation) -> bool:
        """Whether the zone lists this server."""
        return _key(observation.endpoint) in self.endpoints


def membership(zone: Zone | None, configured: Sequence[str]) -> Membership:
    """The servers that the zone lists; while that is unknown, or nobody is listed yet, those that the inventory has."""
    endpoints = [server.endpoint for server in zone.servers] if zone is not None else []
    if not endpoints:
        endpoints = list(configured)
    return Membership(frozenset(_key(endpoint) for endpoint in endpoints), len(endpoints), len(configured))


def leadership(
    own: Observation, peers: Sequence[Observation], members: Membership, now: float, limits: Limits
) -> Leadership:
    """What the server on this machine is to its zone."""
    raft = own.raft
    if own.gone:
        return Leadership(Standing.GONE, f"oned does not run on {own.name}: connection refused")
    if raft is None:
        return Leadership(Standing.UNCONFIRMED, _silence(own))
    obstacle = _obstacle(own, raft, peers, members, now, limits)
    if obstacle:
        return Leadership(Standing.FOLLOWS, obstacle, raft.term)
    moments = [own.seen, *_confirmations(own, raft, peers, members)]
    confirmed = sorted(moments, reverse=True)[members.quorum - 1] if len(moments) >= members.quorum else NEVER
    confirmed = min(confirmed, own.seen)
    if not own.within(now, limits.fresh):
        return Leadership(Standing.UNCONFIRMED, _silence(own, now), raft.term, confirmed)
    lately = [moment for moment in moments[1:] if now - moment <= limits.confirm]
    if 1 + len(lately) < members.quorum:
        reason = (
            f"{own.name} says that it leads in term {raft.term}, but within the last {limits.confirm:g} s only "
            f"{1 + len(lately)} of {members.total} servers were seen in it and a majority is {members.quorum}"
        )
        return Leadership(Standing.UNCONFIRMED, reason, raft.term, confirmed)
    return Leadership(Standing.LEADS, f"{own.name} leads in term {raft.term}", raft.term, confirmed)


def _obstacle(
    own: Observation,
    raft: RaftStatus,
    peers: Sequence[Observation],
    members: Membership,
    now: float,
    limits: Limits,
) -> str:
    """What shows that the server does not lead, whatever a majority says; empty if nothing does."""
    if raft.state is ServerState.SOLO:
        return _company(own, members)
    if raft.state is not ServerState.LEADER:
        return f"{own.name} is {raft.state.name.lower()} in term {raft.term}"
    if not members.has(own):
        return f"the zone does not list {own.endpoint}, on which {own.name} says that it leads"
    for peer in peers:
        seen = peer.raft
        # What is older than that has been answered since: by the majority, or by its absence.
        if seen is None or not peer.within(now, limits.services):
            continue
        if seen.state not in (ServerState.LEADER, ServerState.FOLLOWER):
            continue
        if not members.has(peer):
            if members.total == 1:
                return f"{own.name} leads a zone of its own, and {peer.name} is {seen.state.name.lower()} in another"
            continue
        if seen.term > raft.term:
            return f"{own.name} says that it leads in term {raft.term}, but {peer.name} is in term {seen.term}"
        if seen.term == raft.term and seen.state is ServerState.LEADER:
            return f"{own.name} and {peer.name} both say that they lead in term {raft.term}"
    return ""


def _company(own: Observation, members: Membership) -> str:
    """Why a server that runs alone must not: the others go on without what it writes."""
    others = max(members.total, members.configured)
    return f"{own.name} runs alone although {others} servers belong together" if others > 1 else ""


def _confirmations(
    own: Observation, raft: RaftStatus, peers: Sequence[Observation], members: Membership
) -> list[float]:
    """When each other server of the zone was last seen to follow in this term."""
    moments: dict[tuple[str, str, int, str], float] = {}
    for peer in peers:
        seen = peer.raft
        key = _key(peer.endpoint)
        if (
            seen is not None
            and not peer.gone
            and key in members.endpoints
            and key != _key(own.endpoint)
            and seen.state is ServerState.FOLLOWER
            and seen.term == raft.term
        ):
            moments[key] = max(peer.seen, moments.get(key, NEVER))
    return list(moments.values())


def _silence(own: Observation, now: float | None = None) -> str:
    why = f": {own.failure.detail}" if own.failure is not None else ""
    if now is None or own.seen == NEVER:
        return f"oned on {own.name} has not told its state yet{why}"
    return f"oned on {own.name} last told its state {now - own.seen:.1f} s ago{why}"


def write_refusal(
    leading: Leadership,
    database: str,
    written: float,
    disk: tuple[int, int] | None,
    disk_seen: float,
    now: float,
    limits: Limits,
) -> str:
    """Why writes must not be led here; empty when they may. `disk`: bytes free and in total."""
    if not leading.leads:
        return leading.reason
    if database:
        return f"the database takes no write: {database}"
    if now - written > limits.written:
        return f"the database last took a write {_ago(now, written)}"
    if disk is None or now - disk_seen > limits.disk_seen:
        return f"the room on disk was last known {_ago(now, disk_seen)}"
    least = least_room(disk[1], limits)
    if disk[0] < least:
        return f"only {disk[0]} bytes are free on disk, fewer than {least}"
    return ""


def least_room(total: int, limits: Limits) -> int:
    """The bytes that have to be free on a disk of this size."""
    return max(limits.disk_bytes, int(limits.disk_share * total))


def read_refusal(
    own: Observation,
    readable: float,
    peers: Sequence[Observation],
    members: Membership,
    now: float,
    limits: Limits,
) -> str:
    """Why reads must not be led here; empty when they may. `readable`: when the last document that came was asked."""
    raft = own.raft
    if own.gone:
        return f"oned does not run on {own.name}: connection refused"
    if raft is None or not own.within(now, limits.fresh):
        return _silence(own, now)
    if raft.state is ServerState.SOLO and _company(own, members):
        return _company(own, members)
    if now - readable > limits.readable:
        return f"oned on {own.name} last answered a read {_ago(now, readable)}"
    seen = {_key(peer.endpoint) for peer in peers if members.has(peer) and peer.within(now, limits.majority)} - {
        _key(own.endpoint)
    }
    if 1 + len(seen) < members.quorum:
        return (
            f"within the last {limits.majority:g} s only {1 + len(seen)} of {members.total} servers were seen "
            f"and a majority is {members.quorum}"
        )
    return ""


def _ago(now: float, moment: float) -> str:
    return "never" if moment == NEVER else f"{now - moment:.1f} s ago"


def services_run(leading: Leadership, confirmed: float, now: float, limits: Limits) -> bool:
    """Whether the leader's services may run here. `confirmed`: when a majority last vouched, NEVER if they do not run.

    A leader that loses sight of its majority keeps them for a while: a short gap, or the agent's new start, moves none.
    """
    if leading.standing is Standing.UNCONFIRMED:
        return now - confirmed <= limits.services
    return leading.leads


def leaderless(views: Sequence[Observation], now: float, seconds: float) -> bool:
    """Whether nobody is known to lead: the moment to look more often."""
    return not any(
        view.raft is not None
        and view.raft.state in (ServerState.LEADER, ServerState.SOLO)
        and view.within(now, seconds)
        for view in views
    )
