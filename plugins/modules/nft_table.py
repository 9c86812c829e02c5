#!/usr/bin/python
# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table of nftables: its files as wanted, and whether the kernel has it so."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nft_table
short_description: The files of a table of nftables, and whether the kernel has it as they say
version_added: 0.3.0
author:
  - Nebula HA contributors (@nebula-ha)
description:
  - Writes the rules, which nft has to find good, and the files of the unit that loads them. All in one call, because
    each machine of a cloud has them.
  - The rules are loaded in a network namespace that nothing uses and that ends with the look. What the kernel lists
    there and here are compared, but for counters. So rules that were flushed or edited by hand are seen, and those that
    an interrupted run wrote and did not load. Loading them is the unit's part.
extends_documentation_fragment:
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
    description: The table, of the family C(inet).
    type: str
    required: true
  path:
    description: The file of the rules.
    type: path
    required: true
  rules:
    description: What nft reads to make the table anew. It names no interface but C(lo).
    type: str
    required: true
  unit_files:
    description: Other files, by their path.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: The rules are there
  nebula.ha.nft_table:
    name: nebula_ha_firewall
    path: /etc/nebula-ha/firewall.nft
    rules: "{{ lookup('ansible.builtin.template', 'table.nft.j2') }}"
  register: rules

- name: The kernel has them
  ansible.builtin.systemd_service:
    name: nebula-firewall
    state: "{{ 'started' if rules.current else 'reloaded' }}"
"""

RETURN = r"""
written:
  description: Files that were written, or would be.
  returned: success
  type: list
  elements: str
current:
  description: The kernel has the table as the rules say.
  returned: success
  type: bool
"""

import os
import tempfile
from typing import Any, Dict, List

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nebula.ha.plugins.module_utils.text_file import printable, replace_text

MODE = 0o644
# Everything is an argument: no name of a table or a file is read by the shell.
LOAD_AND_LIST = '"$1" --file "$2" && exec "$1" --stateless list table inet "$3"'


def held(path: str) -> str:
    """What a file holds; one that is not there is empty."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as handle:
            return handle.read()
    except FileNotFoundError:
        return ""


def as_wanted(path: str, text: str) -> bool:
    """Whether a file holds a text, and all may read it."""
    return os.path.exists(path) and held(path) == text and os.stat(path).st_mode & 0o777 == MODE


def write(module: Any, path: str, text: str) -> None:
    """Replace a file at once."""
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    replace_text(module, path, text)
    os.chmod(path, MODE)


def current(module: Any, nft: str, name: str, rules: str) -> bool:
    """Whether the kernel has what these rules make; fails on rules that nft refuses."""
    descriptor, file = tempfile.mkstemp(dir=module.tmpdir, suffix=".nft")
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(rules)
    code, _out, error = module.run_command([nft, "--check", "--file", file])
    if code:
        module.fail_json(msg=f"nft refuses the rules of the table {name}: {error.strip()}")
    missing, here, _error = module.run_command([nft, "--stateless", "list", "table", "inet", name])
    if missing:
        return False
    unshare = module.get_bin_path("unshare", required=True)
    failed, there, error = module.run_command(
        [unshare, "--net", "--", "/bin/sh", "-c", LOAD_AND_LIST, "sh", nft, file, name]
    )
    if failed:
        module.fail_json(
            msg=f"The rules of the table {name} cannot be loaded in a network namespace of their own to see what they "
            f"make: {error.strip()}; try 'unshare --net nft list ruleset' as root on this machine."
        )
    return bool(here == there)


def main() -> None:
    """Look at the kernel, then write what differs."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "path": {"type": "path", "required": True},
            "rules": {"type": "str", "required": True},
            "unit_files": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    name, rules = module.params["name"], module.params["rules"]
    nft = module.get_bin_path("nft", required=True)
    loaded = current(module, nft, name, rules)
    files: Dict[str, str] = {module.params["path"]: rules, **module.params["unit_files"]}
    differing = [path for path, text in files.items() if not as_wanted(path, text)]
    diff: List[Dict[str, str]] = [
        {
            "before": printable(held(path)),
            "after": files[path],
            "before_header": path,
            "after_header": path,
        }
        for path in differing
    ]
    if not module.check_mode:
        for path in differing:
            write(module, path, files[path])
    module.exit_json(changed=bool(differing), written=differing, current=loaded, diff=diff)


if __name__ == "__main__":
    main()
