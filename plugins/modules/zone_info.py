#!/usr/bin/python
# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every server of the zone answers."""

from __future__ import annotations

DOCUMENTATION = r"""
module: zone_info
short_description: What every server of a zone answers
version_added: 0.1.0
author:
  - Nebula HA contributors (@nebula-ha)
description:
  - Asks all servers of the zone at once for their Raft status, their zone document and their version, and returns
    what each of
    them said, or how it failed to answer.
  - To have it judged, use M(nebula.ha.zone_health).
extends_documentation_fragment:
  - nebula.ha.connection
  - nebula.ha.attributes.read_only
options:
  servers:
    description:
      - Further servers to ask, beside those of the zone document. Needed to find the zone when the first oned is down.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the server.
        type: str
        required: true
      endpoint:
        description: Endpoint of the server.
        type: str
        required: true
seealso:
  - module: nebula.ha.zone_health
"""

EXAMPLES = r"""
- name: What do the servers of this zone say?
  nebula.ha.zone_info:
  register: answers
"""

RETURN = r"""
zone:
  description: The zone as the server with the best knowledge lists it; none when nobody gave its document.
  returned: success
  type: dict
  contains:
    id:
      description: Id of the zone.
      type: int
    name:
      description: Name of the zone.
      type: str
    enabled:
      description: Whether the zone takes writes.
      type: bool
    endpoint:
      description: The endpoint that the zone advertises.
      type: str
    servers:
      description: Its servers, each with id, name and endpoint.
      type: list
      elements: dict
answers:
  description: What each endpoint answered.
  returned: success
  type: list
  elements: dict
  contains:
    endpoint:
      description: Who was asked.
      type: str
    version:
      description: The release that runs; none without a leader.
      type: str
    seconds:
      description: Seconds to the first answer, or until it was given up.
      type: float
    raft:
      description: >-
        server_id, state (solo, candidate, follower, leader), term, voted_for, commit, index, log_term, fedlog_index;
        none when
        there was no answer.
      type: dict
    zone:
      description: The zone as this server knows it.
      type: dict
    failure:
      description: kind, detail and errno of a question without an answer.
      type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nebula.ha.plugins.module_utils.connection import (
    connection_spec,
    expected_from,
    expected_spec,
    first_endpoint,
    parameter_fault,
)
from ansible_collections.nebula.ha.plugins.module_utils.zone.client import CredentialsError, read_session, survey
from ansible_collections.nebula.ha.plugins.module_utils.zone.judge import authority
from ansible_collections.nebula.ha.plugins.module_utils.zone.model import answer_dict, zone_dict


def main() -> None:
    """Ask and return."""
    module = AnsibleModule(argument_spec={**connection_spec(), "servers": expected_spec()}, supports_check_mode=True)
    fault = parameter_fault(module.params)
    if fault:
        module.fail_json(msg=fault)
    try:
        session = read_session(module.params["auth_file"])
    except CredentialsError as error:
        module.fail_json(msg=f"{error}.")
    endpoints = [first_endpoint(module.params)] + [item.endpoint for item in expected_from(module.params)]
    answers = survey(endpoints, session, module.params["timeout"], module.params["zone_id"])
    best = authority(answers)
    module.exit_json(
        changed=False,
        zone=zone_dict(best.zone) if best is not None and best.zone is not None else None,
        answers=[answer_dict(answer) for answer in answers],
    )


if __name__ == "__main__":
    main()
