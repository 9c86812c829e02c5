# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses of an inventory: the machines' own, the network that holds them, the one that balancers share."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

try:
    import netaddr  # type: ignore[import-untyped]

    HAS_NETADDR = True
except ImportError:
    HAS_NETADDR = False

from .cloud import Cloud
from .fault import Broken, Fault, shown

# The shortest length of a trusted network, by version.
WIDEST = {4: 8, 6: 16}


def address_faults(cloud: Cloud, names: Sequence[str]) -> List[Fault]:
    """Every fault of the addresses of these machines."""
    if not HAS_NETADDR:
        fix = "install it beside Ansible: pip install netaddr"
        return [Fault("netaddr", "", None, "the controller's Python lacks this library, which judges addresses", fix)]
    faults: List[Fault] = []
    network = None
    subnet = cloud.values.get("one_subnet")
    if not subnet:
        if "one_subnet" not in cloud.unclear:
            fix = "write the network that holds every one_address, such as 192.0.2.0/24"
            faults.append(Fault("one_subnet", "", None, "it is not set", fix))
    else:
        network = _network(subnet)
        if network is None:
            fix = "write address/length, such as 192.0.2.0/24"
            faults.append(Fault("one_subnet", shown("", subnet), None, "it is no network", fix))
        elif network.ip != network.cidr.ip:
            fix = f"write {network.cidr}"
            faults.append(Fault("one_subnet", shown("", subnet), None, "its address has bits beyond its length", fix))
    seen: Dict[Any, str] = {}
    for name in names:
        value = cloud.hosts[name].get("one_address")
        if isinstance(value, Broken):
            problem, fix = f"it cannot be rendered ({value.reason})", "mend the expression in the inventory"
            faults.append(Fault("one_address", "", name, problem, fix))
            continue
        address = as_address(value)
        if address is None:
            fix = "set one_address (or ansible_host) of the host to the address by which its peers reach it"
            faults.append(Fault("one_address", shown("", value), name, "it is no address", fix))
            continue
        faults += _place_faults("one_address", name, address, network)
        if address in seen:
            fix = "give every host its own"
            faults.append(Fault("one_address", shown("", str(address)), name, f"{seen[address]} has it too", fix))
        seen.setdefault(address, name)
    return faults + _floating_faults(cloud, network, seen) + _trusted_faults(cloud)


def _floating_faults(cloud: Cloud, network: Any, taken: Dict[Any, str]) -> List[Fault]:
    value = cloud.values.get("one_floating_address")
    if not value:
        return []
    variable = "one_floating_address"
    address = as_address(value)
    if address is None:
        fix = "write an unused address of one_subnet, without a length"
        return [Fault(variable, shown("", value), None, "it is no address", fix)]
    if address in taken:
        fix = "choose an address of one_subnet that no machine has"
        return [Fault(variable, shown("", value), None, f"it is {taken[address]}'s own", fix)]
    return _place_faults(variable, None, address, network)


def _trusted_faults(cloud: Cloud) -> List[Fault]:
    """Who is let in at every port: addresses and networks, and not half the world."""
    variable = "one_trusted_sources"
    sources = cloud.values.get(variable) or []
    if not isinstance(sources, list):
        fix = "write addresses or networks in brackets: [192.0.2.200, 198.51.100.0/24]"
        return [Fault(variable, shown("", sources), None, "it is no list", fix)]
    faults = []
    for source in sources:
        network = _place(source)
        if network is None:
            fix = "write an address or address/length, such as 192.0.2.200 or 198.51.100.0/24; names are not looked up"
            faults.append(Fault(variable, shown("", source), None, "it is no address or network", fix))
        elif network.prefixlen < WIDEST[network.version]:
            problem = "it opens every port, oned's among them, to half the world or more"
            fix = f"name the machines, or networks of /{WIDEST[network.version]} and longer that only they are in"
            faults.append(Fault(variable, shown("", source), None, problem, fix))
        elif network.ip != network.cidr.ip:
            fix = f"write {network.cidr}, or {network.ip} for that address alone"
            faults.append(Fault(variable, shown("", source), None, "its address has bits beyond its length", fix))
    return faults


def _place(source: Any) -> Any:
    """A network, or an address as one; none when it is neither."""
    address = as_address(source)
    return _network(source) if address is None else netaddr.IPNetwork(address)


def _place_faults(variable: str, name: Any, address: Any, network: Any) -> List[Fault]:
    value = shown("", str(address))
    if address.is_loopback() or address.is_multicast() or int(address) == 0:
        fix = "set it to an address by which other machines reach it"
        return [Fault(variable, value, name, "no other machine can reach it under that address", fix)]
    if network is None:
        return []
    if address not in network:
        fix = "choose an address inside, or widen one_subnet"
        return [Fault(variable, value, name, f"it is outside one_subnet ({network.cidr})", fix)]
    if network.version == 4 and network.prefixlen < 31:
        special = {network.network: "network", network.broadcast: "broadcast"}
        if address in special:
            fix = "choose another address inside"
            return [Fault(variable, value, name, f"it is the {special[address]} address of {network.cidr}", fix)]
    return []


def _network(value: Any) -> Any:
    if not isinstance(value, str) or "/" not in value:
        return None
    try:
        return netaddr.IPNetwork(value)
    except (netaddr.AddrFormatError, ValueError):
        return None


def as_address(value: Any) -> Any:
    """An address, or none."""
    if not isinstance(value, str) or "/" in value:
        return None
    try:
        # INET_PTON: '10.1' is no address that anybody means
        return netaddr.IPAddress(value, flags=netaddr.INET_PTON)
    except (netaddr.AddrFormatError, ValueError):
        return None
