# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuses machines that cannot be front-ends. Documented in modules/preflight_machines.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.nebula.ha.plugins.module_utils.connection import host_address
from ansible_collections.nebula.ha.plugins.module_utils.preflight import Limits, machine_faults, report


class ActionModule(ActionBase):
    """All faults of the machines at once."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _VALID_ARGS = frozenset(("found", "memory_mb", "disk_mb", "clock_tolerance"))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        variables = task_vars or {}
        result = super().run(tmp, variables)
        _spec, args = self.validate_argument_spec(
            {
                "found": {"type": "dict", "required": True},
                "memory_mb": {"type": "int", "default": Limits.memory_mb},
                "disk_mb": {"type": "int", "default": Limits.disk_mb},
                "clock_tolerance": {"type": "float", "default": Limits.clock_tolerance},
            }
        )
        found = args["found"]
        silent = sorted(name for name, facts in found.items() if not isinstance(facts, Mapping))
        if silent:
            raise AnsibleActionFail(
                f"preflight_facts found nothing on {', '.join(silent)}: "
                "run it on every host before, and give its 'facts'."
            )
        settings: dict[str, Any] = {
            name: self._templar.template(variables[name])
            for name in ("one_version", "one_source", "one_allow_standin", "one_db_name")
            if name in variables
        }
        settings["addresses"] = {name: host_address(name, variables["hostvars"][name]) for name in found}
        limits = Limits(args["memory_mb"], args["disk_mb"], args["clock_tolerance"])
        faults = machine_faults(found, settings, limits)
        result.update(changed=False, faults=[fault.as_dict() for fault in faults])
        if faults:
            result.update(failed=True, msg=report(faults, "The machines cannot be front-ends"))
        return result
