# SPDX-License-Identifier: Apache-2.0
"""What has to be said about a world. Reads the truth, never an answer, and shares no code with the judge.

`must` holds what is true and can be known by whoever asks; `may` what cannot be decided by what they are told: there
the judge is not held to anything. What is in neither is false, or hidden: to report it is a mistake.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from .world import CANDIDATE, DEAD, FOLLOWER, GIB, LEADER, OK, SOLO, STUCK, Server, World

# Records that a follower may be behind.
MAX_LAG = 100
# Not about one server.
ZONE_WIDE = (
    "no_zone", "zone_disabled", "no_quorum", "no_leader", "single", "even_servers",
)  # fmt: skip

Found = tuple[str, str]


@dataclass
class Truth:
    decidable: bool = True
    commits: bool = False
    # Whether everything that a commit takes can be seen.
    open: bool = False
    must: set[Found] = field(default_factory=set)
    may: set[Found] = field(default_factory=set)


class Oracle:
    def __init__(self, world: World) -> None:
        self.world = world
        self.truth = Truth(commits=world.commits())
        inventory = [server for server in world.servers if world.expects and server.wanted]
        self.inventory = inventory
        first = [world.servers[0], *inventory]
        if any(self.reads(server) for server in first):
            first += world.members
        self.asked = [server for server in world.servers if server in first]
        self.seen = [server for server in world.members if self.visible(server)]
        self.leader = self.known_leader()

    # -- what whoever asks gets to see ----------------------------------------------------------------------------

    def visible(self, server: Server) -> bool:
        return server.link == "ok" and server.oned == "running" and server.password == self.world.session

    def reads(self, server: Server) -> bool:
        """Whether it gives a document."""
        return self.visible(server) and server.database is not DEAD

    def told(self, server: Server) -> bool:
        """Whether its machine is known, by its agent."""
        return server.link == "ok" and server.agent == "fresh" and server in self.asked

    def log_told(self, server: Server) -> bool:
        return self.told(server) and server.database is not DEAD

    def behind_it(self, leader: Server) -> list[Server]:
        return [server for server in self.seen if server.state is FOLLOWER and server.term == leader.term]

    def known_leader(self) -> Server | None:
        for server in self.seen:
            if server.state is LEADER and len(self.behind_it(server)) + 1 >= self.world.quorum:
                return server
        return None

    def add(self, code: str, server: Server | None = None, may: bool = False) -> None:
        found = (code, "" if server is None or code in ZONE_WIDE else self.name(server))
        (self.truth.may if may else self.truth.must).add(found)

    def name(self, server: Server) -> str:
        """The zone's list and the inventory have names; an address is all that is known of others."""
        if server in self.world.members and any(self.reads(item) for item in self.asked):
            return server.name
        return server.name if server in self.inventory else f"10.0.0.{server.number + 1}"

    # -- what is so -----------------------------------------------------------------------------------------------

    def look(self) -> Truth:
        world = self.world
        if not any(self.reads(server) for server in self.asked):
            self.no_document_at_all()
            return self.truth
        self.truth.decidable = self.document_is_right()
        if not self.truth.decidable:
            return self.truth
        alone = self.alone()
        if alone is None:
            self.leading()
        elif self.told(alone) and alone.database is not OK:
            self.add("leader_unable", alone)
            if not world.members:
                self.add("database_dead", alone)
        if alone is not None and not world.members and self.told(alone) and self.full(alone):
            self.add("disk_full", alone)
        self.listing()
        for server in world.members:
            self.server(server)
            self.machine(server)
        self.versions()
        self.credentials()
        if not world.enabled:
            self.add("zone_disabled")
        followers = [] if self.leader is None else [self.leader, *self.behind_it(self.leader)]
        self.truth.open = (alone is not None and self.told(alone)) or (
            bool(followers) and all(map(self.log_told, followers)) and len(self.seen) == len(world.members)
        )
        return self.truth

    def document_is_right(self) -> bool:
        """Whether the zone's own list is the one that counts among those given."""
        given = [server for server in self.asked if self.reads(server)]
        if any(server.document == "old" for server in given):
            return any(server.state is LEADER for server in given)
        if not self.world.entries:
            return self.world.servers[0] in given
        return any(server.document == "current" for server in given)

    def no_document_at_all(self) -> None:
        self.add("no_zone")
        for server in self.asked:
            if not self.visible(server):
                self.add(self.silence(server), server)
            if self.told(server) and server.database is not OK:
                self.add("database_dead", server)
            if self.told(server) and self.full(server):
                self.add("disk_full", server)

    def silence(self, server: Server) -> str:
        refuses = server.link == "ok" and server.oned == "running"
        return "credentials_refused" if refuses else "server_unreachable"

    @staticmethod
    def full(server: Server) -> bool:
        return server.disk_free < GIB and server.disk_free / server.disk_total < 0.05

    def alone(self) -> Server | None:
        """The only server, if it runs solo."""
        if len(self.world.members) > 1:
            return None
        server = (self.world.members or self.world.servers)[0]
        return server if self.visible(server) and server.server_id < 0 else None

    def leading(self) -> None:
        world, leader = self.world, self.leader
        claiming = sorted((server for server in self.seen if server.state is LEADER), key=lambda server: -server.term)
        few = len(self.seen) < world.quorum
        if few:
            self.add("no_quorum")
        if leader is None and not (claiming and few):
            self.add("no_leader", may=world.leads() is not None)
        for server in claiming:
            if server is not (leader or claiming[0]):
                self.add("two_leaders", server)
        if leader is None:
            return
        if self.told(leader) and leader.database is not OK:
            self.add("leader_unable", leader)
            return
        known = unknown = 0
        for server in self.behind_it(leader):
            out, sure = self.out_of_window(server)
            dead = self.told(server) and server.database is not OK
            known += dead or (out and sure)
            unknown += not dead and out and not sure
        storing = 1 + len(self.behind_it(leader)) - known
        if storing < world.quorum:
            self.add("no_quorum")
        elif storing - unknown < world.quorum:
            self.add("no_quorum", may=True)

    def stands_still(self, server: Server) -> bool:
        """Whether two looks show that it was behind and stayed where it was, while the leader took records."""
        world, leader = self.world, self.leader
        if leader is None or server not in self.behind_it(leader) or world.looks < 2 or leader is not world.leads():
            return False
        if server.pace != STUCK and server.side == leader.side:
            return False
        return world.writes > 0 and server.log.newest < leader.log.newest - world.writes

    def out_of_window(self, server: Server) -> tuple[bool, bool]:
        """Whether it is to be called so, and whether that can be decided."""
        leader = self.leader
        if leader is None or server is leader or (server.server_id < 0 and self.visible(server)):
            return False, True
        lost = server.log.newest < leader.log.oldest
        if not (self.visible(server) or self.log_told(server)):
            return False, True
        if self.log_told(leader):
            return lost, True
        if not self.stands_still(server) or (self.told(server) and server.database is not OK):
            return False, True
        return True, lost

    def listing(self) -> None:
        world = self.world
        if len(world.members) <= 1:
            self.add("single")
        if world.entries and len(world.entries) % 2 == 0:
            self.add("even_servers")
        for number, count in Counter(number for _id, number in world.entries).items():
            if count > 1:
                self.add("duplicate_entry", world.servers[number])
        if not self.inventory:
            return
        for server in world.members:
            if server not in self.inventory:
                self.add("endpoint_unknown", server)
        for server in self.inventory:
            if server not in world.members:
                self.add("server_missing", server)

    def server(self, server: Server) -> None:
        out, sure = self.out_of_window(server)
        if out:
            self.add("out_of_window", server, may=not sure)
        if not self.visible(server):
            self.add(self.silence(server), server)
            return
        if self.leader is not None and server.state is FOLLOWER and not (out and sure):
            lag = self.leader.log.newest - server.log.newest
            if lag > MAX_LAG or self.stands_still(server):
                self.add("lagging", server, may=out)
        if server.database is DEAD:
            self.add("no_document", server)
        if server.server_id < 0:
            if len(self.world.members) > 1:
                self.solo(server)
            return
        if server.server_id != self.world.id_of(server):
            self.add("wrong_server_id", server)
        if sum(other.server_id == server.server_id for other in self.seen) > 1:
            self.add("duplicate_server_id", server)
        if server.state is CANDIDATE and (server.lasting or self.world.looks == 1):
            self.add("candidate", server, may=not server.lasting)

    def solo(self, server: Server) -> None:
        others = [other for other in self.world.members if other is not server]
        shows = server.was_member or any(self.shows_records(other) for other in others)
        copies = self.copy(server) and any(self.copy(other) for other in others)
        if self.leader is not None or shows or copies:
            self.add("diverged", server)
        elif any(self.unclear(other) for other in others):
            self.add("solo_with_others", server)
        else:
            hidden = any(other.log.newest > 0 for other in others)
            self.add("unfinished_bootstrap", server, may=hidden)

    def copy(self, server: Server) -> bool:
        return self.reads(server) and server.state is SOLO and server.document == "current"

    def shows_records(self, server: Server) -> bool:
        has = server.was_member or server.state is LEADER or server.log.newest > 0
        return has and (self.visible(server) or (self.log_told(server) and server.log.newest > 0))

    def unclear(self, server: Server) -> bool:
        """Nothing is known of its log; where the connection was refused no oned runs, as in a first start."""
        refused = server.link == "ok" and server.oned == "stopped"
        return not (self.visible(server) or self.log_told(server) or refused)

    def machine(self, server: Server) -> None:
        if not self.told(server):
            if self.visible(server) and any(map(self.told, self.asked)):
                self.add("agent_silent", server)
            return
        if server.database is not OK:
            self.add("database_dead", server)
        if self.full(server):
            self.add("disk_full", server)
        if server.log.skipped and self.log_told(server):
            self.add("record_skipped", server)

    def gives_release(self, server: Server) -> bool:
        if not self.reads(server) or server.state is CANDIDATE:
            return False
        return server.state is not FOLLOWER or any(
            other.alive and other.state is LEADER and (other.term, other.side) == (server.term, server.side)
            for other in self.world.servers
        )

    def versions(self) -> None:
        self.minority(
            "version_differs", {s.number: s.version for s in self.world.members if self.gives_release(s)}, True
        )

    def credentials(self) -> None:
        self.minority(
            "credentials_differ", {s.number: s.credentials for s in self.world.members if self.told(s)}, False
        )

    def minority(self, code: str, values: dict[int, str], leader_first: bool) -> None:
        """Who differs from the leader (`leader_first`) or from the most; in a tie without a leader nobody can say."""
        counts = Counter(values.values()).most_common()
        if len(counts) < 2:
            return
        led = None if self.leader is None else values.get(self.leader.number)
        tie = counts[0][1] == counts[1][1]
        right = (
            led
            if led is not None and (leader_first or (tie and counts_of(counts, led) == counts[0][1]))
            else counts[0][0]
        )
        sure = right == led if tie else True
        for number, value in values.items():
            if not sure or value != right:
                self.add(code, self.world.servers[number], may=not sure)


def counts_of(counts: list[tuple[str, int]], value: str) -> int:
    return dict(counts)[value]


def consult(world: World) -> Truth:
    return Oracle(world).look()
