# SPDX-License-Identifier: Apache-2.0
"""Profiles and own timers that cannot work, and what must be said about each."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.nebula.ha.plugins.module_utils.preflight.fault import Broken
from ansible_collections.nebula.ha.plugins.module_utils.preflight.inventory import inventory_advice

from .inventories import faults, hosts, one


def given(profile: str = "default", election: Any = "", step: Any = "", broadcast: Any = "", call: Any = "") -> Any:
    return hosts(
        one_timing=profile,
        one_election_timeout_ms=election,
        one_election_timeout_step_ms=step,
        one_broadcast_timeout_ms=broadcast,
        one_xmlrpc_timeout_ms=call,
    )


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"profile": "fast"},
        {"profile": "upstream"},
        {"election": 2000},
        {"election": "2000", "step": "1000", "broadcast": "500", "call": "500"},
        {"step": 2000, "call": 1700},
        {"call": 700},
        {"broadcast": 1000},
        {"profile": "fast", "broadcast": 500},
        {"profile": "upstream", "step": 2000},
        {"profile": "upstream", "step": 1000, "call": 700},
    ],
)
def test_timers_that_work(values: dict[str, Any]) -> None:
    assert faults(given(**values)) == []


@pytest.mark.parametrize(
    ("values", "variable", "problem", "fix"),
    [
        ({"profile": "quick"}, "one_timing", "no timing profile", "default, fast, upstream"),
        ({"election": 4500}, "one_election_timeout_ms", "whole seconds", "write 5000"),
        ({"step": 1500}, "one_election_timeout_step_ms", "whole seconds", "write 2000"),
        ({"election": 1000}, "one_election_timeout_ms", "4 x one_broadcast_timeout_ms (2000)", "2000 or more"),
        ({"step": 1000, "call": 701}, "one_election_timeout_step_ms", "+ 300 ms (1001)", "raise it to 2000"),
        ({"call": 701}, "one_xmlrpc_timeout_ms", "300 ms (1001) apart collide", "700 or less, or set one_election"),
        (
            {"broadcast": 1001},
            "one_broadcast_timeout_ms",
            "(4004), and the profile's timer is 4000",
            "lower it to 1000",
        ),
        # Good beside the default, not beside what the profile has.
        ({"profile": "fast", "broadcast": 501}, "one_broadcast_timeout_ms", "timer is 2000", "lower it to 500"),
        ({"profile": "upstream", "step": 1000}, "one_election_timeout_step_ms", "(1300)", "raise it to 2000"),
        ({"profile": "upstream", "call": 500}, "one_election_timeout_step_ms", "equal for all", "set it to 1000"),
        ({"profile": "upstream", "election": 5000}, "one_election_timeout_step_ms", "equal for all", "set it to 2000"),
        ({"step": 0}, "one_election_timeout_step_ms", "no positive whole number", "above 0"),
        ({"election": "soon"}, "one_election_timeout_ms", "no positive whole number", "above 0"),
        ({"call": -1}, "one_xmlrpc_timeout_ms", "no positive whole number", "above 0"),
    ],
)
def test_timers_that_cannot_work(values: dict[str, Any], variable: str, problem: str, fix: str) -> None:
    fault = one(given(**values))
    assert fault.variable == variable
    assert problem in fault.problem
    assert fix in fault.fix


def test_all_faults_at_once() -> None:
    found = faults(given(election=1500, step=500, broadcast=1000, call=600))
    assert [(fault.variable, fault.fix) for fault in found] == [
        ("one_election_timeout_ms", "write 2000"),
        ("one_election_timeout_step_ms", "write 1000"),
        ("one_election_timeout_step_ms", "raise it to 1000 or more"),
        ("one_election_timeout_ms", "raise it to 4000 or more"),
    ]
    found = faults(given("quick", election=1500, step=500, call=600))
    assert [fault.variable for fault in found] == [
        "one_timing",
        "one_election_timeout_ms",
        "one_election_timeout_step_ms",
        "one_election_timeout_step_ms",
    ]


def test_what_is_unknown_is_compared_with_nothing() -> None:
    of = given(election=1500)
    for values in of.values():
        values["one_timing"] = Broken("'x' is undefined")
    assert {fault.variable for fault in faults(of)} == {"one_timing"}
    of = given(call=701)
    of["fe2"]["one_election_timeout_step_ms"] = 5000
    assert [fault.variable for fault in faults(of)] == ["one_election_timeout_step_ms"]


def test_a_fault_shows_a_profile_that_is_no_text() -> None:
    of = hosts(one_timing=["fast"])
    assert "one_timing is ['fast']" in one(of).sentence


def test_upstreams_timers_are_warned_of() -> None:
    def told(of: Any) -> list[str]:
        return [line for line in inventory_advice({"frontends": list(of)}, of) if "timer" in line]

    assert len(told(given("upstream"))) == 1
    assert told(given("upstream", step=2000)) == []
    assert told(given("default")) == told(given("fast")) == []
