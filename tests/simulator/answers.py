# SPDX-License-Identifier: Apache-2.0
"""What the servers of a world answer whoever asks, and what their agents say. No judgement here."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.nebula.ha.plugins.module_utils.zone.model import (
    Answer,
    ExpectedServer,
    Failure,
    FailureKind,
    LogFacts,
    MachineFacts,
    RaftStatus,
    Zone,
    ZoneServer,
)

from .world import CANDIDATE, CATCHES_UP, DEAD, FOLLOWER, FOLLOWS, LEADER, SOLO, STUCK, Server, World

NAMED = 20


@dataclass(frozen=True)
class Asked:
    """The judge's arguments."""

    answers: list[Answer]
    expected: list[ExpectedServer]
    earlier: list[Answer]
    machines: dict[str, MachineFacts]


def ask(world: World) -> Asked:
    """Ask as zone_health does: the first server, those of the inventory, and those that documents name."""
    wanted = [server for server in world.servers if world.expects and server.wanted]
    numbers = {0} | {server.number for server in wanted}
    if any(answer(world, world.servers[number], True).zone is not None for number in numbers):
        numbers |= {server.number for server in world.members}
    asked = [world.servers[number] for number in sorted(numbers)]
    answers = [answer(world, server, True) for server in asked]
    earlier = [answer(world, server, False) for server in asked] if world.looks == 2 else []
    machines = {}
    for server in asked:
        if server.link == "ok" and server.agent == "fresh":
            machines[server.endpoint] = facts(server)
    return Asked(
        answers,
        [ExpectedServer(server.name, server.endpoint) for server in wanted],
        [item for item in earlier if item.raft is not None],
        machines,
    )


def answer(world: World, server: Server, later: bool) -> Answer:
    """What one server's oned says, in the first or the last look."""
    failure = _failure(world, server)
    if failure is not None:
        return Answer(server.endpoint, failure=failure)
    raft = RaftStatus(
        server_id=server.server_id,
        state=server.state if later or server.lasting else FOLLOWER,
        term=server.term if later or server.lasting else server.term - 1,
        voted_for=server.voted_for,
        commit=_commit(server),
        log_index=-1 if server.state is SOLO else index(world, server, later),
        log_term=-1 if server.state is SOLO else server.log.term,
        fedlog_index=-1,
    )
    if server.database is DEAD:
        return Answer(server.endpoint, raft, seconds=0.01)
    return Answer(server.endpoint, raft, document(world, server), _version(world, server), seconds=0.01)


def _failure(world: World, server: Server) -> Failure | None:
    if server.link == "cut" or (server.oned == "frozen" and server.link == "ok"):
        return Failure(FailureKind.TIMEOUT, "no answer within 5 s")
    if server.link == "refused":
        return Failure(FailureKind.UNREACHABLE, "No route to host")
    if server.oned == "stopped":
        return Failure(FailureKind.REFUSED, "connection refused")
    if server.oned == "other":
        return Failure(FailureKind.HTTP, "HTTP status 404 Not Found")
    if server.password != world.session:
        return Failure(FailureKind.CREDENTIALS, "User couldn't be authenticated, aborting call.", 256)
    return None


def _commit(server: Server) -> int:
    if server.state is SOLO:
        return server.log.newest if server.was_member else 0
    return server.log.newest if server.commit_known else 0


def index(world: World, server: Server, later: bool) -> int:
    """The last record; between the looks the leader takes some, and followers take them over as they can."""
    leader = world.leads()
    newest = server.log.newest
    if later or leader is None or server.term != leader.term or server.side != leader.side or server.pace == STUCK:
        return newest
    if server is leader:
        return newest - world.writes
    if server.state is FOLLOWER and server.pace == FOLLOWS:
        return newest - world.writes
    return newest - 7 if server.pace == CATCHES_UP and server.state is FOLLOWER else newest


def document(world: World, server: Server) -> Zone:
    entries = list(world.entries)
    if server.document == "empty":
        entries = []
    elif server.document == "old":
        entries.append((server.server_id, server.number))
    listed = (ZoneServer(number, world.servers[whose].name, world.servers[whose].endpoint) for number, whose in entries)
    return Zone(0, "OpenNebula", world.enabled, "http://localhost:2633/RPC2", tuple(listed))


def _version(world: World, server: Server) -> str | None:
    """Refused by a server that knows of no leader."""
    if server.state is CANDIDATE:
        return None
    if server.state is FOLLOWER and not any(
        other.alive and other.state is LEADER and other.term == server.term and other.side == server.side
        for other in world.servers
    ):
        return None
    return server.version


def facts(server: Server) -> MachineFacts:
    """What its agent says; a dead database shows no log."""
    log = server.log
    return MachineFacts(
        database=server.database,
        database_detail="" if server.database.value == "ok" else "the server said no",
        disk_free=server.disk_free,
        disk_total=server.disk_total,
        log=None
        if server.database is DEAD
        else LogFacts(log.oldest, log.newest, log.applied, tuple(log.skipped[:NAMED]), len(log.skipped)),
        credentials=server.credentials,
    )
