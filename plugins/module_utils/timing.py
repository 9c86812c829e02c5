# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How soon a zone gives up a silent leader, and how often its servers are looked at: profiles, by name. Pure.

The figures of a profile depend on each other: the election timers are distinct, because equal ones collide; their step
leaves time for a vote that is asked of a peer which is gone; a follower misses several heartbeats before it gives up
its leader; and what looks at the servers adds little to the election.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from typing import Any, Dict, Mapping, Optional

# What was measured without a collided election were distinct whole seconds.
WHOLE_MS = 1000
# Beside a call to a vanished peer, what a round of votes takes.
VOTE_MS = 300
# Heartbeats that a follower may miss.
HEARTBEATS = 4
DEFAULT = "default"
UPSTREAM = "upstream"


@dataclass(frozen=True)
class Profile:
    """The server of rank r asks for votes after election + r x step without a heartbeat. Milliseconds, all of it."""

    election_timeout_ms: int
    election_timeout_step_ms: int
    broadcast_timeout_ms: int
    xmlrpc_timeout_ms: int
    # How often a balancer asks the agents, and an agent its server and its peers.
    check_interval_ms: int
    probe_interval_ms: int

    def election(self, rank: int) -> int:
        """The timer of one server."""
        return self.election_timeout_ms + rank * self.election_timeout_step_ms


PROFILES: Mapping[str, Profile] = {
    DEFAULT: Profile(4000, 1000, 500, 500, check_interval_ms=250, probe_interval_ms=250),
    "fast": Profile(2000, 1000, 500, 500, check_interval_ms=200, probe_interval_ms=200),
    # As shipped: equal for all servers.
    UPSTREAM: Profile(5000, 0, 500, 1000, check_interval_ms=250, probe_interval_ms=250),
}
# What of a profile an inventory may replace, in variables one_<name>.
OWN = ("election_timeout_ms", "election_timeout_step_ms", "broadcast_timeout_ms", "xmlrpc_timeout_ms")


def whole(value: Any) -> Optional[int]:
    """A number as an inventory may write it; none when it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]+", value.strip()):
        return int(value)
    return None


def given(value: Any) -> bool:
    """Whether a variable says anything; else the profile's value counts."""
    return value is not None and not (isinstance(value, str) and not value.strip())


def profile_with(name: str, own: Mapping[str, Any]) -> Profile:
    """A profile with the inventory's own values in place of its own."""
    if name not in PROFILES:
        raise ValueError(f"there is no timing profile '{name}': choose one of {', '.join(PROFILES)}")
    values: Dict[str, int] = {}
    for key in OWN:
        if given(own.get(key)):
            number = whole(own[key])
            if number is None:
                raise ValueError(f"{key} is '{own[key]}', which is no whole number")
            values[key] = number
    return replace(PROFILES[name], **values)


def timers(name: str, rank: int = 0, own: Optional[Mapping[str, Any]] = None) -> Dict[str, int]:
    """The timers of the server of this rank."""
    profile = profile_with(name, own or {})
    return {**asdict(profile), "election_timeout_ms": profile.election(rank)}
