# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may reach which port of one machine: the table of ports, with the addresses of an inventory. Pure.

The first rule that fits decides. Ports for users come first, because one of another service can have the same number at
another address; then single ports; then ranges, in which single ports of others lie. What no rule names is open.
"""

from __future__ import annotations

import ipaddress
from dataclasses import asdict, dataclass
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple, Union

from .ports import FLOATING, GROUPS, PORTS, SYSTEM, USERS, Port, listening, machines, number_of

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


@dataclass(frozen=True)
class Rule:
    """Who may reach a port; the others are refused. An open one lets everybody in, at one address (or at all)."""

    purpose: str
    protocol: str
    # A number or a range; empty where the protocol has none.
    ports: str
    open: bool
    # Where it is open.
    to: str = ""
    to_family: str = ""
    # Whom it lets in.
    ip: Tuple[str, ...] = ()
    ip6: Tuple[str, ...] = ()


def networks(sources: Iterable[str]) -> Tuple[Tuple[str, ...], Tuple[str, ...]]:
    """Addresses and networks by family, in order, none inside another: nftables refuses a set with overlaps."""
    four: Set[ipaddress.IPv4Network] = set()
    six: Set[ipaddress.IPv6Network] = set()
    for source in sources:
        network = ipaddress.ip_network(str(source).strip(), strict=False)
        if isinstance(network, ipaddress.IPv4Network):
            four.add(network)
        else:
            six.add(network)
    return (
        tuple(_shown(net) for net in sorted(four) if not any(net != other and net.subnet_of(other) for other in four)),
        tuple(_shown(net) for net in sorted(six) if not any(net != other and net.subnet_of(other) for other in six)),
    )


def _shown(network: Network) -> str:
    return str(network.network_address if network.prefixlen == network.max_prefixlen else network)


def rules(
    name: str,
    groups: Mapping[str, Sequence[str]],
    addresses: Mapping[str, str],
    values: Mapping[str, Any],
    floating: str = "",
    leaving: Sequence[str] = (),
) -> List[Dict[str, Any]]:
    """The rules of one machine, in their order, as plain values.

    `addresses` has every machine's; machines in `leaving` are let in nowhere any more.
    """
    staying = {group: [host for host in groups.get(group, ()) if host not in leaving] for group in GROUPS}
    parts = set(machines(groups).get(name, ()))
    opened: List[Rule] = []
    closed: Dict[Tuple[str, str], Tuple[Port, List[str], List[str]]] = {}
    for port in PORTS:
        if not listening(port, parts) or port.service in SYSTEM:
            continue
        numbers = _numbers(port, values)
        if USERS in port.sources:
            place = (floating or addresses[name]) if port.listens == FLOATING else ""
            opened += [_opened(port, protocol, numbers, place) for protocol in port.protocols]
        elif set(port.sources) & set(GROUPS):
            for protocol in port.protocols:
                _port, purposes, hosts = closed.setdefault((protocol, numbers), (port, [], []))
                purposes.append(f"{port.service}: {port.purpose}")
                hosts += [host for group in port.sources for host in staying.get(group, ()) if host != name]
    # A range after all single ports, which can lie in it.
    ordered = sorted(closed.items(), key=lambda item: item[1][0].last is not None)
    restricted = [
        _closed(
            protocol, numbers, "; ".join(dict.fromkeys(purposes)), [addresses[host] for host in dict.fromkeys(hosts)]
        )
        for (protocol, numbers), (_port, purposes, hosts) in ordered
    ]
    return [asdict(rule) for rule in [*opened, *restricted]]


def _numbers(port: Port, values: Mapping[str, Any]) -> str:
    number: Optional[int] = number_of(port, values)
    if number is None:
        if port.number is None:
            return ""
        raise ValueError(f"{port.variable} is '{values.get(port.variable)}', which is no port")
    return f"{number}-{port.last}" if port.last is not None else str(number)


def _opened(port: Port, protocol: str, numbers: str, place: str) -> Rule:
    family = "ip6" if place and ipaddress.ip_address(place).version == 6 else "ip"
    return Rule(f"{port.service}, for users: {port.purpose}", protocol, numbers, True, place, family if place else "")


def _closed(protocol: str, numbers: str, purpose: str, sources: Sequence[str]) -> Rule:
    four, six = networks(sources)
    return Rule(purpose, protocol, numbers, False, ip=four, ip6=six)
