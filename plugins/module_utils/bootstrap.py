# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be done to which front-end so that all of them are servers of one zone. Pure: decided from what was found.

The order in which the bootstrap writes SERVER_ID makes every interruption readable: a follower gets its id after its
database was copied, the server that ran solo gets its own last. While that one still has -1 the copies may be stale
and are made again; once it has its id, only starting is left.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Mapping, Optional, Sequence

from .zone.model import ZoneServer, endpoint_key

SOLO = -1
LEADER = "leader"


@dataclass(frozen=True)
class Running:
    """What the oned of a machine says about itself."""

    server_id: int
    state: str
    term: int


@dataclass(frozen=True)
class Member:
    """One front-end as it was found."""

    name: str
    endpoint: str
    installed: bool
    server_id: Optional[int]  # as configured; None: no oned.conf yet
    unit: str
    running: Optional[Running]
    populated: bool  # its database holds a zone
    formed: bool  # its log holds a record of an elected leader
    index: int
    term: int
    zone_name: str
    servers: tuple[ZoneServer, ...]
    stale: bool  # its oned runs with an older configuration than the one on disk
    database_stale: bool  # its MariaDB does
    credentials: Mapping[str, str]  # digest by file name

    @property
    def alive(self) -> bool:
        return self.running is not None and self.running.server_id > SOLO


@dataclass
class Plan:
    """What is left to do. Empty lists everywhere: nothing."""

    zone_name: str = ""
    seed: str = ""
    """Whose database the others get."""
    credentials_from: str = ""
    """Whose credential files the others get."""
    bootstrap: bool = False
    solo: bool = False
    """The seed has to run solo once, to make its database or to take the servers into the zone."""
    stop: list[str] = field(default_factory=list)
    ids: dict[str, int] = field(default_factory=dict)
    """SERVER_ID of a file that was edited by hand, while oned runs with the right one."""
    start: list[str] = field(default_factory=list)
    join: list[dict[str, Any]] = field(default_factory=list)
    restart: list[str] = field(default_factory=list)
    credentials: list[str] = field(default_factory=list)
    refuse: list[str] = field(default_factory=list)
    why: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def member_from(found: Mapping[str, Any]) -> Member:
    """A Member from what the module zone_member returned."""
    running = found.get("running")
    database = found.get("database") or {}
    servers = database.get("servers") or []
    return Member(
        name=str(found["name"]),
        endpoint=str(found["endpoint"]),
        installed=bool(found.get("installed")),
        server_id=found.get("server_id"),
        unit=str(found.get("unit") or "absent"),
        running=Running(int(running["server_id"]), str(running["state"]), int(running["term"])) if running else None,
        populated=bool(database.get("populated")),
        formed=bool(database.get("formed")),
        index=int(database.get("index", -1)),
        term=int(database.get("term", -1)),
        zone_name=str(database.get("zone_name") or ""),
        servers=tuple(ZoneServer(int(s["id"]), str(s["name"]), str(s["endpoint"])) for s in servers),
        stale=bool(found.get("stale")),
        database_stale=bool(found.get("database_stale")),
        credentials={str(name): str(digest) for name, digest in (found.get("credentials") or {}).items()},
    )


def plan_zone(members: Sequence[Member]) -> Plan:
    """The plan for all front-ends of the inventory, in the order of their rank."""
    best = _best(members)
    if best is None or not _formed(members, best):
        plan = _bootstrap(members, best)
    else:
        plan = _complete(members, best)
    plan.zone_name = best.zone_name if best else ""
    plan.refuse.extend(_renamed(members, best))
    if plan.seed:
        _same_credentials(members, plan)
    return plan


def _best(members: Sequence[Member]) -> Optional[Member]:
    """Whose zone document counts: that of a leader, else of the server with the longest log."""
    populated = [m for m in members if m.populated]
    if not populated:
        return None

    def weight(member: Member) -> tuple[int, int, int]:
        leads = member.running is not None and member.running.state == LEADER
        return (member.running.term if leads and member.running else -1, member.term, member.index)

    return max(populated, key=weight)


def _formed(members: Sequence[Member], best: Member) -> bool:
    """True once no server may run solo any more: a leader was elected, or every server of the zone has its id."""
    if any(m.formed or m.alive for m in members):
        return True
    if not best.servers:
        return False
    if any(m.populated and m.server_id == SOLO for m in members):
        return False  # the seed is the last to get its id
    return all(m.server_id == entry.id for m in members for entry in [_entry(m, best)] if entry and m.populated)


def _entry(member: Member, best: Member) -> Optional[ZoneServer]:
    for server in best.servers:
        if endpoint_key(server.endpoint) == endpoint_key(member.endpoint):
            return server
    return None


def _bootstrap(members: Sequence[Member], best: Optional[Member]) -> Plan:
    plan = Plan(bootstrap=True)
    # After an interruption the database that was made first is kept, whatever the order of the inventory is by now.
    solo = [m for m in members if m.populated and m.server_id == SOLO]
    seed = solo[0] if solo else members[0]
    plan.seed = seed.name
    plan.solo = not seed.populated or any(_entry(m, seed) is None for m in members)
    plan.stop = [m.name for m in members if m.unit in ("active", "activating", "reloading") and m is not seed]
    plan.why.append(
        f"No leader was ever elected: {seed.name} makes the zone, the others get its database and credentials."
        if best is None
        else f"The zone that {seed.name} made was never started with all its servers: the bootstrap goes on from there."
    )
    return plan


def _complete(members: Sequence[Member], best: Member) -> Plan:
    plan = Plan()
    leads = [m for m in members if m.running is not None and m.running.state == LEADER]
    ready = 0
    for member in members:
        entry = _entry(member, best)
        if entry is None:
            plan.join.append({"name": member.name, "kind": "new", "id": None})
            plan.why.append(f"{member.name} is not a server of the zone yet: it joins.")
        elif member.alive and member.running is not None and member.running.server_id == entry.id:
            ready += 1
            if member.server_id != entry.id:
                plan.ids[member.name] = entry.id
                plan.restart.append(member.name)
                plan.why.append(
                    f"{member.name} runs as server {entry.id}, but its oned.conf says SERVER_ID {member.server_id}: "
                    "the file is mended."
                )
        elif member.populated and member.server_id == entry.id and (member.running is None):
            ready += 1
            plan.start.append(member.name)
            plan.why.append(f"{member.name} does not answer (its unit is {member.unit}): it is started.")
        elif member.populated and member.running is not None and member.running.server_id == SOLO:
            plan.refuse.append(
                f"{member.name} runs solo although it is server {entry.id} of the zone: it may hold writes that no "
                "other server has, and a fresh copy would lose them. Stop its oned, keep a dump of its database, drop "
                "that database, and run this again: it then gets the leader's."
            )
        else:
            plan.join.append({"name": member.name, "kind": "again", "id": entry.id})
            plan.why.append(f"{member.name} {_wrong(member, entry)}: it gets a fresh copy of the leader's database.")
        if (member.stale or member.database_stale) and member.running is not None and member.name not in plan.restart:
            plan.restart.append(member.name)
    need = len(best.servers) // 2 + 1
    outside = len({endpoint_key(s.endpoint) for s in best.servers} - {endpoint_key(m.endpoint) for m in members})
    if not leads and ready + outside < need:
        others = ", ".join(item["name"] for item in plan.join) or "the others"
        plan.refuse.append(
            f"Only {ready} of the zone's {len(best.servers)} servers can run and {need} are needed for a leader: "
            f"repair {others} by hand, or restore a backup."
        )
    joining = {j["name"] for j in plan.join}
    plan.restart = [name for name in plan.restart if name not in joining]
    plan.seed = leads[0].name if leads else best.name
    return plan


def _wrong(member: Member, entry: ZoneServer) -> str:
    if member.running is not None:
        return f"runs as server {member.running.server_id}, but its endpoint is that of server {entry.id}"
    if not member.populated:
        return f"is server {entry.id} of the zone, but has no database of it"
    return f"is server {entry.id} of the zone, but is configured as {member.server_id} and does not run"


def _renamed(members: Sequence[Member], best: Optional[Member]) -> list[str]:
    """A name that the zone knows with another address: two entries would be one machine."""
    faults = []
    for member in members:
        for server in best.servers if best else ():
            if server.name == member.name and endpoint_key(server.endpoint) != endpoint_key(member.endpoint):
                faults.append(
                    f"{member.name} has the endpoint {member.endpoint} in the inventory, but the zone knows it as "
                    f"{server.endpoint} (server {server.id}): set its one_address back, or remove the old server with "
                    "the module zone_server (state absent)."
                )
    return faults


def _same_credentials(members: Sequence[Member], plan: Plan) -> None:
    """The files that most servers agree on are right; a joining server has no vote and gets them while it joins."""
    if plan.bootstrap:
        plan.credentials_from = plan.seed
        return
    joining = {j["name"] for j in plan.join}
    voters = [m for m in members if m.name not in joining and m.credentials]
    if not voters:
        return

    def weight(member: Member) -> tuple[int, bool]:
        return (sum(member.credentials == other.credentials for other in voters), member.name == plan.seed)

    source = max(voters, key=weight)
    plan.credentials_from = source.name
    for member in members:
        wrong = sorted(name for name, digest in source.credentials.items() if member.credentials.get(name) != digest)
        if wrong and member.name not in joining:
            plan.credentials.append(member.name)
            if ".one/one_key" in wrong and member.running is not None and member.name not in plan.restart:
                plan.restart.append(member.name)  # oned reads it at its start
            plan.why.append(
                f"{', '.join(wrong)} of {member.name} differ from those of {source.name}: they are copied again."
            )
