# SPDX-License-Identifier: Apache-2.0
"""What a profile gives to which server."""

from __future__ import annotations

import itertools

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.nebula.ha.plugins.filter.raft_timers import raft_timers
from ansible_collections.nebula.ha.plugins.module_utils.timing import OWN, PROFILES, UPSTREAM, given, timers, whole

EMPTY = dict.fromkeys(OWN, "")


@pytest.mark.parametrize(
    ("profile", "elections", "broadcast", "call"),
    [
        ("default", [4000, 5000, 6000, 7000, 8000], 500, 500),
        ("fast", [2000, 3000, 4000, 5000, 6000], 500, 500),
        ("upstream", [5000] * 5, 500, 1000),
    ],
)
def test_the_profiles(profile: str, elections: list[int], broadcast: int, call: int) -> None:
    of = [timers(profile, rank, EMPTY) for rank in range(5)]
    assert [each["election_timeout_ms"] for each in of] == elections
    assert {(each["broadcast_timeout_ms"], each["xmlrpc_timeout_ms"]) for each in of} == {(broadcast, call)}


@pytest.mark.parametrize("profile", [name for name in PROFILES if name != UPSTREAM])
def test_no_two_servers_ask_for_votes_at_once(profile: str) -> None:
    of = [timers(profile, rank) for rank in range(9)]
    for one, other in itertools.pairwise(of):
        assert other["election_timeout_ms"] - one["election_timeout_ms"] >= one["xmlrpc_timeout_ms"] + 300
    assert all(each["election_timeout_ms"] % 1000 == 0 for each in of)
    assert all(each["election_timeout_ms"] >= 4 * each["broadcast_timeout_ms"] for each in of)


def test_the_looks_of_fast_fit_into_its_bar() -> None:
    """The leader of rank 0 is killed: its successor waits 3 s, has then to be seen by its agent and by a balancer."""
    fast = timers("fast", 1)
    assert fast["election_timeout_ms"] + fast["probe_interval_ms"] + fast["check_interval_ms"] <= 3500
    assert all(timers(name)["probe_interval_ms"] >= 200 for name in PROFILES)  # each look of a probe costs oned a call


def test_own_values_stand_in_place_of_the_profiles() -> None:
    own = {**EMPTY, "election_timeout_ms": "3000", "election_timeout_step_ms": 2000, "xmlrpc_timeout_ms": 700}
    found = timers("fast", 2, own)
    assert (found["election_timeout_ms"], found["broadcast_timeout_ms"], found["xmlrpc_timeout_ms"]) == (7000, 500, 700)
    assert timers("fast", 2, {"broadcast_timeout_ms": None}) == timers("fast", 2)


def test_the_filter() -> None:
    assert raft_timers("fast") == timers("fast")
    assert raft_timers("default", "2", EMPTY)["election_timeout_ms"] == 6000
    for profile, own, words in (("quick", {}, "no timing profile 'quick'"), ("fast", {OWN[0]: "x"}, "no whole number")):
        with pytest.raises(AnsibleFilterError, match=words):
            raft_timers(profile, 0, own)
    with pytest.raises(AnsibleFilterError):
        raft_timers("fast", "first")


def test_what_says_something() -> None:
    assert [given(value) for value in (None, "", " ", 0, "0", False)] == [False, False, False, True, True, True]
    assert [whole(value) for value in (5, "5", " 5 ", -5, "-5", "5.0", 5.0, True, "", None)] == [
        *(5, 5, 5, -5, -5),
        *(None, None, None, None, None),
    ]
