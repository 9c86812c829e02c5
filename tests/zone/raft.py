"""What the servers of a zone say of themselves, and what is wrong with it: pure."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ET
from collections.abc import Mapping

LEADER, FOLLOWER, CANDIDATE = 3, 2, 1


@dataclasses.dataclass(frozen=True)
class Server:
    """One server's own words: its Raft status, and the ids that its zone document gives to the endpoints."""

    server_id: int
    state: int
    term: int
    index: int
    commit: int
    ids: Mapping[str, int]


def parse(raft: str, zone: str) -> Server:
    """Read the answers of one.zone.raftstatus and one.zone.info."""
    status = ET.fromstring(raft)

    def number(tag: str) -> int:
        return int(status.findtext(tag, "").strip())

    return Server(
        server_id=number("SERVER_ID"),
        state=number("STATE"),
        term=number("TERM"),
        index=number("LOG_INDEX"),
        commit=number("COMMIT"),
        ids={
            server.findtext("ENDPOINT", ""): int(server.findtext("ID", ""))
            for server in ET.fromstring(zone).iterfind("SERVER_POOL/SERVER")
        },
    )


def leader(servers: Mapping[str, Server | None]) -> str | None:
    """Give the endpoint that leads: state leader in the highest term that anybody knows, with a majority answering."""
    alive = {endpoint: server for endpoint, server in servers.items() if server}
    if 2 * len(alive) <= len(servers):
        return None
    highest = max(server.term for server in alive.values())
    leading = [endpoint for endpoint, server in alive.items() if server.state == LEADER and server.term == highest]
    return leading[0] if len(leading) == 1 else None


def problems(servers: Mapping[str, Server | None]) -> list[str]:
    """List what keeps a zone of these endpoints from being whole; an empty list is a healthy zone."""
    alive = {endpoint: server for endpoint, server in servers.items() if server}
    found = [f"{endpoint} does not answer" for endpoint, server in servers.items() if not server]
    if not leader(servers):
        found.append(f"no single leader: states { ({endpoint: server.state for endpoint, server in alive.items()}) }")
    found += [
        f"{endpoint} is in state {server.state}, not leader or follower"
        for endpoint, server in alive.items()
        if server.state not in (LEADER, FOLLOWER)
    ]
    for what in ("term", "index", "commit"):
        values = {endpoint: getattr(server, what) for endpoint, server in alive.items()}
        if len(set(values.values())) > 1:
            found.append(f"the servers differ in {what}: {values}")
    for endpoint, server in alive.items():
        if set(server.ids) != set(servers):
            found.append(f"{endpoint} knows the endpoints {sorted(server.ids)}, not {sorted(servers)}")
        elif server.ids[endpoint] != server.server_id:
            found.append(f"{endpoint} runs as server {server.server_id}, the zone says {server.ids[endpoint]}")
        if len(set(server.ids.values())) < len(server.ids):
            found.append(f"{endpoint} knows two servers of one id: {dict(server.ids)}")
    return found
