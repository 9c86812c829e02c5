# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A verdict as lines for a person. Pure."""

from __future__ import annotations

from typing import Any, Mapping

MARKS = {"fatal": "!!", "warning": "!", "advice": "-"}
NUMERIC = ("ID", "TERM", "INDEX", "LAG")


def health_lines(verdict: Mapping[str, Any]) -> list[str]:
    """The sentence, a line per server, and what is to be done."""
    lines = [str(verdict["sentence"])]
    known = verdict.get("zone_id") is not None
    rows = [_row(server, known) for server in verdict.get("servers") or []]
    if rows:
        lines += ["", *_table(rows)]
    problems = verdict.get("problems") or []
    if problems:
        lines.append("")
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
    names = list(rows[0])
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in names}
    lines = []
    for row in [dict(zip(names, names)), *rows]:
        cells = [row[name].rjust(widths[name]) if name in NUMERIC else row[name].ljust(widths[name]) for name in names]
        lines.append("  ".join(["", *cells]).rstrip())
    return lines
