# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuses an inventory that cannot work. Documented in modules/preflight_inventory.py."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.nebula.ha.plugins.module_utils.connection import host_address
from ansible_collections.nebula.ha.plugins.module_utils.preflight import (
    GROUP,
    VARIABLES,
    Broken,
    inventory_faults,
    report,
)


class ActionModule(ActionBase):
    """All faults of the inventory at once."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _VALID_ARGS: frozenset[str] = frozenset()

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        variables = task_vars or {}
        result = super().run(tmp, variables)
        groups = {str(name): [str(host) for host in hosts] for name, hosts in variables["groups"].items()}
        hosts = {name: self._values(name, variables) for name in groups.get(GROUP, ())}
        faults = inventory_faults(groups, hosts)
        result.update(changed=False, faults=[fault.as_dict() for fault in faults])
        if faults:
            result.update(failed=True, msg=report(faults, "The inventory cannot work"))
        return result

    def _values(self, name: str, variables: dict[str, Any]) -> dict[str, Any]:
        """The variables of one host: its own, else the defaults that the role one gives to this play."""
        own = variables["hostvars"][name]
        values: dict[str, Any] = {}
        for variable in VARIABLES:
            try:
                if variable in own:
                    values[variable] = own[variable]
                elif variable == "one_address":
                    # Its default is an expression of the host's own variables.
                    values[variable] = host_address(name, own)
                elif variable in variables:
                    values[variable] = self._templar.template(variables[variable])
            except AnsibleError as error:
                values[variable] = Broken(" ".join(str(error).split()))
        return values
