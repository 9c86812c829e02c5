#!/usr/bin/python
# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the kernel has a table of nftables as its file says."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nft_table
short_description: Look whether the kernel has a table of nftables as its file says
version_added: 0.3.0
author:
  - Nebula HA contributors (@nebula-ha)
description:
  - The file is loaded in a network namespace that nothing uses and that ends with the look. What the kernel lists there
    and here are compared, but for counters. So rules that were flushed or edited by hand are seen, and those that an
    interrupted run wrote and did not load.
  - Changes nothing.
extends_documentation_fragment:
  - nebula.ha.attributes.read_only
options:
  name:
    description: The table, of the family C(inet).
    type: str
    required: true
  file:
    description: The file that makes it. It names no interface but C(lo).
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Are the rules the kernel's?
  nebula.ha.nft_table:
    name: nebula_ha_firewall
    file: /etc/nebula-ha/firewall.nft
  register: rules
"""

RETURN = r"""
loaded:
  description: The kernel has a table of that name.
  returned: success
  type: bool
current:
  description: It has it as the file says.
  returned: success
  type: bool
"""

import os

from ansible.module_utils.basic import AnsibleModule

# Everything is an argument: no name of a table or a file is read by the shell.
LOAD_AND_LIST = '"$1" --file "$2" && exec "$1" --stateless list table inet "$3"'


def main() -> None:
    """List the table twice."""
    module = AnsibleModule(
        argument_spec={"name": {"type": "str", "required": True}, "file": {"type": "path", "required": True}},
        supports_check_mode=True,
    )
    name, file = module.params["name"], module.params["file"]
    nft = module.get_bin_path("nft", required=True)
    missing, held, _error = module.run_command([nft, "--stateless", "list", "table", "inet", name])
    if missing or not os.path.exists(file):
        module.exit_json(changed=False, loaded=not missing, current=False)
    unshare = module.get_bin_path("unshare", required=True)
    failed, wanted, error = module.run_command(
        [unshare, "--net", "--", "/bin/sh", "-c", LOAD_AND_LIST, "sh", nft, file, name]
    )
    if failed:
        module.fail_json(
            msg=f"{file} cannot be loaded in a network namespace of its own to see what it makes: {error.strip()}; "
            f"try 'unshare --net nft --file {file}' as root on this machine."
        )
    module.exit_json(changed=False, loaded=True, current=held == wanted)


if __name__ == "__main__":
    main()
