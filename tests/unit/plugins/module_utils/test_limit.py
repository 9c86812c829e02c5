# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from ansible_collections.nebula.ha.plugins.module_utils.preflight.limit import limit_faults

CLOUD = {
    "fe1": ["frontends", "sunstones"],
    "fe2": ["frontends"],
    "fe3": ["frontends"],
    "web1": ["sunstones"],
    "cache1": ["caches"],
    "lb1": ["balancers"],
    "n1": ["nodes"],
}
FRONTENDS = ["fe1", "fe2", "fe3"]


@pytest.mark.parametrize(
    "run",
    [list(CLOUD), FRONTENDS, [*FRONTENDS, "n1"], ["web1"], ["cache1", "lb1"], ["lb1"], []],
    ids=["all", "front-ends", "a node with them", "the web tier", "a cache and a balancer", "a balancer", "nothing"],
)
def test_what_may_run(run: list[str]) -> None:
    assert limit_faults(CLOUD, run) == []


@pytest.mark.parametrize("run", [["fe1"], ["fe1", "fe3", "n1"], [name for name in CLOUD if name != "fe2"]])
def test_front_ends_are_all_or_none(run: list[str]) -> None:
    (fault,) = limit_faults(CLOUD, run)
    missing = ", ".join(name for name in FRONTENDS if name not in run)
    assert fault.sentence == (
        f"--limit is without {missing}: what a front-end has to do depends on all of them; "
        "run it without --limit, or leave all front-ends out with --limit '!frontends'."
    )


def test_a_node_needs_the_front_ends() -> None:
    (fault,) = limit_faults(CLOUD, ["n1", "web1"])
    assert fault.sentence.startswith("--limit is n1 without the front-ends: a node joins through the front-ends")
    assert fault.fix == "add them to the run, as in --limit 'n1,frontends'"


def test_without_front_ends_in_the_inventory_the_inventory_is_at_fault() -> None:
    assert limit_faults({"n1": ["nodes"]}, ["n1"]) == []
