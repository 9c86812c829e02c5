#!/usr/bin/python
# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name of a zone."""

from __future__ import annotations

DOCUMENTATION = r"""
module: zone_name
short_description: The name of a zone
version_added: 0.1.0
author:
  - Nebula HA contributors (@nebula-ha)
description:
  - Renames the zone when it has another name. Endpoints and servers stay as they are.
extends_documentation_fragment:
  - nebula.ha.connection
  - nebula.ha.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  name:
    description:
      - The name that the zone is to have.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: The zone has its name
  nebula.ha.zone_name:
    name: Lisbon
"""

RETURN = r"""
name:
  description: The name that the zone had before.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nebula.ha.plugins.module_utils.connection import (
    connection_spec,
    first_endpoint,
    parameter_fault,
)
from ansible_collections.nebula.ha.plugins.module_utils.zone.client import (
    CallError,
    Client,
    CredentialsError,
    read_session,
)


def main() -> None:
    """Look, and rename when it differs."""
    module = AnsibleModule(
        argument_spec={**connection_spec(), "name": {"type": "str", "required": True}}, supports_check_mode=True
    )
    params = module.params
    fault = parameter_fault(params)
    if fault:
        module.fail_json(msg=fault)
    try:
        client = Client(first_endpoint(params), read_session(params["auth_file"]), params["timeout"])
        zone = client.zone(params["zone_id"])
        changed = zone.name != params["name"]
        if changed and not module.check_mode:
            client.call("one.zone.rename", zone.id, params["name"])
    except CredentialsError as error:
        module.fail_json(msg=f"{error}.")
    except CallError as error:
        module.fail_json(
            msg=f"The zone cannot be named {params['name']}: {error}. "
            "See that it has a leader (playbooks/health.yml) and run this again."
        )
    diff = {"before": f"{zone.name}\n", "after": f"{params['name']}\n"}
    module.exit_json(changed=changed, name=zone.name, diff=diff)


if __name__ == "__main__":
    main()
