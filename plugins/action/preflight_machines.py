# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuses machines that cannot carry their parts of the cloud. Documented in modules/preflight_machines.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.nebula.ha.plugins.module_utils.connection import host_address
from ansible_collections.nebula.ha.plugins.module_utils.ports import machines
from ansible_collections.nebula.ha.plugins.module_utils.preflight.fault import report
from ansible_collections.nebula.ha.plugins.module_utils.preflight.machines import (
    DISK_MB,
    MEMORY_MB,
    Limits,
    Settings,
    machine_faults,
)


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
                "memory_mb": {"type": "dict", "default": MEMORY_MB},
                "disk_mb": {"type": "dict", "default": DISK_MB},
                "clock_tolerance": {"type": "float", "default": Limits.clock_tolerance},
            }
        )
        found = {name: self._facts(answer) for name, answer in args["found"].items()}
        unknown = sorted(name for name, facts in found.items() if facts is None)
        if unknown:
            raise AnsibleActionFail(
                f"preflight_facts found nothing on {', '.join(unknown)}: "
                "run it on every host before, and give what it returned."
            )
        limits = Limits(args["memory_mb"], args["disk_mb"], args["clock_tolerance"])
        faults = machine_faults(found, self._settings(variables), limits)
        result.update(changed=False, faults=[fault.as_dict() for fault in faults])
        if faults:
            result.update(failed=True, msg=report(faults, "The machines cannot carry this cloud"))
        return result

    def _facts(self, answer: Any) -> Mapping[str, Any] | None:
        """What preflight_facts found, or `unreachable` or `failed` with Ansible's own words."""
        if not isinstance(answer, Mapping):
            return None
        for what in ("unreachable", "failed"):
            if answer.get(what):
                words = " ".join(str(answer.get("msg", "")).split()).removeprefix("Task failed: ")
                return {what: words.partition("via ssh: ")[2] or words}
        facts = answer.get("facts")
        return facts if isinstance(facts, Mapping) else None

    def _settings(self, variables: dict[str, Any]) -> Settings:
        parts = machines(variables["groups"])

        def value(name: str, default: Any) -> Any:
            return self._templar.template(variables[name]) if name in variables else default

        return Settings(
            version=str(value("one_version", "")),
            source=str(value("one_source", "")),
            allow_standin=value("one_allow_standin", False) is True,
            database=str(value("one_db_name", Settings.database)),
            floating=str(value("one_floating_address", "") or ""),
            share=str(value("one_datastore_source", "") or ""),
            addresses={name: host_address(name, variables["hostvars"][name]) for name in parts},
            parts=parts,
        )
