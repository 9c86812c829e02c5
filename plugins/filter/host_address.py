# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the other machines reach a host."""

from __future__ import annotations

DOCUMENTATION = r"""
name: host_address
short_description: Where the other machines reach a host
version_added: 0.2.0
author:
  - Nebula HA contributors (@nebula-ha)
description:
  - From the inventory alone, so it is the same whichever machines were reached. C(one_address) of the host, else
    C(ansible_host), else its name.
options:
  _input:
    description: The name of the host.
    type: str
    required: true
  hostvars:
    description: The C(hostvars) of the play.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Where is the first cache?
  ansible.builtin.debug:
    msg: "{{ groups['caches'] | first | nebula.ha.host_address(hostvars) }}"
"""

RETURN = r"""
_value:
  description: The address.
  type: str
"""

from typing import Any, Callable, Dict, Mapping

from ansible_collections.nebula.ha.plugins.module_utils import connection


def host_address(name: str, hostvars: Mapping[str, Mapping[str, Any]]) -> str:
    """The address of one host."""
    return connection.host_address(name, hostvars[name])


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"host_address": host_address}
