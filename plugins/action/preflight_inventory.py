# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuses an inventory that cannot work. Documented in modules/preflight_inventory.py."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.nebula.ha.plugins.module_utils.connection import host_address
from ansible_collections.nebula.ha.plugins.module_utils.ports import machines
from ansible_collections.nebula.ha.plugins.module_utils.preflight.fault import Broken, report
from ansible_collections.nebula.ha.plugins.module_utils.preflight.inventory import (
    VARIABLES,
    inventory_advice,
    inventory_faults,
)
from ansible_collections.nebula.ha.plugins.module_utils.preflight.limit import limit_faults


class ActionModule(ActionBase):
    """All faults of the inventory at once."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _VALID_ARGS: frozenset[str] = frozenset()

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        variables = task_vars or {}
        result = super().run(tmp, variables)
        groups = {
            str(name): [str(host) for host in hosts]
            for name, hosts in variables["groups"].items()
            if name not in {"all", "ungrouped"}
        }
        hosts = {name: self._values(name, variables) for name in machines(groups)}
        faults = inventory_faults(groups, hosts, self._files(hosts))
        if variables.get("ansible_limit"):
            faults += limit_faults(machines(groups), variables["ansible_play_hosts_all"])
        result.update(
            changed=False,
            faults=[fault.as_dict() for fault in faults],
            advice=[] if faults else inventory_advice(groups, hosts),
        )
        if faults:
            result.update(failed=True, msg=report(faults, "The inventory cannot work"))
        return result

    def _files(self, hosts: dict[str, dict[str, Any]]) -> dict[str, bytes | str]:
        """What the files of the certificate hold, or why they cannot be read."""
        given = (values.get(name) for values in hosts.values() for name in ("one_certificate", "one_certificate_key"))
        return {path: self._content(path) for path in given if isinstance(path, str) and path}

    def _content(self, path: str) -> bytes | str:
        try:
            # A file that ansible-vault encrypted is read like any other.
            real = self._loader.get_real_file(self._loader.path_dwim(path))
            with open(real, "rb") as handle:
                return handle.read()
        except (AnsibleError, OSError) as error:
            return " ".join(str(error).split())
        finally:
            self._loader.cleanup_all_tmp_files()

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
