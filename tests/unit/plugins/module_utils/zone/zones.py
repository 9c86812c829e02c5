# SPDX-License-Identifier: Apache-2.0
"""Zones for the tests: answers put together from a few words."""

from __future__ import annotations

from ansible_collections.nebula.ha.plugins.module_utils.zone.model import (
    Answer,
    ExpectedServer,
    Failure,
    FailureKind,
    RaftStatus,
    ServerState,
    Zone,
    ZoneServer,
)


def endpoint(number: int) -> str:
    return f"http://10.0.0.{number + 1}:2633/RPC2"


def zone(count: int, enabled: bool = True, ids: tuple[int, ...] | None = None) -> Zone:
    ids = ids if ids is not None else tuple(range(count))
    servers = tuple(ZoneServer(i, f"fe{i + 1}", endpoint(i)) for i in ids)
    return Zone(0, "OpenNebula", enabled, "http://localhost:2633/RPC2", servers)


def expected(count: int) -> list[ExpectedServer]:
    return [ExpectedServer(f"fe{i + 1}", endpoint(i)) for i in range(count)]


def raft(server_id: int, state: ServerState, term: int = 5, index: int = 100) -> RaftStatus:
    return RaftStatus(server_id, state, term, -1, max(index, 0), index, term, -1)


def up(
    number: int,
    state: ServerState,
    of: Zone,
    term: int = 5,
    index: int = 100,
    server_id: int | None = None,
    version: str | None = "6.10.5",
) -> Answer:
    return Answer(
        endpoint(number),
        raft(number if server_id is None else server_id, state, term, index),
        of,
        version,
        None,
        0.01,
    )


def down(number: int, kind: FailureKind = FailureKind.REFUSED) -> Answer:
    return Answer(endpoint(number), failure=Failure(kind, "connection refused"))
