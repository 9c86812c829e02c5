#!/usr/bin/python
# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict on a zone's health."""

from __future__ import annotations

DOCUMENTATION = r"""
module: zone_health
short_description: Judge the health of a zone, and wait until it is healthy
version_added: 0.1.0
author:
  - Nebula HA contributors (@nebula-ha)
description:
  - Asks all servers of the zone at once, under one timeout, and judges what they answer (who leads, by highest term
    and majority;
    quorum; every server's state, term and index) with a sentence and a next step for each problem.
  - Where the first look is not clean, those that answered are asked once more a moment later, so that a passing
    election is told from a lasting one, and a log that stands still from one that catches up. The silent are not asked
    again.
  - With O(wait) it looks again until the zone is as O(until) says, and fails with the verdict when it does not become
    so in time.
    Without O(wait) it looks once and only reports, whatever the verdict is.
  - The verdict is V(healthy), V(degraded) (writes are served, something is to be mended) or V(no_service) (writes
    cannot commit).
extends_documentation_fragment:
  - nebula.ha.connection
  - nebula.ha.attributes.read_only
options:
  servers:
    description:
      - The servers that the inventory expects in the zone. Differences to the zone's own list become problems
        (C(server_missing),
        C(endpoint_unknown)), and they are asked when the first oned is down.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the server.
        type: str
        required: true
      endpoint:
        description: Endpoint of the server, such as C(http://192.0.2.11:2633/RPC2).
        type: str
        required: true
  wait:
    description:
      - Seconds to wait for what O(until) says; V(0) looks once and never fails because of the verdict.
      - Ignored in check mode, which looks once and reports.
    type: float
    default: 0
  until:
    description:
      - What O(wait) waits for.
      - V(healthy) is a zone without a problem (advice aside).
      - V(leader) is a zone that serves writes, even if it is degraded (a leader that a majority follows, or a zone of
        one solo server).
    type: str
    choices: [healthy, leader]
    default: healthy
  max_lag:
    description:
      - Records that a follower may be behind the leader before it is called lagging. What is in flight is no lag.
    type: int
    default: 100
  agent_port:
    description:
      - Port of the health agents of the servers (role C(health_agent)). They are asked beside oned, under the same
        timeout, for what only a machine itself knows (its database, its disk, its credentials, records of the log that
        were skipped).
      - An agent that does not answer while others do is a problem; when none does, nothing is concluded.
      - With V(0) no agent is asked.
    type: int
    default: 0
seealso:
  - module: nebula.ha.zone_info
"""

EXAMPLES = r"""
- name: How is the zone?
  nebula.ha.zone_health:
    servers:
      - {name: fe1, endpoint: "http://192.0.2.11:2633/RPC2"}
      - {name: fe2, endpoint: "http://192.0.2.12:2633/RPC2"}
      - {name: fe3, endpoint: "http://192.0.2.13:2633/RPC2"}
  register: health

- name: Wait until the zone is healthy, two minutes at most
  nebula.ha.zone_health:
    wait: 120

- name: Wait until somebody leads, though a server may be down
  nebula.ha.zone_health:
    wait: 60
    until: leader
"""

RETURN = r"""
healthy:
  description: Whether there is no problem (advice aside).
  returned: always
  type: bool
state:
  description: V(healthy), V(degraded) or V(no_service).
  returned: always
  type: str
sentence:
  description: The verdict for a person.
  returned: always
  type: str
  sample: "Zone OpenNebula is healthy: fe1 leads 3 of 3 servers in term 5 at index 812."
serving:
  description: Whether writes can commit.
  returned: always
  type: bool
zone_id:
  description: Id of the zone; none when nobody gave its document.
  returned: always
  type: int
zone_name:
  description: Name of the zone; none when nobody gave its document.
  returned: always
  type: str
leader:
  description: The leader's name, id and endpoint; none without one. A zone of one solo server has that server here.
  returned: always
  type: dict
term:
  description: The leader's term.
  returned: always
  type: int
index:
  description: The leader's last record.
  returned: always
  type: int
quorum:
  description: Servers that make a majority.
  returned: always
  type: int
answering:
  description: Servers of the zone that gave their state.
  returned: always
  type: int
following:
  description: Servers that are with the leader in its term, itself included.
  returned: always
  type: int
servers:
  description: Every server of the zone, and every expected one that is not in it.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the server.
      type: str
    id:
      description: Its id in the zone; none when it is not in it.
      type: int
    endpoint:
      description: Its endpoint.
      type: str
    in_zone:
      description: Whether the zone has it.
      type: bool
    state:
      description: leader, follower, candidate or solo; V(error) when it gave no state.
      type: str
    term:
      description: Its term.
      type: int
    index:
      description: Its last record.
      type: int
    commit:
      description: Its last committed record.
      type: int
    lag:
      description: Records that it is behind the leader.
      type: int
    version:
      description: The release that runs there.
      type: str
    failure:
      description: Why it gave no state.
      type: str
problems:
  description: What is to be mended, the gravest first.
  returned: always
  type: list
  elements: dict
  contains:
    code:
      description: >-
        One of no_zone, zone_disabled, no_quorum, no_leader, leader_unable, two_leaders, diverged,
        unfinished_bootstrap, solo_with_others, record_skipped, duplicate_server_id, wrong_server_id, duplicate_entry,
        database_dead, disk_full, server_unreachable, credentials_refused, credentials_differ, candidate,
        out_of_window, lagging, no_document, version_differs, server_missing, endpoint_unknown, agent_silent, single,
        even_servers.
      type: str
    severity:
      description: fatal (no service), warning (degraded) or advice.
      type: str
    server:
      description: Name of the server it is about; none when it is about the zone.
      type: str
    sentence:
      description: What is wrong.
      type: str
    next_step:
      description: What to do.
      type: str
codes:
  description: The codes of the problems, each once.
  returned: always
  type: list
  elements: str
waited:
  description: Seconds from the first look to the last.
  returned: always
  type: float
history:
  description: How the verdict changed while waiting, as seconds and sentence.
  returned: always
  type: list
  elements: str
"""

import time
from typing import Any, Callable, Dict, List, Sequence, Tuple

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nebula.ha.plugins.module_utils.connection import (
    connection_spec,
    expected_from,
    expected_spec,
    first_endpoint,
    parameter_fault,
)
from ansible_collections.nebula.ha.plugins.module_utils.zone.client import (
    CredentialsError,
    Look,
    look,
    look_again,
    read_session,
)
from ansible_collections.nebula.ha.plugins.module_utils.zone.judge import Verdict, judge
from ansible_collections.nebula.ha.plugins.module_utils.zone.model import Answer

# Between two looks: each costs every server three answers and as many lines in its log.
PAUSE = 0.5


def watch(
    look: Callable[[], Verdict],
    enough: Callable[[Verdict], bool],
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Tuple[Verdict, float, List[str]]:
    """Look until it is enough or the time is over: the last verdict, how long it took, and how it came about."""
    start = clock()
    history: List[str] = []
    last = None
    while True:
        verdict = look()
        passed = clock() - start
        # Terms and indexes move all the time: an entry for each new kind of verdict only.
        kind = (verdict.state, verdict.leader, verdict.codes())
        if kind != last:
            history.append(f"{passed:.1f} s: {verdict.sentence}")
            last = kind
        if enough(verdict) or passed >= seconds:
            return verdict, passed, history
        pause(min(PAUSE, max(seconds - passed, 0.01)))


def clean(verdict: Verdict) -> bool:
    """Whether a second look has nothing to find: all is well, and nobody is behind."""
    return verdict.healthy and not any(server.lag for server in verdict.servers)


def explain(verdict: Verdict) -> str:
    """The problems of a verdict with what to do about each."""
    return " ".join(f"[{item.code}] {item.sentence} {item.next_step.rstrip('.')}." for item in verdict.problems)


def main() -> None:
    """Look, wait, judge."""
    module = AnsibleModule(
        argument_spec={
            **connection_spec(),
            "servers": expected_spec(),
            "wait": {"type": "float", "default": 0},
            "until": {"type": "str", "choices": ["healthy", "leader"], "default": "healthy"},
            "max_lag": {"type": "int", "default": 100},
            "agent_port": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    params: Dict[str, Any] = module.params
    fault = parameter_fault(params)
    if not 0 <= params["agent_port"] < 65536:
        fault = f"agent_port is {params['agent_port']}: give a number from 1 to 65535, or 0 to ask no agent."
    if fault:
        module.fail_json(msg=fault)
    servers = expected_from(params)
    wait = 0 if module.check_mode else params["wait"]
    endpoints = [first_endpoint(params)] + [item.endpoint for item in servers]
    try:
        session = read_session(params["auth_file"])
    except CredentialsError as error:
        if not module.check_mode:
            module.fail_json(msg=f"{error}.")
        # Before the first deploy there is nothing to ask, and that is what check mode reports.
        module.warn(f"{error}.")
        module.exit_json(changed=False, waited=0.0, history=[], **judge([], servers).as_dict())

    looks: List[Look] = []

    def judged(found: Look, earlier: Sequence[Answer]) -> Verdict:
        return judge(found.answers, servers, params["max_lag"], earlier, found.machines)

    def glance() -> Verdict:
        found = look(endpoints, session, params["timeout"], params["zone_id"], params["agent_port"])
        verdict = judged(found, looks[-1].answers if looks else ())
        looks[:] = [found]
        if wait > 0 or clean(verdict):
            # While it waits, each look is the second one of the look before.
            return verdict
        found = look_again(found, session, params["timeout"], params["zone_id"])
        return judged(found, found.earlier)

    def enough(verdict: Verdict) -> bool:
        if params["until"] == "leader":
            return verdict.serving
        # One that has just begun to ask for votes is no fault yet, and nothing to stop waiting at.
        return verdict.healthy and all(server.state != "candidate" for server in verdict.servers)

    verdict, waited, history = watch(glance, enough, wait)
    result = dict(verdict.as_dict(), changed=False, waited=round(waited, 1), history=history)
    if wait > 0 and not enough(verdict):
        wanted = "is not healthy" if params["until"] == "healthy" else "has no leader"
        module.fail_json(
            msg=f"The zone {wanted} after {waited:.0f} s. {verdict.sentence} What to do: {explain(verdict)}", **result
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
