# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bootstrap's decision, for roles."""

from __future__ import annotations

DOCUMENTATION = r"""
name: zone_plan
short_description: What must be done to which front-end so that all are servers of one zone
version_added: 0.1.0
author:
  - Nebula HA contributors (@nebula-ha)
description:
  - Decides from what M(nebula.ha.zone_member) found on every front-end, in the order of their rank.
options:
  _input:
    description: The C(member) of every front-end, in the order of their rank.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Decide what is left to do
  ansible.builtin.set_fact:
    plan: "{{ groups['frontends'] | map('extract', hostvars, ['member_found', 'member']) | nebula.ha.zone_plan }}"
"""

RETURN = r"""
_value:
  description: >-
    seed, credentials_from, bootstrap, solo, stop, ids, start, join, restart, credentials: who has to do what, all
    empty when nothing is left; refuse and why are sentences.
  type: dict
"""

from typing import Any, Callable, Dict, Iterable, Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.nebula.ha.plugins.module_utils.bootstrap import member_from, plan_zone


def zone_plan(found: Iterable[Mapping[str, Any]]) -> Dict[str, Any]:
    """The plan as plain values."""
    try:
        members = [member_from(item) for item in found]
    except (KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(
            f"zone_plan wants what zone_member returned as 'member' on every front-end: {error!r}"
        ) from error
    if not members:
        raise AnsibleFilterError("zone_plan got no front-end: the group frontends is empty")
    plan: Dict[str, Any] = plan_zone(members).to_dict()
    return plan


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"zone_plan": zone_plan}
