# SPDX-License-Identifier: Apache-2.0
"""Clouds whose parts do not fit together, and what must be said about each."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.nebula.ha.plugins.module_utils.preflight.cloud import nearly
from ansible_collections.nebula.ha.plugins.module_utils.preflight.inventory import inventory_advice, inventory_faults

from .inventories import CA, NAMES, hosts, judged, whole

COMPACT = {
    "frontends": NAMES,
    "sunstones": NAMES,
    "caches": NAMES,
    "balancers": NAMES[:2],
    "nodes": ("node1", "node2"),
}


def sentences(groups: dict[str, Any], **common: Any) -> list[str]:
    return [fault.sentence for fault in judged(groups, **common)]


@pytest.mark.parametrize("groups", [whole(), COMPACT, {"frontends": NAMES}], ids=["whole", "compact", "front-ends"])
def test_a_good_cloud_has_no_fault(groups: dict[str, Any]) -> None:
    assert sentences(groups, one_floating_address="192.0.2.100" if "balancers" in groups else "") == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("node", "nodes"),
        ("Nodes", "nodes"),
        ("balancer", "balancers"),
        ("front_ends", "frontends"),
        ("front-end", "frontends"),
        ("sunstone", "sunstones"),
        ("cache", "caches"),
        ("nodes", ""),
        ("databases", ""),
        ("webnodes", ""),
        ("storage", ""),
        ("lab", ""),
    ],
)
def test_names_that_are_nearly_ours(name: str, meant: str) -> None:
    assert nearly(name) == meant


def test_a_misspelt_group() -> None:
    groups = whole()
    groups["node"] = groups.pop("nodes")
    (sentence,) = sentences(groups)
    assert sentence.startswith("group node is node1, node2:") and "rename it to nodes" in sentence


def test_a_misspelt_group_of_front_ends_is_named_beside_the_missing_one() -> None:
    found = inventory_faults({"frontend": NAMES}, {})
    assert [fault.variable for fault in found] == ["group frontend", "group frontends"]


def test_a_child_of_ours_may_have_any_name() -> None:
    assert sentences({**whole(), "node": ("node1",), "cache": ()}) == []


def test_every_machine_is_judged_and_not_the_front_ends_alone() -> None:
    of = hosts((*NAMES, "node_1", "node2"), **CA)
    of["node2"]["one_address"] = of["fe1"]["one_address"]
    of["node_1"]["one_rpc_port"] = 2634
    found = inventory_faults({"frontends": NAMES, "nodes": ("node_1", "node2")}, of)
    assert [(fault.variable, fault.host) for fault in found] == [
        ("inventory_hostname", "node_1"),
        ("one_rpc_port", "node_1"),
        ("one_address", "node2"),
    ]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("192.0.2.300", "no address"),
        ("cloud.example.org", "no address"),
        ("192.0.2.100/24", "no address"),
        ("192.0.3.100", "outside one_subnet"),
        ("192.0.2.255", "the broadcast address"),
        ("192.0.2.0", "the network address"),
        ("192.0.2.11", "fe1's own"),
        ("127.0.0.1", "no other machine"),
        ("", "lb1 and lb2 are balancers"),
    ],
)
def test_a_floating_address_that_cannot_work(address: str, words: str) -> None:
    (fault,) = judged(whole(), one_floating_address=address)
    assert fault.variable == "one_floating_address" and words in fault.problem


def test_a_floating_address_without_balancers() -> None:
    (sentence,) = sentences(whole(balancers=()))
    assert "one_floating_address is '192.0.2.100': no balancer" in sentence


def test_three_balancers() -> None:
    (fault,) = judged(whole(balancers=("lb1", "lb2", "lb3")))
    assert fault.variable == "group balancers" and "lb3" in fault.value


def test_one_balancer_needs_no_floating_address() -> None:
    assert sentences(whole(balancers=("lb1",)), one_floating_address="") == []


def test_a_balancer_that_leaves_is_none() -> None:
    assert sentences(whole(), one_leaving=["lb2"], one_floating_address="") == []
    assert sentences(whole(balancers=("lb1", "lb2", "lb3")), one_leaving=["lb3"]) == []


@pytest.mark.parametrize(
    ("leaving", "words"),
    [(["node9"], "node9"), ("node1", "no list"), (["node1", "node8", "node9"], "node8, node9")],
)
def test_machines_that_cannot_leave(leaving: Any, words: str) -> None:
    (sentence,) = sentences(whole(), one_leaving=leaving)
    assert "one_leaving" in sentence and words in sentence


def test_a_web_interface_without_a_cache() -> None:
    (fault,) = judged(whole(caches=()))
    assert fault.variable == "group caches" and "web1, web2" in fault.problem
    (left,) = judged(whole(caches=("cache1",)), one_leaving=["cache1"])
    assert left.variable == "group caches"
    assert sentences(whole(caches=(), sunstones=())) == []


def test_two_services_that_want_one_port_are_named_once_with_all_machines() -> None:
    (fault,) = judged(COMPACT, one_sunstone_port=11211)
    assert fault.variable == "port 11211" and fault.host == "fe1, fe2, fe3"
    assert "memcached (role memcached) and Sunstone (role sunstone)" in fault.problem
    assert "one_memcached_port or one_sunstone_port" in fault.fix


def test_a_balancer_on_a_front_end_needs_a_floating_address_or_another_port() -> None:
    alone = {**COMPACT, "balancers": NAMES[:1]}
    fault, flow, gate = judged(alone, one_floating_address="")
    assert fault.sentence == (
        "fe1: port 2633: oned (role frontend) and HAProxy (role balancer) both want it on 192.0.2.11; set one_rpc_port "
        "or one_api_port to another port, or give the balancer an address of its own with one_floating_address, or let "
        "different machines carry them."
    )
    assert (flow.variable, gate.variable) == ("port 2474", "port 5030")
    assert sentences(alone, one_floating_address="", one_api_port=2634, one_flow_port=2475, one_gate_port=5031) == []


def test_a_floating_address_that_is_there_is_no_way_out() -> None:
    (fault,) = judged(whole(), one_web_port=80)
    assert fault.variable == "port 80" and fault.host == "lb1, lb2"
    assert "one_web_port" in fault.fix and "one_floating_address" not in fault.fix


def test_a_port_beyond_the_last() -> None:
    (fault,) = judged(whole(), one_web_port=65536)
    assert fault.variable == "one_web_port"


@pytest.mark.parametrize(
    ("variables", "variable"),
    [
        ({"one_datastore_source": "/dev/sdb1"}, "one_datastore_source"),
        ({"one_datastore_source": "storage:/one two"}, "one_datastore_source"),
        ({"one_datastore_source": "storage", "one_datastore_fstype": "glusterfs"}, "one_datastore_source"),
        ({"one_datastore_source": ["a"]}, "one_datastore_source"),
        ({"one_datastore_source": "s:/one", "one_datastore_fstype": "NFS share"}, "one_datastore_fstype"),
        ({"one_datastore_source": "s:/one", "one_datastore_options": "vers=4.2, soft"}, "one_datastore_options"),
        ({"one_datastore_source": "s:/one", "one_datastore_options": "vers=4.2,soft"}, "one_datastore_options"),
        ({"one_datastore_source": "s:/one", "one_datastore_options": "ro"}, "one_datastore_options"),
    ],
)
def test_a_share_that_cannot_be_mounted(variables: dict[str, Any], variable: str) -> None:
    assert [fault.variable for fault in judged(whole(), **variables)] == [variable]


@pytest.mark.parametrize(
    "variables",
    [
        {"one_datastore_source": "192.0.2.50:/export/one", "one_datastore_options": "vers=4.2,timeo=50"},
        {"one_datastore_source": "s1:/one", "one_datastore_fstype": "glusterfs"},
        {"one_datastore_source": "s1,s2:/one", "one_datastore_fstype": "glusterfs"},
        {"one_datastore_source": "[2001:db8::1]:/one"},
        {"one_datastore_source": "10.0.0.1:6789:/", "one_datastore_fstype": "ceph"},
        {"one_datastore_source": "/dev/drbd0", "one_datastore_fstype": "gfs2"},
    ],
)
def test_a_share_that_can(variables: dict[str, Any]) -> None:
    assert sentences(whole(), **variables) == []


def advice(groups: dict[str, Any], **common: Any) -> list[str]:
    names = tuple(dict.fromkeys(name for members in groups.values() for name in members))
    of = hosts(names, **{"one_datastore_source": "s:/one", **common})
    for values in of.values():
        values["one_address"] = str(values["one_address"]).replace("192.0.2.", common.get("network", "10.0.0."))
    found: list[str] = inventory_advice(groups, of)
    return found


def test_a_cloud_of_which_nothing_is_there_once_gets_no_advice() -> None:
    assert advice(whole()) == []
    assert advice(COMPACT) == []
    assert advice({"frontends": NAMES}, one_datastore_source="") == []


@pytest.mark.parametrize(
    ("changed", "variables", "words"),
    [
        ({}, {"one_datastore_source": ""}, "one_datastore_source"),
        ({"balancers": ("lb1",)}, {}, "while lb1 is down there is no web"),
        ({"caches": ("cache1",)}, {}, "while cache1 is down there is no login"),
        ({"balancers": ()}, {}, "in clear"),
        ({}, {"network": "192.0.2."}, "unlike lb1, lb2"),
        ({}, {"network": "172.32.0."}, "everybody has to log in again"),
    ],
)
def test_advice_is_for_what_works_and_is_weak(changed: Any, variables: dict[str, Any], words: str) -> None:
    (told,) = advice(whole(**changed), **variables)
    assert words in told


@pytest.mark.parametrize("network", ["192.168.7.", "172.16.0.", "172.31.9."])
def test_private_networks_get_no_advice(network: str) -> None:
    assert advice(whole(), network=network) == []
