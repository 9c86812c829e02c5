# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot work, said before anything is touched: all of it at once. Pure.

Two judgements: of what the inventory says (no machine is needed for it), and of what the machines are. Both run on the
controller.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import AbstractSet, Any, Dict, List, Mapping, Optional, Sequence, Tuple

try:
    import netaddr  # type: ignore[import-untyped]

    HAS_NETADDR = True
except ImportError:
    HAS_NETADDR = False

GROUP = "frontends"
# Systems for each series of OpenNebula, as its own packages are built.
SYSTEMS: Dict[str, Dict[str, Tuple[str, ...]]] = {
    "6.10": {"debian": ("11", "12"), "ubuntu": ("22.04", "24.04")},
}
# What every front-end must have alike; a difference between two hosts is a fault.
CLOUD_WIDE = (
    "one_version",
    "one_source",
    "one_source_key",
    "one_allow_standin",
    "one_subnet",
    "one_rpc_port",
    "one_zone_name",
    "one_oneadmin_password",
    "one_db_password",
    "one_db_name",
    "one_db_user",
    "one_db_connections",
    "one_election_timeout_ms",
    "one_election_timeout_step_ms",
    "one_broadcast_timeout_ms",
    "one_xmlrpc_timeout_ms",
    "one_log_retention",
    "one_limit_purge",
    "one_log_purge_timeout",
)
VARIABLES = (*CLOUD_WIDE, "one_address")
SECRETS = ("one_oneadmin_password", "one_db_password")
SECRET_LENGTH = 12
NUMBERS = (
    "one_rpc_port",
    "one_db_connections",
    "one_election_timeout_ms",
    "one_election_timeout_step_ms",
    "one_broadcast_timeout_ms",
    "one_xmlrpc_timeout_ms",
    "one_log_retention",
    "one_limit_purge",
    "one_log_purge_timeout",
)
TEXTS = ("one_zone_name", "one_db_name", "one_db_user")
# Seconds that two machines may differ: Raft's timers and credentials with a lifetime bear less than a person sees.
CLOCK_TOLERANCE = 2.0
_PLACEHOLDER = re.compile(
    r"(change|replace|set|put|insert|your|my)[-_ ]?(me|this|it|here|your|secret|pass\w*)"
    r"|pass(word|wort|wd)|secret|geheim|opennebula|oneadmin|example|todo|fixme|default|admin|qwert|letmein|12345|<.*>|xxxx",
    re.IGNORECASE,
)
_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")


@dataclass(frozen=True)
class Broken:
    """A variable that cannot be rendered, and why."""

    reason: str


@dataclass(frozen=True)
class Fault:
    """One thing that cannot work: which variable (or fact), of which host, its value, what is wrong, what to do."""

    variable: str
    value: str
    host: Optional[str]
    problem: str
    fix: str

    @property
    def sentence(self) -> str:
        """For a person."""
        where = f"{self.host}: " if self.host else ""
        value = f" is {self.value}" if self.value else ""
        return f"{where}{self.variable}{value}: {self.problem}; {self.fix}."

    def as_dict(self) -> Dict[str, Any]:
        """Plain values."""
        return {
            "variable": self.variable,
            "value": self.value,
            "host": self.host,
            "problem": self.problem,
            "fix": self.fix,
            "sentence": self.sentence,
        }


def shown(variable: str, value: Any) -> str:
    """A value as a fault may show it."""
    if variable in SECRETS:
        return ""
    if isinstance(value, str):
        return f"'{value}'"
    return str(value)


def report(faults: Sequence[Fault], what: str) -> str:
    """All faults as one text."""
    count = f"{len(faults)} things" if len(faults) != 1 else "one thing"
    return "\n".join([f"{what}: {count} to mend."] + [f"{n}. {fault.sentence}" for n, fault in enumerate(faults, 1)])


# -- the inventory -----------------------------------------------------------------------------------------------------


def inventory_faults(groups: Mapping[str, Sequence[str]], hosts: Mapping[str, Mapping[str, Any]]) -> List[Fault]:
    """Every fault of an inventory: its groups, and each front-end's variables (a missing key is an undefined one)."""
    faults: List[Fault] = []
    names = list(groups.get(GROUP, ()))
    if not names:
        what = "is not in the inventory" if GROUP not in groups else "has no host"
        return [Fault(f"group {GROUP}", "", None, what, "put three front-ends into it, or any larger odd number")]
    faults += _count_faults(names)
    faults += _name_faults(names)
    first = hosts[names[0]]
    values: Dict[str, Any] = {}
    for variable in CLOUD_WIDE:
        value, found = _common(variable, names, hosts)
        faults += found
        if not found and value is not None:
            values[variable] = value
    faults += _release_faults(values)
    faults += _secret_faults(values, first)
    faults += _number_faults(values)
    faults += _timer_faults(values)
    faults += _text_faults(values)
    faults += _address_faults(names, hosts, values.get("one_subnet"))
    return faults


def _common(variable: str, names: Sequence[str], hosts: Mapping[str, Mapping[str, Any]]) -> Tuple[Any, List[Fault]]:
    """The value that all front-ends have."""
    seen: Dict[str, Tuple[str, Any]] = {}
    faults = []
    for name in names:
        value = hosts[name].get(variable)
        if isinstance(value, Broken):
            faults.append(
                Fault(
                    variable,
                    "",
                    name,
                    f"it cannot be rendered ({value.reason})",
                    "mend the expression in the inventory",
                )
            )
            continue
        seen.setdefault(repr(value), (name, value))
    if faults:
        return None, faults[:1]
    if len(seen) > 1:
        kinds = list(seen.values())
        one, other = kinds[0], kinds[1]
        differ = f"it differs from {one[0]}'s"
        if variable not in SECRETS:
            differ += f", {shown(variable, one[1])}"
        return None, [
            Fault(variable, shown(variable, other[1]), other[0], differ, "set it once, in group_vars/all"),
        ]
    return next(iter(seen.values()))[1], []


def _count_faults(names: Sequence[str]) -> List[Fault]:
    count = len(names)
    if count < 3:
        return [
            Fault(
                f"group {GROUP}",
                f"{', '.join(names)} ({count})",
                None,
                f"a zone of {count} does not survive the loss of a server",
                "give it three front-ends, or any larger odd number",
            )
        ]
    if count % 2 == 0:
        return [
            Fault(
                f"group {GROUP}",
                f"{', '.join(names)} ({count})",
                None,
                f"{count} front-ends survive no more losses than {count - 1}, and can split into equal halves",
                "add one or take one away",
            )
        ]
    return []


def _name_faults(names: Sequence[str]) -> List[Fault]:
    faults = []
    seen: Dict[str, str] = {}
    for name in names:
        fault = host_name_fault(name)
        if fault:
            fix = "name it with letters, digits and hyphens, and its address in ansible_host"
            faults.append(Fault("inventory_hostname", shown("", name), name, fault, fix))
        short = name.lower()
        if short in seen:
            faults.append(
                Fault(
                    "inventory_hostname",
                    shown("", name),
                    name,
                    f"but for its case it is {seen[short]} again",
                    "rename one",
                )
            )
        seen[short] = name
    return faults


def host_name_fault(name: str) -> str:
    """Why a name cannot be a host's; empty when it can (RFC 1123, and the kernel's 64 characters)."""
    if name.lower().split(".")[0] == "localhost":
        return "every machine calls itself so"
    if re.fullmatch(r"[0-9.]+", name) or ":" in name:
        return "it is an address or a number, no name"
    if len(name) > 64:
        return f"it has {len(name)} characters, and 64 is the limit"
    for label in name.split("."):
        if not _LABEL.fullmatch(label):
            return f"'{label}' is no part of a host's name (letters, digits and inner hyphens, 1 to 63 of them)"
    return ""


def _release_faults(values: Mapping[str, Any]) -> List[Fault]:
    faults = []
    version = values.get("one_version")
    if version is not None:
        text = str(version)
        match = re.fullmatch(r"(\d+\.\d+)(\.\d+)?", text)
        if not match:
            fix = "write X.Y (a series) or X.Y.Z (one release), such as '6.10.5', in quotes"
            faults.append(Fault("one_version", shown("", text), None, "it is no release", fix))
        elif match.group(1) not in SYSTEMS:
            faults.append(
                Fault(
                    "one_version",
                    shown("", text),
                    None,
                    "this collection does not know that series",
                    f"choose one of {', '.join(sorted(SYSTEMS))}, in quotes (6.10 without them is the number 6.1)",
                )
            )
    source = values.get("one_source")
    if source is not None and not _is_source(source):
        fix = "write upstream, an http(s):// URL, or an absolute folder on the machines"
        faults.append(Fault("one_source", shown("", source), None, "it is no source of packages", fix))
    key = values.get("one_source_key")
    if key and not (isinstance(key, str) and (key.startswith("/") or re.match(r"https?://[^/\s]+/\S+$", key))):
        fix = "write an http(s):// URL or an absolute path on the machines, or leave it empty"
        faults.append(Fault("one_source_key", shown("", key), None, "it is no key's place", fix))
    standin = values.get("one_allow_standin")
    if standin is not None and not isinstance(standin, bool):
        fix = "write true or false without quotes"
        faults.append(Fault("one_allow_standin", shown("", standin), None, "it is no boolean", fix))
    return faults


def _is_source(source: Any) -> bool:
    if not isinstance(source, str):
        return False
    return (
        source == "upstream" or bool(re.match(r"https?://[^/\s]+(/\S*)?$", source)) or bool(re.match(r"/\S+$", source))
    )


def _secret_faults(values: Mapping[str, Any], first: Mapping[str, Any]) -> List[Fault]:
    faults = []
    for variable in SECRETS:
        if variable not in values:
            if first.get(variable) is None:
                fix = (
                    "run playbooks/secrets.yml once, which writes it into the inventory's vault; a second controller "
                    "needs a copy of that vault and its password, never new ones"
                )
                faults.append(Fault(variable, "", None, "it is not set", fix))
            continue
        problem = secret_problem(values[variable])
        if problem:
            fix = "let playbooks/secrets.yml make it, or choose a longer one of letters and digits"
            faults.append(Fault(variable, "", None, problem, fix))
    return faults


def secret_problem(value: Any) -> str:
    """Why a secret cannot be used; empty when it can. Never quotes it."""
    if not isinstance(value, str):
        return f"it is a {type(value).__name__}, not a text (put it in quotes)"
    if not value.strip():
        return "it is empty"
    unfit = _unfit(value)
    if unfit:
        return f"it has {unfit}, which oned.conf cannot hold"
    if value != value.strip():
        return "it begins or ends with a blank"
    if len(value) < SECRET_LENGTH:
        return f"it has {len(value)} characters, and fewer than {SECRET_LENGTH} can be guessed"
    if len(set(value)) < 5 or (len(value) < 24 and _PLACEHOLDER.search(value)):
        return "it looks like a placeholder"
    return ""


def _unfit(value: str) -> str:
    """What of a text oned.conf cannot hold."""
    if '"' in value:
        return "a double quote"
    if "'" in value:
        return "a single quote"
    if "\\" in value:
        return "a backslash"
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        return "a line break or another control character"
    return ""


def _whole(value: Any) -> Optional[int]:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]+", value.strip()):
        return int(value)
    return None


def _number_faults(values: Mapping[str, Any]) -> List[Fault]:
    faults = []
    for variable in NUMBERS:
        if variable not in values:
            continue
        number = _whole(values[variable])
        if number is None or number <= 0:
            fix = "write a whole number above 0"
            faults.append(Fault(variable, shown("", values[variable]), None, "it is no positive whole number", fix))
        elif variable == "one_rpc_port" and number > 65535:
            faults.append(Fault(variable, str(number), None, "it is no port", "write a number from 1 to 65535"))
    return faults


def _timer_faults(values: Mapping[str, Any]) -> List[Fault]:
    faults = []
    election, step, broadcast, call = (
        _whole(values.get(f"one_{name}_ms"))
        for name in ("election_timeout", "election_timeout_step", "broadcast_timeout", "xmlrpc_timeout")
    )
    if step is not None and call is not None and call > 0 and 0 < step < call + 300:
        problem = f"timers less than one_xmlrpc_timeout_ms + 300 ms ({call + 300}) apart collide in elections"
        faults.append(
            Fault("one_election_timeout_step_ms", str(step), None, problem, f"raise it to {call + 300} or more")
        )
    if election is not None and broadcast is not None and broadcast > 0 and 0 < election < 4 * broadcast:
        problem = (
            f"a follower would give up a living leader: it is below 4 x one_broadcast_timeout_ms ({4 * broadcast})"
        )
        faults.append(
            Fault("one_election_timeout_ms", str(election), None, problem, f"raise it to {4 * broadcast} or more")
        )
    return faults


def _text_faults(values: Mapping[str, Any]) -> List[Fault]:
    faults = []
    for variable in TEXTS:
        if variable not in values:
            continue
        value = values[variable]
        unfit = _unfit(value) if isinstance(value, str) else "no text"
        if not isinstance(value, str) or not value.strip():
            faults.append(Fault(variable, shown("", value), None, "it is no name", "write a text"))
        elif unfit:
            faults.append(
                Fault(
                    variable, shown("", value), None, f"it has {unfit}, which oned.conf cannot hold", "choose another"
                )
            )
        elif variable != "one_zone_name" and not re.fullmatch(r"[A-Za-z0-9_]{1,32}", value):
            fix = "use letters, digits and _, 32 at most"
            faults.append(Fault(variable, shown("", value), None, "it is no name for MariaDB", fix))
    return faults


def _address_faults(names: Sequence[str], hosts: Mapping[str, Mapping[str, Any]], subnet: Any) -> List[Fault]:
    if not HAS_NETADDR:
        fix = "install it beside Ansible: pip install netaddr"
        return [Fault("netaddr", "", None, "the controller's Python lacks this library, which judges addresses", fix)]
    faults = []
    network = None
    if not subnet:
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
        value = hosts[name].get("one_address")
        if isinstance(value, Broken):
            faults.append(
                Fault(
                    "one_address",
                    "",
                    name,
                    f"it cannot be rendered ({value.reason})",
                    "mend the expression in the inventory",
                )
            )
            continue
        address = _address(value)
        if address is None:
            fix = "set one_address (or ansible_host) of the host to the address by which its peers reach it"
            faults.append(Fault("one_address", shown("", value), name, "it is no address", fix))
            continue
        faults += _one_address_faults(name, address, network)
        if address in seen:
            fix = "give every host its own"
            faults.append(Fault("one_address", shown("", str(address)), name, f"{seen[address]} has it too", fix))
        seen.setdefault(address, name)
    return faults


def _one_address_faults(name: str, address: Any, network: Any) -> List[Fault]:
    value = shown("", str(address))
    if address.is_loopback() or address.is_multicast() or int(address) == 0:
        fix = "set it to the address by which its peers reach it"
        return [Fault("one_address", value, name, "its peers cannot reach it under that address", fix)]
    if network is None:
        return []
    if address not in network:
        fix = "choose an address inside, or widen one_subnet"
        return [Fault("one_address", value, name, f"it is outside one_subnet ({network.cidr})", fix)]
    if network.version == 4 and network.prefixlen < 31:
        special = {network.network: "network", network.broadcast: "broadcast"}
        if address in special:
            fix = "choose another address inside"
            return [Fault("one_address", value, name, f"it is the {special[address]} address of {network.cidr}", fix)]
    return []


def _network(value: Any) -> Any:
    if not isinstance(value, str) or "/" not in value:
        return None
    try:
        return netaddr.IPNetwork(value)
    except (netaddr.AddrFormatError, ValueError):
        return None


def _address(value: Any) -> Any:
    if not isinstance(value, str) or "/" in value:
        return None
    try:
        # INET_PTON: '10.1' is no address that anybody means
        return netaddr.IPAddress(value, flags=netaddr.INET_PTON)
    except (netaddr.AddrFormatError, ValueError):
        return None


# -- the machines ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Limits:
    """What a front-end must have."""

    memory_mb: int = 900
    disk_mb: int = 2000
    clock_tolerance: float = CLOCK_TOLERANCE


def machine_faults(
    found: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Any], limits: Limits = Limits()
) -> List[Fault]:
    """Every fault of the machines, from what preflight_facts returned on each and the settings of the cloud."""
    faults: List[Fault] = []
    known = {
        key
        for facts in found.values()
        for key in SECRETS_IN_USE
        if facts.get("database", {}).get("populated") and facts.get("opennebula", {}).get(key)
    }
    for name, facts in found.items():
        faults += _system_faults(name, facts, str(settings.get("one_version", "")))
        faults += _room_faults(name, facts, limits)
        faults += _address_of_machine(name, facts, settings.get("addresses", {}).get(name))
        faults += _foreign_faults(name, facts, settings, known)
        faults += _standin_faults(name, facts, settings)
    faults += clock_faults(found, limits.clock_tolerance)
    return faults


def _system_faults(name: str, facts: Mapping[str, Any], version: str) -> List[Fault]:
    faults = []
    series = ".".join(version.split(".")[:2])
    known = SYSTEMS.get(series, {})
    system, release = str(facts.get("system", "")), str(facts.get("release", ""))
    if known and release not in known.get(system, ()):
        wanted = ", ".join(f"{other} {'/'.join(releases)}" for other, releases in known.items())
        faults.append(
            Fault(
                "system",
                f"{system or 'unknown'} {release}".strip(),
                name,
                f"OpenNebula {series} is not packaged for it",
                f"install one of {wanted}",
            )
        )
    if facts.get("init") != "systemd":
        fix = "run a machine, or a container, whose first process is systemd"
        faults.append(Fault("init", shown("", facts.get("init") or "unknown"), name, "its services cannot be run", fix))
    return faults


def _room_faults(name: str, facts: Mapping[str, Any], limits: Limits) -> List[Fault]:
    faults = []
    memory = facts.get("memory_mb")
    if memory is not None and memory < limits.memory_mb:
        problem = f"oned and MariaDB want {limits.memory_mb} MiB at least"
        faults.append(Fault("memory", f"{memory} MiB", name, problem, "give the machine more"))
    # Folders on one file system share its room: one fault for it.
    tight: Dict[int, List[str]] = {}
    for path, free in sorted(facts.get("free_mb", {}).items()):
        if free < limits.disk_mb:
            tight.setdefault(free, []).append(path)
    for free, paths in tight.items():
        problem = f"{limits.disk_mb} MiB have to be free at least"
        faults.append(
            Fault(f"room in {', '.join(paths)}", f"{free} MiB", name, problem, "free some or enlarge the disk")
        )
    return faults


def _address_of_machine(name: str, facts: Mapping[str, Any], address: Any) -> List[Fault]:
    addresses = facts.get("addresses")
    if not address or not addresses or address in addresses:
        return []
    others = ", ".join(sorted(item for item in addresses if not item.startswith(("127.", "::1", "fe80:"))))
    fix = f"set one_address to one that it has ({others or 'none but loopback'}), or configure the address"
    return [Fault("one_address", shown("", address), name, "no interface of the machine has it", fix)]


def _foreign_faults(
    name: str, facts: Mapping[str, Any], settings: Mapping[str, Any], known: AbstractSet[str]
) -> List[Fault]:
    faults = []
    database = facts.get("database", {})
    nebula = facts.get("opennebula", {})
    others = sorted(set(database.get("names", ())) - {settings.get("one_db_name", "opennebula")})
    if others and not database.get("ours"):
        fix = "choose a machine without a MariaDB of its own, or move those databases away"
        faults.append(Fault("MariaDB", f"a server with {', '.join(others)}", name, "it belongs to something else", fix))
    if nebula.get("sqlite") and not nebula.get("ours"):
        fix = "choose another machine, or remove OpenNebula and /var/lib/one/one.db from it once you have what you need"
        faults.append(Fault("OpenNebula", "a zone on SQLite", name, "this collection did not make it", fix))
    if database.get("populated") and not nebula.get("ours"):
        fix = "choose another machine, or drop that database once you have what you need"
        value = f"a zone in the database {settings.get('one_db_name', 'opennebula')}"
        faults.append(Fault("OpenNebula", value, name, "this collection did not make it", fix))
    faults += _version_faults(name, str(nebula.get("version") or ""), str(settings.get("one_version", "")))
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


def _standin_faults(name: str, facts: Mapping[str, Any], settings: Mapping[str, Any]) -> List[Fault]:
    if settings.get("one_allow_standin") is True:
        return []
    faults = []
    nebula = facts.get("opennebula", {})
    fix = "use OpenNebula's own packages; only a lab's inventory says one_allow_standin: true"
    if "standin" in str(nebula.get("version") or ""):
        problem = "that is the lab's stand-in, a test double that runs no virtual machine"
        faults.append(Fault("OpenNebula", str(nebula["version"]), name, problem, fix))
    if facts.get("source_is_standin"):
        problem = "it holds the lab's stand-in, a test double that runs no virtual machine"
        faults.append(Fault("one_source", shown("", settings.get("one_source")), name, problem, fix))
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
