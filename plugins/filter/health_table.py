# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a verdict, for screens."""

from __future__ import annotations

DOCUMENTATION = r"""
name: health_table
short_description: The verdict on a cloud or a zone as lines for a person
version_added: 0.1.0
author:
  - Nebula HA contributors (@nebula-ha)
description:
  - The verdict's sentence, a table with a line per machine and per server of the zone, each problem with its next step,
    and where web and API are.
options:
  _input:
    description: What P(nebula.ha.cloud_health#filter) or M(nebula.ha.zone_health) returned.
    type: dict
    required: true
seealso:
  - plugin: nebula.ha.zone_health
    plugin_type: module
  - plugin: nebula.ha.cloud_health
    plugin_type: filter
"""

EXAMPLES = r"""
- name: How is the zone?
  nebula.ha.zone_health:
  register: health

- name: The health of the zone
  ansible.builtin.debug:
    msg: "{{ health | nebula.ha.health_table }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.nebula.ha.plugins.module_utils.report import cloud_lines, health_lines


def health_table(verdict: Mapping[str, Any]) -> list[str]:
    """The lines of a report."""
    if not isinstance(verdict, Mapping) or "sentence" not in verdict:
        raise AnsibleFilterError("health_table wants what the filter cloud_health or the module zone_health returned")
    return cloud_lines(verdict) if "machines" in verdict else health_lines(verdict)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"health_table": health_table}
