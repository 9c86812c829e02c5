"""Single steps of the Raft core: the recorded habits, and what the safe core does where the recorded one does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest

from lab.standin.oned.raft import (
    FILLER,
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
