#!/usr/bin/python
# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of the action plugin of the same name, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_machines
short_description: Refuse machines that cannot carry their parts of the cloud, with all their faults at once
version_added: 0.1.0
author:
  - Nebula HA contributors (@nebula-ha)
description:
  - Judges what M(nebula.ha.preflight_facts) found on every machine (system, memory, room, clocks, a MariaDB or an
    OpenNebula that is not this collection's, a zone made with other secrets, the stand-in, a floating address that
    another machine has, a share that oneadmin cannot write to) or that a machine did not answer, and fails with every
    fault, each naming what it is about and the fix. Changes nothing.
  - Runs on the controller; run it once for all machines.
extends_documentation_fragment:
  - nebula.ha.attributes.read_only
options:
  found:
    description:
      - By host, what M(nebula.ha.preflight_facts) returned. A machine that did not answer, or failed, is a fault.
    type: dict
    required: true
  memory_mb:
    description:
      - Memory that a machine must have, in MiB, under C(system), and on top of it for each group that it is in.
    type: dict
    default: {system: 150, frontends: 750, sunstones: 300, nodes: 350, caches: 100, balancers: 50}
  disk_mb:
    description:
      - Room that must be free where packages, databases and logs lie, in MiB, added up likewise.
    type: dict
    default: {system: 300, frontends: 1700, sunstones: 700, nodes: 700, caches: 100, balancers: 100}
  clock_tolerance:
    description:
      - Seconds that two machines' clocks may differ.
    type: float
    default: 2
seealso:
  - module: nebula.ha.preflight_facts
  - module: nebula.ha.preflight_inventory
"""

EXAMPLES = r"""
- name: What are the machines?
  nebula.ha.preflight_facts:
    oneadmin_password: "{{ one_oneadmin_password }}"
    db_password: "{{ one_db_password }}"
    database: "{{ one_db_name }}"
    source: "{{ one_source }}"
  register: preflight_found
  ignore_unreachable: true
  any_errors_fatal: false

- name: The machines can carry this cloud
  nebula.ha.preflight_machines:
    found: "{{ dict(ansible_play_hosts_all
      | zip(ansible_play_hosts_all | map('extract', hostvars, ['preflight_found']))) }}"
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
      description: What it is about.
      type: str
    value:
      description: Its value; empty for a secret.
      type: str
    host:
      description: The host.
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
"""
