"""A lab's bridge, its way out to the package mirror, and the route that keeps its packets on this machine."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.hosts.plan import Host, Lab, LabError
from lab.hosts.run import run, succeeds

LAST = "4294967295"  # the highest metric: the bridge's own route wins while there is a bridge


@dataclass(frozen=True)
class Taken:
    network: ipaddress.IPv4Network
    why: str


def taken_by_machine(routes: list[dict[str, Any]], addresses: list[dict[str, Any]], lab: Lab) -> list[Taken]:
    """Networks in use on this machine, but for what the lab itself laid; from `ip -j route` and `ip -j addr`."""
    found = []
    for route in routes:
        if route["dst"] == "default" or route.get("dev") == lab.bridge:
            continue
        network = ipaddress.IPv4Network(str(route["dst"]))
        if route.get("type") == "unreachable" and network == lab.subnet:
            continue
        found.append(
            Taken(network, f"a route of this machine over {route.get('dev', route.get('type', 'an unknown way'))}")
        )
    for link in addresses:
        if link["ifname"] == lab.bridge:
            continue
        for entry in link["addr_info"]:
            network = ipaddress.IPv4Network(f"{entry['local']}/{entry['prefixlen']}", strict=False)
            found.append(Taken(network, f"the address {entry['local']} on {link['ifname']}"))
    return found


def subnet_conflict(subnet: ipaddress.IPv4Network, taken: Iterable[Taken]) -> str | None:
    for other in taken:
        if subnet.overlaps(other.network):
            return f"The lab's subnet {subnet} overlaps {other.network} ({other.why}): choose another with LAB_SUBNET."
    return None


def check_subnet(lab: Lab, others: Iterable[Taken]) -> None:
    routes = json.loads(run(["ip", "-j", "-4", "route", "show", "table", "all"]) or "[]")
    addresses = json.loads(run(["ip", "-j", "-4", "addr", "show"]) or "[]")
    wrong = subnet_conflict(lab.subnet, [*others, *taken_by_machine(routes, addresses, lab)])
    if wrong:
        raise LabError(wrong)


def rules(lab: Lab) -> str:
    return (
        f"table ip {lab.table}\n"
        f"delete table ip {lab.table}\n"
        f"table ip {lab.table} {{\n"
        "  chain postrouting {\n"
        "    type nat hook postrouting priority srcnat; policy accept;\n"
        f"    ip saddr {lab.subnet} ip daddr != {lab.subnet} masquerade\n"
        "  }\n"
        "}\n"
    )


def check_kernel(lab: Lab) -> None:
    try:
        run(["nft", "--check", "-f", "-"], stdin=rules(lab))
    except LabError as wrong:
        raise LabError(
            f"This machine's kernel refuses address translation, the hosts' way to packages: {wrong}"
        ) from wrong


def up(lab: Lab) -> None:
    """Lay what is missing."""
    # First the route, then the bridge: there is no moment in which a packet could leave.
    if not succeeds(["ip", "route", "replace", "unreachable", str(lab.subnet), "metric", LAST]):
        raise LabError(
            f"This machine refuses an unreachable route for {lab.subnet}: the lab cannot keep its packets here."
        )
    if not has_link(lab.bridge):
        run(["ip", "link", "add", lab.bridge, "type", "bridge", "forward_delay", "0"])
    run(["ip", "address", "replace", f"{lab.gateway}/{lab.subnet.prefixlen}", "dev", lab.bridge])
    run(["ip", "link", "set", lab.bridge, "up"])
    for host in lab.hosts:  # a bridge made anew has lost the cables of hosts that still run
        if has_link(host.link):
            run(["ip", "link", "set", host.link, "master", lab.bridge])
    run(["nft", "-f", "-"], stdin=rules(lab))


def down(lab: Lab) -> None:
    if has_link(lab.bridge):
        run(["ip", "link", "delete", lab.bridge])
    if succeeds(["nft", "list", "table", "ip", lab.table]):
        run(["nft", "delete", "table", "ip", lab.table])
    while succeeds(["ip", "route", "delete", "unreachable", str(lab.subnet), "metric", LAST]):
        continue


def has_link(name: str) -> bool:
    return Path("/sys/class/net", name).exists()


def unplug(host: Host) -> None:
    """Remove a dead machine's link now: the kernel takes its time, and a new one needs the name."""
    if has_link(host.link) and not succeeds(["ip", "link", "delete", host.link]) and has_link(host.link):
        raise LabError(f"The link {host.link} of {host.name} cannot be removed: see `ip link show {host.link}`.")


def carrier(host: Host) -> bool:
    flags = Path("/sys/class/net", host.link, "flags")
    return flags.exists() and bool(int(flags.read_text(), 16) & 1)


def switch(host: Host, way: str) -> None:
    """The host's cable: `down` pulls it on the bridge's side, `up` plugs it in."""
    if not has_link(host.link):
        raise LabError(f"{host.name} has no link {host.link}: it does not run, start it first.")
    run(["ip", "link", "set", host.link, way])
