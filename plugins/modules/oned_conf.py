#!/usr/bin/python
# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""oned.conf, edited by structure."""

from __future__ import annotations

DOCUMENTATION = r"""
module: oned_conf
short_description: Edit oned.conf by its structure
version_added: 0.1.0
author:
  - Nebula HA contributors (@nebula-ha)
description:
  - Sets values in oned.conf and keeps everything else byte for byte (comments, also inside vectors, order, spelling,
    and content
    that this module does not know).
  - The result is read again before it is written, and what oned would accept and then do wrong is refused (a C(RAFT)
    block that is
    not complete, a MySQL C(DB) block without its credentials).
  - Values of attributes whose name holds C(PASSW), C(SECRET) or C(TOKEN) never show in the diff, in the result or in
    a log.
  - Owner, group and mode of the file stay. oned reads it when it starts.
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
    default: /etc/one/oned.conf
  settings:
    description:
      - Values by attribute, for attributes that occur once. A dictionary is merged into a vector, key by key;
        anything else
        becomes a single value. V(null) removes a key, or the attribute.
      - Booleans become C(YES) and C(NO).
    type: dict
    default: {}
  sections:
    description:
      - Attributes that occur several times.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The attribute, such as C(VM_MAD).
        type: str
        required: true
      key:
        description: Keys and values of the vector that is meant, such as V(kvm) for C(NAME).
        type: dict
      values:
        description: Keys and values to merge into it; V(null) removes a key.
        type: dict
      value:
        description: Instead of O(sections[].key), the value of a repeated single value such as C(VM_RESTRICTED_ATTR).
        type: str
      state:
        description: Whether it is to be there.
        type: str
        choices: [present, absent]
        default: present
  backup:
    description:
      - Keep the file as it was beside it, with the time in its name.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Database and id of a server
  nebula.ha.oned_conf:
    settings:
      PORT: 2633
      DB:
        BACKEND: mysql
        SERVER: localhost
        USER: oneadmin
        PASSWD: "{{ one_db_password }}"
        DB_NAME: opennebula
        TIMEOUT: null
      FEDERATION:
        SERVER_ID: 0

- name: The kvm driver with more threads, no driver for lxc, and one more restricted attribute
  nebula.ha.oned_conf:
    sections:
      - name: VM_MAD
        key: {NAME: kvm}
        values: {ARGUMENTS: "-t 30 -r 0 kvm -p"}
      - name: VM_MAD
        key: {NAME: lxc}
        state: absent
      - name: VM_RESTRICTED_ATTR
        value: NIC/MAC
    backup: true
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
changes:
  description: What changed, one line per value; secrets are hidden.
  returned: success
  type: list
  elements: str
  sample: ["RAFT/ELECTION_TIMEOUT_MS: 5000 -> 4000", "DB/PASSWD: ******** -> ********"]
backup_file:
  description: The file as it was.
  returned: when it changed and O(backup) is set
  type: str
"""

import os
from typing import Any, Dict, Iterator, List, Mapping, Tuple

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nebula.ha.plugins.module_utils import oned_conf
from ansible_collections.nebula.ha.plugins.module_utils.oned_conf import ConfError
from ansible_collections.nebula.ha.plugins.module_utils.text_file import printable, read_text, replace_text


def secret_values(params: Mapping[str, Any]) -> Iterator[str]:
    """The secrets among the parameters."""
    settings: List[Mapping[str, Any]] = [params.get("settings") or {}]
    settings += [section.get("values") or {} for section in params.get("sections") or [] if isinstance(section, dict)]
    for values in settings:
        yield from (str(value) for value in oned_conf.secret_values(values) if value not in (None, ""))


class SecretiveModule(AnsibleModule):
    """A module that knows its secrets before the first word is logged: they are not parameters of their own."""

    def _log_invocation(self) -> None:
        self.no_log_values.update(secret_values(self.params))
        super()._log_invocation()


def compute(params: Mapping[str, Any], before: str) -> Tuple[str, List[str]]:
    """The new text and what changed; ConfError says why not."""
    try:
        oned_conf.parse(before)
    except ConfError as error:
        raise ConfError(f"{params['path']}, {error}; mend it by hand or restore it from the package") from None
    sections = [oned_conf.section_from(section) for section in params["sections"]]
    after = oned_conf.edit(before, params["settings"], sections)
    faults = oned_conf.faults(after) if after != before else []
    if faults:
        raise ConfError("; ".join(faults))
    return after, oned_conf.changes(before, after)


def shown(text: str, changed: bool) -> str:
    """A text for the diff: no secrets, and nothing that JSON cannot hold."""
    return printable(oned_conf.masked(text, changed))


def main() -> None:
    """Read, edit, check, write."""
    module = SecretiveModule(
        argument_spec={
            "path": {"type": "path", "default": "/etc/one/oned.conf"},
            "settings": {"type": "dict", "default": {}},
            "sections": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "key": {"type": "dict", "no_log": False},
                    "values": {"type": "dict"},
                    "value": {"type": "str"},
                    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
                },
            },
            "backup": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    path = os.path.realpath(module.params["path"])
    before = read_text(module, path)
    try:
        after, changes = compute(module.params, before)
    except ConfError as error:
        module.fail_json(msg=f"{error}.")
    result: Dict[str, Any] = {"changed": after != before, "path": path, "changes": changes}
    if after != before:
        altered = oned_conf.secrets(before) != oned_conf.secrets(after)
        result["diff"] = {
            "before_header": path,
            "after_header": path,
            "before": shown(before, False),
            "after": shown(after, altered),
        }
        if not module.check_mode:
            if module.params["backup"]:
                result["backup_file"] = module.backup_local(path)
            replace_text(module, path, after)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
