# SPDX-License-Identifier: Apache-2.0
"""Who leads, by what one machine has seen: cut off, slept, two at once, alone; and every state of a small world."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest

from plugins.module_utils.zone.leadership import (
    NEVER,
    Leadership,
    Limits,
    Membership,
    Observation,
    Standing,
    leaderless,
    leadership,
    least_room,
    membership,
    read_refusal,
    services_run,
    write_refusal,
)
from plugins.module_utils.zone.model import Failure, FailureKind, RaftStatus, ServerState, Zone, ZoneServer

LIMITS = Limits()
NOW = 1000.0
REFUSED = Failure(FailureKind.REFUSED, "connection refused")
TIMEOUT = Failure(FailureKind.TIMEOUT, "no answer within 2 s")
ENDPOINTS = [f"http://10.0.0.{number + 1}:2633/RPC2" for number in range(5)]


def raft(state: ServerState, term: int = 5) -> RaftStatus:
    return RaftStatus(0, state, term, -1, 10, 10, term, -1)


def seen(
    place: int,
    state: ServerState | None,
    term: int = 5,
    age: float = 0.1,
    failure: Failure | None = None,
) -> Observation:
    status = None if state is None else raft(state, term)
    return Observation(f"one{place + 1}", ENDPOINTS[place], status, NOW - age if status else NEVER, failure)


def of(size: int, listed: int | None = None) -> Membership:
    servers = tuple(ZoneServer(place, f"one{place + 1}", ENDPOINTS[place]) for place in range(listed or size))
    return membership(Zone(0, "OpenNebula", True, "", servers), ENDPOINTS[:size])


LEADER, FOLLOWER, CANDIDATE, SOLO = (
    ServerState.LEADER,
    ServerState.FOLLOWER,
    ServerState.CANDIDATE,
    ServerState.SOLO,
)


def standing(own: Observation, *peers: Observation, size: int = 3, listed: int | None = None) -> Leadership:
    return leadership(own, peers, of(size, listed), NOW, LIMITS)


def test_a_leader_with_its_followers_leads() -> None:
    word = standing(seen(0, LEADER), seen(1, FOLLOWER), seen(2, FOLLOWER))
    assert word.leads
    assert (word.term, word.reason) == (5, "one1 leads in term 5")


@pytest.mark.parametrize("state", [FOLLOWER, CANDIDATE])
def test_who_does_not_say_so_does_not_lead(state: ServerState) -> None:
    word = standing(seen(0, state), seen(1, FOLLOWER), seen(2, FOLLOWER))
    assert word.standing is Standing.FOLLOWS
    assert state.name.lower() in word.reason


def test_one_follower_of_two_is_enough_and_two_of_four_are() -> None:
    assert standing(seen(0, LEADER), seen(1, FOLLOWER), seen(2, None)).leads
    assert standing(seen(0, LEADER), seen(1, FOLLOWER), seen(2, FOLLOWER), seen(3, None), seen(4, None), size=5).leads
    one = standing(seen(0, LEADER), seen(1, FOLLOWER), *(seen(place, None) for place in (2, 3, 4)), size=5)
    assert one.standing is Standing.UNCONFIRMED
    assert "only 2 of 5 servers" in one.reason


@pytest.mark.parametrize(("age", "leads"), [(0.0, True), (1.19, True), (1.21, False), (60.0, False)])
def test_a_leader_that_is_cut_off_leads_no_longer_than_it_was_confirmed(age: float, leads: bool) -> None:
    word = standing(seen(0, LEADER, age=0.0), seen(1, FOLLOWER, age=age), seen(2, FOLLOWER, age=age + 5))
    assert word.leads is leads
    assert word.confirmed == pytest.approx(NOW - age)


def test_the_majority_vouches_up_to_its_slowest_member() -> None:
    followers = [seen(place, FOLLOWER, age=place / 10) for place in (1, 2, 3, 4)]
    # Of what it said itself it is no surer than of what the others said
    own = seen(0, LEADER, age=0.9)
    assert standing(own, *followers, size=5).confirmed == pytest.approx(NOW - 0.9)
    assert standing(replace(own, seen=NOW), *followers, size=5).confirmed == pytest.approx(NOW - 0.2)


def test_a_thawed_leader_does_not_lead_on_what_it_saw_before_it_slept() -> None:
    """Its oned slept as well and still says that it leads; that answer is new, the others' are not."""
    word = standing(seen(0, LEADER, age=0.0), seen(1, FOLLOWER, age=30), seen(2, FOLLOWER, age=30))
    assert word.standing is Standing.UNCONFIRMED
    assert not services_run(word, word.confirmed, NOW, LIMITS)


@pytest.mark.parametrize("age", [2.1, 30.0])
def test_an_old_word_of_the_own_oned_does_not_count(age: float) -> None:
    word = standing(seen(0, LEADER, age=age, failure=TIMEOUT), seen(1, FOLLOWER), seen(2, FOLLOWER))
    assert word.standing is Standing.UNCONFIRMED
    assert f"{age:.1f} s ago: no answer within 2 s" in word.reason


def test_one_question_without_an_answer_changes_nothing() -> None:
    assert standing(seen(0, LEADER, age=1.9, failure=TIMEOUT), seen(1, FOLLOWER), seen(2, FOLLOWER)).leads


def test_an_oned_that_has_ended_leads_no_more() -> None:
    word = standing(seen(0, LEADER, age=0.1, failure=REFUSED), seen(1, FOLLOWER), seen(2, FOLLOWER))
    assert word.standing is Standing.GONE


def test_a_peer_whose_oned_has_ended_confirms_nothing() -> None:
    gone = seen(1, FOLLOWER, failure=REFUSED)
    assert standing(seen(0, LEADER), gone, seen(2, None)).standing is Standing.UNCONFIRMED


@pytest.mark.parametrize("state", [FOLLOWER, LEADER])
def test_a_higher_term_deposes(state: ServerState) -> None:
    word = standing(seen(0, LEADER, 5), seen(1, FOLLOWER, 5), seen(2, state, 6))
    assert word.standing is Standing.FOLLOWS
    assert "but one3 is in term 6" in word.reason


def test_a_candidates_term_does_not() -> None:
    """Whoever cannot reach the others, or has another secret, would end the service of a zone that works."""
    assert standing(seen(0, LEADER, 5), seen(1, FOLLOWER, 5), seen(2, CANDIDATE, 66)).leads


def test_the_newer_of_two_leaders_leads_and_the_older_does_not() -> None:
    old, new, follower = seen(0, LEADER, 5), seen(1, LEADER, 6), seen(2, FOLLOWER, 6)
    assert standing(new, old, follower).leads
    assert standing(old, new, follower).standing is Standing.FOLLOWS


def test_of_two_leaders_of_one_term_neither_leads() -> None:
    one, two, follower = seen(0, LEADER), seen(1, LEADER), seen(2, FOLLOWER)
    for own, other in ((one, two), (two, one)):
        word = standing(own, other, follower)
        assert word.standing is Standing.FOLLOWS
        assert "both say that they lead in term 5" in word.reason


def test_a_higher_term_seen_long_ago_is_not_held_against_a_majority_of_now() -> None:
    """The dead server of a zone that was set up anew, or restored from a dump."""
    assert standing(seen(0, LEADER, 5), seen(1, FOLLOWER, 5), seen(2, FOLLOWER, 90, age=10.1)).leads
    assert not standing(seen(0, LEADER, 5), seen(1, FOLLOWER, 5), seen(2, FOLLOWER, 90, age=9.9)).leads


def test_followers_in_an_older_term_confirm_nothing() -> None:
    assert standing(seen(0, LEADER, 6), seen(1, FOLLOWER, 5), seen(2, FOLLOWER, 5)).standing is Standing.UNCONFIRMED


def test_a_server_that_the_zone_does_not_list_neither_leads_nor_confirms() -> None:
    inside = of(3, listed=2)
    outsider = leadership(seen(2, LEADER), [seen(0, FOLLOWER), seen(1, FOLLOWER)], inside, NOW, LIMITS)
    assert outsider.standing is Standing.FOLLOWS
    assert "does not list http://10.0.0.3:2633/RPC2" in outsider.reason
    word = leadership(seen(0, LEADER), [seen(1, None), seen(2, FOLLOWER)], inside, NOW, LIMITS)
    assert word.standing is Standing.UNCONFIRMED
    higher = leadership(seen(0, LEADER), [seen(1, FOLLOWER), seen(2, LEADER, 9)], inside, NOW, LIMITS)
    assert higher.leads, "a server that was deleted leads on for itself"


def test_nobody_confirms_himself_and_nobody_twice() -> None:
    own = seen(0, LEADER)
    assert not standing(own, replace(own, raft=raft(FOLLOWER)), seen(1, None), seen(2, None)).leads
    twice = [seen(1, FOLLOWER), seen(1, FOLLOWER)]
    assert not standing(own, *twice, *(seen(place, None) for place in (2, 3, 4)), size=5).leads


def test_an_endpoint_may_be_spelled_otherwise() -> None:
    own = replace(seen(0, LEADER), endpoint="HTTP://10.0.0.1:2633/RPC2/")
    assert standing(own, seen(1, FOLLOWER), seen(2, None)).leads


def test_a_zone_of_one_server() -> None:
    for state in (SOLO, LEADER):
        assert standing(seen(0, state, 0), size=1).leads
        assert standing(seen(0, state, 0, age=2.5), size=1).standing is Standing.UNCONFIRMED
        assert standing(seen(0, state, failure=REFUSED), size=1).standing is Standing.GONE
    assert not standing(seen(0, FOLLOWER), size=1).leads
    # As long as the zone lists nobody it is the inventory that says so
    nobody = Zone(0, "OpenNebula", True, "", ())
    assert membership(nobody, ENDPOINTS[:3]).total == 3
    assert leadership(seen(0, SOLO), [], membership(None, ENDPOINTS[:1]), NOW, LIMITS).leads
    assert not leadership(seen(0, SOLO), [], membership(None, ENDPOINTS[:3]), NOW, LIMITS).leads


def test_who_runs_alone_though_others_are_there_does_not_lead() -> None:
    for listed in (1, 3):
        word = standing(seen(0, SOLO), seen(1, FOLLOWER), seen(2, FOLLOWER), listed=listed)
        assert word.standing is Standing.FOLLOWS
        assert "3 servers belong together" in word.reason


def test_a_zone_of_its_own_beside_that_of_the_others_does_not_lead() -> None:
    """A server that was set up anew by mistake knows itself only."""
    word = standing(seen(0, LEADER, 9), seen(1, LEADER, 5), seen(2, FOLLOWER, 5), listed=1)
    assert word.standing is Standing.FOLLOWS
    assert "a zone of its own" in word.reason
    assert standing(seen(0, LEADER), seen(1, None), seen(2, None), listed=1).leads, "a zone that grows"


def test_an_even_number_and_an_entry_made_twice_count_as_oned_counts_them() -> None:
    assert of(2).quorum == 2
    assert of(4).quorum == 3
    assert not standing(seen(0, LEADER), seen(1, FOLLOWER), seen(2, None), seen(3, None), size=4).leads
    servers = tuple(ZoneServer(number, "x", ENDPOINTS[place]) for number, place in enumerate((0, 1, 2, 2)))
    members = membership(Zone(0, "OpenNebula", True, "", servers), ENDPOINTS[:3])
    assert members.quorum == 3
    assert not leadership(seen(0, LEADER), [seen(1, FOLLOWER)], members, NOW, LIMITS).leads


def test_silence_from_the_start() -> None:
    word = standing(seen(0, None), seen(1, FOLLOWER), seen(2, FOLLOWER))
    assert word.standing is Standing.UNCONFIRMED
    assert "has not told its state yet" in word.reason
    assert not services_run(word, NEVER, NOW, LIMITS)


def worlds() -> Iterator[tuple[Observation, Observation, Observation]]:
    ages = (0.0, 1.0, 5.0, 20.0)

    def peers(place: int) -> list[Observation]:
        told = itertools.product((LEADER, FOLLOWER, CANDIDATE), (4, 5, 6), ages, (None, REFUSED))
        return [seen(place, None), *(seen(place, state, term, age, failure) for state, term, age, failure in told)]

    others = peers(1)
    own = [
        seen(0, LEADER, 5, 0.5),
        seen(0, LEADER, 5, 0.5, TIMEOUT),
        seen(0, LEADER, 5, 3.0, TIMEOUT),
        seen(0, LEADER, 5, 0.5, REFUSED),
        seen(0, FOLLOWER, 5, 0.5),
    ]
    yield from itertools.product(own, others, peers(2))


def follows(peer: Observation) -> bool:
    status = peer.raft
    return status is not None and (status.state, status.term) == (FOLLOWER, 5) and peer.failure is None


def contradicts(peer: Observation) -> bool:
    status = peer.raft
    if status is None or peer.failure is not None or NOW - peer.seen > 10:
        return False
    return (status.state in (LEADER, FOLLOWER) and status.term == 6) or (status.state, status.term) == (LEADER, 5)


def test_every_world_of_three_servers() -> None:
    """Against the rules as a person would say them."""
    counts = dict.fromkeys(Standing, 0)
    members = of(3)
    for own, one, two in worlds():
        word = leadership(own, (one, two), members, NOW, LIMITS)
        counts[word.standing] += 1
        assert own.raft is not None
        if own.failure is REFUSED:
            expected = Standing.GONE
        elif own.raft.state is FOLLOWER or contradicts(one) or contradicts(two):
            expected = Standing.FOLLOWS
        elif NOW - own.seen > 2 or not any(follows(peer) and NOW - peer.seen <= 1.2 for peer in (one, two)):
            expected = Standing.UNCONFIRMED
        else:
            expected = Standing.LEADS
        assert word.standing is expected, (own, one, two, word)
        assert word.reason
        if word.leads:
            assert NOW - word.confirmed <= 1.2
            assert services_run(word, NEVER, NOW, LIMITS)
        # Nobody who says anything else leads beside it, by what he himself can see of this one
        if word.leads and one.raft is not None and one.failure is None:
            other = leadership(one, (own, two), members, NOW, LIMITS)
            assert not other.leads
    assert min(counts.values()) > 300


# What services do


@pytest.mark.parametrize(
    ("word", "since", "run"),
    [
        (Standing.LEADS, None, True),
        (Standing.LEADS, 100.0, True),
        (Standing.FOLLOWS, 0.0, False),
        (Standing.GONE, 0.0, False),
        (Standing.UNCONFIRMED, 0.0, True),
        (Standing.UNCONFIRMED, 10.0, True),
        (Standing.UNCONFIRMED, 10.1, False),
        (Standing.UNCONFIRMED, None, False),
    ],
)
def test_services_follow(word: Standing, since: float | None, run: bool) -> None:
    confirmed = NEVER if since is None else NOW - since
    assert services_run(Leadership(word, "", 5), confirmed, NOW, LIMITS) is run


# Where writes and reads may go

LEADS = Leadership(Standing.LEADS, "one1 leads in term 5", 5, NOW)
ROOM = (10**9, 10**10)


def writes(
    word: Leadership = LEADS,
    database: str = "",
    written: float = 0.5,
    disk: tuple[int, int] | None = ROOM,
    disk_age: float = 1.0,
    limits: Limits = LIMITS,
) -> str:
    return write_refusal(word, database, NOW - written, disk, NOW - disk_age, NOW, limits)


def test_writes_go_to_a_leader_that_can_store_them() -> None:
    assert writes() == ""
    assert writes(Leadership(Standing.FOLLOWS, "one1 is follower in term 5")) == "one1 is follower in term 5"
    assert writes(Leadership(Standing.UNCONFIRMED, "only 1 of 3")) == "only 1 of 3"
    assert writes(database="connection refused") == "the database takes no write: connection refused"
    assert writes(written=3.0) == ""
    assert writes(written=3.1) == "the database last took a write 3.1 s ago"
    assert write_refusal(LEADS, "", NEVER, ROOM, NOW, NOW, LIMITS) == "the database last took a write never"


def test_writes_go_where_there_is_room() -> None:
    least = 128 * 1024 * 1024
    assert writes(disk=(least, 10**12)) == ""
    assert writes(disk=(least - 1, 10**12)) == f"only {least - 1} bytes are free on disk, fewer than {least}"
    assert "room on disk was last known" in writes(disk=None)
    assert "30.1 s ago" in writes(disk_age=30.1)
    share = Limits(disk_share=0.1)
    assert least_room(10**10, share) == 10**9
    assert writes(disk=(10**9 - 1, 10**10), limits=share) != ""
    assert writes(disk=(10**9, 10**10), limits=share) == ""


def reads(own: Observation, *peers: Observation, readable: float = 0.5, size: int = 3) -> str:
    return read_refusal(own, NOW - readable, peers, of(size), NOW, LIMITS)


@pytest.mark.parametrize("state", [LEADER, FOLLOWER, CANDIDATE])
def test_reads_go_to_whoever_sees_a_majority(state: ServerState) -> None:
    assert reads(seen(0, state), seen(1, CANDIDATE, 9, age=2.0), seen(2, None)) == ""
    assert "only 1 of 3 servers" in reads(seen(0, state), seen(1, FOLLOWER, age=2.1), seen(2, None))
    assert "only 1 of 3" in reads(seen(0, state), seen(1, FOLLOWER, failure=REFUSED), seen(2, None))


def test_reads_go_to_an_oned_that_reads() -> None:
    own, peer = seen(0, FOLLOWER), seen(1, LEADER)
    assert "does not run" in reads(replace(own, failure=REFUSED), peer)
    assert "has not told its state yet" in reads(seen(0, None), peer)
    assert "last told its state 2.1 s ago" in reads(seen(0, FOLLOWER, age=2.1), peer)
    assert "last answered a read 6.1 s ago" in reads(own, peer, readable=6.1)
    assert "runs alone" in reads(seen(0, SOLO), peer)
    assert reads(seen(0, SOLO), size=1) == ""
    assert "only 1 of 3" in reads(own, own, own), "it does not see itself"


def test_the_hurry_begins_when_no_leader_is_known() -> None:
    assert not leaderless([seen(0, FOLLOWER), seen(1, LEADER, age=0.9)], NOW, 1.0)
    assert leaderless([seen(0, FOLLOWER), seen(1, LEADER, age=1.1)], NOW, 1.0)
    assert leaderless([seen(0, FOLLOWER), seen(1, LEADER, failure=REFUSED)], NOW, 1.0)
    assert leaderless([seen(0, FOLLOWER), seen(1, CANDIDATE), seen(2, None)], NOW, 1.0)
    assert not leaderless([seen(0, SOLO)], NOW, 1.0)
