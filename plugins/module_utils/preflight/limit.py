# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machines a run may be limited to."""

from __future__ import annotations

from typing import Collection, List, Mapping, Sequence

from .fault import Fault


def limit_faults(parts: Mapping[str, Sequence[str]], run: Collection[str]) -> List[Fault]:
    """What --limit leaves out and must not: the parts of every machine of the inventory, and the machines of this run.

    Caches, balancers and machines of the web tier may run alone or be left out: nothing else is decided from them.
    """
    frontends = [name for name, carried in parts.items() if "frontends" in carried]
    nodes = [name for name, carried in parts.items() if "nodes" in carried and name in run]
    missing = [name for name in frontends if name not in run]
    if missing and len(missing) < len(frontends):
        problem = "what a front-end has to do depends on all of them"
        fix = "run it without --limit, or leave all front-ends out with --limit '!frontends'"
        return [Fault("--limit", f"without {', '.join(missing)}", None, problem, fix)]
    if missing and nodes:
        problem = "a node joins through the front-ends, and they learn its keys"
        fix = f"add them to the run, as in --limit '{','.join([*nodes, 'frontends'])}'"
        return [Fault("--limit", f"{', '.join(nodes)} without the front-ends", None, problem, fix)]
    return []
