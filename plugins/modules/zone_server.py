#!/usr/bin/python
# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of the zone."""

from __future__ import annotations

DOCUMENTATION = r"""
module: zone_server
short_description: A server present in a zone, absent from it, or started over
version_added: 0.1.0
author:
  - Nebula HA contributors (@nebula-ha)
description:
  - Adds a server to the zone's list, removes it, or has the leader start over with it at the end of its log.
  - OpenNebula adds a server again when it is there already. This module looks first, compares by name and endpoint,
    and looks
    again when a call got no answer, instead of repeating it.
  - A disabled zone takes no change and is refused.
extends_documentation_fragment:
  - nebula.ha.connection
  - nebula.ha.attributes
attributes:
  check_mode:
    support: full
    details:
      - The id of a server that would be added is the one that the zone gives next. When no oned answers yet, the
        server would be
        added, without an id.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - V(state=reset) is an action and always a change.
options:
  name:
    description:
      - Name of the server in the zone.
      - Not needed for V(state=absent) and V(state=reset) when O(endpoint) or O(id) says which.
    type: str
  endpoint:
    description:
      - Endpoint of the server, such as C(http://192.0.2.11:2633/RPC2).
      - Not needed for V(state=absent) and V(state=reset) when O(name) or O(id) says which.
    type: str
  id:
    description:
      - Id of the server, for V(state=absent) and V(state=reset), to tell apart two entries of one name and endpoint.
    type: int
  state:
    description:
      - V(present) adds the server if no entry has its name and endpoint. An entry that has only one of them is
        refused, as
        OpenNebula cannot change one.
      - V(absent) removes every entry that fits. A server that still runs as a member is refused, as it would go on
        asking for
        votes; stop it first.
      - V(reset) has the leader start over with this follower at the end of its log, after the follower got a fresh
        copy of the
        database.
    type: str
    choices: [present, absent, reset]
    default: present
  force:
    description:
      - Remove a server although it still runs.
    type: bool
    default: false
  wait:
    description:
      - Seconds to wait until oned answers, and then until the change is to be seen there.
    type: float
    default: 30
"""

EXAMPLES = r"""
- name: Take a server into the zone
  nebula.ha.zone_server:
    name: fe3
    endpoint: http://192.0.2.13:2633/RPC2
  register: entry

- name: Remove a server that was stopped
  nebula.ha.zone_server:
    name: fe3
    state: absent

- name: The leader starts over with a server that got a fresh copy of its database
  nebula.ha.zone_server:
    name: fe3
    state: reset
"""

RETURN = r"""
server:
  description: The entry, with id, name and endpoint; none when it is absent. Its id is what SERVER_ID of that machine
    has to be.
  returned: success
  type: dict
  sample: {id: 2, name: fe3, endpoint: "http://192.0.2.13:2633/RPC2"}
servers:
  description: The zone's servers afterwards, each with id, name and endpoint.
  returned: success
  type: list
  elements: dict
zone_id:
  description: Id of the zone.
  returned: success
  type: int
"""

from typing import Any, Callable, Dict, List, NoReturn, Optional, Sequence, Tuple

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nebula.ha.plugins.module_utils.connection import connection_spec, run_task
from ansible_collections.nebula.ha.plugins.module_utils.zone.client import CallError, Client, survey
from ansible_collections.nebula.ha.plugins.module_utils.zone.judge import authority
from ansible_collections.nebula.ha.plugins.module_utils.zone.model import (
    Answer,
    ServerState,
    Zone,
    ZoneServer,
    endpoint_key,
    zone_dict,
)
from ansible_collections.nebula.ha.plugins.module_utils.zone.writer import change, first_look


def entry_dict(server: ZoneServer) -> Dict[str, Any]:
    """An entry as plain values."""
    return {"id": server.id, "name": server.name, "endpoint": server.endpoint}


def lines(servers: Sequence[ZoneServer]) -> str:
    """The list of servers as text, for a diff."""
    return "".join(f"{server.id} {server.name} {server.endpoint}\n" for server in servers)


class ServerTask:
    """One run of the module."""

    def __init__(self, module: AnsibleModule, client: Client) -> None:
        self.module = module
        self.params: Dict[str, Any] = module.params
        self.client = client

    def fail(self, message: str) -> NoReturn:
        """End with a sentence."""
        self.module.fail_json(msg=message)
        raise AssertionError("fail_json does not return")

    def run(self) -> None:
        """Do what `state` says."""
        local = first_look(self.module, lambda: self.client.zone(self.params["zone_id"]), self.params["wait"])
        if local is None:
            self.predict_without_zone()
        state = self.params["state"]
        if state == "present":
            self.present(local)
        elif state == "absent":
            self.absent(local)
        else:
            self.reset(local)

    def predict_without_zone(self) -> NoReturn:
        """Check mode before the first deploy: nobody answers yet, and a server would be added."""
        name, endpoint = self.params["name"], self.params["endpoint"]
        wanted = {"id": None, "name": name, "endpoint": endpoint} if self.params["state"] == "present" else None
        self.module.exit_json(
            changed=wanted is not None,
            server=wanted,
            servers=[],
            zone_id=self.params["zone_id"],
            diff={"before": "", "after": f"- {name} {endpoint}\n" if wanted else ""},
        )
        raise AssertionError("exit_json does not return")

    def truth(self, local: Zone) -> Tuple[Zone, List[Answer]]:
        """The zone as its leader knows it, and what everybody answered."""
        answers = survey([self.client.endpoint], self.client.session, self.client.timeout, self.params["zone_id"])
        best = authority(answers)
        return (best.zone if best is not None and best.zone is not None else local), answers

    def refuse_disabled(self, zone: Zone) -> None:
        """A disabled zone takes no change."""
        if not zone.enabled:
            self.fail(f"The zone {zone.name} is disabled and takes no change: run 'onezone enable {zone.id}' first.")

    def present(self, local: Zone) -> None:
        """Add the server unless it is there."""
        name, endpoint = self.params["name"], self.params["endpoint"]
        zone = local
        if not zone.find(name, endpoint):
            # A server that is behind may not know of an entry yet: whoever adds asks everybody first.
            zone = self.truth(local)[0]
        found = zone.find(name, endpoint)
        if len(found) > 1:
            ids = ", ".join(str(server.id) for server in found)
            self.fail(
                f"The zone {zone.name} has {name} ({endpoint}) {len(found)} times, as servers {ids}: "
                "remove those whose id is not SERVER_ID in its oned.conf (state absent, with id)."
            )
        if found:
            self.finish(False, found[0], zone, zone)
        for server in (*zone.find(name=name), *zone.find(endpoint=endpoint)):
            self.fail(
                f"The zone {zone.name} has server {server.id} as {server.name} with {server.endpoint}, "
                f"and OpenNebula cannot change that into {name} with {endpoint}: "
                "stop its oned and remove it (state absent), then add it again."
            )
        self.refuse_disabled(zone)
        if self.module.check_mode:
            predicted = ZoneServer(max((server.id for server in zone.servers), default=-1) + 1, name, endpoint)
            after = Zone(zone.id, zone.name, zone.enabled, zone.endpoint, (*zone.servers, predicted))
            self.finish(True, predicted, zone, after)
        after = self.change(
            f"adding {name}",
            lambda: self.client.add_server(zone.id, name, endpoint),
            lambda now: bool(now.find(name, endpoint)),
            f"{name} is not in the zone's list",
        )
        self.finish(True, after.find(name, endpoint)[0], zone, after)

    def fitting(self, zone: Zone) -> Tuple[ZoneServer, ...]:
        """The entries that name, endpoint and id say."""
        found = zone.find(self.params["name"], self.params["endpoint"])
        wanted = self.params["id"]
        return tuple(server for server in found if wanted is None or server.id == wanted)

    def absent(self, local: Zone) -> None:
        """Remove every entry that fits."""
        zone, answers = self.truth(local)
        found = self.fitting(zone)
        if not found:
            self.finish(False, None, zone, zone)
        self.refuse_disabled(zone)
        by_endpoint = {endpoint_key(answer.endpoint): answer for answer in answers}
        for server in found:
            answer = by_endpoint.get(endpoint_key(server.endpoint))
            raft = answer.raft if answer is not None else None
            runs = raft is not None and raft.state is not ServerState.SOLO and raft.server_id == server.id
            if runs and not self.params["force"]:
                self.fail(
                    f"{server.name} still runs as server {server.id}; removed from the zone it would go on asking for "
                    "votes: stop its oned first, or set force."
                )
        gone = {server.id for server in found}
        left = tuple(server for server in zone.servers if server.id not in gone)
        after = Zone(zone.id, zone.name, zone.enabled, zone.endpoint, left)
        if not self.module.check_mode:
            for server in found:
                self.remove(zone, server)
            after = self.client.zone(zone.id)
        self.finish(True, None, zone, after)

    def remove(self, zone: Zone, server: ZoneServer) -> None:
        """Remove one entry and see it gone."""
        self.change(
            f"removing {server.name}",
            lambda: self.client.delete_server(zone.id, server.id),
            lambda now: all(other.id != server.id for other in now.servers),
            f"{server.name} (server {server.id}) is still in the zone's list",
        )

    def reset(self, local: Zone) -> None:
        """Have the leader start over with the follower."""
        found = self.fitting(local)
        if len(found) != 1:
            # The call succeeds for any id, so that it has to be looked up here.
            names = ", ".join(server.name for server in local.servers) or "none"
            self.fail(
                f"{len(found)} servers of the zone {local.name} fit what was given (it has: {names}); "
                "say which by name, endpoint or id."
            )
        self.refuse_disabled(local)
        server = found[0]
        if not self.module.check_mode:
            try:
                self.client.reset_server(local.id, server.id)
            except CallError as error:
                if not error.unknown:
                    self.fail(f"The zone refused resetting {server.name}: {error.failure.detail}.")
                # Harmless when done twice, so that the next run may simply do it again.
                self.fail(
                    f"It is unknown whether {server.name} was reset: {error}. "
                    "Run this again once the zone has a leader."
                )
        self.finish(True, server, local, local)

    def change(self, what: str, call: Callable[[], None], seen: Callable[[Zone], bool], otherwise: str) -> Zone:
        """The zone once it shows the change."""

        def look() -> Optional[Zone]:
            zone = self.client.zone(self.params["zone_id"])
            return zone if seen(zone) else None

        return change(what, call, look, otherwise, self.params["wait"])

    def finish(self, changed: bool, server: Optional[ZoneServer], before: Zone, after: Zone) -> NoReturn:
        """End with the result."""
        self.module.exit_json(
            changed=changed,
            server=None if server is None else entry_dict(server),
            servers=zone_dict(after)["servers"],
            zone_id=after.id,
            diff={
                "before_header": f"servers of zone {before.name}",
                "after_header": f"servers of zone {before.name}",
                "before": lines(before.servers),
                "after": lines(after.servers),
            },
        )
        raise AssertionError("exit_json does not return")


def main() -> None:
    """Check the parameters, then run."""
    module = AnsibleModule(
        argument_spec={
            **connection_spec(),
            "name": {"type": "str"},
            "endpoint": {"type": "str"},
            "id": {"type": "int"},
            "state": {"type": "str", "choices": ["present", "absent", "reset"], "default": "present"},
            "force": {"type": "bool", "default": False},
            "wait": {"type": "float", "default": 30},
        },
        required_if=[("state", "present", ("name", "endpoint"))],
        required_one_of=[("name", "endpoint", "id")],
        supports_check_mode=True,
    )
    fault = ""
    for option in ("name", "endpoint"):
        value = module.params[option]
        if value is not None and (not value.strip() or any(char in value for char in '"\\[]\n\r')):
            fault = f"{option} is '{value}': a zone cannot hold quotes, brackets, backslashes or line breaks in it."
    if module.params["state"] == "present" and module.params["id"] is not None:
        fault = "id is given with state present: the zone gives the id itself; leave it out."
    run_task(module, lambda client: ServerTask(module, client).run(), fault)


if __name__ == "__main__":
    main()
