"""The judgement over a client's log and what the databases hold: pure, no input or output."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from tests.client.calls import Call, Kind, Outcome


@dataclasses.dataclass(frozen=True)
class Fault:
    """Two moments of the controller's clock: before the fault was ordered, and after it had hit."""

    ordered: float
    hit: float


@dataclasses.dataclass(frozen=True)
class Service:
    """What a client had of one kind of call after a fault."""

    kind: Kind
    outage: float | None  # seconds from the order of the fault to the first success of a call sent after the hit
    longest_gap: float  # longest time without a success, from the order of the fault to the end of the log
    watched: float  # seconds the client went on after the hit
    before: int  # successes before the fault was ordered
    counts: Mapping[Outcome, int]


@dataclasses.dataclass(frozen=True)
class Ledger:
    """Which writes of a client are in which database."""

    acknowledged: frozenset[str]
    missing: Mapping[str, frozenset[str]]  # database -> acknowledged names that it does not hold
    repeated: Mapping[str, frozenset[str]]  # database -> names that it holds more than once
    foreign: Mapping[str, frozenset[str]]  # database -> names with the client's prefix that it never wrote
    applied_unacknowledged: frozenset[str]  # unknown or failed for the client, and in a database all the same

    @property
    def sound(self) -> bool:
        """Say whether nothing acknowledged is missing and nothing is there twice or unasked."""
        return not any(names for table in (self.missing, self.repeated, self.foreign) for names in table.values())


def judge_service(calls: Sequence[Call], kind: Kind, fault: Fault) -> Service:
    """Measure one kind of call around a fault."""
    mine = sorted((call for call in calls if call.kind == kind), key=lambda call: call.sent)
    good = [call for call in mine if call.outcome == "acknowledged"]
    afterwards = [call.done for call in good if call.sent >= fault.hit]
    end = max((call.done for call in mine), default=fault.hit)
    marks = sorted([fault.ordered, *(call.done for call in good if call.done > fault.ordered), max(end, fault.ordered)])
    return Service(
        kind=kind,
        outage=min(afterwards) - fault.ordered if afterwards else None,
        longest_gap=max(later - earlier for earlier, later in itertools.pairwise(marks)),
        watched=max(0.0, end - fault.hit),
        before=sum(call.done < fault.ordered for call in good),
        counts=Counter(call.outcome for call in mine),
    )


@dataclasses.dataclass(frozen=True)
class Pause:
    """How long one kind of call was away after a fault.

    The three differ by what the order itself took, and by calls that end in another order than they were sent in.
    """

    failing: float | None  # longest time from the first of some that failed (its sending) to the next success; 0: none
    back: float | None  # from the order of the fault to the success that ended that time
    gap: float  # longest time without a success, as of Service
    failed: int  # calls without a success


def judge_pause(calls: Sequence[Call], kind: Kind, fault: Fault) -> Pause:
    """Follow the calls by their sending: each run of failures lasts until the next success.

    The longest one counts, not the first: a server that stops in order still answers some calls among those that fail.
    """
    mine = sorted(
        (call for call in calls if call.kind == kind and call.done >= fault.ordered), key=lambda call: call.sent
    )
    failing = back = 0.0
    since: float | None = None
    for call in mine:
        if call.outcome != "acknowledged":
            since = call.sent if since is None else since
        elif since is not None:
            if call.done - since > failing:
                failing, back = call.done - since, call.done - fault.ordered
            since = None
    failed = sum(call.outcome != "acknowledged" for call in mine)
    gap = judge_service(calls, kind, fault).longest_gap
    return Pause(None, None, gap, failed) if since is not None else Pause(failing, back, gap, failed)


@dataclasses.dataclass(frozen=True)
class Sessions:
    """What became of the one person at the web interface."""

    lost: int  # sessions that were gone
    holds_after: float | None  # seconds from the fault until a session held that lasted to the end; 0: it never went


def judge_sessions(calls: Sequence[Call], fault: Fault) -> Sessions:
    """Follow the session from the fault on: a login counts from the first page behind it, to the end of the log."""
    pages = sorted(
        (call for call in calls if call.kind == "page" and call.done >= fault.ordered), key=lambda call: call.sent
    )
    gone = [number for number, call in enumerate(pages) if call.outcome == "logged out"]
    if not gone:
        return Sessions(0, 0.0)
    lost = {pages[number].name for number in gone}
    back = [call.done for call in pages if call.outcome == "acknowledged" and call.name not in lost]
    back = [done for done in back if done > pages[gone[-1]].sent]
    return Sessions(len(lost), back[0] - fault.ordered if back else None)


@dataclasses.dataclass(frozen=True)
class Turn:
    """A stretch of answers by one balancer."""

    balancer: str
    first: float
    last: float


def turns(calls: Iterable[Call]) -> list[Turn]:
    """Which balancer answered when; the same one twice in the list means that two answered by turns.

    An answer belongs to the moment in which it was sent: one that had begun may end after the next one's.
    """
    found: list[Turn] = []
    for call in sorted((call for call in calls if call.balanced_by), key=lambda call: call.sent):
        if found and found[-1].balancer == call.balanced_by:
            found[-1] = dataclasses.replace(found[-1], last=call.done)
        else:
            found.append(Turn(call.balanced_by, call.sent, call.done))
    return found


def judge_ledger(calls: Iterable[Call], databases: Mapping[str, Sequence[str]], prefix: str) -> Ledger:
    """Compare what the client wrote with the names each database holds, one per row; other prefixes do not count."""
    written: dict[str, Outcome] = {}
    for call in calls:
        if call.kind != "write":
            continue
        if call.name in written:
            raise ValueError(f"the client wrote {call.name} twice: names must be unique to show a repetition")
        written[call.name] = call.outcome
    acknowledged = frozenset(name for name, outcome in written.items() if outcome == "acknowledged")
    held = {server: Counter(name for name in names if name.startswith(prefix)) for server, names in databases.items()}
    return Ledger(
        acknowledged=acknowledged,
        missing={server: acknowledged - set(names) for server, names in held.items()},
        repeated={
            server: frozenset(name for name, count in names.items() if count > 1) for server, names in held.items()
        },
        foreign={server: frozenset(set(names) - set(written)) for server, names in held.items()},
        applied_unacknowledged=frozenset(
            name for names in held.values() for name in names if name in written and name not in acknowledged
        ),
    )
