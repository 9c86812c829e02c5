"""A simulated network for the Raft core: one seed, one run, the same run every time.

Calls are lost, late, doubled, answered late or not at all; servers are cut off in groups, crash and come back with
their disk. Four checks watch every step (Ongaro, "Consensus: Bridging Theory and Practice", figure 3.2).
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from lab.standin.oned.raft import AskVote, Raft, Record, Role, Send, State, Timers

ELECTION, BROADCAST, CALL_TIMEOUT = 0.5, 0.2, 0.1


class MemoryDisk:
    """The disk of one server; remembers for the checks what was appended, and behind which term."""

    def __init__(self, counts: Counter[str]) -> None:
        self.term, self.voted_for, self.applied = 0, -1, 0
        self._records = {0: Record(0, 0, "")}
        self._last = 0
        self.appended: list[tuple[Record, int | None]] = []
        self._counts = counts

    def save_vote(self, term: int, voted_for: int) -> None:
        self.term, self.voted_for = term, voted_for

    def last(self) -> tuple[int, int]:
        return self._last, self._records[self._last].term

    def term_at(self, index: int) -> int | None:
        record = self._records.get(index)
        return None if record is None else record.term

    def record(self, index: int) -> Record | None:
        return self._records.get(index)

    def append(self, record: Record) -> None:
        self._records[record.index] = record
        self._last = record.index
        self.appended.append((record, self.term_at(record.index - 1)))

    def cut(self, index: int) -> None:
        self._counts["cut"] += 1
        self._records = {key: record for key, record in self._records.items() if key < index}
        self._last = max(self._records)


class Violation(Exception):
    """A check failed; the first argument is its name."""


@dataclass
class Checks:
    leaders: dict[int, int] = field(default_factory=dict)
    records: dict[tuple[int, int], tuple[str, int | None]] = field(default_factory=dict)
    committed: dict[int, tuple[int, int]] = field(default_factory=dict)
    applied: dict[int, Record] = field(default_factory=dict)

    def elected(self, server: int, term: int, disk: MemoryDisk) -> None:
        """Election safety: one leader a term. Leader completeness: it holds whatever older terms committed."""
        if self.leaders.setdefault(term, server) != server:
            raise Violation("election safety", f"servers {self.leaders[term]} and {server} lead in term {term}")
        for index, (record_term, in_term) in self.committed.items():
            if in_term < term and disk.term_at(index) != record_term:
                raise Violation("leader completeness", f"server {server}, leader of term {term}, lacks record {index}")

    def appended(self, record: Record, before: int | None) -> None:
        """Log matching: equal index and term mean an equal record behind an equal one, and so on down to the first."""
        found = self.records.setdefault((record.index, record.term), (record.sql, before))
        if found != (record.sql, before):
            raise Violation(
                "log matching", f"record {record.index} of term {record.term} comes in two logs that differ"
            )

    def commits(self, term: int, low: int, high: int, disk: MemoryDisk) -> None:
        for index in range(low + 1, high + 1):
            self.committed.setdefault(index, (disk.term_at(index) or 0, term))

    def apply(self, server: int, record: Record) -> None:
        """State-machine safety: no two servers apply different records at an index."""
        if self.applied.setdefault(record.index, record) != record:
            raise Violation("state-machine safety", f"server {server} applies another record {record.index}")


Core = Callable[..., Raft]


class Network:
    """One run. Given timers, it is a zone of so many servers in which nothing happens by itself."""

    def __init__(
        self, seed: int, core: Core = Raft, timers: Sequence[Timers] = (), call_timeout: float = CALL_TIMEOUT
    ) -> None:
        self.random = random.Random(seed)
        self.core = core
        self.counts: Counter[str] = Counter()
        self.checks = Checks()
        self.now = 0.0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = 0
        self.members = range(len(timers) or self.random.choice((3, 3, 3, 5)))
        self.loss = 0.0 if timers else self.random.choice((0.0, 0.02, 0.1))
        self.late = 0.0 if timers else self.random.choice((0.0, 0.05, 0.2))
        # The timers are distinct, as in a zone; two of five are equal now and then, so that elections collide.
        self._times = timers or [Timers(ELECTION + 0.12 * (me % 4), BROADCAST, 0.0) for me in self.members]
        self._call_timeout = call_timeout
        # On the way one way; of a zone in peace it is the recorded time: a vote takes 5 ms.
        self._usual = (0.001, 0.004) if timers else (0.002, 0.02)
        self.groups: dict[int, int] = {}
        # Who has no oned that could take a call: it is refused at once, where one cut off or frozen is silent.
        self.refusing: set[int] = set()
        self.disks = [MemoryDisk(self.counts) for _ in self.members]
        self.servers: list[Raft | None] = [None for _ in self.members]
        # A server that restarts is another one: calls and answers of its former life do not reach it.
        self.lives = [0 for _ in self.members]
        self.commits = [0 for _ in self.members]
        self.elected: list[tuple[float, int]] = []
        self.timers = [float("inf") for _ in self.members]
        self._writes = True
        self._faults = not timers
        self.at(0.5, self._write)
        self.at(self.random.uniform(0.6, 1.2), self._fault)
        for me in self.members:
            self.start(me)

    def at(self, delay: float, event: Callable[[], None]) -> None:
        self._sequence += 1
        heapq.heappush(self._queue, (self.now + delay, self._sequence, event))

    def run(self, seconds: float) -> None:
        """Up to this time, or to the first violation."""
        while self._queue and self._queue[0][0] <= seconds:
            self.now, _, event = heapq.heappop(self._queue)
            event()

    # Servers

    def start(self, me: int) -> None:
        self.servers[me] = self.core(me, self.members, self._times[me], self.disks[me], self.now, self.random.random)
        self.lives[me] += 1
        self.commits[me] = self.disks[me].applied
        self._set_timer(me, self.servers[me])

    def _set_timer(self, me: int, server: Raft | None) -> None:
        due = float("inf") if server is None else server.wakeup()
        if due < self.timers[me]:
            self.timers[me] = due
            self.at(max(0.0, due - self.now), partial(self._wake, me, due))

    def _wake(self, me: int, due: float) -> None:
        if due != self.timers[me]:
            return
        self.timers[me] = float("inf")
        server = self.servers[me]
        if server is not None:
            self._step(me, partial(server.tick, self.now))

    def _step(self, me: int, event: Callable[[], object]) -> object:
        """Let a server see one event, watch what it did, carry out what it wants."""
        server, disk = self.servers[me], self.disks[me]
        if server is None:
            return None
        answer = event()
        for action in server.take():
            if isinstance(action, Role) and action.leader:
                self.counts["elections"] += 1
                self.elected.append((self.now, me))
                self.checks.elected(me, disk.term, disk)
            elif isinstance(action, (AskVote, Send)):
                self._call(me, action)
        for record, before in disk.appended:
            self.checks.appended(record, before)
        disk.appended.clear()
        if server.state is State.LEADER and server.commit > self.commits[me]:
            self.counts["commits"] += server.commit - self.commits[me]
            self.checks.commits(disk.term, self.commits[me], server.commit, disk)
        self.commits[me] = server.commit
        self._set_timer(me, server)
        if self.random.random() < 0.7:
            self._apply(me, server)
        return answer

    def _apply(self, me: int, server: Raft) -> None:
        disk = self.disks[me]
        while disk.applied < server.commit and (record := disk.record(disk.applied + 1)) is not None:
            self.checks.apply(me, record)
            disk.applied += 1

    # Calls

    def _reaches(self, one: int, other: int) -> bool:
        return self.groups.get(one, 0) == self.groups.get(other, 0) and self.random.random() >= self.loss

    def _delay(self) -> float:
        return self.random.uniform(0.05, 1.5) if self.random.random() < self.late else self.random.uniform(*self._usual)

    def _call(self, me: int, action: AskVote | Send) -> None:
        life, over = self.lives[me], [False]
        wait = self._delay() if action.peer in self.refusing else self._call_timeout
        self.at(wait, partial(self._fail, me, life, action, over))
        if self._reaches(me, action.peer):
            self.at(self._delay(), partial(self._arrive, me, life, action, over))
            if self.random.random() < self.late / 3:
                self.counts["doubled"] += 1
                self.at(self._delay(), partial(self._arrive, me, life, action, over))

    def _arrive(self, me: int, life: int, action: AskVote | Send, over: list[bool]) -> None:
        peer = self.servers[action.peer]
        if peer is None:
            return
        if isinstance(action, AskVote):
            event: Callable[[], object] = partial(
                peer.vote, self.now, action.term, me, action.log_index, action.log_term
            )
        else:
            event = partial(peer.replicate, self.now, action.message)
        answer = self._step(action.peer, event)
        if self._reaches(action.peer, me):
            self.at(self._delay(), partial(self._return, me, life, action, answer, over))

    def _return(self, me: int, life: int, action: AskVote | Send, answer: object, over: list[bool]) -> None:
        server = self.servers[me]
        if server is None or life != self.lives[me] or over[0]:
            self.counts["answers too late"] += 1
            return
        over[0] = True
        happened = server.vote_answered if isinstance(action, AskVote) else server.replicate_answered
        self._step(me, partial(happened, self.now, action, answer))  # type: ignore[arg-type]

    def _fail(self, me: int, life: int, action: AskVote | Send, over: list[bool]) -> None:
        server = self.servers[me]
        if server is None or life != self.lives[me] or over[0]:
            return
        over[0] = True
        failed = server.vote_failed if isinstance(action, AskVote) else server.replicate_failed
        self._step(me, partial(failed, self.now, action, "timed out"))  # type: ignore[arg-type]

    # What happens to the zone

    def leader(self) -> int | None:
        """Who leads in the highest term of those that are up and reach most."""
        up = [me for me in self.members if self.servers[me] is not None and self.groups.get(me, 0) == 0]
        leads = {self.disks[me].term: me for me in up if self.servers[me].state is State.LEADER}  # type: ignore[union-attr]
        return leads[max(leads)] if leads else None

    def lose(self, me: int, how: str) -> None:
        if how == "cut":
            self.groups = {me: 1}
            return
        self.servers[me] = None
        self.lives[me] += 1
        if how == "killed":
            self.refusing.add(me)

    def calm(self, seconds: float) -> None:
        """No more faults: every server is up and hears the others; clients write for so long, then a second no more."""
        self.loss = self.late = 0.0
        self.groups, self._faults = {}, False
        for me in self.members:
            self._restart(me)
        self.run(self.now + seconds)
        self._writes = False
        self.run(self.now + 1.0)

    def _write(self) -> None:
        """A client writes where somebody believes to lead; a cut-off leader is as good as another."""
        if not self._writes:
            return
        for me in self.members:
            server = self.servers[me]
            if server is not None and server.state is State.LEADER:
                self._step(me, partial(server.propose, self.now, f"{me} {self.now}"))
        self.at(self.random.uniform(0.05, 0.25), self._write)

    def _fault(self) -> None:
        if not self._faults:
            return
        # More often than not it is the leader's turn: it is what faults are about.
        leaders = [me for me in self.members if (one := self.servers[me]) and one.state is State.LEADER]
        victim = self.random.choice(leaders or list(self.members))
        choice = self.random.random()
        if choice < 0.3:
            if self.servers[victim] is not None:
                self.counts["crashes"] += 1
                self.servers[victim] = None
                self.lives[victim] += 1
                self.at(self.random.uniform(0.05, 1.0), partial(self._restart, victim))
        elif choice < 0.55:
            self.counts["partitions"] += 1
            self.groups = {victim: 1}
        elif choice < 0.7:
            self.counts["partitions"] += 1
            self.groups = {me: self.random.randrange(2) for me in self.members}
        else:
            self.groups = {}
        self.at(self.random.uniform(0.1, 1.0), self._fault)

    def _restart(self, me: int) -> None:
        if self.servers[me] is None:
            self.start(me)


@dataclass(frozen=True)
class Result:
    seed: int
    counts: dict[str, int]
    violation: str = ""
    detail: str = ""


def simulate(seed: int, core: Core = Raft, seconds: float = 4.0) -> Result:
    network = Network(seed, core)
    try:
        network.run(seconds)
    except Violation as violation:
        return Result(seed, dict(network.counts), str(violation.args[0]), str(violation.args[1]))
    return Result(seed, dict(network.counts))
