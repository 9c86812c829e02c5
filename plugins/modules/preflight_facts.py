#!/usr/bin/python
# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What preflight has to know of a machine."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_facts
short_description: Look up what preflight has to know of a machine
version_added: 0.1.0
author:
  - Nebula HA contributors (@nebula-ha)
description:
  - Gathers in one call what decides whether a machine can carry its parts of the cloud. Changes nothing.
  - The controller's clock is read before and after, so that the machines' clocks can be compared.
  - Feed the results of all machines to M(nebula.ha.preflight_machines).
extends_documentation_fragment:
  - nebula.ha.attributes.read_only
options:
  address:
    description:
      - The address by which others reach this machine. O(floating_address) is asked for on the interface that has it.
    type: str
  floating_address:
    description:
      - Asks the network of O(address) who answers to this one (ARP). Empty asks nobody. Only for IPv4, on Linux.
    type: str
    default: ""
  share:
    description:
      - Looks whether this folder is a mount and lets the user C(9869) write. Empty does not look.
    type: str
    default: ""
  database:
    description:
      - Name of OpenNebula's database.
    type: str
    default: opennebula
  source:
    description:
      - Where the packages come from. Only a folder on the machine is looked into.
    type: str
    default: upstream
  oneadmin_password:
    description:
      - Compared with what a zone on the machine uses. Only whether it fits is returned.
    type: str
  db_password:
    description:
      - Compared with what a zone on the machine uses. Only whether it fits is returned.
    type: str
  root:
    description:
      - Where the machine's file system begins.
    type: path
    default: /
"""

EXAMPLES = r"""
- name: What is this machine?
  nebula.ha.preflight_facts:
    address: "{{ one_address }}"
    oneadmin_password: "{{ one_oneadmin_password }}"
    db_password: "{{ one_db_password }}"
  register: found
"""

RETURN = r"""
ansible_facts:
  description: The installed packages, by name, in the form of M(ansible.builtin.package_facts).
  returned: success
  type: dict
  contains:
    packages:
      description: Name and version of each.
      type: dict
facts:
  description: What was found.
  returned: success
  type: dict
  contains:
    system:
      description: ID of os-release.
      type: str
    release:
      description: VERSION_ID of os-release.
      type: str
    init:
      description: V(systemd) when it manages the machine.
      type: str
    memory_mb:
      description: Memory in MiB.
      type: int
    free_mb:
      description: Free room in MiB, by folder.
      type: dict
    addresses:
      description: The addresses of the machine's interfaces; none when they could not be listed.
      type: list
      elements: str
    hardware:
      description: The hardware addresses of its interfaces; none when they could not be listed.
      type: list
      elements: str
    floating_answers:
      description: Hardware addresses of others that answer to O(floating_address); none when nobody was asked.
      type: list
      elements: str
    share:
      description: >-
        Whether O(share) is a mount (mounted), and whether C(9869) may write there (writable; none when it is not
        mounted or does not answer).
      type: dict
    epoch:
      description: The machine's clock, in seconds since 1970.
      type: float
    controller:
      description: The controller's clock, before and after the machine's was read.
      type: dict
    database:
      description: >-
        Names of the databases of its MariaDB (names), whether this collection set that up (ours), and whether
        OpenNebula's one
        holds a zone (populated).
      type: dict
    opennebula:
      description: >-
        The installed version of any of its packages, whether this collection set it up (ours), whether it has a zone
        on SQLite (sqlite), and whether the given passwords are the ones in use (oneadmin_password_fits,
        db_password_fits; none when there is nothing to compare).
      type: dict
    source_is_standin:
      description: Whether the folder of packages holds the stand-in.
      type: bool
"""

import json
import os
import select
import socket
import struct
import subprocess
import time
from typing import Any, Dict, List, Optional

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nebula.ha.plugins.module_utils.oned_conf import ConfError, parse

# Written by the roles before what they vouch for: whoever finds them knows who set the machine up.
DATABASE_MARK = "etc/mysql/mariadb.conf.d/90-opennebula.cnf"
NEBULA_MARK = "etc/systemd/system/opennebula.service.d/nebula-ha.conf"
# What MariaDB brings along.
OWN_DATABASES = ("mysql", "performance_schema", "sys", "information_schema", "test", "lost+found")
# Any of them tells the version.
NEBULA_PACKAGES = ("opennebula", "opennebula-sunstone", "opennebula-node-kvm")
ONEADMIN = 9869
SHARE_SECONDS = 5
ARP_SECONDS = 0.7
# After the first answer, for a second machine that says the same.
ARP_OTHERS_SECONDS = 0.1
ARP = 0x0806
ROOM = ("/var/lib", "/var/log", "/var/tmp")  # noqa: S108 - looked at, not written to


def read(path: str) -> str:
    """A file's text; empty when it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as handle:
            return handle.read()
    except OSError:
        return ""


def os_release(text: str) -> Dict[str, str]:
    """The assignments of os-release."""
    values = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            values[name.strip()] = value.strip().strip("\"'")
    return values


def memory_mb(meminfo: str) -> Optional[int]:
    """MemTotal in MiB."""
    for line in meminfo.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "MemTotal:" and words[1].isdigit():
            return int(words[1]) // 1024
    return None


def free_mb(path: str) -> Optional[int]:
    """Room in MiB for everybody's use."""
    try:
        status = os.statvfs(path)
    except OSError:
        return None
    return status.f_bavail * status.f_frsize // (1024 * 1024)


def links(module: AnsibleModule) -> Optional[List[Dict[str, Any]]]:
    """All interfaces with their addresses."""
    program = module.get_bin_path("ip")
    if program is None:
        return None
    code, out, _err = module.run_command([program, "-json", "address", "show"])
    try:
        found = json.loads(out) if code == 0 else None
    except ValueError:
        return None
    return found if isinstance(found, list) else None


def addresses(link: Dict[str, Any]) -> List[str]:
    """The addresses of an interface."""
    return [info["local"] for info in link.get("addr_info", []) if "local" in info]


def arp_answers(interface: str, address: str) -> Optional[List[str]]:
    """Hardware addresses of others that say they have an address: asked as RFC 5227 does, which no cache remembers."""
    try:
        target = socket.inet_aton(address)
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ARP)) as wire:
            wire.bind((interface, 0))
            own = wire.getsockname()[4]
            if len(own) != 6:
                return None
            question = struct.pack(
                "!6s6sHHHBBH6s4s6s4s", b"\xff" * 6, own, ARP, 1, 0x0800, 6, 4, 1, own, bytes(4), bytes(6), target
            )
            wire.send(question)
            found = set()
            end = time.monotonic() + ARP_SECONDS
            while select.select([wire], [], [], max(0.0, end - time.monotonic()))[0]:
                frame = wire.recv(128)
                sender, claimed = frame[22:28], frame[28:32]
                if claimed == target and sender != own:
                    found.add(sender.hex(":"))
                    end = min(end, time.monotonic() + ARP_OTHERS_SECONDS)
    except OSError:
        return None
    return sorted(found)


def is_mounted(path: str, mountinfo: str) -> bool:
    """Whether something is mounted there, without touching it: a share that hangs would hang us."""
    return any(line.split()[4:5] == [path] for line in mountinfo.splitlines())


def share_facts(path: str) -> Optional[Dict[str, Any]]:
    """Whether a share is mounted there, and oneadmin may write to it; nothing is written."""
    if not path:
        return None
    mounted = is_mounted(path, read("/proc/self/mountinfo"))
    return {"mounted": mounted, "writable": writable(path) if mounted else None}


def writable(path: str) -> Optional[bool]:
    """Whether oneadmin may write to a folder; none when it does not answer."""
    try:
        done = subprocess.run(
            ["test", "-w", path], user=ONEADMIN, group=ONEADMIN, extra_groups=[], timeout=SHARE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return None
    return done.returncode == 0


def installed_packages(module: AnsibleModule) -> Dict[str, List[Dict[str, str]]]:
    """The installed packages, in the form of package_facts, which takes far longer to find them."""
    program = module.get_bin_path("dpkg-query")
    if program is None:
        return {}
    code, out, _err = module.run_command(
        [program, "--show", "--showformat=${db:Status-Abbrev} ${Package} ${Version}\\n"]
    )
    rows = [line.split() for line in out.splitlines()] if code == 0 else []
    return {row[1]: [{"name": row[1], "version": row[2]}] for row in rows if len(row) == 3 and row[0] == "ii"}


def database_facts(root: str, name: str) -> Dict[str, Any]:
    """What lies in MariaDB's folder; told without asking the server, which may not run."""
    folder = os.path.join(root, "var/lib/mysql")
    try:
        names = sorted(item for item in os.listdir(folder) if os.path.isdir(os.path.join(folder, item)))
    except OSError:
        names = []
    tables = [os.path.join(folder, name, "zone_pool" + ending) for ending in (".ibd", ".frm")]
    return {
        "names": [item for item in names if item not in OWN_DATABASES and not item.startswith("#")],
        "ours": os.path.exists(os.path.join(root, DATABASE_MARK)),
        "populated": any(os.path.exists(path) for path in tables),
    }


def fits(wanted: Optional[str], used: Optional[str]) -> Optional[bool]:
    """Whether two passwords are equal; none when one is not known."""
    return None if not wanted or used is None else wanted == used


def oneadmin_password(root: str) -> Optional[str]:
    """The password in one_auth."""
    line = read(os.path.join(root, "var/lib/one/.one/one_auth")).split("\n", 1)[0].strip()
    _user, colon, password = line.partition(":")
    return password if colon else None


def db_password(root: str) -> Optional[str]:
    """The password in oned.conf's DB block."""
    try:
        entries = parse(read(os.path.join(root, "etc/one/oned.conf")))
    except ConfError:
        return None
    for entry in entries:
        if entry.name.upper() == "DB" and entry.is_vector:
            return entry.get("PASSWD")
    return None


def is_standin(source: str) -> bool:
    """Whether a folder of packages holds the stand-in."""
    if not source.startswith("/"):
        return False
    lines = read(os.path.join(source, "Packages")).splitlines()
    return any(line.startswith("Version:") and "standin" in line for line in lines)


def main() -> None:
    """Look and return."""
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str"},
            "floating_address": {"type": "str", "default": ""},
            "share": {"type": "str", "default": ""},
            "database": {"type": "str", "default": "opennebula"},
            "source": {"type": "str", "default": "upstream"},
            "oneadmin_password": {"type": "str", "no_log": True},
            "db_password": {"type": "str", "no_log": True},
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    params = module.params
    root = params["root"]
    release = os_release(read(os.path.join(root, "etc/os-release")))
    room = {path: free_mb(path) for path in ROOM}
    packages = installed_packages(module)
    found = links(module)
    interface = next((link["ifname"] for link in found or [] if params["address"] in addresses(link)), "")
    asked = params["floating_address"]
    facts = {
        "system": release.get("ID", ""),
        "release": release.get("VERSION_ID", ""),
        "init": "systemd" if os.path.isdir(os.path.join(root, "run/systemd/system")) else "",
        "memory_mb": memory_mb(read("/proc/meminfo")),
        "free_mb": {path: free for path, free in room.items() if free is not None},
        "addresses": None if found is None else [address for link in found for address in addresses(link)],
        "hardware": None if found is None else [link["address"] for link in found if link.get("address")],
        "floating_answers": arp_answers(interface, asked) if asked and interface else None,
        "share": share_facts(params["share"]),
        "database": database_facts(root, params["database"]),
        "opennebula": {
            "version": next((packages[name][0]["version"] for name in NEBULA_PACKAGES if name in packages), None),
            "ours": os.path.exists(os.path.join(root, NEBULA_MARK)),
            "sqlite": os.path.exists(os.path.join(root, "var/lib/one/one.db")),
            "oneadmin_password_fits": fits(params["oneadmin_password"], oneadmin_password(root)),
            "db_password_fits": fits(params["db_password"], db_password(root)),
        },
        "source_is_standin": is_standin(params["source"]),
        "epoch": time.time(),
    }
    module.exit_json(changed=False, facts=facts, ansible_facts={"packages": packages})


if __name__ == "__main__":
    main()
