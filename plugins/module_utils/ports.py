# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which port each role opens, where, for whom and what for: the one table. Pure.

Preflight finds two roles that want one port of one machine, and every role's README has its rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import AbstractSet, Any, Dict, Iterable, List, Mapping, Optional, Tuple

# Where a service listens.
ALL = "all"
OWN = "own"
FLOATING = "floating"
LOOPBACK = "loopback"
# On all addresses, but on its own alone where the machine is a balancer too: the floating one has the same port.
YIELDING = "yielding"
# Nowhere here: the role is a client of something that is not of this cloud.
OUTSIDE = "outside"

# Who is let in, beside the groups of the inventory.
USERS = "users"
CONTROLLER = "controller"
ITSELF = "itself"

GROUPS = ("frontends", "sunstones", "balancers", "caches", "nodes")
# Those with packages of OpenNebula.
PACKAGED = ("frontends", "sunstones", "nodes")
# What runs anyway: several roles may need it.
SYSTEM = ("sshd",)


def machines(groups: Mapping[str, Iterable[str]], ours: Iterable[str] = GROUPS) -> Dict[str, List[str]]:
    """The machines of the cloud, each with those of our groups that it is in: its parts."""
    parts: Dict[str, List[str]] = {}
    for group in ours:
        for name in groups.get(group, ()):
            parts.setdefault(str(name), []).append(group)
    return parts


@dataclass(frozen=True)
class Port:
    """A port of a role, on the machines of its groups; with `beside`, on those only that are in that group too."""

    role: str
    service: str
    number: Optional[int]
    protocols: Tuple[str, ...]
    listens: str
    sources: Tuple[str, ...]
    purpose: str
    groups: Tuple[str, ...]
    variable: str = ""
    beside: str = ""
    # A range is taken port by port while virtual machines come and go.
    last: Optional[int] = None


_TCP = ("tcp",)

PORTS: Tuple[Port, ...] = (
    Port("common", "sshd", 22, _TCP, ALL, (CONTROLLER,), "Ansible", GROUPS),
    Port("common", "time servers", 123, ("udp",), OUTSIDE, (ITSELF,), "time; not from a container", GROUPS),
    Port(
        "repository", "package source", 443, _TCP, OUTSIDE, (ITSELF,), "packages, unless a folder holds them", PACKAGED
    ),
    Port("database", "MariaDB", 3306, _TCP, LOOPBACK, (ITSELF,), "oned's database", ("frontends",)),
    Port(
        "frontend",
        "oned",
        2633,
        _TCP,
        YIELDING,
        ("frontends", "balancers", "sunstones"),
        "API, and Raft between the servers",
        ("frontends",),
        "one_rpc_port",
    ),
    Port("frontend", "monitord", 4124, ("tcp", "udp"), ALL, ("nodes",), "what nodes report", ("frontends",)),
    Port("frontend", "hook manager", 2101, _TCP, LOOPBACK, (ITSELF,), "oned's events", ("frontends",)),
    Port("frontend", "hook manager", 2102, _TCP, LOOPBACK, (ITSELF,), "replies to them", ("frontends",)),
    Port(
        "leader_services",
        "OneFlow",
        2474,
        _TCP,
        OWN,
        ("balancers", "sunstones"),
        "services of several machines",
        ("frontends",),
    ),
    Port("leader_services", "OneGate", 5030, _TCP, OWN, ("balancers",), "what guests report", ("frontends",)),
    Port(
        "health_agent",
        "agent",
        2640,
        _TCP,
        OWN,
        ("frontends", "balancers", "sunstones"),
        "who leads, and how the zone is",
        ("frontends",),
        "one_health_port",
    ),
    Port(
        "memcached",
        "memcached",
        11211,
        _TCP,
        OWN,
        ("sunstones",),
        "sessions of the web interface",
        ("caches",),
        "one_memcached_port",
    ),
    Port("loopback_proxy", "HAProxy", 11211, _TCP, LOOPBACK, (ITSELF,), "a cache that answers", ("sunstones",)),
    Port("loopback_proxy", "HAProxy", 12633, _TCP, LOOPBACK, (ITSELF,), "an oned that answers", ("sunstones",)),
    Port("loopback_proxy", "HAProxy", 2474, _TCP, LOOPBACK, (ITSELF,), "the leader's OneFlow", ("sunstones",)),
    Port(
        "loopback_proxy", "HAProxy", 11212, _TCP, OWN, ("sunstones",), "which cache holds the sessions", ("sunstones",)
    ),
    Port(
        "loopback_proxy",
        "HAProxy",
        2633,
        _TCP,
        LOOPBACK,
        (ITSELF,),
        "this machine's oned, where it leaves the loopback address free",
        ("frontends",),
        "one_rpc_port",
        beside="balancers",
    ),
    Port("sunstone", "Sunstone", 9869, _TCP, OWN, ("balancers",), "web interface", ("sunstones",), "one_sunstone_port"),
    Port("sunstone", "noVNC", 29876, _TCP, ALL, (USERS,), "consoles of virtual machines", ("sunstones",)),
    Port("balancer", "HAProxy", 443, _TCP, FLOATING, (USERS,), "web interface, TLS", ("balancers",), "one_web_port"),
    Port("balancer", "HAProxy", 80, _TCP, FLOATING, (USERS,), "sends browsers to the port above", ("balancers",)),
    Port("balancer", "HAProxy", 2633, _TCP, FLOATING, (USERS,), "API, TLS", ("balancers",), "one_api_port"),
    Port(
        "balancer",
        "HAProxy",
        2643,
        _TCP,
        FLOATING,
        (USERS,),
        "API for calls that only read, TLS",
        ("balancers",),
        "one_api_read_port",
    ),
    Port("balancer", "HAProxy", 2474, _TCP, FLOATING, (USERS,), "OneFlow, TLS", ("balancers",), "one_flow_port"),
    Port("balancer", "HAProxy", 5030, _TCP, FLOATING, (USERS,), "OneGate for guests", ("balancers",), "one_gate_port"),
    Port("balancer", "HAProxy", 8404, _TCP, LOOPBACK, (ITSELF,), "statistics, for root through ssh", ("balancers",)),
    Port("balancer", "keepalived", None, ("vrrp",), OWN, ("balancers",), "who holds the address", ("balancers",)),
    Port(
        "oneadmin_ssh",
        "sshd",
        22,
        _TCP,
        ALL,
        ("frontends", "nodes"),
        "oneadmin: monitoring, images, migration",
        ("frontends", "nodes"),
    ),
    Port(
        "datastore", "the share", 2049, _TCP, OUTSIDE, (ITSELF,), "NFS; other types have others", ("frontends", "nodes")
    ),
    Port("kvm_node", "qemu", 5900, _TCP, ALL, ("sunstones",), "consoles of virtual machines", ("nodes",), last=32767),
    Port("kvm_node", "qemu", 49152, _TCP, OWN, ("nodes",), "live migration", ("nodes",), last=49215),
)


@dataclass(frozen=True)
class Claim:
    """A port on an address of a machine; without one, on all its addresses."""

    port: Port
    number: int
    address: Optional[str]

    def meets(self, other: Claim) -> bool:
        """Whether only one of both can have it."""
        return (
            self.number == other.number
            and bool(set(self.port.protocols) & set(other.port.protocols))
            and (self.address is None or other.address is None or self.address == other.address)
        )


def listening(port: Port, groups: AbstractSet[str]) -> bool:
    """Whether a machine in these groups listens on it."""
    return port.listens != OUTSIDE and bool(set(port.groups) & groups) and (not port.beside or port.beside in groups)


def number_of(port: Port, values: Mapping[str, Any]) -> Optional[int]:
    """The port's number; none where it has none, or the variable holds no number."""
    value = values.get(port.variable, port.number)
    if isinstance(value, bool) or not str(value).strip().isdigit():
        return None
    return int(value)


def claims(groups: AbstractSet[str], address: str, floating: str, values: Mapping[str, Any]) -> List[Claim]:
    """What a machine in these groups has to listen on. Ranges are not in it: nothing listens there beforehand."""
    places: Dict[str, Optional[str]] = {
        ALL: None,
        OWN: address,
        FLOATING: floating or address,
        LOOPBACK: "127.0.0.1",
        YIELDING: address if "balancers" in groups else None,
    }
    found = []
    for port in PORTS:
        number = number_of(port, values)
        if number is not None and port.last is None and listening(port, groups):
            found.append(Claim(port, number, places[port.listens]))
    return found


def collisions(all_claims: List[Claim]) -> List[Tuple[Claim, Claim]]:
    """Pairs that cannot both be had."""
    return [
        (one, other)
        for index, one in enumerate(all_claims)
        for other in all_claims[index + 1 :]
        if one.meets(other) and not (one.port.service == other.port.service and one.port.service in SYSTEM)
    ]
