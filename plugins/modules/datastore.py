#!/usr/bin/python
# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A datastore of the zone."""

from __future__ import annotations

DOCUMENTATION = r"""
module: datastore
short_description: Drivers and other attributes of a datastore of the zone
version_added: 0.2.0
author:
  - Nebula HA contributors (@nebula-ha)
description:
  - Sets attributes of an existing datastore, such as the driver that moves its images. What is not named stays.
  - Only what differs is written, and it is read again from the pool afterwards, as OpenNebula accepts values that it
    then ignores.
  - A call that got no answer is looked for and never repeated.
extends_documentation_fragment:
  - nebula.ha.connection
  - nebula.ha.attributes
attributes:
  check_mode:
    support: full
    details:
      - When no oned answers yet, all attributes would be written.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  id:
    description:
      - Id of the datastore.
    type: int
  name:
    description:
      - Name of the datastore, instead of O(id).
    type: str
  template:
    description:
      - Attributes with their values. Names are written in capitals, as OpenNebula does.
    type: dict
    required: true
  wait:
    description:
      - Seconds in which oned has to answer, and then to show the change.
    type: float
    default: 30
"""

EXAMPLES = r"""
- name: Images of the first datastore are on a share
  nebula.ha.datastore:
    id: 1
    template:
      TM_MAD: shared
"""

RETURN = r"""
datastore:
  description: The datastore as the pool lists it, with id, name and template. What oned derives from a driver is in it
    too. None in check mode as long as no oned answers.
  returned: success
  type: dict
  sample: {id: 1, name: default, template: {TM_MAD: shared, DS_MAD: fs, CLONE_TARGET: SYSTEM}}
"""

from typing import Any, Dict, NoReturn, Optional

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nebula.ha.plugins.module_utils.connection import connection_spec, run_task
from ansible_collections.nebula.ha.plugins.module_utils.zone.client import Client
from ansible_collections.nebula.ha.plugins.module_utils.zone.model import Datastore, template_text
from ansible_collections.nebula.ha.plugins.module_utils.zone.writer import ChangeError, change, first_look


class DatastoreTask:
    """One run of the module."""

    def __init__(self, module: AnsibleModule, client: Client) -> None:
        self.module = module
        self.params: Dict[str, Any] = module.params
        self.client = client
        self.wanted = {name.upper(): str(value) for name, value in module.params["template"].items()}

    def run(self) -> None:
        """Look, and write what differs."""
        before = first_look(self.module, self.find, self.params["wait"])
        if before is None:
            self.finish({}, self.wanted, None)
        found = {name: before.attributes.get(name, "") for name in self.wanted}
        differs = {name: value for name, value in self.wanted.items() if found[name] != value}
        if differs and not self.module.check_mode:
            self.finish(found, self.wanted, self.written(before, differs))
        self.finish(found, self.wanted, before)

    def find(self) -> Datastore:
        """The datastore as the oned asked knows it."""
        number, name = self.params["id"], self.params["name"]
        pool = self.client.datastores()
        for datastore in pool:
            if number in (None, datastore.id) and name in (None, datastore.name):
                return datastore
        given = f"named {name}" if number is None else f"with the id {number}"
        there = ", ".join(f"{datastore.id} {datastore.name}" for datastore in pool) or "none"
        raise ChangeError(f"The zone has no datastore {given} (it has: {there}): make it first or give another.")

    def written(self, before: Datastore, differs: Dict[str, str]) -> Datastore:
        """The datastore once the pool shows what was written."""

        def look() -> Optional[Datastore]:
            now = self.find()
            return now if all(now.attributes.get(name) == value for name, value in differs.items()) else None

        what = ", ".join(f"{name} {value}" for name, value in differs.items())
        return change(
            f"to give the datastore {before.name} {what}",
            lambda: self.client.update_datastore(before.id, differs),
            look,
            f"The datastore {before.name} does not show {what}",
            self.params["wait"],
        )

    def finish(self, before: Dict[str, str], after: Dict[str, str], datastore: Optional[Datastore]) -> NoReturn:
        """End with the result."""
        self.module.exit_json(
            changed=before != after,
            datastore=None
            if datastore is None
            else {"id": datastore.id, "name": datastore.name, "template": dict(datastore.attributes)},
            diff={
                "before": template_text(before) + "\n" if before else "",
                "after": template_text(after) + "\n",
            },
        )
        raise AssertionError("exit_json does not return")


def main() -> None:
    """Check the parameters, then run."""
    module = AnsibleModule(
        argument_spec={
            **connection_spec(),
            "id": {"type": "int"},
            "name": {"type": "str"},
            "template": {"type": "dict", "required": True},
            "wait": {"type": "float", "default": 30},
        },
        required_one_of=[("id", "name")],
        mutually_exclusive=[("id", "name")],
        supports_check_mode=True,
    )
    fault = ""
    for name, value in module.params["template"].items():
        if isinstance(value, (dict, list)):
            fault = f"{name} in template holds more than one value: give plain text, as OpenNebula shows it."
    run_task(module, lambda client: DatastoreTask(module, client).run(), fault)


if __name__ == "__main__":
    main()
