#!/usr/bin/python
# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of OpenNebula's Ruby services, edited by structure."""

from __future__ import annotations

DOCUMENTATION = r"""
module: service_conf
short_description: Edit the configuration of Sunstone, OneFlow or OneGate by its structure
version_added: 0.2.0
author:
  - Nebula HA contributors (@nebula-ha)
description:
  - Sets single values at the left margin of a file whose keys are Ruby symbols (C(:port:)), and keeps everything else
    byte for byte. What is no single value (a list, a nested section) is refused.
  - A value of the same meaning and type stays as it is spelled.
  - Owner, group and mode of the file stay. The service reads it when it starts.
extends_documentation_fragment:
  - nebula.ha.attributes
attributes:
  check_mode:
    support: full
    details:
      - A file that is not there yet is taken as empty, with a warning, so that a first deploy can be predicted.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  path:
    description:
      - The file.
    type: path
    required: true
  settings:
    description:
      - Values by name, without the colons; texts, whole numbers and booleans.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Sunstone keeps its sessions in memcached
  nebula.ha.service_conf:
    path: /etc/one/sunstone-server.conf
    settings:
      sessions: memcache
      memcache_host: 127.0.0.1
      memcache_port: 11211
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
changes:
  description: What changed, one line per value.
  returned: success
  type: list
  elements: str
  sample: ["sessions: memory -> memcache"]
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nebula.ha.plugins.module_utils.service_conf import ServiceConfError, changes, edit
from ansible_collections.nebula.ha.plugins.module_utils.text_file import printable, read_text, replace_text


def main() -> None:
    """Read, edit, write."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "settings": {"type": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    path = os.path.realpath(module.params["path"])
    before = read_text(module, path)
    try:
        after = edit(before, module.params["settings"])
        lines = changes(before, after)
    except ServiceConfError as error:
        module.fail_json(msg=f"{path}: {error}.")
    if after != before and not module.check_mode:
        replace_text(module, path, after)
    module.exit_json(
        changed=after != before,
        path=path,
        changes=lines,
        diff={
            "before": printable(before),
            "after": printable(after),
            "before_header": path,
            "after_header": path,
        },
    )


if __name__ == "__main__":
    main()
