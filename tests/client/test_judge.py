"""The judge sees an outage, a lost write and a doubled one."""

from __future__ import annotations

import pytest

from tests.client.calls import Call, Kind, Outcome, from_lines
from tests.client.judge import Fault, judge_ledger, judge_pause, judge_service


def make(kind: Kind, sent: float, outcome: Outcome, took: float = 0.02, name: str = "") -> Call:
    """Build a call that is told by its time."""
    return Call(kind, name or f"p-{sent:g}", "http://fe1:2633/RPC2", sent, sent + took, outcome)


FAULT = Fault(ordered=10.0, hit=10.5)
TRIAL = [
    make("write", 9.0, "acknowledged"),
    make("write", 9.8, "acknowledged"),
    make("write", 10.2, "acknowledged"),  # between order and hit: the old leader still answered
    make("write", 10.4, "unknown", took=1.5),
    make("write", 12.0, "failed"),
    make("write", 15.0, "acknowledged", took=0.5),
    make("write", 40.5, "acknowledged"),
]


def test_outage_is_from_the_order_to_the_first_success_sent_after_the_hit() -> None:
    """A success between order and hit is none: it came from what was about to die."""
    service = judge_service(TRIAL, "write", FAULT)
    assert service.outage == pytest.approx(5.5)
    assert service.before == 2
    assert service.watched == pytest.approx(30.02)
    assert service.counts == {"acknowledged": 5, "unknown": 1, "failed": 1}


def test_a_success_that_was_sent_before_the_hit_does_not_end_the_outage() -> None:
    """An answer under way when the fault hit says nothing about the zone afterwards."""
    calls = [make("write", 10.4, "acknowledged", took=1.0), make("write", 14.0, "acknowledged")]
    assert judge_service(calls, "write", FAULT).outage == pytest.approx(4.02)


def test_no_success_afterwards_is_no_outage_of_zero() -> None:
    """Never again is None, and the gap reaches to the end of the log."""
    service = judge_service(TRIAL[:5], "write", FAULT)
    assert service.outage is None
    assert service.longest_gap == pytest.approx(12.02 - 10.22)


def test_longest_gap_sees_a_second_outage_after_an_early_success() -> None:
    """A single lucky success does not hide what follows it."""
    calls = [make("write", moment, "acknowledged") for moment in (9.0, 11.0, 31.0)]
    service = judge_service(calls, "write", FAULT)
    assert service.outage == pytest.approx(1.02)
    assert service.longest_gap == pytest.approx(20.0)


def test_kinds_are_judged_apart() -> None:
    """Reads that go on do not shorten the outage of writes."""
    calls = [*TRIAL, make("read", 10.6, "acknowledged")]
    assert judge_service(calls, "read", FAULT).outage == pytest.approx(0.62)
    assert judge_service(calls, "write", FAULT).outage == pytest.approx(5.5)


def test_an_empty_log_is_no_success() -> None:
    """A client that never ran cannot pass."""
    service = judge_service([], "write", FAULT)
    assert (service.outage, service.watched, service.before) == (None, 0.0, 0)


def test_a_pause_is_from_the_first_failed_call_to_the_next_good_one() -> None:
    """The order may come long before: what still works in between is no outage, and neither is a failure before it."""
    calls = [make("write", 8.0, "failed"), make("write", 10.1, "acknowledged"), make("write", 10.2, "unknown", 1.5)]
    calls += [make("write", 10.3, "failed"), make("write", 12.4, "acknowledged"), make("write", 13.0, "acknowledged")]
    pause = judge_pause(calls, "write", FAULT)
    assert pause.failing == pytest.approx(2.22)
    assert pause.back == pytest.approx(2.42)
    assert pause.gap == pytest.approx(2.30)
    assert pause.failed == 2


def test_a_lucky_success_does_not_hide_the_longer_pause_behind_it() -> None:
    """A server that stops in order answers some calls among those that fail."""
    calls = [make("write", moment, "failed") for moment in (10.0, 10.4, 10.6)]
    calls += [make("write", moment, "acknowledged") for moment in (10.2, 13.6)]
    assert judge_pause(calls, "write", FAULT).failing == pytest.approx(3.22)


def test_without_a_failure_there_is_no_pause_and_without_a_success_no_end() -> None:
    """Nothing failed is 0; never again is None. A call that was on its way when the fault hit belongs to it."""
    assert judge_pause([make("write", 11.0, "acknowledged")], "write", FAULT).failing == 0
    assert judge_pause([make("write", 9.9, "unknown", took=1.5)], "write", FAULT).failing is None


HELD = ["p-9", "p-9.8", "p-10.2", "p-15", "p-40.5", "somebody-elses", "somebody-elses"]


def test_sound_when_every_database_holds_every_acknowledged_write_once() -> None:
    """Documents of others do not count, however often they are there."""
    ledger = judge_ledger(TRIAL, {"fe1": HELD, "fe2": HELD}, "p-")
    assert ledger.sound
    assert len(ledger.acknowledged) == 5
    assert ledger.applied_unacknowledged == frozenset()


def test_an_acknowledged_write_missing_from_one_database_is_named() -> None:
    """One database of three is enough to fail."""
    ledger = judge_ledger(TRIAL, {"fe1": HELD, "fe2": [name for name in HELD if name != "p-15"]}, "p-")
    assert not ledger.sound
    assert ledger.missing == {"fe1": frozenset(), "fe2": frozenset({"p-15"})}


@pytest.mark.parametrize("name", ["p-15", "p-10.4"])
def test_a_repeated_write_is_named_whether_acknowledged_or_not(name: str) -> None:
    """The client never repeats, so two rows of one name mean the zone applied it twice."""
    ledger = judge_ledger(TRIAL, {"fe1": [*HELD, name, name], "fe2": HELD}, "p-")
    assert not ledger.sound
    assert ledger.repeated["fe1"] == {name}


def test_an_unknown_write_may_be_there_and_is_counted() -> None:
    """A timed-out write is neither lost nor wrong when it is found."""
    ledger = judge_ledger(TRIAL, {"fe1": [*HELD, "p-10.4"], "fe2": [*HELD, "p-10.4"]}, "p-")
    assert ledger.sound
    assert ledger.applied_unacknowledged == {"p-10.4"}


def test_a_name_that_was_never_written_is_foreign() -> None:
    """Something else wrote under the client's prefix: the ledger cannot be trusted."""
    assert not judge_ledger(TRIAL, {"fe1": [*HELD, "p-999"]}, "p-").sound


def test_a_client_that_repeats_itself_is_refused() -> None:
    """Without unique names a doubled write could not be told from two writes."""
    with pytest.raises(ValueError, match="twice"):
        judge_ledger([*TRIAL, make("write", 50.0, "acknowledged", name="p-9")], {"fe1": HELD}, "p-")


def test_a_line_of_the_log_comes_back_as_the_call_it_was() -> None:
    """Empty lines are skipped, anything else that is no call is an error."""
    assert from_lines([TRIAL[3].to_line() + "\n", "\n"]) == [TRIAL[3]]
    with pytest.raises(TypeError):
        from_lines(['{"kind": "write"}'])
