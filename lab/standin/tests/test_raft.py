"""Single steps of the Raft core: the recorded habits, and what the safe core does where the recorded one does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest

from lab.standin.oned.raft import (
    FILLER,
    RECORDED,
    Action,
    Answer,
    AskVote,
    NotLeader,
    Raft,
    Record,
    Replicate,
    Role,
    Send,
    State,
    Timers,
    Traps,
)
from lab.standin.tests.simnet import MemoryDisk

TIMERS = Timers(election=5.0, broadcast=0.5, warmup=15.0)


def server(me: int = 0, members: Iterable[int] = (0, 1, 2), records: Iterable[int] = (), applied: int = 0) -> Raft:
    """A server whose log holds records of these terms."""
    disk = MemoryDisk(Counter())
    for index, term in enumerate(records, 1):
        disk.append(Record(index, term, f"sql {index}"))
        disk.term = max(disk.term, term)
    disk.applied = applied
    return Raft(me, members, TIMERS, disk, 100.0, lambda: 0.5)


def sent(raft: Raft, kind: type[Action]) -> list[Action]:
    return [action for action in raft.take() if isinstance(action, kind)]


def elect(raft: Raft) -> None:
    raft.tick(120.0)
    (ask,) = sent(raft, AskVote)
    assert isinstance(ask, AskVote)
    raft.vote_answered(120.0, ask, Answer(True, 0))
    assert raft.state is State.LEADER


def record(index: int, term: int, prev_term: int, commit: int = 0, leader: int = 1) -> Replicate:
    return Replicate(leader, commit, term, index, term, index - 1, prev_term, f"sql {index} of {term}")


def heartbeat(term: int, commit: int, commit_term: int) -> Replicate:
    return Replicate(1, commit, term, 0, 0, commit, commit_term, "")


def test_first_election_comes_after_warm_up_and_timeout() -> None:
    raft = server()
    assert raft.wakeup() == 120.0
    raft.tick(119.9)
    assert raft.state is State.FOLLOWER
    raft.tick(120.0)
    assert (raft.status()["STATE"], raft.status()["VOTEDFOR"]) == (State.CANDIDATE, 0)


def test_votes_are_asked_one_after_the_other_and_a_majority_ends_it() -> None:
    raft = server(members=range(5))
    raft.tick(120.0)
    asked = []
    for ok in (False, True, True):
        (ask,) = sent(raft, AskVote)
        assert isinstance(ask, AskVote)
        asked.append(ask.peer)
        raft.vote_answered(120.0, ask, Answer(ok, 0, "" if ok else "Already voted for another candidate"))
    assert asked == [1, 2, 3]
    assert raft.state is State.LEADER
    assert not sent(raft, AskVote)


def test_a_lost_election_is_retried_at_random_and_shows_no_vote() -> None:
    raft = server()
    raft.tick(120.0)
    for _ in range(2):
        (ask,) = sent(raft, AskVote)
        assert isinstance(ask, AskVote)
        raft.vote_failed(121.0, ask, "refused")
    assert raft.wakeup() == 123.5
    assert (raft.status()["STATE"], raft.status()["VOTEDFOR"], raft.disk.voted_for) == (1, -1, 0)
    raft.tick(123.5)
    assert raft.disk.term == 2


def test_a_vote_answers_the_term_before_and_does_not_reset_the_timer() -> None:
    raft = server(records=[3])
    assert raft.vote(101.0, 7, 1, 1, 3) == Answer(True, 3)
    assert raft.disk.term == 7
    assert raft.wakeup() == 120.0
    assert raft.vote(102.0, 7, 2, 9, 9) == Answer(False, 7, "Already voted for another candidate")
    assert raft.vote(102.0, 7, 1, 1, 3).ok
    assert raft.vote(102.0, 6, 2, 9, 9) == Answer(False, 7, "Candidate's term is outdated")


@pytest.mark.parametrize(("index", "term"), [(1, 2), (9, 1), (0, 2)])
def test_an_outdated_log_gets_no_vote_but_its_higher_term_deposes(index: int, term: int) -> None:
    raft = server(records=[1, 2])
    elect(raft)
    assert raft.vote(121.0, 9, 1, index, term) == Answer(False, 3, "Candidate's log is outdated")
    assert (raft.state, raft.disk.term, raft.disk.voted_for) == (State.FOLLOWER, 9, -1)
    assert Role(leader=False) in raft.take()
    # The deposed leader waits a whole timeout.
    assert raft.wakeup() == 126.0


def test_a_leader_of_one_server_needs_nobody() -> None:
    raft = server(members=[0])
    raft.tick(120.0)
    assert raft.state is State.LEADER
    assert raft.propose(120.0, "sql") == raft.commit == 1


def test_a_new_leader_writes_nothing_unless_its_tail_is_in_doubt() -> None:
    level = server(records=[1, 1], applied=2)
    elect(level)
    assert (level.disk.last(), level.commit, level.ready_index) == ((2, 1), 2, 2)
    doubt = server(records=[1, 1], applied=1)
    elect(doubt)
    assert (doubt.disk.last(), doubt.commit, doubt.ready_index) == ((3, 2), 1, 3)
    filler = doubt.disk.record(3)
    assert filler is not None
    assert filler.sql == FILLER


def test_records_of_older_terms_count_only_with_one_of_this_term() -> None:
    raft = server(records=[1, 1], applied=0)
    elect(raft)
    (first,) = [send for send in sent(raft, Send) if isinstance(send, Send) and send.message.index and send.peer == 1]
    assert isinstance(first, Send)
    raft.replicate_answered(121.0, Send(1, Replicate(0, 0, 2, 2, 1, 1, 1, "sql 2")), Answer(True, 2))
    assert raft.commit == 0
    assert first.message.sql == FILLER
    raft.replicate_answered(121.0, first, Answer(True, 2))
    assert raft.commit == 3


def test_a_follower_that_lacks_records_is_walked_back_one_a_call() -> None:
    raft = server(records=[1, 1, 1], applied=3)
    elect(raft)
    raft.take()
    assert raft.propose(121.0, "new") == 4
    asked = []
    for _ in range(3):
        send = next(s for s in sent(raft, Send) if isinstance(s, Send) and s.peer == 1)
        asked.append(send.message.index)
        raft.replicate_answered(121.0, send, Answer(False, 2, "Error loading previous log record"))
    assert asked == [4, 3, 2]
    send = next(s for s in sent(raft, Send) if isinstance(s, Send) and s.peer == 1)
    assert (send.message.index, send.message.prev_index, send.message.prev_term) == (1, 0, 0)
    for index in (2, 3, 4):
        raft.replicate_answered(121.0, send, Answer(True, 2))
        send = next(s for s in sent(raft, Send) if isinstance(s, Send) and s.peer == 1)
        assert send.message.index == index
    raft.replicate_answered(121.0, send, Answer(True, 2))
    assert raft.commit == 4


def test_a_follower_whose_log_is_another_zones_is_not_hammered() -> None:
    raft = server(records=[1, 1], applied=2)
    elect(raft)
    raft.take()
    raft.propose(121.0, "new")
    send = next(s for s in sent(raft, Send) if isinstance(s, Send) and s.peer == 1)
    raft.replicate_answered(121.0, send, Answer(False, 2, "Record 3 is committed here with another term"))
    assert not sent(raft, Send)
    raft.tick(124.0)
    assert send in sent(raft, Send)


def test_a_lost_record_is_sent_again_when_the_follower_is_heard() -> None:
    raft = server(applied=0)
    elect(raft)
    beat = next(s for s in sent(raft, Send) if isinstance(s, Send) and s.peer == 1)
    raft.propose(121.0, "new")
    lost = next(s for s in sent(raft, Send) if isinstance(s, Send) and s.peer == 1)
    raft.replicate_failed(121.0, lost, "timed out")
    assert not sent(raft, Send)
    raft.replicate_answered(121.2, beat, Answer(True, 1))
    assert [s.message.index for s in sent(raft, Send) if isinstance(s, Send)] == [1]


def test_a_reset_follower_starts_behind_the_last_record() -> None:
    raft = server(records=[1, 1], applied=2)
    elect(raft)
    raft.propose(121.0, "a")
    raft.take()
    raft.reset(121.0, 2)
    assert not sent(raft, Send)
    raft.propose(121.0, "b")
    assert [s.message.index for s in sent(raft, Send) if isinstance(s, Send) and s.peer == 2] == [4]


def test_a_follower_replaces_a_stale_tail_and_never_what_is_committed() -> None:
    raft = server(records=[1, 1, 1], applied=1)
    assert raft.replicate(101.0, record(3, 2, 2)) == Answer(False, 2, "Error loading previous log record")
    assert raft.replicate(101.0, record(2, 2, 1, commit=2)).ok
    assert (raft.disk.last(), raft.commit) == ((2, 2), 2)
    raft.replicate(101.0, record(3, 2, 2, commit=3))
    refused = raft.replicate(102.0, Replicate(1, 3, 3, 3, 3, 2, 2, "other"))
    assert not refused.ok
    assert raft.disk.term_at(3) == 2


def test_a_heartbeat_commits_only_what_is_the_leaders() -> None:
    raft = server(records=[1, 1], applied=0)
    assert raft.replicate(101.0, heartbeat(2, 2, 2)).ok
    assert raft.commit == 0
    raft.replicate(101.0, heartbeat(2, 1, 1))
    assert raft.commit == 1
    # The recorded heartbeat's zeros say nothing about the log.
    raft.replicate(101.0, Replicate(1, 2, 2, 0, 0, 0, 0, ""))
    assert raft.commit == 1


def test_a_restarted_server_shows_commit_0_until_it_hears_a_leader() -> None:
    raft = server(records=[1, 1], applied=2)
    assert raft.status()["COMMIT"] == 0
    raft.replicate(101.0, heartbeat(1, 2, 1))
    assert raft.status()["COMMIT"] == 2


def test_an_older_leader_is_told_the_term() -> None:
    raft = server(records=[5])
    assert raft.replicate(101.0, record(2, 4, 5)) == Answer(False, 5, "Leader term (4) is outdated (5)")
    assert raft.leader is None


def test_a_record_sent_by_hand_gives_way_to_the_leaders() -> None:
    raft = server(records=[1], applied=1)
    assert raft.replicate(101.0, Replicate(1, 1, 1, 2, 1, 1, 1, "by hand")).ok
    assert raft.replicate(101.0, Replicate(1, 1, 1, 2, 1, 1, 1, "the leader's")).ok
    assert raft.disk.record(2) == Record(2, 1, "the leader's")


def test_only_a_leader_takes_records_and_gives_its_role_back() -> None:
    raft = server()
    with pytest.raises(NotLeader):
        raft.propose(101.0, "sql")
    elect(raft)
    raft.take()
    raft.resign(121.0)
    assert sent(raft, Role) == [Role(leader=False)]
    assert raft.state is State.FOLLOWER


def test_members_come_and_go() -> None:
    raft = server(members=[0])
    raft.tick(120.0)
    raft.set_members([0, 1])
    raft.propose(121.0, "waits")
    assert raft.commit == 0
    raft.set_members([0])
    assert raft.commit == 1
    raft.set_members([1, 2])
    raft.propose(122.0, "led from outside")
    for send in sent(raft, Send):
        assert isinstance(send, Send)
        raft.replicate_answered(122.0, send, Answer(False, 1, "Error loading previous log record"))
    assert raft.commit == 1


def test_who_gave_its_vote_stands_all_the_same_and_wins_the_next_term() -> None:
    """Its timer ran on meanwhile; equal timeouts make two leaders of consecutive terms."""
    first, second = server(1), server(2)
    first.tick(120.0)
    (ask, *_) = sent(first, AskVote)
    assert isinstance(ask, AskVote)
    first.vote_failed(120.0, ask, "refused")
    (ask,) = sent(first, AskVote)
    assert isinstance(ask, AskVote)
    first.vote_answered(120.01, ask, second.vote(120.005, ask.term, 1, ask.log_index, ask.log_term))
    assert (first.state, first.disk.term) == (State.LEADER, 1)
    second.tick(120.007)
    ask = next(ask for ask in sent(second, AskVote) if isinstance(ask, AskVote))
    second.vote_failed(120.01, ask, "refused")
    ask = next(ask for ask in sent(second, AskVote) if isinstance(ask, AskVote))
    second.vote_answered(120.02, ask, first.vote(120.015, ask.term, 2, ask.log_index, ask.log_term))
    assert (second.state, second.disk.term, first.state) == (State.LEADER, 2, State.FOLLOWER)


def test_a_follower_looks_at_its_clock_now_and_then() -> None:
    disk = MemoryDisk(Counter())
    raft = Raft(0, (0, 1, 2), Timers(5.0, 0.5, 15.0, 0.05), disk, 100.0, lambda: 0.5)
    assert raft.wakeup() == pytest.approx(120.025)
    raft.replicate(101.01, heartbeat(1, 0, 0))
    assert raft.wakeup() == pytest.approx(106.025)
    raft.tick(raft.wakeup())
    assert raft.state is State.CANDIDATE


# The recorded return of a leader that was cut off with a write pending (facts/ex-leader-tail-overwritten): servers 0
# to 2 are fe1 to fe3; records 1 to 3 of term 16 are 751 to 753, 4 is the pending one, 4 to 11 of term 17 the new
# leader's. A row is index, term, applied.
OLD = [(1, 16, 1), (2, 16, 1), (3, 16, 1)]
NEW = [(index, 17) for index in range(4, 12)]


class Row:
    """A server with its applied records, as the daemon keeps them."""

    def __init__(self, records: Iterable[int], traps: Traps) -> None:
        self.raft = server(0, records=records, applied=3)
        self.raft.traps = traps
        self.applied = {(index, 16) for index in (1, 2, 3)}

    def hears(self, message: Replicate) -> bool:
        answer = self.raft.replicate(101.0, message)
        disk = self.raft.disk
        while disk.applied < self.raft.commit and (record := disk.record(disk.applied + 1)) is not None:
            self.applied.add((record.index, record.term))
            disk.applied = record.index  # type: ignore[misc]
        return answer.ok

    def rows(self) -> list[tuple[int, int, int]]:
        last, _ = self.raft.disk.last()
        terms = [(index, self.raft.disk.term_at(index) or 0) for index in range(1, last + 1)]
        return [(index, term, int((index, term) in self.applied)) for index, term in terms]


def returned(traps: Traps, heartbeat_first: bool) -> list[tuple[int, int, int]]:
    """The log of the one that was cut off, after it heard the new leader, by heartbeat or by record first."""
    row = Row([16, 16, 16, 16], traps)
    assert row.rows() == [*OLD, (4, 16, 0)]
    beat = Replicate(1, 11, 17, 0, 0, 0, 0, "") if traps.stale_tail else heartbeat(17, 11, 17)
    records = [Replicate(1, 11, 17, index, 17, index - 1, 16 if index == 4 else 17, "new") for index, _ in NEW]
    # The leader's own last record is too far ahead; it is walked back to the first that fits.
    assert not row.hears(records[-1])
    if heartbeat_first:
        assert row.hears(beat)
        # Up to its own last record, or to the last that is the leader's too.
        assert row.raft.commit == (4 if traps.stale_tail else 3)
    assert all(row.hears(record) for record in records)
    assert row.hears(beat)
    return row.rows()


def test_the_recorded_return_of_a_leader_whose_record_came_first() -> None:
    assert returned(RECORDED, heartbeat_first=False) == [*OLD, *((index, 17, 1) for index, _ in NEW)]


def test_a_heartbeat_that_comes_first_makes_it_skip_a_record() -> None:
    """What was seen in 6 of 6 isolated leaders: nothing but the log's own column shows it."""
    assert returned(RECORDED, heartbeat_first=True) == [*OLD, (4, 17, 0), *((index, 17, 1) for index, _ in NEW[1:])]
    whole = [*OLD, *((index, 17, 1) for index, _ in NEW)]
    assert returned(Traps(), heartbeat_first=True) == returned(Traps(), heartbeat_first=False) == whole


def test_the_recorded_heartbeat_has_zeros() -> None:
    for traps, prev in ((RECORDED, (0, 0)), (Traps(), (2, 1))):
        raft = server(records=[1, 1], applied=2)
        raft.traps = traps
        elect(raft)
        beat = next(s for s in sent(raft, Send) if isinstance(s, Send)).message
        assert (beat.commit, beat.prev_index, beat.prev_term) == (2, *prev)
