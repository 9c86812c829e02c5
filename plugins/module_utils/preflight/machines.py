# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the machines are, judged by what preflight_facts found on them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import AbstractSet, Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from ..ports import PACKAGED
from .fault import Fault, shown

# Systems for each series of OpenNebula, as its own packages are built.
SYSTEMS: Dict[str, Dict[str, Tuple[str, ...]]] = {
    "6.10": {"debian": ("11", "12"), "ubuntu": ("22.04", "24.04")},
}
# Seconds that two machines may differ: Raft's timers and credentials with a lifetime bear less than a person sees.
CLOCK_TOLERANCE = 2.0


# What a machine needs: the system, and each part that it carries on top.
MEMORY_MB = {"system": 150, "frontends": 750, "sunstones": 300, "nodes": 350, "caches": 100, "balancers": 50}
DISK_MB = {"system": 300, "frontends": 1700, "sunstones": 700, "nodes": 700, "caches": 100, "balancers": 100}


@dataclass(frozen=True)
class Limits:
    """What a machine must have, by the parts that it carries."""

    memory_mb: Mapping[str, int] = field(default_factory=lambda: MEMORY_MB)
    disk_mb: Mapping[str, int] = field(default_factory=lambda: DISK_MB)
    clock_tolerance: float = CLOCK_TOLERANCE

    @staticmethod
    def needed(by_part: Mapping[str, int], parts: Iterable[str]) -> int:
        """What the system and these parts need together."""
        return by_part.get("system", 0) + sum(by_part.get(part, 0) for part in parts)


@dataclass(frozen=True)
class Settings:
    """What of the inventory the machines are held against."""

    version: str = ""
    source: str = ""
    allow_standin: bool = False
    database: str = "opennebula"
    floating: str = ""
    share: str = ""
    addresses: Mapping[str, str] = field(default_factory=dict)
    # The groups of ours that each machine is in.
    parts: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def carries(self, name: str, part: str) -> bool:
        """Whether a machine is in a group."""
        return part in self.parts.get(name, ())


def machine_faults(
    found: Mapping[str, Mapping[str, Any]], settings: Settings, limits: Limits = Limits()
) -> List[Fault]:
    """Every fault of the machines, from what preflight_facts found on each (or `unreachable`, `failed`, and why)."""
    faults = [fault for name, facts in found.items() for fault in _blank_faults(name, facts, settings)]
    found = {name: facts for name, facts in found.items() if not {"unreachable", "failed"} & set(facts)}
    known = {
        key
        for facts in found.values()
        for key in SECRETS_IN_USE
        if facts.get("database", {}).get("populated") and facts.get("opennebula", {}).get(key)
    }
    for name, facts in found.items():
        faults += _system_faults(name, facts, settings)
        faults += _room_faults(name, facts, settings, limits)
        faults += _address_of_machine(name, facts, settings.addresses.get(name))
        if settings.carries(name, "frontends"):
            faults += _foreign_faults(name, facts, settings, known)
        faults += _version_faults(name, str(facts.get("opennebula", {}).get("version") or ""), settings.version)
        faults += _standin_faults(name, facts, settings)
        faults += _share_faults(name, facts, settings)
    faults += _floating_faults(found, settings)
    faults += clock_faults(found, limits.clock_tolerance)
    return faults


def _blank_faults(name: str, facts: Mapping[str, Any], settings: Settings) -> List[Fault]:
    """A machine of which nothing is known."""
    around = f"or leave it out of this run with --limit '!{name}'"
    if settings.carries(name, "frontends"):
        around = "as no front-end can be left out: what one has to do depends on all"
    if "unreachable" in facts:
        problem = f"the machine does not answer ({facts['unreachable']})"
        return [Fault("ssh", "", name, problem, f"repair it, {around}")]
    if "failed" in facts:
        problem = f"it could not be looked at ({facts['failed']})"
        return [Fault("machine", "", name, problem, f"see that Ansible can become root there, {around}")]
    return []


def _system_faults(name: str, facts: Mapping[str, Any], settings: Settings) -> List[Fault]:
    faults = []
    series = ".".join(settings.version.split(".")[:2])
    known = SYSTEMS.get(series, {})
    system, release = str(facts.get("system", "")), str(facts.get("release", ""))
    value = f"{system or 'unknown'} {release}".strip()
    if any(settings.carries(name, part) for part in PACKAGED):
        if known and release not in known.get(system, ()):
            wanted = ", ".join(f"{other} {'/'.join(releases)}" for other, releases in known.items())
            problem = f"OpenNebula {series} is not packaged for it"
            faults.append(Fault("system", value, name, problem, f"install one of {wanted}"))
    elif known and system not in known:
        problem = "the roles know apt only"
        faults.append(Fault("system", value, name, problem, f"install one of {', '.join(known)}"))
    if facts.get("init") != "systemd":
        fix = "run a machine, or a container, whose first process is systemd"
        faults.append(Fault("init", shown("", facts.get("init") or "unknown"), name, "its services cannot be run", fix))
    return faults


def _room_faults(name: str, facts: Mapping[str, Any], settings: Settings, limits: Limits) -> List[Fault]:
    faults = []
    parts = settings.parts.get(name, ())
    carried = f"what it carries ({', '.join(parts) or 'no part'})"
    memory, needed = facts.get("memory_mb"), limits.needed(limits.memory_mb, parts)
    if memory is not None and memory < needed:
        problem = f"{carried} wants {needed} MiB at least"
        faults.append(Fault("memory", f"{memory} MiB", name, problem, "give the machine more"))
    # Folders on one file system share its room: one fault for it.
    tight: Dict[int, List[str]] = {}
    needed = limits.needed(limits.disk_mb, parts)
    for path, free in sorted(facts.get("free_mb", {}).items()):
        if free < needed:
            tight.setdefault(free, []).append(path)
    for free, paths in tight.items():
        problem = f"{carried} wants {needed} MiB free at least"
        fix = "free some or enlarge the disk"
        faults.append(Fault(f"room in {', '.join(paths)}", f"{free} MiB", name, problem, fix))
    return faults


def _address_of_machine(name: str, facts: Mapping[str, Any], address: Any) -> List[Fault]:
    addresses = facts.get("addresses")
    if not address or not addresses or address in addresses:
        return []
    others = ", ".join(sorted(item for item in addresses if not item.startswith(("127.", "::1", "fe80:"))))
    fix = f"set one_address to one that it has ({others or 'none but loopback'}), or configure the address"
    return [Fault("one_address", shown("", address), name, "no interface of the machine has it", fix)]


def _foreign_faults(name: str, facts: Mapping[str, Any], settings: Settings, known: AbstractSet[str]) -> List[Fault]:
    faults = []
    database = facts.get("database", {})
    nebula = facts.get("opennebula", {})
    others = sorted(set(database.get("names", ())) - {settings.database})
    if others and not database.get("ours"):
        fix = "choose a machine without a MariaDB of its own, or move those databases away"
        faults.append(Fault("MariaDB", f"a server with {', '.join(others)}", name, "it belongs to something else", fix))
    if nebula.get("sqlite") and not nebula.get("ours"):
        fix = "choose another machine, or remove OpenNebula and /var/lib/one/one.db from it once you have what you need"
        faults.append(Fault("OpenNebula", "a zone on SQLite", name, "this collection did not make it", fix))
    if database.get("populated") and not nebula.get("ours"):
        fix = "choose another machine, or drop that database once you have what you need"
        value = f"a zone in the database {settings.database}"
        faults.append(Fault("OpenNebula", value, name, "this collection did not make it", fix))
    if database.get("populated") and nebula.get("ours"):
        faults += _controller_faults(name, nebula, known)
    return faults


def _version_faults(name: str, installed: str, wanted: str) -> List[Fault]:
    release = re.split(r"[-+~]", installed)[0]
    if not installed or not wanted or release == wanted or release.startswith(wanted + "."):
        return []
    problem = f"the inventory wants {wanted} (one_version), and this collection does not change a release under a zone"
    return [Fault("OpenNebula", installed, name, problem, f"set one_version to {release}, or reinstall the machine")]


# What preflight_facts compared: the variable, and where the machine keeps what it uses.
SECRETS_IN_USE = {
    "oneadmin_password_fits": ("one_oneadmin_password", "/var/lib/one/.one/one_auth"),
    "db_password_fits": ("one_db_password", "/etc/one/oned.conf"),
}


def _controller_faults(name: str, nebula: Mapping[str, Any], known: AbstractSet[str]) -> List[Fault]:
    """A zone runs here and the inventory has other secrets: a second controller, or a vault made anew.

    A secret that fits another front-end of the zone is the zone's: here a file was edited by hand, and is mended.
    """
    faults = []
    for key, (variable, where) in SECRETS_IN_USE.items():
        if nebula.get(key) is False and key not in known:
            problem = f"a zone runs there with another one ({where}), and this collection never changes it"
            fix = "use the inventory and the vault of the controller that made the zone"
            faults.append(Fault(variable, "", name, problem, fix))
    return faults


def _standin_faults(name: str, facts: Mapping[str, Any], settings: Settings) -> List[Fault]:
    if settings.allow_standin:
        return []
    faults = []
    nebula = facts.get("opennebula", {})
    fix = "use OpenNebula's own packages; only a lab's inventory says one_allow_standin: true"
    if "standin" in str(nebula.get("version") or ""):
        problem = "that is the lab's stand-in, a test double that runs no virtual machine"
        faults.append(Fault("OpenNebula", str(nebula["version"]), name, problem, fix))
    if facts.get("source_is_standin"):
        problem = "it holds the lab's stand-in, a test double that runs no virtual machine"
        faults.append(Fault("one_source", shown("", settings.source), name, problem, fix))
    return faults


def _share_faults(name: str, facts: Mapping[str, Any], settings: Settings) -> List[Fault]:
    """What is mounted already; where nothing is, the role datastore looks as soon as it has mounted the share."""
    share = facts.get("share") or {}
    if not settings.share or not share.get("mounted") or share.get("writable"):
        return []
    problem = share_problem(share.get("writable"))
    return [Fault("one_datastore_source", shown("", settings.share), name, *problem)]


def share_problem(writable: Optional[bool]) -> Tuple[str, str]:
    """What is wrong with a mounted share, and what to do; `writable` is none when it did not answer."""
    if writable is None:
        return "it is mounted and does not answer", "repair the server of the share, or the network to it"
    return (
        "oneadmin (9869) cannot write to it",
        "give its folder to 9869:9869 on the server, and export it writable without changing users",
    )


def _floating_faults(found: Mapping[str, Mapping[str, Any]], settings: Settings) -> List[Fault]:
    """The floating address where it must not be: on a machine of ours that is no balancer, or on a stranger."""
    variable, value = "one_floating_address", shown("", settings.floating)
    fix = "take the address off that machine, or choose one that is free"
    balancers = [name for name in settings.parts if settings.carries(name, "balancers")]
    faults = []
    strangers = set()
    owners = {mac: name for name, facts in found.items() for mac in facts.get("hardware") or ()}
    for name, facts in found.items():
        if settings.floating and settings.floating in (facts.get("addresses") or ()) and name not in balancers:
            faults.append(Fault(variable, value, name, "it has the address, and is no balancer", fix))
        strangers |= {mac for mac in facts.get("floating_answers") or () if mac not in owners}
    # Only who has seen every balancer can say that it is none of them.
    if strangers and set(balancers) <= set(found):
        problem = f"a machine that is no balancer of this cloud answers to it ({', '.join(sorted(strangers))})"
        faults.append(Fault(variable, value, None, problem, fix))
    return faults


def clock_faults(found: Mapping[str, Mapping[str, Any]], tolerance: float) -> List[Fault]:
    """Machines whose clocks differ by more than the tolerance, beyond doubt.

    A machine told its time somewhen between two looks at the controller's clock: so its offset is known as an interval,
    and only a gap between two intervals proves a difference.
    """
    intervals: Dict[str, Tuple[float, float]] = {}
    for name, facts in found.items():
        epoch, looks = facts.get("epoch"), facts.get("controller")
        if epoch is not None and looks:
            intervals[name] = (float(epoch) - float(looks["after"]), float(epoch) - float(looks["before"]))
    if len(intervals) < 2:
        return []
    # Against the machine in the middle: so the one that is off is named, and not its peers.
    middle = sorted(intervals, key=lambda name: sum(intervals[name]))[len(intervals) // 2]
    low, high = intervals[middle]
    faults = []
    for name, (own_low, own_high) in intervals.items():
        gap = max(own_low - high, low - own_high)
        if gap > tolerance:
            way = "ahead of" if own_low > high else "behind"
            problem = f"it is {gap:.1f} s or more {way} {middle}, and {tolerance:g} s is the limit"
            fix = "let both take their time from the same NTP servers (one_ntp_servers)"
            faults.append(Fault("clock", "", name, problem, fix))
    return faults
