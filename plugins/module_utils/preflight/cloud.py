# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the parts of a cloud fit together: groups, balancers, ports, caches, the share, machines that leave."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import AbstractSet, Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..ports import FLOATING, GROUPS, Claim, claims, collisions, machines
from .fault import Fault, shown

# A name this alike is taken for a slip: one letter too many, too few or wrong.
ALIKE = 0.82
# Options of a mount that end in lost data: oned and guests see an error where they must wait.
SOFT = ("soft", "softerr", "softreval")
# From where Sunstone takes the client's address as a balancer says it: else a session is bound to the balancer's own.
BELIEVED = re.compile(r"(10|192\.168|172\.(1[6-9]|2\d|3[01]))\.")


@dataclass(frozen=True)
class Cloud:
    """An inventory: its groups, each host's variables, and those that all hosts share.

    `unclear` are the shared ones that cannot be known because hosts differ or an expression is broken; they have their
    fault already.
    """

    groups: Mapping[str, Sequence[str]]
    hosts: Mapping[str, Mapping[str, Any]]
    values: Mapping[str, Any]
    unclear: AbstractSet[str] = frozenset()

    def staying(self, group: str) -> List[str]:
        """The machines of a group but for those that leave."""
        leaving = self.values.get("one_leaving")
        gone = leaving if isinstance(leaving, list) else []
        return [name for name in self.groups.get(group, ()) if name not in gone]

    def text(self, variable: str) -> str:
        """A variable as text; empty when it is none."""
        value = self.values.get(variable)
        return value if isinstance(value, str) else ""


def group_faults(groups: Mapping[str, Sequence[str]]) -> List[Fault]:
    """Groups that are nearly called as one of ours, with machines that are not in ours."""
    faults = []
    for name, members in groups.items():
        meant = nearly(name)
        stray = [host for host in members if host not in groups.get(meant, ())] if meant else []
        if stray:
            problem = f"no role knows that group, and there is one named {meant}"
            fix = f"rename it to {meant}, or, if another thing is meant, to something less alike"
            faults.append(Fault(f"group {name}", ", ".join(stray), None, problem, fix))
    return faults


def nearly(name: str) -> str:
    """The group of ours that a name nearly is; empty when it is one, or none."""
    if name in GROUPS:
        return ""
    plain = re.sub(r"[-_ ]", "", name.lower())
    close = difflib.get_close_matches(plain, GROUPS, n=1, cutoff=ALIKE)
    return close[0] if close else ""


def cloud_faults(cloud: Cloud) -> List[Fault]:
    """Every fault of how the parts fit together."""
    return [
        *_leaving_faults(cloud),
        *_balancer_faults(cloud),
        *_cache_faults(cloud),
        *_port_faults(cloud),
        *_share_faults(cloud),
    ]


def _leaving_faults(cloud: Cloud) -> List[Fault]:
    leaving = cloud.values.get("one_leaving")
    if leaving is None:
        return []
    if not isinstance(leaving, list):
        fix = "write the names as they stand in the inventory, in brackets: [node3]"
        return [Fault("one_leaving", shown("", leaving), None, "it is no list of machines", fix)]
    known = {name for members in cloud.groups.values() for name in members}
    unknown = [str(name) for name in leaving if name not in known]
    if not unknown:
        return []
    fix = "write the names as they stand in the inventory; a machine stays there until it has left"
    return [Fault("one_leaving", ", ".join(unknown), None, "the inventory has no such machine", fix)]


def _balancer_faults(cloud: Cloud) -> List[Fault]:
    faults = []
    names = cloud.staying("balancers")
    floating = cloud.values.get("one_floating_address")
    if len(names) > 2:
        problem = "the floating address is held by one of two"
        faults.append(Fault("group balancers", ", ".join(names), None, problem, "leave two machines in the group"))
    if len(names) > 1 and not floating and "one_floating_address" not in cloud.unclear:
        problem = f"{' and '.join(names)} are balancers, and users need one address that moves between them"
        fix = "set it to an unused address of one_subnet, or leave one balancer"
        faults.append(Fault("one_floating_address", "", None, problem, fix))
    if floating and not names:
        fix = "put two machines (or one) into the group balancers, or leave the variable empty"
        faults.append(Fault("one_floating_address", shown("", floating), None, "no balancer is there to hold it", fix))
    return faults


def _cache_faults(cloud: Cloud) -> List[Fault]:
    if not cloud.staying("sunstones") or cloud.staying("caches"):
        return []
    problem = f"the web interface on {', '.join(cloud.staying('sunstones'))} keeps its sessions in a cache"
    fix = "put one machine into the group, or two to survive the loss of one"
    return [Fault("group caches", "no machine", None, problem, fix)]


def _port_faults(cloud: Cloud) -> List[Fault]:
    """One fault for a pair of services, with all the machines where they meet."""
    met: Dict[Tuple[str, str, int], Tuple[Claim, Claim, List[str]]] = {}
    for name, parts in machines({group: cloud.staying(group) for group in GROUPS}).items():
        address = str(cloud.hosts[name].get("one_address", name))
        of_machine = claims(set(parts), address, cloud.text("one_floating_address"), cloud.values)
        for one, other in collisions(of_machine):
            key = (_claimant(one), _claimant(other), one.number)
            met.setdefault(key, (one, other, []))[2].append(name)
    return [_port_fault(one, other, names, cloud) for one, other, names in met.values()]


def _claimant(claim: Claim) -> str:
    return f"{claim.port.service} (role {claim.port.role})"


def _port_fault(one: Claim, other: Claim, names: Sequence[str], cloud: Cloud) -> Fault:
    wanted = f"{_claimant(one)} and {_claimant(other)}"
    address = one.address or other.address
    where = f" on {address}" if address and len(names) == 1 else ""
    variables = [claim.port.variable for claim in (one, other) if claim.port.variable]
    ways = [f"set {' or '.join(dict.fromkeys(variables))} to another port"] if variables else []
    if FLOATING in (one.port.listens, other.port.listens) and not cloud.text("one_floating_address"):
        ways.append("give the balancer an address of its own with one_floating_address")
    ways.append("let different machines carry them")
    problem = f"{wanted} both want it{where}"
    return Fault(f"port {one.number}", "", ", ".join(names), problem, ", or ".join(ways))


def _share_faults(cloud: Cloud) -> List[Fault]:
    source = cloud.values.get("one_datastore_source")
    if not source:
        return []
    faults = []
    fstype = cloud.values.get("one_datastore_fstype")
    if not isinstance(source, str) or re.search(r"\s", source):
        fix = "write it as mount takes it, such as storage1:/export/one"
        faults.append(Fault("one_datastore_source", shown("", source), None, "it is nothing that can be mounted", fix))
    elif fstype in ("nfs", "nfs4", "glusterfs") and not re.match(r"[^:/]+(:.*)?:/|\[.+\]:/", source):
        fix = f"write server:/folder, as mount takes it for {fstype}"
        problem = "it names no server and folder"
        faults.append(Fault("one_datastore_source", shown("", source), None, problem, fix))
    if fstype is not None and not (isinstance(fstype, str) and re.fullmatch(r"[a-z][a-z0-9._-]*", fstype)):
        fix = "write a type that mount knows, such as nfs or glusterfs"
        faults.append(Fault("one_datastore_fstype", shown("", fstype), None, "it is no type of a file system", fix))
    return faults + _option_faults(cloud.values.get("one_datastore_options"))


def _option_faults(options: Optional[Any]) -> List[Fault]:
    variable = "one_datastore_options"
    if not options:
        return []
    if not isinstance(options, str) or re.search(r"\s", options):
        fix = "write them in one text, separated by commas, without blanks"
        return [Fault(variable, shown("", options), None, "these are no options of a mount", fix)]
    named = {option.split("=")[0] for option in options.split(",")}
    for wrong in (*SOFT, "ro"):
        if wrong in named:
            problem = f"with {wrong} images of running machines are lost or cannot be written"
            return [Fault(variable, shown("", options), None, problem, f"take {wrong} out")]
    return []


def advice(cloud: Cloud) -> List[str]:
    """What works and is weaker than it could be."""
    found = []
    if cloud.staying("nodes") and not cloud.text("one_datastore_source"):
        found.append(
            "The nodes share no storage (one_datastore_source): images are copied to them over ssh, and a virtual "
            "machine is lost with its node."
        )
    for group, without in (("balancers", "no web and no API"), ("caches", "no login that holds")):
        names = cloud.staying(group)
        if len(names) == 1 and (group == "balancers" or cloud.staying("sunstones")):
            found.append(f"The group {group} has one machine: while {names[0]} is down there is {without}.")
    if cloud.staying("sunstones") and not cloud.staying("balancers"):
        found.append("No balancer is in front of the web interface: passwords cross the network in clear.")
    public = [
        name
        for name in cloud.staying("balancers")
        if cloud.staying("sunstones") and not BELIEVED.match(str(cloud.hosts[name].get("one_address", "")))
    ]
    if public:
        found.append(
            f"Sunstone believes only a balancer at a private address about who a user is, unlike {', '.join(public)}: "
            "when the floating address moves, everybody has to log in again."
        )
    return found
