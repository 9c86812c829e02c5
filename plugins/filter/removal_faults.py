# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a machine cannot be taken out of the cloud."""

from __future__ import annotations

DOCUMENTATION = r"""
name: removal_faults
short_description: Why a machine cannot be taken out of the cloud
version_added: 0.2.0
author:
  - Nebula HA contributors (@nebula-ha)
description:
  - From the inventory alone. Whether virtual machines run on a node is judged when its host leaves the zone.
options:
  _input:
    description: The C(groups) of the play.
    type: dict
    required: true
  host:
    description: The machine that is to go.
    type: str
    required: true
  last:
    description: Whether it may be the last of its kind.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: The machine can go
  ansible.builtin.assert:
    that: groups | nebula.ha.removal_faults('cache2') == []
"""

RETURN = r"""
_value:
  description: A sentence for each reason; none when it can go.
  type: list
  elements: str
"""

from typing import Any, Callable, Dict, List, Mapping, Sequence

from ansible_collections.nebula.ha.plugins.module_utils.preflight.removal import removal_faults as judge


def removal_faults(groups: Mapping[str, Sequence[str]], host: Any, last: bool = False) -> List[str]:
    """A sentence for each reason."""
    return [fault.sentence for fault in judge(groups, str(host or ""), last)]


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"removal_faults": removal_faults}
