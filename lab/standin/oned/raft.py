"""Raft without clock, network or disk of its own: events with a time go in, answers and actions come out.

Its habits are those of the recorded servers: the first timeout is not random (only a retry is), granting a vote
does not reset the voter's timer, votes are asked one after the other in the order of the ids, a record travels alone,
a follower that lacks records is walked back one a call, there is no leader lease and no record at the start of a term
unless the leader's log has a tail that it does not know to be committed. Its safety is Raft's, but for the traps of the
recorded ones that are switched on.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

# Harmless SQL: a leader commits the tail of older terms by committing this record of its own term behind it.
FILLER = "DO 0"
# The one refusal that sending an older record can cure; the answer on the wire has no other mark of it.
LACKS_PREVIOUS = "Error loading previous log record"
RETRY_S = 1.0
LOST_RECORD_RETRY_S = 3.0


class State(enum.IntEnum):
    SOLO = 0
    CANDIDATE = 1
    FOLLOWER = 2
    LEADER = 3


@dataclass(frozen=True)
class Record:
    index: int
    term: int
    sql: str


class Disk(Protocol):
    """What outlives a crash. Every method returns when the data is safe, or raises and has changed nothing."""

    @property
    def term(self) -> int: ...
    @property
    def voted_for(self) -> int: ...
    @property
    def applied(self) -> int: ...
    def save_vote(self, term: int, voted_for: int) -> None: ...
    def last(self) -> tuple[int, int]:
        """Index and term of the last record; record 0 of term 0 is in every log."""

    def term_at(self, index: int) -> int | None: ...
    def record(self, index: int) -> Record | None: ...
    def append(self, record: Record) -> None: ...
    def cut(self, index: int) -> None:
        """Remove the record of this index and all behind it."""


@dataclass(frozen=True)
class Timers:
    """Seconds. A follower looks at its clock only now and then: so equal timeouts do not always end together."""

    election: float
    broadcast: float
    warmup: float
    look: float = 0.0


@dataclass(frozen=True)
class Traps:
    """Where the recorded servers break Raft; every one is off unless it is asked for.

    stale_tail: a heartbeat says nothing about the log whose commit it carries. A follower commits up to its own last
    record whatever that is, and the leader's record of that index then replaces it in the log and is never applied."""

    stale_tail: bool = False


RECORDED = Traps(stale_tail=True)


@dataclass(frozen=True)
class AskVote:
    peer: int
    term: int
    log_index: int
    log_term: int


@dataclass(frozen=True)
class Replicate:
    """A record, or with index 0 a heartbeat. A heartbeat names the commit's record in prev_*: the follower may take
    a commit index only for a log that it knows to be the leader's up to there. The recorded one has zeros there."""

    leader: int
    commit: int
    term: int
    index: int
    record_term: int
    prev_index: int
    prev_term: int
    sql: str

    @property
    def heartbeat(self) -> bool:
        return self.index == 0


@dataclass(frozen=True)
class Send:
    peer: int
    message: Replicate


@dataclass(frozen=True)
class Role:
    """This server became leader or follower."""

    leader: bool


@dataclass(frozen=True)
class Note:
    severity: str
    text: str


Action = AskVote | Send | Role | Note


@dataclass(frozen=True)
class Answer:
    """To a vote request or a replicate: the term is the one before the request was looked at, as recorded."""

    ok: bool
    term: int
    error: str = ""


class NotLeader(Exception):
    """Only a leader takes records."""


class Raft:
    def __init__(
        self,
        me: int,
        members: Iterable[int],
        timers: Timers,
        disk: Disk,
        now: float,
        random: Callable[[], float],
        traps: Traps = Traps(),
    ) -> None:
        self.me, self.traps = me, traps
        self._know(members)
        self.timers = timers
        self.disk = disk
        self.random = random
        self.state = State.FOLLOWER
        self.leader: int | None = None
        self.commit = disk.applied
        self.heard = False
        # A leader takes writes once it has applied this record: what came before may be committed, writes build on it.
        self.ready_index = 0
        self.actions: list[Action] = []
        self._heartbeat = now + timers.warmup
        self._first_look = now + timers.look * random() if timers.look else now
        self._votes: set[int] = set()
        self._to_ask: list[int] = []
        self._retry_at: float | None = None
        self._beat_at = now
        self._filler_due = False
        self._next: dict[int, int] = {}
        self._match: dict[int, int] = {}
        self._in_flight: dict[int, Replicate] = {}
        self._pause: dict[int, float] = {}

    # What others see

    def _know(self, members: Iterable[int]) -> None:
        self.members = frozenset(members)
        self.peers = tuple(sorted(self.members - {self.me}))
        self.quorum = len(self.members) // 2 + 1

    def status(self) -> dict[str, int]:
        index, log_term = self.disk.last()
        asking = self.state is State.CANDIDATE and self._retry_at is None
        return {
            "SERVER_ID": self.me,
            "STATE": int(self.state),
            "TERM": self.disk.term,
            # A candidate that lost shows no vote; the vote itself stays, or it could be given twice.
            "VOTEDFOR": self.disk.voted_for if asking or self.state is not State.CANDIDATE else -1,
            "COMMIT": self.commit if self.heard else 0,
            "LOG_INDEX": index,
            "LOG_TERM": log_term,
        }

    def take(self) -> list[Action]:
        actions, self.actions = self.actions, []
        return actions

    def wakeup(self) -> float:
        """When tick has something to do."""
        if self.state is State.FOLLOWER:
            due, look = self._heartbeat + self.timers.election, self.timers.look
            return self._first_look + math.ceil((due - self._first_look) / look) * look if look else due
        if self.state is State.CANDIDATE:
            return self._retry_at if self._retry_at is not None else float("inf")
        return min([self._beat_at, *self._pause.values()])

    # Time

    def tick(self, now: float) -> None:
        if now < self.wakeup():
            return
        if self.state is State.FOLLOWER:
            self._note("E", "No heartbeat from a leader within the election timeout: an election starts")
            self._stand(now)
        elif self.state is State.CANDIDATE:
            self._stand(now)
        else:
            if now >= self._beat_at:
                self._beat_at = now + self.timers.broadcast
                for peer in self.peers:
                    self._send(peer, self._message(None))
                if self._filler_due:
                    self.ready_index = self.propose(now, FILLER)
                    self._filler_due = False
            for peer in [peer for peer, until in self._pause.items() if now >= until]:
                del self._pause[peer]
                self._pump(now, peer)

    # Elections

    def _stand(self, now: float) -> None:
        self.disk.save_vote(self.disk.term + 1, self.me)
        self.state = State.CANDIDATE
        self.leader = None
        self._votes = {self.me} & self.members
        self._to_ask = list(self.peers)
        self._retry_at = None
        self._count(now)

    def _count(self, now: float) -> None:
        if len(self._votes) >= self.quorum:
            self._note("I", f"{len(self._votes)} of {len(self.members)} votes: a majority")
            self._lead(now)
        elif self._to_ask:
            index, term = self.disk.last()
            self.actions.append(AskVote(self._to_ask[0], self.disk.term, index, term))
        else:
            self._lose(now)

    def _lose(self, now: float) -> None:
        wait = self.random() * self.timers.election
        self._to_ask = []
        self._retry_at = now + wait
        self._note("I", f"No leader found, the next election starts in {int(wait * 1000)} ms")

    def vote(self, now: float, term: int, candidate: int, log_index: int, log_term: int) -> Answer:
        """Another server asks for this server's vote."""
        before = self.disk.term
        if term < before:
            return Answer(False, before, "Candidate's term is outdated")
        if term > before:
            self._adopt(now, term)
        if self._outdated(log_index, log_term):
            return Answer(False, before, "Candidate's log is outdated")
        if self._promised_to_another(candidate):
            return Answer(False, before, "Already voted for another candidate")
        self.disk.save_vote(term, candidate)
        return Answer(True, before)

    def _outdated(self, log_index: int, log_term: int) -> bool:
        index, term = self.disk.last()
        return (log_term, log_index) < (term, index)

    def _promised_to_another(self, candidate: int) -> bool:
        return self.disk.voted_for not in (-1, candidate)

    def vote_answered(self, now: float, ask: AskVote, answer: Answer) -> None:
        if not self._asking(ask):
            return
        self._to_ask.remove(ask.peer)
        if answer.ok:
            self._votes.add(ask.peer)
            self._note("I", f"Server {ask.peer} gave its vote, {len(self._votes)} votes")
        else:
            self._note("I", f"Server {ask.peer} refused its vote: {answer.error}")
            if answer.term > self.disk.term:
                self._adopt(now, answer.term)
                return
        self._count(now)

    def vote_failed(self, now: float, ask: AskVote, error: str) -> None:
        if self._asking(ask):
            self._to_ask.remove(ask.peer)
            self._note("I", f"Server {ask.peer} could not be asked for its vote: {error}")
            self._count(now)

    def _asking(self, ask: AskVote) -> bool:
        return self.state is State.CANDIDATE and ask.term == self.disk.term and ask.peer in self._to_ask

    def _adopt(self, now: float, term: int) -> None:
        """A higher term was seen: whatever this server led or stood for is over."""
        self.disk.save_vote(term, -1)
        if self.state is State.LEADER:
            self._note("I", f"Term {term} is higher than this leader's")
            self._follow(now, None)
        elif self.state is State.CANDIDATE and self._retry_at is None:
            self._lose(now)

    def _follow(self, now: float, leader: int | None) -> None:
        self._heartbeat = now
        was, self.state, self.leader = self.state, State.FOLLOWER, leader
        self._to_ask, self._retry_at = [], None
        self._in_flight.clear()
        self._pause.clear()
        if was is not State.FOLLOWER:
            self._note("I", "oned is a follower now")
        if was is State.LEADER:
            self.actions.append(Role(leader=False))

    def _lead(self, now: float) -> None:
        index, _ = self.disk.last()
        self._note("I", f"Taking the lead of the zone; last record {index}, last applied record {self.disk.applied}")
        self.state, self.leader, self.heard = State.LEADER, self.me, True
        self._beat_at = now
        self._next = dict.fromkeys(self.peers, index + 1)
        self._match = dict.fromkeys(self.peers, -1)
        self._in_flight, self._pause = {}, {}
        self.ready_index, self._filler_due = index, index > self.commit
        self.actions.append(Role(leader=True))
        self.tick(now)

    def resign(self, now: float) -> None:
        """This server is about to stop."""
        if self.state is State.LEADER:
            self._follow(now, None)

    # The leader's side of replication

    def propose(self, now: float, sql: str) -> int:
        """Append a record to the leader's log; it counts when commit reaches the returned index in this term."""
        if self.state is not State.LEADER:
            raise NotLeader
        index = self.disk.last()[0] + 1
        self.disk.append(Record(index, self.disk.term, sql))
        self._advance()
        for peer in self.peers:
            self._pump(now, peer)
        return index

    def set_members(self, members: Iterable[int]) -> None:
        self._know(members)
        if self.state is State.LEADER:
            for peer in set(self._next) - self.members:
                self._next.pop(peer)
                self._match.pop(peer)
                self._in_flight.pop(peer, None)
                self._pause.pop(peer, None)
            for peer in self.members - set(self._next) - {self.me}:
                self._note("I", f"Replication to server {peer} starts")
                self._next[peer], self._match[peer] = self.disk.last()[0] + 1, -1
            self._advance()

    def reset(self, now: float, peer: int) -> None:
        """The peer's database was replaced: start again behind the last record and walk back from there."""
        if self.state is State.LEADER and peer in self._next:
            self._next[peer], self._match[peer] = self.disk.last()[0] + 1, -1
            self._in_flight.pop(peer, None)
            self._pump(now, peer)

    def _message(self, record: Record | None) -> Replicate:
        term = self.disk.term
        if record is None:
            prev, prev_term = (0, 0) if self.traps.stale_tail else (self.commit, self.disk.term_at(self.commit))
            return Replicate(self.me, self.commit, term, 0, 0, prev, prev_term or 0, "")
        before = self.disk.term_at(record.index - 1)
        return Replicate(
            self.me, self.commit, term, record.index, record.term, record.index - 1, before or 0, record.sql
        )

    def _send(self, peer: int, message: Replicate) -> None:
        self.actions.append(Send(peer, message))

    def _pump(self, now: float, peer: int) -> None:
        """Send the next record if there is one and none is under way."""
        if peer in self._in_flight or peer in self._pause or self._next[peer] > self.disk.last()[0]:
            return
        record = self.disk.record(self._next[peer])
        if record is None or self.disk.term_at(record.index - 1) is None:
            self._note("E", f"The log record of index {self._next[peer]}, which server {peer} needs, cannot be loaded")
            self._pause[peer] = now + LOST_RECORD_RETRY_S
            return
        self._in_flight[peer] = self._message(record)
        self._send(peer, self._in_flight[peer])

    def replicate_answered(self, now: float, send: Send, answer: Answer) -> None:
        peer, message = send.peer, send.message
        if answer.term > self.disk.term:
            self._adopt(now, answer.term)
        if self.state is not State.LEADER or message.term != self.disk.term or peer not in self._next:
            return
        if message.heartbeat:
            self._pause.pop(peer, None)
            self._pump(now, peer)
            return
        if answer.ok:
            self._match[peer] = max(self._match[peer], message.index)
            self._advance()
        if self._in_flight.get(peer) is not message:
            return
        del self._in_flight[peer]
        if answer.ok:
            self._next[peer] = message.index + 1
        elif message.index > 1 and answer.error.endswith(LACKS_PREVIOUS):
            self._next[peer] = message.index - 1
        else:
            self._note("E", f"Server {peer} refuses record {message.index}: {answer.error}")
            self._pause[peer] = now + LOST_RECORD_RETRY_S
        self._pump(now, peer)

    def replicate_failed(self, now: float, send: Send, error: str) -> None:
        if self._in_flight.get(send.peer) is send.message:
            del self._in_flight[send.peer]
            self._pause[send.peer] = now + RETRY_S
            self._note("D", f"Record {send.message.index} did not reach server {send.peer}: {error}")

    def _advance(self) -> None:
        """Commit what a majority holds; a record of an older term only together with one of this term behind it."""
        held = [self._match[peer] for peer in self.peers]
        if self.me in self.members:
            held.append(self.disk.last()[0])
        index = sorted(held, reverse=True)[self.quorum - 1] if len(held) >= self.quorum else -1
        if index > self.commit and self._may_commit(index):
            self.commit = index

    def _may_commit(self, index: int) -> bool:
        return self.disk.term_at(index) == self.disk.term

    # The follower's side

    def replicate(self, now: float, message: Replicate) -> Answer:
        before = self.disk.term
        if message.term < before:
            return Answer(False, before, f"Leader term ({message.term}) is outdated ({before})")
        if message.term > before:
            self._adopt(now, message.term)
        elif self.state is State.LEADER:
            return Answer(False, before, f"Server {self.me} leads in term {before} itself")
        self._follow(now, message.leader)
        self.heard = True
        if message.heartbeat:
            self._learn(min(message.commit, self._matched(message)))
            return Answer(True, self.disk.term)
        if not self._fits(message):
            return Answer(False, self.disk.term, LACKS_PREVIOUS)
        record = Record(message.index, message.record_term, message.sql)
        present = self.disk.term_at(message.index)
        if message.index <= self.commit and not self.traps.stale_tail:
            if present != message.record_term:
                return Answer(False, self.disk.term, f"Record {message.index} is committed here with another term")
        elif present is None or self.disk.record(message.index) != record:
            # Between servers an equal index and term mean an equal record; what a client sent by hand gives way too.
            if present is not None:
                self.disk.cut(message.index)
            self.disk.append(record)
        self._learn(min(message.commit, message.index))
        return Answer(True, self.disk.term)

    def _fits(self, message: Replicate) -> bool:
        return self.disk.term_at(message.prev_index) == message.prev_term

    def _matched(self, heartbeat: Replicate) -> int:
        """How far this log is known to be the leader's."""
        if self.traps.stale_tail:
            return self.disk.last()[0]
        return heartbeat.prev_index if self.disk.term_at(heartbeat.prev_index) == heartbeat.prev_term else 0

    def _learn(self, commit: int) -> None:
        self.commit = max(self.commit, commit)

    def _note(self, severity: str, text: str) -> None:
        self.actions.append(Note(severity, text))
