# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What programs print about a machine, read. Pure: text in, values out; ValueError when it is not what it should be."""

from __future__ import annotations

import csv
import io
import ipaddress
import json
import re
import ssl
from typing import Any

# What HAProxy says of a server, in one word; a server that it does not check counts as up.
_STATES = {"up": "up", "no": "up", "down": "down", "maint": "maint", "drain": "drain", "nolb": "drain"}


def haproxy_servers(text: str) -> list[dict[str, str]]:
    """Every server of every backend in HAProxy's `show stat`: up, down, drain or maint, and what its check said."""
    if not text.startswith("# "):
        raise ValueError(f"HAProxy answered '{text.strip()[:60]}'")
    rows = csv.DictReader(io.StringIO(text[2:]))
    return [
        {
            "backend": row["pxname"],
            "server": row["svname"],
            "state": _STATES.get(row["status"].split()[0].lower(), "down"),
            "check": ": ".join(item for item in (row["check_desc"], row["last_chk"].strip("()")) if item),
        }
        for row in rows
        if row["svname"] not in ("FRONTEND", "BACKEND") and row.get("type") == "2"
    ]


def interface_addresses(text: str) -> list[str]:
    """Every address that `ip -json address` lists."""
    return [str(item["local"]) for link in json.loads(text) for item in link.get("addr_info", ()) if "local" in item]


def certificate(text: str) -> dict[str, Any]:
    """Until when a certificate is good, and for which names, from what `openssl x509` prints of it."""
    until = re.search(r"^notAfter=(.+)$", text, re.MULTILINE)
    if until is None:
        raise ValueError("openssl named no end of it")
    names = re.findall(r"DNS:([^,\s]+)", text)
    names += [str(ipaddress.ip_address(name)) for name in re.findall(r"IP Address:([^,\s]+)", text)]
    return {"not_after": ssl.cert_time_to_seconds(until.group(1).strip()), "names": names}


def unit_states(text: str) -> dict[str, str]:
    """The state of each unit by its name, from `systemctl show --property=Id,ActiveState`."""
    states = {}
    for block in text.strip().split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if "Id" in values:
            states[values["Id"].removesuffix(".service")] = values.get("ActiveState", "unknown")
    return states


def mounted_at(text: str, path: str) -> tuple[str, str] | None:
    """Type and source of what is mounted at a path, from /proc/self/mountinfo; the last mount is the one on top."""
    found = None
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        if before.split()[4:5] == [path.replace(" ", "\\040")]:
            kind, source = after.split()[:2]
            found = (kind, source)
    return found
