# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The servers that the inventory wants in the zone."""

from __future__ import annotations

DOCUMENTATION = r"""
name: zone_endpoints
short_description: The servers that the inventory wants in the zone
version_added: 0.1.0
author:
  - Nebula HA contributors (@nebula-ha)
description:
  - From the inventory alone, so it is the same whichever machines were reached.
options:
  _input:
    description: Names of front-ends.
    type: list
    elements: str
    required: true
  hostvars:
    description: The C(hostvars) of the play.
    type: dict
    required: true
  port:
    description: The port of oned.
    type: int
    default: 2633
"""

EXAMPLES = r"""
- name: How is the zone?
  nebula.ha.zone_health:
    servers: "{{ groups['frontends'] | nebula.ha.zone_endpoints(hostvars, one_rpc_port) }}"
"""

RETURN = r"""
_value:
  description: Name and endpoint of each.
  type: list
  elements: dict
"""

from typing import Any, Callable, Dict, Iterable, List, Mapping

from ansible_collections.nebula.ha.plugins.module_utils.connection import host_address
from ansible_collections.nebula.ha.plugins.module_utils.zone.client import endpoint_url


def zone_endpoints(
    names: Iterable[str], hostvars: Mapping[str, Mapping[str, Any]], port: Any = 2633
) -> List[Dict[str, str]]:
    """Name and endpoint of each."""
    return [
        {"name": str(name), "endpoint": endpoint_url(host_address(name, hostvars[name]), int(port))} for name in names
    ]


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"zone_endpoints": zone_endpoints}
