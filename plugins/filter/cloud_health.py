# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict on a whole cloud."""

from __future__ import annotations

DOCUMENTATION = r"""
name: cloud_health
short_description: The verdict on a whole cloud
version_added: 0.2.0
author:
  - Nebula HA contributors (@nebula-ha)
description:
  - What the inventory says and what every machine answered, judged. Healthy, degraded or no_service, with a sentence,
    who leads, who holds the address, a line per machine, and each problem with its next step.
  - A machine that could not be reached is a line and a problem. One that was left out by C(--limit) is not judged.
positional: groups, hostvars
options:
  _input:
    description:
      - name, floating_address, service_name, web_port, api_port, api_read_port, flow_port, gate_port, rpc_port,
        sunstone_port, memcached_port and share of the cloud; what is missing has the default of role one.
    type: dict
    required: true
  groups:
    description: Ansible's C(groups).
    type: dict
    required: true
  hostvars:
    description: Ansible's C(hostvars). The answers are read from it.
    type: dict
    required: true
  machine:
    description: Variable under which M(nebula.ha.machine_info) was registered.
    type: str
    default: __health_machine
  zone:
    description: Variable under which M(nebula.ha.zone_health) was registered on the front-ends.
    type: str
    default: __health_zone
  leaving:
    description: Machines that are taken out of the cloud, and that nothing is expected of.
    type: list
    elements: str
    default: []
seealso:
  - module: nebula.ha.machine_info
  - module: nebula.ha.zone_health
  - plugin: nebula.ha.health_table
    plugin_type: filter
"""

EXAMPLES = r"""
- name: How is the cloud?
  ansible.builtin.debug:
    msg: "{{ {'floating_address': '192.0.2.10'} | nebula.ha.cloud_health(groups, hostvars) | nebula.ha.health_table }}"
"""

RETURN = r"""
_value:
  description:
    - state, sentence, web, api, reads, flow, gate, address, leader, holder, package, machines (each with its parts),
      zone, problems (each with code, severity, machine, sentence and next_step) and codes.
  type: dict
"""

import time
from collections.abc import Iterable, Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.nebula.ha.plugins.module_utils.cloud.judge import best_zone, judge
from ansible_collections.nebula.ha.plugins.module_utils.cloud.model import PARTS, cloud_from, machine_from
from ansible_collections.nebula.ha.plugins.module_utils.connection import host_address
from ansible_collections.nebula.ha.plugins.module_utils.ports import machines


def cloud_health(
    cloud: Mapping[str, Any],
    groups: Mapping[str, Iterable[str]],
    hostvars: Mapping[str, Mapping[str, Any]],
    machine: str = "__health_machine",
    zone: str = "__health_zone",
    leaving: Iterable[str] = (),
) -> dict[str, Any]:
    """The verdict as plain values; machines stand in the order of the parts they carry, from the user down."""
    if not isinstance(cloud, Mapping) or not groups.get("frontends"):
        raise AnsibleFilterError("cloud_health wants a dictionary, and groups with front-ends")
    asked = [
        machine_from(name, host_address(name, hostvars[name]), parts, hostvars[name].get(machine))
        for name, parts in machines(groups, PARTS).items()
        if name not in leaving
    ]
    found = [hostvars[name].get(zone) for name in groups["frontends"]]
    verdicts = [verdict for verdict in found if isinstance(verdict, Mapping)]
    why = next((str(verdict["msg"]) for verdict in verdicts if verdict.get("msg")), "")
    return judge(cloud_from(cloud), asked, best_zone(verdicts), time.time(), why).as_dict()


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"cloud_health": cloud_health}
