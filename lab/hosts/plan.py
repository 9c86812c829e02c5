"""What a lab is: its hosts, its names on this machine and where its parts lie. Pure."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

STATE = Path("/var/lib/nebula-lab")
# Elsewhere for a measurement that starts without anything built.
CACHE = Path(os.environ.get("NEBULA_LAB_CACHE", "/var/cache/nebula-lab"))
LOCKS = Path("/run/lock/nebula-lab")
SNAPSHOTS = CACHE / "snapshots"
USER = "operator"
SHARE = "share_servers"  # the lab's own group: who carries the share
# The kernel cuts interface names at 15 characters, and nspawn puts "vb-" before the machine's name.
LINK_MAX = 15
MACHINE_MAX = LINK_MAX - len("vb-")

NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


class LabError(Exception):
    """One sentence that a person understands: what, why, what next."""


def short(text: str, limit: int) -> str:
    """TEXT, or a start of it with a hash of the whole where the kernel would cut it."""
    if len(text) <= limit:
        return text
    return f"{text[: limit - 5].rstrip('-')}-{hashlib.sha256(text.encode()).hexdigest()[:4]}"


@dataclass(frozen=True)
class Host:
    name: str
    address: ipaddress.IPv4Address
    lab: str
    groups: frozenset[str] = field(default=frozenset(), compare=False)  # in the inventory; the state keeps none

    @property
    def machine(self) -> str:
        return short(f"{self.lab}-{self.name}", MACHINE_MAX)

    @property
    def link(self) -> str:
        return f"vb-{self.machine}"

    @property
    def folder(self) -> Path:
        return STATE / self.lab / "hosts" / self.name

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def disk(self) -> Path:
        """A share server's second disk: overlayfs would part the hard links that GlusterFS keeps."""
        return self.folder / "disk"


@dataclass(frozen=True)
class Lab:
    name: str
    subnet: ipaddress.IPv4Network
    hosts: tuple[Host, ...]
    source: str = ""  # what ONE_SOURCE or the inventory asks for; empty: the lab chooses
    floating: ipaddress.IPv4Address | None = None  # what two balancers share

    @property
    def folder(self) -> Path:
        return STATE / self.name

    @property
    def lock(self) -> Path:
        """One verb at a time over a lab; outside of its folder, which destroy removes."""
        return LOCKS / f"lab-{self.name}"

    @property
    def repository(self) -> Path:
        return self.folder / "one-repo"

    @property
    def key(self) -> Path:
        return self.folder / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def masters(self) -> Path:
        """Sockets of ssh's shared connections; here, so that destroy finds them all."""
        return self.folder / "ssh"

    @property
    def bridge(self) -> str:
        return short(f"br-{self.name}", LINK_MAX)

    @property
    def table(self) -> str:
        return f"nebula_lab_{self.name.replace('-', '_')}"

    @property
    def gateway(self) -> ipaddress.IPv4Address:
        return self.subnet[1]

    def host(self, name: str) -> Host:
        for host in self.hosts:
            if host.name == name:
                return host
        raise LabError(f"The lab {self.name} has no host {name}: it has {', '.join(h.name for h in self.hosts)}.")

    def of(self, group: str) -> tuple[Host, ...]:
        """The hosts of a group of the inventory, in its order."""
        return tuple(host for host in self.hosts if group in host.groups)


def make_lab(
    name: str,
    subnet: str,
    addresses: Mapping[str, str],
    source: str = "",
    groups: Mapping[str, Collection[str]] | None = None,
    floating: str = "",
) -> Lab:
    """The lab that an inventory describes, or a sentence about the first thing wrong with it."""
    if not NAME.fullmatch(name):
        raise LabError(f"lab_name is {name!r}: use small letters, digits and hyphens.")
    try:
        network = ipaddress.IPv4Network(subnet)
    except ValueError as wrong:
        raise LabError(
            f"lab_subnet is {subnet!r}, which is no IPv4 network ({wrong}): write it like 10.213.77.0/24."
        ) from wrong
    if not network.is_private or network.prefixlen < 16 or network.prefixlen > 28:
        raise LabError(f"lab_subnet is {network}: choose a private network between /16 and /28.")
    hosts: list[Host] = []
    shared = _address(floating, "one_floating_address", network) if floating else None
    seen: dict[ipaddress.IPv4Address, str] = {
        network[0]: "the network",
        network[1]: "the bridge",
        network[-1]: "broadcasts",
    }
    if shared in seen:
        raise LabError(f"one_floating_address is {shared}, already taken by {seen[shared]}: give it another.")
    if shared is not None:
        seen[shared] = "one_floating_address"
    for host, text in addresses.items():
        if not NAME.fullmatch(host):
            raise LabError(f"The host {host!r} cannot be a machine's name: use small letters, digits and hyphens.")
        address = _address(text, f"ansible_host of {host}", network)
        if address in seen:
            raise LabError(f"ansible_host of {host} is {address}, already taken by {seen[address]}: give it another.")
        seen[address] = host
        hosts.append(Host(host, address, name, frozenset((groups or {}).get(host, ()))))
    if not hosts:
        raise LabError("The inventory names no host for the lab: add hosts with an ansible_host inside lab_subnet.")
    links: dict[str, str] = {}
    for made in hosts:
        if made.link in links:
            raise LabError(
                f"The hosts {links[made.link]} and {made.name} would share the link {made.link}: rename one of them."
            )
        links[made.link] = made.name
    return Lab(name=name, subnet=network, hosts=tuple(hosts), source=source, floating=shared)


def _address(text: str, what: str, network: ipaddress.IPv4Network) -> ipaddress.IPv4Address:
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError as wrong:
        raise LabError(f"{what} is {text!r}, which is no IPv4 address: give it one inside {network}.") from wrong
    if address not in network:
        raise LabError(f"{what} is {address}, outside lab_subnet {network}: give it an address inside.")
    return address
