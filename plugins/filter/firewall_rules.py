# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may reach which port of a machine."""

from __future__ import annotations

DOCUMENTATION = r"""
name: firewall_rules
short_description: Who may reach which port of a machine
version_added: 0.3.0
author:
  - Nebula HA contributors (@nebula-ha)
description:
  - From the inventory alone. Each port of the table of ports that listens on the machine, with the addresses of those
    who need it. ssh is in no rule, nor is what listens on the loopback address.
options:
  _input:
    description: The name of the machine.
    type: str
    required: true
  groups:
    description: Ansible's C(groups).
    type: dict
    required: true
  hostvars:
    description: Ansible's C(hostvars). Addresses are read from it.
    type: dict
    required: true
  ports:
    description: Ports that the inventory may change, by their variable.
    type: dict
    default: {}
  floating:
    description: The address that balancers share.
    type: str
    default: ""
  leaving:
    description: Machines that are let in nowhere any more.
    type: list
    elements: str
    default: []
  trusted:
    description: Addresses and networks that are let in everywhere.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Who may reach what here?
  ansible.builtin.debug:
    msg: "{{ inventory_hostname | nebula.ha.firewall_rules(groups, hostvars, floating='192.0.2.10') }}"
"""

RETURN = r"""
_value:
  description:
    - trusted (with ip and ip6), and rules in the order in which they count. Each has purpose, protocol, ports (empty
      where the protocol has none), open, to and to_family (the address at which an open one is open), ip and ip6 (whom
      a closed one lets in).
  type: dict
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.nebula.ha.plugins.module_utils.connection import host_address
from ansible_collections.nebula.ha.plugins.module_utils.firewall import networks, rules
from ansible_collections.nebula.ha.plugins.module_utils.ports import machines


def firewall_rules(
    name: str,
    groups: Mapping[str, Sequence[str]],
    hostvars: Mapping[str, Mapping[str, Any]],
    ports: Mapping[str, Any] | None = None,
    floating: str = "",
    leaving: Sequence[str] = (),
    trusted: Iterable[str] = (),
) -> dict[str, Any]:
    """The rules as plain values."""
    addresses = {host: host_address(host, hostvars[host]) for host in machines(groups)}
    if name not in addresses:
        raise AnsibleFilterError(f"firewall_rules: {name} is in no group of this cloud")
    try:
        four, six = networks(trusted)
        return {
            "trusted": {"ip": list(four), "ip6": list(six)},
            "rules": [
                {**rule, "ip": list(rule["ip"]), "ip6": list(rule["ip6"])}
                for rule in rules(name, groups, addresses, ports or {}, floating, leaving)
            ],
        }
    except ValueError as error:
        raise AnsibleFilterError(f"firewall_rules: {error}; the preflight says what to mend") from error


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"firewall_rules": firewall_rules}
