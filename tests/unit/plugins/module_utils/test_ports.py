# SPDX-License-Identifier: Apache-2.0
"""Which machine listens on what, and where two roles want the same."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.nebula.ha.plugins.module_utils import ports

ADDRESS = "192.0.2.11"
FLOATING = "192.0.2.100"


def claims(*groups: str, floating: str = "", **values: Any) -> list[ports.Claim]:
    found: list[ports.Claim] = ports.claims(set(groups), ADDRESS, floating, values)
    return found


def where(found: list[ports.Claim], role: str) -> set[tuple[int, str | None]]:
    return {(claim.number, claim.address) for claim in found if claim.port.role == role}


def clashes(found: list[ports.Claim]) -> list[tuple[str, str, int]]:
    return [(one.port.role, other.port.role, one.number) for one, other in ports.collisions(found)]


@pytest.mark.parametrize("port", ports.PORTS, ids=lambda port: f"{port.role}-{port.number}")
def test_every_row_can_be_read_by_a_firewall(port: ports.Port) -> None:
    places = {ports.ALL, ports.OWN, ports.FLOATING, ports.LOOPBACK, ports.YIELDING, ports.OUTSIDE}
    assert port.listens in places
    assert set(port.groups) <= set(ports.GROUPS) and port.groups
    assert set(port.sources) <= {*ports.GROUPS, ports.USERS, ports.CONTROLLER, ports.ITSELF} and port.sources
    # What is nobody else's business is where nobody else comes
    assert (port.sources == (ports.ITSELF,)) == (port.listens in {ports.LOOPBACK, ports.OUTSIDE})


def test_a_front_end_leaves_the_floating_address_free_where_it_is_a_balancer() -> None:
    assert (2633, None) in where(claims("frontends"), "frontend")
    assert (2633, ADDRESS) in where(claims("frontends", "balancers", floating=FLOATING), "frontend")
    assert (2633, "127.0.0.1") in where(claims("frontends", "balancers", floating=FLOATING), "loopback_proxy")
    assert where(claims("frontends"), "loopback_proxy") == set()


def test_a_machine_that_carries_everything_has_room_for_it() -> None:
    assert clashes(claims(*ports.GROUPS, floating=FLOATING)) == []
    carried = {claim.port.role for claim in claims(*ports.GROUPS, floating=FLOATING)}
    assert carried >= {"frontend", "balancer", "memcached", "sunstone", "loopback_proxy"}


def test_without_a_floating_address_the_balancer_wants_the_front_ends_own() -> None:
    assert clashes(claims("frontends", "balancers")) == [
        ("frontend", "balancer", 2633),
        ("leader_services", "balancer", 2474),
        ("leader_services", "balancer", 5030),
    ]
    assert clashes(claims("frontends", "balancers", one_api_port=2634, one_flow_port=2475, one_gate_port=5031)) == []
    assert clashes(claims("balancers")) == []


@pytest.mark.parametrize(
    ("groups", "values", "clash"),
    [
        (("balancers",), {"one_web_port": 80}, ("balancer", "balancer", 80)),
        (("sunstones", "caches"), {"one_memcached_port": 9869}, ("memcached", "sunstone", 9869)),
        (("frontends",), {"one_rpc_port": "4124"}, ("frontend", "frontend", 4124)),
        (("frontends",), {"one_rpc_port": 3306}, ("database", "frontend", 3306)),
        (("sunstones",), {"one_sunstone_port": 22}, ("common", "sunstone", 22)),
    ],
)
def test_a_port_given_twice(groups: tuple[str, ...], values: dict[str, Any], clash: tuple[str, str, int]) -> None:
    assert clash in clashes(claims(*groups, floating=FLOATING, **values))


def test_the_loopback_address_is_another_one() -> None:
    found = claims("sunstones", "caches")
    assert {(11211, ADDRESS), (11211, "127.0.0.1")} <= where(found, "memcached") | where(found, "loopback_proxy")
    assert clashes(found) == []


def test_udp_and_tcp_are_apart() -> None:
    tcp, udp = (ports.Port("x", name, 53, (name,), ports.ALL, ("nodes",), "", ("nodes",)) for name in ("tcp", "udp"))
    assert not ports.Claim(tcp, 53, None).meets(ports.Claim(udp, 53, None))
    assert ports.Claim(tcp, 53, None).meets(ports.Claim(tcp, 53, ADDRESS))


@pytest.mark.parametrize("value", ["x", "", True, None, -1, 2.5])
def test_what_is_no_number_is_no_claim(value: Any) -> None:
    assert 443 not in {claim.number for claim in claims("balancers", one_web_port=value)}


def test_a_machine_without_a_group_of_ours_listens_on_nothing() -> None:
    assert claims() == []
    assert claims("printers") == []


def test_a_range_is_no_claim_because_nothing_listens_there_beforehand() -> None:
    assert {port.number for port in ports.PORTS if port.last} == {5900, 49152}
    assert not {5900, 49152} & {claim.number for claim in claims("nodes")}
