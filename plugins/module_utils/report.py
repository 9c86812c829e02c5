# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A verdict as lines for a person. Pure."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from .cloud.model import PARTS

MARKS = {"fatal": "!!", "warning": "!", "advice": "-"}
NUMERIC = ("ID", "TERM", "INDEX", "LAG")


def health_lines(verdict: Mapping[str, Any]) -> list[str]:
    """Of a zone: the sentence, a line per server, and what is to be done."""
    lines = [str(verdict["sentence"])]
    known = verdict.get("zone_id") is not None
    lines += _table([_row(server, known) for server in verdict.get("servers") or []])
    return lines + _problem_lines(verdict.get("problems") or [])


def cloud_lines(verdict: Mapping[str, Any]) -> list[str]:
    """Of a cloud: the sentence, a line per machine and per server of the zone, what is to be done, and the ways in."""
    lines = [str(verdict["sentence"])]
    lines += _table([_machine_row(machine) for machine in verdict["machines"]])
    zone = verdict["zone"] or {}
    lines += _table([_row(server, zone.get("zone_id") is not None) for server in zone.get("servers") or []])
    lines += _problem_lines(verdict["problems"])
    ways = {"Web": "web", "API": "api", "Reads": "reads", "OneFlow": "flow", "OneGate": "gate"}
    ways |= {"Leads": "leader", "Holds": "holder"}
    found = [f"{title:<13}{verdict[key]}" for title, key in ways.items() if verdict[key]]
    if verdict["holder"]:
        found[-1] += f", the address {verdict['address']}"
    return [*lines, "", *found] if found else lines


def _machine_row(machine: Mapping[str, Any]) -> dict[str, str]:
    return {
        "MACHINE": str(machine["name"]),
        "CARRIES": ", ".join(PARTS[part["part"]] for part in machine["parts"]),
        "ADDRESS": str(machine["address"]),
        "HEALTH": str(machine["state"]),
        "WHAT IT DOES": str(machine["does"]),
    }


def _problem_lines(problems: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [""] if problems else []
    for problem in problems:
        mark = MARKS.get(problem["severity"], "!")
        lines.append(f"{mark:>2} {problem['sentence']}")
        lines.append(f"     {problem['next_step']} [{problem['code']}]")
    return lines


def _row(server: Mapping[str, Any], known: bool) -> dict[str, str]:
    state = str(server["state"])
    if known and not server.get("in_zone", True):
        state += " (not in the zone)"
    return {
        "SERVER": str(server["name"]),
        "ID": _cell(server["id"]),
        "STATE": state,
        "TERM": _cell(server["term"]),
        "INDEX": _cell(server["index"]),
        "LAG": _cell(server["lag"]),
        "VERSION": _cell(server["version"]),
        "ENDPOINT": str(server["endpoint"]),
    }


def _cell(value: Any) -> str:
    return "-" if value is None else str(value)


def _table(rows: list[dict[str, str]]) -> list[str]:
    if not rows:
        return []
    names = list(rows[0])
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in names}
    lines = [""]
    for row in [dict(zip(names, names)), *rows]:
        cells = [row[name].rjust(widths[name]) if name in NUMERIC else row[name].ljust(widths[name]) for name in names]
        lines.append("  ".join(["", *cells]).rstrip())
    return lines
