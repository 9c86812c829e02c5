# SPDX-License-Identifier: Apache-2.0
"""The truth about a zone: servers with their logs, databases, disks and credentials, who reaches whom, who leads.

A world is settled: whatever happened, happened more than an election timeout ago. Before that no answer shows a cut.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from ansible_collections.nebula.ha.plugins.module_utils.zone.model import DatabaseState, ServerState

SOLO, CANDIDATE, FOLLOWER, LEADER = ServerState.SOLO, ServerState.CANDIDATE, ServerState.FOLLOWER, ServerState.LEADER
OK, DEAD, READ_ONLY = DatabaseState.OK, DatabaseState.DEAD, DatabaseState.REFUSES_WRITES

# What a follower's log does while records are written.
FOLLOWS, CATCHES_UP, STUCK = "follows", "catches up", "stuck"
RELEASE, OLD_RELEASE = "6.10.5", "6.10.4"
GIB = 2**30


@dataclass
class Log:
    """Records from `oldest` to `newest`; above `applied` they are not in the tables yet, skipped ones never will be."""

    oldest: int = 1
    newest: int = 0
    term: int = 0
    applied: int = 0
    skipped: list[int] = field(default_factory=list)


@dataclass
class Server:
    number: int
    oned: str = "running"  # running, stopped, frozen, other (something else listens there)
    link: str = "ok"  # from whoever asks: ok, cut (nothing comes back), refused by the network
    side: int = 0  # servers on one side reach each other
    server_id: int = -1  # what its configuration says
    wanted: bool = True  # the inventory has it
    document: str = "current"  # current, empty (as installed), old (it was deleted since)
    state: ServerState = FOLLOWER
    lasting: bool = True  # it was in this state a second ago, too
    term: int = 0
    voted_for: int = -1
    commit_known: bool = True  # one that was not heard from since its start says 0
    log: Log = field(default_factory=Log)
    pace: str = FOLLOWS
    was_member: bool = False  # of a server that runs solo
    database: DatabaseState = OK
    disk_free: int = 40 * GIB
    disk_total: int = 100 * GIB
    credentials: str = "a"  # the file on the machine
    password: str = "a"  # what its oned takes
    version: str = RELEASE
    agent: str = "none"  # none, fresh, stale

    @property
    def name(self) -> str:
        return f"fe{self.number + 1}"

    @property
    def endpoint(self) -> str:
        return f"http://10.0.0.{self.number + 1}:2633/RPC2"

    @property
    def alive(self) -> bool:
        """Takes part in Raft."""
        return self.oned == "running" and self.server_id >= 0


@dataclass
class World:
    seed: int
    servers: list[Server]
    entries: list[tuple[int, int]]  # the zone's list: id, number of the server
    leader: int  # who led when all was well
    term: int
    index: int  # of that leader
    oldest: int
    writes: int  # records that the leader takes between two looks
    looks: int  # 1 or 2
    enabled: bool = True
    expects: bool = True  # an inventory is given
    session: str = "a"  # of whoever asks
    contested: bool = False  # elections collide: nobody wins
    faults: list[str] = field(default_factory=list)

    @property
    def members(self) -> list[Server]:
        """The servers of the zone's list, each once."""
        return [self.servers[number] for number in dict.fromkeys(number for _id, number in self.entries)]

    @property
    def quorum(self) -> int:
        return len(self.entries) // 2 + 1

    def id_of(self, server: Server) -> int | None:
        return next((number for number, whose in self.entries if whose == server.number), None)

    def leads(self) -> Server | None:
        """The server of the zone that a majority of it follows."""
        for server in self.members:
            if server.alive and server.state is LEADER and len(self.company(server)) >= self.quorum:
                return server
        return None

    def company(self, leader: Server) -> list[Server]:
        """The servers that hear this leader, itself included."""
        return [
            server
            for server in self.members
            if server.alive and server.side == leader.side and server.term == leader.term
        ]

    def stores(self, server: Server, leader: Server) -> bool:
        """Whether the next record of the leader would get into its log."""
        return server.database is OK and (server is leader or server.log.newest >= leader.log.oldest)

    def commits(self) -> bool:
        """Whether a write would commit."""
        if not self.enabled:
            return False
        if len(self.members) <= 1:
            alone = self.members[0] if self.members else self.servers[0]
            if alone.server_id < 0:
                return alone.oned == "running" and alone.database is OK
        leader = self.leads()
        if leader is None or not self.stores(leader, leader):
            return False
        return sum(self.stores(server, leader) for server in self.company(leader)) >= self.quorum


# -- how it came to be ------------------------------------------------------------------------------------------------


def whole(seed: int, dice: random.Random) -> World:
    """A zone in which all is well."""
    count = dice.choices((1, 2, 3, 4, 5, 7), (3, 4, 56, 4, 25, 8))[0]
    term = dice.randint(1, 60)
    index = dice.choice((dice.randint(40, 900), dice.randint(300_000, 900_000)))
    oldest = 1 if index < 1000 else index - dice.randint(100_000, 250_000)
    first = dice.choice((0, 0, 0, 3))  # ids grow when servers are taken in again
    leader = dice.randrange(count)
    servers = []
    for number in range(count):
        log = Log(oldest, index, term, index)
        servers.append(Server(number, server_id=first + number, term=term, log=log, voted_for=first + leader))
    if dice.random() < 0.7:
        for server in servers:
            server.agent = "fresh"
    entries = [(first + number, number) for number in range(count)]
    writes = dice.choice((0, 0, 1, 2, 10, 40))
    return World(seed, servers, entries, leader, term, index, oldest, writes, dice.choice((1, 2, 2)))


def settle(world: World, dice: random.Random) -> None:
    """Let everybody vote: who reaches a majority has a leader, and a leader that was cut off stays what it was."""
    voters = [server for server in world.members if server.alive]
    old = world.servers[world.leader]
    if old.alive and old not in world.members:
        # Deleted from the list and not stopped: it leads on.
        hearing = [server for server in voters if server.side == old.side]
        voters = [server for server in voters if server not in hearing]
        _reign(world, hearing, old)
    for side in sorted({server.side for server in voters}):
        group = [server for server in voters if server.side == side]
        if old in group and not world.contested:
            _reign(world, group, old)
            if len(group) < world.quorum and dice.random() < 0.5:
                # What it took since then stays a tail that nobody else has.
                old.log.newest += dice.randint(1, 4)
        elif len(group) >= world.quorum and not world.contested:
            _elect(world, group, dice)
        else:
            _ask_in_vain(world, group, dice)
    _replicate(world, dice)


def _reign(world: World, group: list[Server], leader: Server) -> None:
    for server in group:
        server.state, server.term, server.voted_for = FOLLOWER, world.term, leader.server_id
    leader.state, leader.pace = LEADER, FOLLOWS


def _elect(world: World, group: list[Server], dice: random.Random) -> None:
    leader = max(group, key=lambda server: (server.log.newest, dice.random()))
    term = world.term + dice.randint(1, 3)
    written = dice.choice((0, 3, 30)) if leader.database is OK else 0
    for server in group:
        server.state, server.term, server.voted_for = FOLLOWER, term, leader.server_id
    leader.state, leader.pace = LEADER, FOLLOWS
    leader.log.newest = leader.log.applied = leader.log.newest + written
    leader.log.term = term if written else leader.log.term


def _replicate(world: World, dice: random.Random) -> None:
    """Where the leader writes, its followers' logs go as they can."""
    leader = world.leads()
    if leader is None:
        return
    if sum(world.stores(server, leader) and server.pace != STUCK for server in world.company(leader)) < world.quorum:
        # Old dumps were restored, or databases died; without agents that shows only while somebody writes.
        world.looks, world.writes = 2, max(world.writes, 1)
    if leader.database is not OK:
        world.writes = 0
    for server in world.company(leader):
        if server is leader or server.state is not FOLLOWER:
            continue
        lost = not world.stores(server, leader)
        if lost:
            server.pace = STUCK
        if server.pace == FOLLOWS:
            server.log.newest = leader.log.newest - dice.randint(0, 1)
            server.log.term = leader.log.term
        elif server.pace == STUCK:
            server.log.newest = min(server.log.newest, leader.log.newest - world.writes - dice.randint(lost, 3))
        server.log.applied = min(server.log.applied, server.log.newest)


def _ask_in_vain(world: World, group: list[Server], dice: random.Random) -> None:
    term = world.term + dice.randint(1, 12)
    for server in group:
        first = server is group[0]
        server.state = CANDIDATE if first or dice.random() < 0.6 else FOLLOWER
        server.term = term if server.state is FOLLOWER else term + dice.randint(0, 1) * (not first)
        server.voted_for = server.server_id if server.state is CANDIDATE else group[0].server_id
        server.lasting = server.state is not CANDIDATE or len(group) == 1 or dice.random() < 0.8
        server.commit_known = dice.random() < 0.6


# -- what can happen --------------------------------------------------------------------------------------------------


def some(world: World, dice: random.Random) -> Server:
    return dice.choice(world.members or world.servers)


def other(world: World, dice: random.Random) -> Server:
    """Not the one that led."""
    rest = [server for server in world.members if server.number != world.leader]
    return dice.choice(rest or world.servers)


def stop(world: World, dice: random.Random) -> None:
    for server in dice.sample(world.members, min(len(world.members), dice.choice((1, 1, 1, 2)))):
        server.oned = dice.choice(("stopped", "stopped", "frozen", "other"))


def vanish(world: World, dice: random.Random) -> None:
    """Machines without power: nobody reaches them."""
    for server in dice.sample(world.members, min(len(world.members), dice.choice((1, 2)))):
        server.oned, server.link, server.side = "stopped", dice.choice(("cut", "refused")), 20 + server.number


def cut_leader(world: World, dice: random.Random) -> None:
    """From the others, not from whoever asks; in a larger zone it may keep company."""
    world.servers[world.leader].side = 1
    if len(world.members) >= 5 and dice.random() < 0.4:
        other(world, dice).side = 1


def cut_follower(world: World, dice: random.Random) -> None:
    for server in (other(world, dice), other(world, dice)):
        server.side = 2 + server.number


def blind(world: World, dice: random.Random) -> None:
    """Whoever asks does not reach all that the servers reach among themselves."""
    for server in dice.sample(world.members, min(len(world.members), dice.choice((1, 1, 2, 3)))):
        server.link = dice.choice(("cut", "refused"))


def collide(world: World, dice: random.Random) -> None:
    world.contested = True


def lose_database(world: World, dice: random.Random) -> None:
    server = dice.choice((some(world, dice), world.servers[world.leader]))
    server.database = dice.choice((DEAD, READ_ONLY))


def lose_databases(world: World, dice: random.Random) -> None:
    for server in dice.sample(world.members, min(len(world.members), world.quorum)):
        server.database = dice.choice((DEAD, READ_ONLY))


def fill_disk(world: World, dice: random.Random) -> None:
    server = some(world, dice)
    server.disk_free = dice.choice((0, 10 * 2**20, GIB - 1))
    if server.disk_free < 2**20:
        server.database = READ_ONLY


def small_disk(world: World, dice: random.Random) -> None:
    """Small, and with room for what it is: no fault."""
    server = some(world, dice)
    server.disk_total, server.disk_free = GIB // 2, GIB // 4


def change_credentials(world: World, dice: random.Random) -> None:
    some(world, dice).credentials = dice.choice(("b", "b", "c"))


def change_password(world: World, dice: random.Random) -> None:
    some(world, dice).password = "b"


def lose_session(world: World, dice: random.Random) -> None:
    world.session = "z"


def wrong_id(world: World, dice: random.Random) -> None:
    if world.entries:
        other(world, dice).server_id = dice.choice((9, 12, max(some(world, dice).server_id, 0)))


def fall_behind(world: World, dice: random.Random) -> None:
    server = other(world, dice)
    if server.number != world.leader and server.log.newest > server.log.oldest:
        server.log.newest -= min(dice.choice((20, 150, 4000)), server.log.newest - world.oldest)
        server.log.applied = min(server.log.applied, server.log.newest)
        server.pace = CATCHES_UP if dice.random() < 0.6 else STUCK


def leave_window(world: World, dice: random.Random) -> None:
    """The leaders' logs were purged beyond what it has."""
    rest = [server for server in world.members if server.number != world.leader]
    if world.index < 35 or not rest:
        return
    purged = world.index - dice.choice((1, 5, 30))
    for member in world.members:
        member.log.oldest = purged
    count = min(len(rest), dice.choices((1, world.quorum), (5, 1))[0])
    for server in dice.sample(rest, count):
        end = max(purged - dice.choice((0, 1, 1, 20, 200)), 1)
        server.log = Log(1, end, max(world.term - 1, 1), end)
        server.pace = STUCK


def skip_records(world: World, dice: random.Random) -> None:
    server = some(world, dice)
    top = server.log.applied - 1
    if top - server.log.oldest < 31:
        return
    server.log.skipped = sorted(dice.sample(range(max(server.log.oldest, top - 60), top), dice.choice((1, 1, 3, 30))))


def run_solo(world: World, dice: random.Random) -> None:
    """A member's id was overwritten by -1."""
    server = some(world, dice)
    server.server_id, server.was_member = -1, server.log.newest > 0
    if dice.random() < 0.3:
        server.password = "b"


def break_bootstrap(world: World, dice: random.Random) -> None:
    """The first server runs solo and has the others in its list; nothing was ever replicated."""
    if not world.entries:
        return
    for server in world.members:
        server.oned, server.log, server.pace = "stopped", Log(1, 0, 0, 0), FOLLOWS
        server.server_id, server.term = world.id_of(server) or 0, 0
    seed = world.members[0]
    seed.oned, seed.server_id = "running", -1
    for server in world.members[1:]:
        chance = dice.random()
        if chance < 0.2:
            server.oned = "running"  # with its id, and empty: it asks for votes
        elif chance < 0.4:
            server.oned, server.server_id, server.document = "running", -1, "empty"
        elif chance < 0.5:
            server.oned, server.server_id = "running", -1  # a copy that runs solo, too
        elif chance < 0.6:
            server.log = Log(1, 30, 2, 30)  # it was whole once
        elif chance < 0.7:
            server.link = "cut"
    world.term, world.index, world.oldest, world.writes, world.contested = 0, 0, 1, 0, True


def upgrade(world: World, dice: random.Random) -> None:
    for server in world.members:
        server.version = dice.choice((RELEASE, OLD_RELEASE))


def disable(world: World, dice: random.Random) -> None:
    world.enabled = False


def forget(world: World, dice: random.Random) -> None:
    some(world, dice).wanted = False


def want(world: World, dice: random.Random) -> None:
    """A machine that the zone does not have: nothing there, newly installed, or deleted and running on."""
    server = Server(len(world.servers), oned=dice.choice(("stopped", "running", "running")))
    server.document = "empty"
    server.agent = dice.choice(("none", "fresh"))
    if server.oned == "running" and dice.random() < 0.6:
        server.server_id, server.document, server.side = 40, "old", 30
        server.state, server.term = dice.choice((FOLLOWER, CANDIDATE)), max(world.term - 1, 1)
        server.log = Log(1, max(world.index - 300, 1), 1, max(world.index - 300, 1))
    world.servers.append(server)


def delete_leader(world: World, dice: random.Random) -> None:
    """It leads on, and the others follow it."""
    if len(world.members) < 3:
        return
    world.entries = [entry for entry in world.entries if entry[1] != world.leader]


def enter_twice(world: World, dice: random.Random) -> None:
    if not world.entries:
        return
    world.entries.append((max(number for number, _whose in world.entries) + 1, some(world, dice).number))


def silence_agents(world: World, dice: random.Random) -> None:
    for server in dice.sample(world.members, dice.choice((min(1, len(world.members)), len(world.members)))):
        server.agent = dice.choice(("none", "stale"))


def forget_inventory(world: World, dice: random.Random) -> None:
    world.expects = False


def as_installed(world: World, dice: random.Random) -> None:
    """One server, solo, in a list of its own or in none."""
    server = world.servers[0]
    world.servers, world.entries, world.leader = [server], world.entries[:1], 0
    server.server_id, server.log, server.term = -1, Log(1, 0, 0, 0), 0
    if dice.random() < 0.5:
        world.entries, server.document = [], "empty"
    world.index, world.oldest, world.term = 0, 1, 0


Fault = Callable[[World, random.Random], None]

FAULTS: dict[Fault, int] = {
    stop: 9,
    vanish: 5,
    cut_leader: 8,
    cut_follower: 7,
    blind: 6,
    collide: 5,
    lose_database: 9,
    lose_databases: 3,
    fill_disk: 7,
    small_disk: 2,
    change_credentials: 7,
    change_password: 5,
    lose_session: 3,
    wrong_id: 10,
    fall_behind: 12,
    leave_window: 9,
    skip_records: 7,
    run_solo: 8,
    break_bootstrap: 12,
    upgrade: 7,
    disable: 5,
    forget: 6,
    want: 8,
    delete_leader: 3,
    enter_twice: 5,
    silence_agents: 7,
    forget_inventory: 5,
    as_installed: 5,
}
# The first make the zone anew, the last looks at all that is left.
ORDER: dict[Fault, int] = {as_installed: 0, break_bootstrap: 1, leave_window: 3}


def make(seed: int) -> World:
    """The world of a seed."""
    dice = random.Random(seed)
    world = whole(seed, dice)
    chosen = dice.choices(list(FAULTS), list(FAULTS.values()), k=dice.choices((0, 1, 2, 3, 4), (6, 34, 30, 20, 10))[0])
    for fault in sorted(dict.fromkeys(chosen), key=lambda fault: ORDER.get(fault, 2)):
        fault(world, dice)
        world.faults.append(fault.__name__)
    settle(world, dice)
    for server in world.servers:
        if server.server_id < 0:
            server.state, server.voted_for = SOLO, -1
    _only_what_can_be_known(world)
    return world


def _only_what_can_be_known(world: World) -> None:
    """Where no agent answers, a database that reads and takes no writes shows in no answer while nobody writes."""
    if any(server.agent == "fresh" and server.link == "ok" for server in world.members):
        return
    for server in world.members:
        if server.database is READ_ONLY:
            server.database = DEAD
