#!/usr/bin/python
# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a service runs, and with its files as they are now."""

from __future__ import annotations

DOCUMENTATION = r"""
module: unit_info
short_description: Look whether a service runs with its files as they are now
description:
  - A service that started before a file of it was last written does not know what is in it. Asked of systemd and of the
    files, so that a restart or reload which an interrupted run did not make is made by the next.
  - Changes nothing.
version_added: 0.2.0
author:
  - Nebula HA contributors (@nebula-ha)
extends_documentation_fragment:
  - nebula.ha.attributes.read_only
options:
  name:
    description: The unit, with or without C(.service).
    type: str
    required: true
  files:
    description: The files that the service reads when it starts or reloads. One that is not there is passed over.
    type: list
    elements: path
    default: []
"""

EXAMPLES = r"""
- name: Does Sunstone know its configuration?
  nebula.ha.unit_info:
    name: opennebula-sunstone
    files: [/etc/one/sunstone-server.conf]
  register: unit
"""

RETURN = r"""
state:
  description: V(absent), or systemd's word, such as V(active) or V(inactive).
  returned: success
  type: str
stale:
  description: It runs, and started before one of the files was last written.
  returned: success
  type: bool
behind:
  description: It runs, and was neither started nor reloaded since one of the files was last written.
  returned: success
  type: bool
reload:
  description: The unit's file changed since systemd read it.
  returned: success
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nebula.ha.plugins.module_utils.unit import CHANGED, STARTED, older_than, unit_state


def main() -> None:
    """Ask systemd, look at the files."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "files": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    unit = unit_state(module, module.params["name"])
    active = unit.get("ActiveState", "inactive")

    def older(moment: str) -> bool:
        return active == "active" and any(older_than(unit.get(moment, ""), path) for path in module.params["files"])

    module.exit_json(
        changed=False,
        state="absent" if unit.get("LoadState") == "not-found" else active,
        stale=older(STARTED),
        behind=older(CHANGED),
        reload=unit.get("NeedDaemonReload") == "yes",
    )


if __name__ == "__main__":
    main()
