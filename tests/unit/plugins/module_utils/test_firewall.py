# SPDX-License-Identifier: Apache-2.0
"""Who may reach which port of which machine: the rules, read as the kernel would read them."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.nebula.ha.plugins.filter.firewall_rules import firewall_rules
from ansible_collections.nebula.ha.plugins.module_utils import ports
from ansible_collections.nebula.ha.plugins.module_utils.firewall import networks, rules

ROOT = Path(__file__).resolve().parents[4]
FLOATING = "192.0.2.10"
GROUPS = {
    "all": ["fe1", "fe2", "fe3", "web1", "lb1", "lb2", "cache1", "node1", "node2", "printer"],
    "frontends": ["fe1", "fe2", "fe3"],
    "sunstones": ["web1"],
    "balancers": ["lb1", "lb2"],
    "caches": ["cache1"],
    "nodes": ["node1", "node2"],
    "printers": ["printer"],
}
ADDRESSES = {name: f"192.0.2.{n + 11}" for n, name in enumerate(GROUPS["all"])}
STRANGER = "192.0.2.99"


def made(name: str, groups: Any = GROUPS, floating: str = FLOATING, **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rules(
        name, groups, more.pop("addresses", ADDRESSES), more.pop("values", {}), floating, **more
    )
    return found


def fits(rule: dict[str, Any], protocol: str, port: int | None, to: str) -> bool:
    first, _dash, last = rule["ports"].partition("-")
    inside = port is None if not first else port is not None and int(first) <= port <= int(last or first)
    return rule["protocol"] == protocol and inside and rule["to"] in ("", to)


def let_in(
    of: list[dict[str, Any]], source: str, port: int | None, protocol: str = "tcp", to: str = "192.0.2.11"
) -> bool:
    """What the kernel does with a packet that begins something: the first rule that decides counts."""
    for rule in of:
        if fits(rule, protocol, port, to):
            if rule["open"]:
                return True
            address = ipaddress.ip_address(source)
            return any(address in ipaddress.ip_network(one) for one in (*rule["ip"], *rule["ip6"]))
    return True


def allowed(name: str, port: int | None, protocol: str = "tcp", **more: Any) -> set[str]:
    of = made(name, **more)
    groups = more.get("groups", GROUPS)
    addresses = more.get("addresses", ADDRESSES)
    others = [other for members in groups.values() for other in members if other != name]
    found = {other for other in others if let_in(of, addresses[other], port, protocol, addresses[name])}
    return found | ({"stranger"} if let_in(of, STRANGER, port, protocol, addresses[name]) else set())


EVERYBODY = {*GROUPS["all"], "stranger"}


@pytest.mark.parametrize(
    ("name", "port", "who"),
    [
        ("fe1", 2633, {"fe2", "fe3", "lb1", "lb2", "web1"}),
        ("fe1", 2640, {"fe2", "fe3", "lb1", "lb2", "web1"}),
        ("fe2", 4124, {"node1", "node2"}),
        ("fe2", 2474, {"lb1", "lb2", "web1"}),
        ("fe2", 5030, {"lb1", "lb2"}),
        ("cache1", 11211, {"web1"}),
        ("web1", 9869, {"lb1", "lb2"}),
        ("web1", 29876, EVERYBODY - {"web1"}),
        ("lb1", 443, EVERYBODY - {"lb1"}),
        ("node1", 5901, {"web1"}),
        ("node1", 32767, {"web1"}),
        ("node1", 49152, {"node2"}),
        ("node1", 32768, EVERYBODY - {"node1"}),
        # Where nothing of the cloud listens nothing is closed.
        ("cache1", 2633, EVERYBODY - {"cache1"}),
        ("fe1", 9100, EVERYBODY - {"fe1"}),
    ],
)
def test_who_may_reach_what(name: str, port: int, who: set[str]) -> None:
    assert allowed(name, port) == who


def test_udp_and_vrrp() -> None:
    assert allowed("fe1", 4124, "udp") == {"node1", "node2"}
    assert allowed("lb1", None, "vrrp") == {"lb2"}
    assert allowed("fe1", 4123, "udp") == EVERYBODY - {"fe1"}


@pytest.mark.parametrize("name", [name for name in ADDRESSES if name != "printer"])
def test_ssh_is_in_no_rule(name: str) -> None:
    assert allowed(name, 22) == EVERYBODY - {name}
    assert not any(fits(rule, "tcp", 22, ADDRESSES[name]) for rule in made(name))


def test_what_listens_on_the_loopback_address_needs_no_rule() -> None:
    named = {rule["ports"] for name in ADDRESSES for rule in made(name)}
    assert not named & {"3306", "2101", "2102", "12633", "8404"}


def test_every_port_for_machines_is_closed_to_a_stranger() -> None:
    everything = {group: ["one1", "one2"] for group in ports.GROUPS}
    addresses = {"one1": "192.0.2.11", "one2": "192.0.2.12"}
    closed = 0
    for port in ports.PORTS:
        if port.listens in {ports.LOOPBACK, ports.OUTSIDE} or port.service == "sshd" or ports.USERS in port.sources:
            continue
        for protocol in port.protocols:
            of = made("one1", everything, addresses=addresses)
            assert not let_in(of, STRANGER, port.number, protocol), port
            assert let_in(of, "192.0.2.12", port.number, protocol), port
            closed += 1
    assert closed >= 10


COMPACT = {
    "frontends": ["one1", "one2", "one3"],
    "sunstones": ["one1", "one2", "one3"],
    "balancers": ["one1", "one2"],
    "caches": ["one1"],
    "nodes": ["one1"],
}
THREE = {"one1": "192.0.2.11", "one2": "192.0.2.12", "one3": "192.0.2.13"}


def test_a_port_of_users_beside_the_same_of_others() -> None:
    """HAProxy's at the floating address, oned's at the machine's own."""
    of = made("one1", COMPACT, addresses=THREE)
    assert let_in(of, STRANGER, 2633, to=FLOATING)
    assert not let_in(of, STRANGER, 2633, to="192.0.2.11")
    assert let_in(of, "192.0.2.13", 2633, to="192.0.2.11")
    assert let_in(of, STRANGER, 2474, to=FLOATING) and not let_in(of, STRANGER, 2474)
    # Without a floating address the balancer's own is the users'.
    alone = made("lb1", {"frontends": ["fe1"], "balancers": ["lb1"]}, floating="")
    assert {rule["to"] for rule in alone if rule["open"]} == {ADDRESSES["lb1"]}


def test_a_single_port_inside_a_range_is_itself() -> None:
    """11211, 9869 and 29876 lie in the range of the consoles, which web machines reach."""
    groups = {**COMPACT, "sunstones": ["one1", "one2", "web9"], "nodes": ["one1"]}
    of = made("one1", groups, addresses={**THREE, "web9": "192.0.2.19"})
    assert let_in(of, "192.0.2.19", 5901)
    assert not let_in(of, "192.0.2.19", 9869)  # balancers only
    assert let_in(of, STRANGER, 29876)
    assert not let_in(of, STRANGER, 29877)


def test_groups_of_one_machine_come_together() -> None:
    assert {rule["ports"] for rule in made("one1", COMPACT, addresses=THREE)} > {"2633", "11211", "9869", "5900-32767"}
    assert {rule["ports"] for rule in made("one3", COMPACT, addresses=THREE)} & {"11211", "5900-32767", "443"} == set()


def test_nobody_is_a_peer_of_his_own() -> None:
    """What a machine asks of itself comes over lo."""
    of = made("one1", COMPACT, addresses=THREE)
    assert "192.0.2.11" not in {address for rule in of for address in rule["ip"]}


def test_who_leaves_is_let_in_nowhere() -> None:
    assert allowed("cache1", 11211, leaving=["web1"]) == set()
    assert allowed("fe1", 4124, leaving=["node2"]) == {"node1"}
    assert allowed("lb1", None, "vrrp", leaving=["lb2"]) == set()


def test_ports_of_the_inventory() -> None:
    assert allowed("fe1", 2634, values={"one_rpc_port": "2634"}) == {"fe2", "fe3", "lb1", "lb2", "web1"}
    assert allowed("fe1", 2633, values={"one_rpc_port": "2634"}) == EVERYBODY - {"fe1"}
    with pytest.raises(ValueError, match="one_rpc_port is 'x', which is no port"):
        made("fe1", values={"one_rpc_port": "x"})


def test_addresses_of_either_family() -> None:
    six = {name: f"2001:db8::{n}" for n, name in enumerate(GROUPS["all"], 1)} | {"fe2": "192.0.2.12"}
    of = made("fe1", addresses=six, floating="2001:db8::10")
    rule = next(rule for rule in of if rule["ports"] == "2633")
    assert rule["ip"] == ("192.0.2.12",)
    assert "2001:db8::5" in rule["ip6"]
    opened = next(rule for rule in made("lb1", addresses=six, floating="2001:db8::10") if rule["ports"] == "443")
    assert (opened["to"], opened["to_family"]) == ("2001:db8::10", "ip6")


def test_sets_do_not_overlap() -> None:
    """Nftables refuses one that does."""
    assert networks(
        ["198.51.100.0/24", "198.51.100.7", "2001:db8::/32", "2001:db8::1", "192.0.2.9/32", "192.0.2.9"]
    ) == (
        ("192.0.2.9", "198.51.100.0/24"),
        ("2001:db8::/32",),
    )


def test_the_filter_reads_an_inventory() -> None:
    hostvars = {name: {"ansible_host": address} for name, address in ADDRESSES.items()}
    found = firewall_rules("fe1", GROUPS, hostvars, floating=FLOATING, trusted=["192.0.2.200", "fd00::/64"])
    assert found["trusted"] == {"ip": ["192.0.2.200"], "ip6": ["fd00::/64"]}
    assert [{**rule, "ip": tuple(rule["ip"]), "ip6": tuple(rule["ip6"])} for rule in found["rules"]] == made("fe1")
    for name, trusted, words in (("printer", [], "no group"), ("fe1", ["example.org"], "example.org")):
        with pytest.raises(AnsibleFilterError, match=words):
            firewall_rules(name, GROUPS, hostvars, trusted=trusted)


def test_the_role_passes_on_every_port_that_an_inventory_may_change() -> None:
    defaults = yaml.safe_load((ROOT / "roles/firewall/defaults/main.yml").read_text())
    changeable = {port.variable for port in ports.PORTS if port.variable}
    assert {name: f"{{{{ {name} }}}}" for name in changeable} == defaults["firewall_ports"]
