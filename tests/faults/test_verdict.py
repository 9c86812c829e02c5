"""What the looks of a drill are taken for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest

from tests.faults import verdict
from tests.faults.drill import ABORTS, FAULTS, FROZEN, KILLED, cases, chosen
from tests.faults.verdict import Look, Record
from tests.zone.raft import CANDIDATE, FOLLOWER, LEADER, Server

CONF = """
# RAFT = [ ELECTION_TIMEOUT_MS = 9999 ]
FEDERATION = [ SERVER_ID = 1 ]
RAFT = [
    LIMIT_PURGE = 100000,  # ELECTION_TIMEOUT_MS = 1
    ELECTION_TIMEOUT_MS = "3000",
    BROADCAST_TIMEOUT_MS = 500
]
OTHER = [ ELECTION_TIMEOUT_MS = 8000 ]
"""


def says(state: int, term: int) -> Server:
    """Give a server's word."""
    return Server(0, state, term, 9, 9, {})


def looks(*seen: object) -> list[Look]:
    """Give looks a second apart, from 100 on."""
    return [Look(100.0 + second, saw) for second, saw in enumerate(seen)]


def test_the_timer_is_that_of_the_raft_block() -> None:
    """Not one in a comment or in another block; a file without it, or with two, is refused."""
    assert verdict.election_timeout(CONF) == 3.0
    assert verdict.election_timeout("RAFT=[LIMIT_PURGE=1,ELECTION_TIMEOUT_MS=2000]") == 2.0
    for broken in ("", CONF + CONF):
        with pytest.raises(ValueError, match="not one"):
            verdict.election_timeout(broken)


@pytest.mark.parametrize(
    ("risen", "lost", "expected"),
    [(1, {}, False), (1, {"b": 1, "c": 0}, False), (1, {"b": 1, "c": 1}, True), (2, {}, True), (0, {}, True)],
)
def test_an_election_collided_if_terms_or_logs_say_so(risen: int, lost: Mapping[str, int], expected: bool) -> None:
    """One term more, and no two losers."""
    assert verdict.collided(risen, lost) == expected


def test_elected_is_the_first_to_lead_in_a_higher_term() -> None:
    """A candidate is not, nor is one that leads in the old term; a server that does not answer is passed over."""
    seen = looks(
        {"a": None, "b": says(FOLLOWER, 4)},
        {"a": says(LEADER, 4), "b": says(CANDIDATE, 5)},
        {"a": None, "b": says(LEADER, 5)},
        {"a": says(LEADER, 6), "b": says(FOLLOWER, 6)},
    )
    assert verdict.elected(seen, 4) == ("b", 102.0)
    assert verdict.elected(seen[:2], 4) is None


UP, DOWN = {"flow": "active", "gate": "active"}, {"flow": "inactive", "gate": "failed"}
PART = {"flow": "active", "gate": "activating"}


def test_units_run_all_or_none() -> None:
    """What starts or stops is neither, and so is a machine that does not say."""
    assert [verdict.all_run(units) for units in (UP, PART, DOWN, None, {})] == [True, False, False, False, False]
    assert [verdict.none_runs(units) for units in (UP, PART, DOWN, None, {})] == [False, False, True, False, False]


def test_something_holds_since_it_was_last_otherwise() -> None:
    """An early success that did not last does not count; what is not so at the end never held."""
    assert verdict.holds_since(looks(DOWN, UP, PART, UP, UP), verdict.all_run) == 103.0
    assert verdict.holds_since(looks(UP, UP), verdict.all_run) == 100.0
    assert verdict.holds_since(looks(UP, None), verdict.all_run) is None
    assert verdict.holds_since([], verdict.all_run) is None


def test_a_server_is_taken_while_haproxy_says_up() -> None:
    """Half up is up, and one that HAProxy does not know is not proven down; a silent HAProxy is no answer."""
    seen = looks({"api/a": "UP"}, {"api/a": "UP 1/2"}, {"api/a": "DOWN"}, {"api/a": "MAINT"}, {}, None)
    assert [look.at for look in verdict.taken(seen, "api/a")] == [100.0, 101.0, 104.0]


RECORD = Record("default", KILLED, 0, "a", "b", 4.0, 4.4, 4.5, 4.5, 0.2, 1, 0, False, 3.0, 0, 200, 0, 0)


def test_the_median_is_held_against_the_bar_fault_by_fault() -> None:
    """Other profiles and faults do not count; no trials are no success, nor is an outage without an end."""
    slow, never = dataclasses.replace(RECORD, failing=5.2), dataclasses.replace(RECORD, failing=None)
    assert RECORD.ratio == pytest.approx(1.1)
    bars = {KILLED: 1.2}
    assert verdict.broken([RECORD, RECORD, slow], "default", bars) == []
    assert "1.30" in verdict.broken([RECORD, slow, slow], "default", bars)[0]
    assert verdict.broken([RECORD, never, never], "default", bars)
    assert "no trial" in verdict.broken([dataclasses.replace(RECORD, profile="fast")], "default", bars)[0]
    assert "no trial" in verdict.broken([RECORD], "default", {FROZEN: 1.5})[0]


def test_which_trials_are_run() -> None:
    """Each fault as often as its profile says, one of all thorough; nothing said is one trial of each with `fast`."""
    found = cases("default:2,upstream", 3)
    assert [case.profile for case in found].count("default") == 2 * len(FAULTS)
    assert [case.profile for case in found].count("upstream") == 3 * len(FAULTS)
    assert [case for case in found if case.thorough] == [next(case for case in found if case.fault == KILLED)]
    assert len({str(case) for case in found}) == len(found)
    assert [(case.profile, case.fault) for case in chosen({})] == [("fast", fault) for fault in FAULTS]
    assert {case.fault for case in chosen({"DRILL_FAULTS": ABORTS, "DRILL_TRIALS": "4"})} == {ABORTS}
    with pytest.raises(ValueError, match="DRILL_FAULTS names"):
        chosen({"DRILL_FAULTS": "leader on holiday"})
