# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machine can be taken out of a cloud."""

from __future__ import annotations

from typing import List, Mapping, Sequence

from ..ports import machines
from .fault import Fault

VARIABLE = "remove_host"
# What a cloud goes without when the last of them leaves.
NEEDED = {
    "sunstones": "there would be no web interface",
    "caches": "nobody could log in to the web interface",
    "balancers": "users would reach nothing",
}


def removal_faults(groups: Mapping[str, Sequence[str]], host: str, last: bool = False) -> List[Fault]:
    """Why a machine cannot go; `last` allows the last of its kind."""
    if not host:
        return [Fault(VARIABLE, "", None, "it is not set", "name the machine, as in -e remove_host=cache2")]
    known = machines(groups)
    parts = known.get(host)
    if not parts:
        fix = f"name one of {', '.join(sorted(known))}"
        return [Fault(VARIABLE, f"'{host}'", None, "the inventory has no such machine in a group of ours", fix)]
    if "frontends" in parts:
        problem = "it is a front-end, and this collection does not make a zone smaller yet"
        others = ", ".join(group for group in parts if group != "frontends")
        fix = f"to end its part in {others} only, move that group in the inventory" if others else "leave it"
        return [Fault(VARIABLE, f"'{host}'", None, problem, fix)]
    return [
        Fault(
            VARIABLE,
            f"'{host}'",
            None,
            f"it is the last of {group}: {NEEDED[group]}",
            "add another before, or say -e remove_last=true",
        )
        for group in parts
        if group in NEEDED and not last and len(groups[group]) == 1
    ]
