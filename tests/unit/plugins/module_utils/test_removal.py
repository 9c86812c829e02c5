# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from ansible_collections.nebula.ha.plugins.filter.removal_faults import removal_faults

GROUPS = {
    "all": ["fe1", "fe2", "fe3", "web1", "cache1", "cache2", "lb1", "n1", "other"],
    "frontends": ["fe1", "fe2", "fe3"],
    "sunstones": ["fe1", "web1"],
    "caches": ["cache1", "cache2"],
    "balancers": ["lb1"],
    "nodes": ["n1"],
}


@pytest.mark.parametrize("host", ["web1", "cache2", "n1"])
def test_what_can_go(host: str) -> None:
    assert removal_faults(GROUPS, host) == []


@pytest.mark.parametrize(
    ("host", "said"),
    [
        (None, "remove_host: it is not set; name the machine, as in -e remove_host=cache2."),
        ("cache9", "name one of cache1, cache2, fe1, fe2, fe3, lb1, n1, web1."),
        ("other", "the inventory has no such machine in a group of ours"),
        ("fe2", "it is a front-end, and this collection does not make a zone smaller yet; leave it."),
        ("fe1", "to end its part in sunstones only, move that group in the inventory."),
        ("lb1", "it is the last of balancers: users would reach nothing; add another before, or say -e"),
    ],
)
def test_what_cannot(host: str, said: str) -> None:
    (sentence,) = removal_faults(GROUPS, host)
    assert said in sentence


def test_a_machine_can_be_the_last_of_several_kinds() -> None:
    alone = {**GROUPS, "balancers": ["x"], "caches": ["x"]}
    assert len(removal_faults(alone, "x")) == 2
    assert removal_faults(alone, "x", True) == []
    assert removal_faults(GROUPS, "fe2", True) != []
