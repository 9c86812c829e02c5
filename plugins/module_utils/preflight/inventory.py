# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory says, judged without any machine."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..ports import PORTS, machines
from ..timing import given, whole
from .addresses import address_faults
from .certificate import Files, certificate_faults
from .cloud import Cloud, advice, cloud_faults, group_faults
from .fault import SECRETS, Broken, Fault, shown
from .machines import SYSTEMS
from .timers import VARIABLES as TIMERS
from .timers import timer_advice, timer_faults

GROUP = "frontends"
# What all machines must have alike; a difference between two is a fault.
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
    "one_rpc_connections",
    "one_timing",
    *TIMERS,
    "one_log_retention",
    "one_limit_purge",
    "one_log_purge_timeout",
    "one_floating_address",
    "one_service_name",
    "one_web_port",
    "one_api_port",
    "one_api_read_port",
    "one_flow_port",
    "one_gate_port",
    "one_certificate",
    "one_certificate_key",
    "one_ca_certificate",
    "one_ca_key",
    "one_sunstone_port",
    "one_memcached_port",
    "one_health_port",
    "one_trusted_sources",
    "one_datastore_source",
    "one_datastore_fstype",
    "one_datastore_options",
    "one_leaving",
)
# Ports that roles have as variables of their own may be set, too.
PORT_VARIABLES = tuple(sorted({port.variable for port in PORTS if port.variable} - set(CLOUD_WIDE)))
VARIABLES = (*CLOUD_WIDE, *PORT_VARIABLES, "one_address")
PASSWORDS = ("one_oneadmin_password", "one_db_password")
SECRET_LENGTH = 12
NUMBERS = (
    "one_rpc_port",
    "one_db_connections",
    "one_rpc_connections",
    *TIMERS,
    "one_log_retention",
    "one_limit_purge",
    "one_log_purge_timeout",
    "one_web_port",
    "one_api_port",
    "one_api_read_port",
    "one_flow_port",
    "one_gate_port",
    "one_sunstone_port",
    "one_memcached_port",
    "one_health_port",
    *PORT_VARIABLES,
)
TEXTS = ("one_zone_name", "one_db_name", "one_db_user")
_PLACEHOLDER = re.compile(
    r"(change|replace|set|put|insert|your|my)[-_ ]?(me|this|it|here|your|secret|pass\w*)"
    r"|pass(word|wort|wd)|secret|geheim|opennebula|oneadmin|example|todo|fixme|default|admin|qwert|letmein|12345|<.*>|xxxx",
    re.IGNORECASE,
)
_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")


def cloud_of(groups: Mapping[str, Sequence[str]], hosts: Mapping[str, Mapping[str, Any]]) -> Tuple[Cloud, List[Fault]]:
    """The cloud that an inventory describes (a missing key: not set), and the faults of what all machines share."""
    names = [name for name in machines(groups) if name in hosts]
    faults: List[Fault] = []
    values: Dict[str, Any] = {}
    unclear = set()
    for variable in (*CLOUD_WIDE, *PORT_VARIABLES):
        value, found = _common(variable, names, hosts)
        faults += found
        if found:
            unclear.add(variable)
        elif value is not None:
            values[variable] = value
    return Cloud(groups, hosts, values, unclear), faults


def inventory_faults(
    groups: Mapping[str, Sequence[str]],
    hosts: Mapping[str, Mapping[str, Any]],
    files: Optional[Files] = None,
    now: Optional[datetime] = None,
) -> List[Fault]:
    """Every fault of an inventory: its groups, its machines' variables, and the files that these name."""
    faults = group_faults(groups)
    names = list(groups.get(GROUP, ()))
    if not names:
        what = "is not in the inventory" if GROUP not in groups else "has no host"
        fix = "put three front-ends into it, or any larger odd number"
        return [*faults, Fault(f"group {GROUP}", "", None, what, fix)]
    everyone = list(machines(groups))
    faults += _count_faults(names)
    faults += _name_faults(everyone)
    cloud, found = cloud_of(groups, hosts)
    faults += found
    faults += _release_faults(cloud.values)
    faults += _secret_faults(cloud)
    faults += _number_faults(cloud.values)
    faults += timer_faults(cloud)
    faults += _text_faults(cloud.values)
    faults += address_faults(cloud, everyone)
    faults += cloud_faults(cloud)
    faults += certificate_faults(cloud, files or {}, now)
    return faults


def inventory_advice(groups: Mapping[str, Sequence[str]], hosts: Mapping[str, Mapping[str, Any]]) -> List[str]:
    """What works and is weaker than it could be, as sentences."""
    cloud = cloud_of(groups, hosts)[0]
    return [*advice(cloud), *timer_advice(cloud)]


def _common(variable: str, names: Sequence[str], hosts: Mapping[str, Mapping[str, Any]]) -> Tuple[Any, List[Fault]]:
    """The value that all machines have."""
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


def _secret_faults(cloud: Cloud) -> List[Fault]:
    faults = []
    for variable in PASSWORDS:
        if variable not in cloud.values:
            if variable not in cloud.unclear:
                fix = (
                    "run playbooks/secrets.yml once, which writes it into the inventory's vault; a second controller "
                    "needs a copy of that vault and its password, never new ones"
                )
                faults.append(Fault(variable, "", None, "it is not set", fix))
            continue
        problem = secret_problem(cloud.values[variable])
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


def _number_faults(values: Mapping[str, Any]) -> List[Fault]:
    faults = []
    for variable in NUMBERS:
        if variable not in values or (variable in TIMERS and not given(values[variable])):
            continue
        number = whole(values[variable])
        if number is None or number <= 0:
            fix = "write a whole number above 0"
            faults.append(Fault(variable, shown("", values[variable]), None, "it is no positive whole number", fix))
        elif variable.endswith("_port") and number > 65535:
            faults.append(Fault(variable, str(number), None, "it is no port", "write a number from 1 to 65535"))
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
