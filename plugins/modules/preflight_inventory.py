#!/usr/bin/python
# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of the action plugin of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_inventory
short_description: Refuse an inventory that cannot work, with all its faults at once
version_added: 0.1.0
author:
  - Nebula HA contributors (@nebula-ha)
description:
  - Judges the groups of the cloud and the C(one_*) variables of their hosts, with the certificate that these name, and
    fails with every fault, each naming variable, value and fix. No machine is needed for it, and nothing is changed.
  - Secrets are judged and never shown.
  - Runs on the controller, with C(netaddr).
extends_documentation_fragment:
  - nebula.ha.attributes.read_only
options: {}
seealso:
  - module: nebula.ha.preflight_machines
"""

EXAMPLES = r"""
- name: The inventory can work
  nebula.ha.preflight_inventory:
  run_once: true
"""

RETURN = r"""
faults:
  description: What cannot work; empty when it can.
  returned: always
  type: list
  elements: dict
  contains:
    variable:
      description: The variable, or the fact.
      type: str
    value:
      description: Its value; empty for a secret.
      type: str
    host:
      description: The host it is about; none when it is about the cloud.
      type: str
    problem:
      description: What is wrong.
      type: str
    fix:
      description: What to do.
      type: str
    sentence:
      description: All of it for a person.
      type: str
advice:
  description: What works and is weaker than it could be, as sentences; empty where something cannot work.
  returned: always
  type: list
  elements: str
"""
