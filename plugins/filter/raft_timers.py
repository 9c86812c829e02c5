# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The timers of a profile."""

from __future__ import annotations

DOCUMENTATION = r"""
name: raft_timers
short_description: The timers of a server of the zone, and how often the servers are looked at
version_added: 0.3.0
author:
  - Nebula HA contributors (@nebula-ha)
description:
  - What a timing profile gives to the server of one rank. All values are milliseconds.
  - Whether own values fit together is judged by M(nebula.ha.preflight_inventory).
positional: rank, own
options:
  _input:
    description: The profile, C(default), C(fast) or C(upstream).
    type: str
    required: true
  rank:
    description: Place of the server among the front-ends, from 0.
    type: int
    default: 0
  own:
    description:
      - Values in place of the profile's, with the keys election_timeout_ms, election_timeout_step_ms,
        broadcast_timeout_ms and xmlrpc_timeout_ms. Empty ones are the profile's.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: When does the second server ask for votes?
  ansible.builtin.debug:
    msg: "{{ ('fast' | nebula.ha.raft_timers(1)).election_timeout_ms }}"

- name: And with a first timer of three seconds?
  ansible.builtin.debug:
    msg: "{{ ('fast' | nebula.ha.raft_timers(1, {'election_timeout_ms': 3000})).election_timeout_ms }}"
"""

RETURN = r"""
_value:
  description:
    - election_timeout_ms (of this rank), election_timeout_step_ms, broadcast_timeout_ms, xmlrpc_timeout_ms,
      check_interval_ms (of the balancers) and probe_interval_ms (of the agent).
  type: dict
"""

from typing import Any, Callable, Dict, Mapping, Optional

from ansible.errors import AnsibleFilterError
from ansible_collections.nebula.ha.plugins.module_utils.timing import timers


def raft_timers(profile: Any, rank: Any = 0, own: Optional[Mapping[str, Any]] = None) -> Dict[str, int]:
    """The timers as plain values."""
    try:
        return dict(timers(str(profile), int(rank), own))
    except ValueError as error:
        raise AnsibleFilterError(f"raft_timers: {error}") from error


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"raft_timers": raft_timers}
