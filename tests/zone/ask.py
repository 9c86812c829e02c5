"""Questions to a zone over XML-RPC, and waiting for an answer to be right."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tests.client.rpc import call
from tests.zone.raft import Server, parse, problems

T = TypeVar("T")
TIMEOUT = 2.0


def ask(endpoint: str, session: str, method: str, *arguments: object) -> object:
    """Give the payload of a call that must succeed."""
    answer = call(endpoint, method, (session, *arguments), TIMEOUT)
    assert answer.outcome == "acknowledged", f"{method} at {endpoint}: {answer.reason}"
    return answer.payload


def server(endpoint: str, session: str) -> Server | None:
    """Ask one server about itself; None if it does not answer."""
    raft = call(endpoint, "one.zone.raftstatus", (session,), TIMEOUT)
    zone = call(endpoint, "one.zone.info", (session, 0, False), TIMEOUT)
    if isinstance(raft.payload, str) and isinstance(zone.payload, str):
        return parse(raft.payload, zone.payload)
    return None


def raft_states(endpoints: Mapping[str, str], session: str) -> dict[str, Server | None]:
    """Ask all at once for what they say of themselves, and for no more: the question of a watch."""

    def state(endpoint: str) -> Server | None:
        raft = call(endpoint, "one.zone.raftstatus", (session,), TIMEOUT)
        return parse(raft.payload, "<ZONE/>") if isinstance(raft.payload, str) else None

    with ThreadPoolExecutor(len(endpoints)) as pool:
        return dict(zip(endpoints, pool.map(state, endpoints.values()), strict=True))


def servers(endpoints: Sequence[str], session: str) -> dict[str, Server | None]:
    """Ask all at once, so that one that hangs does not age the answers of the others."""
    with ThreadPoolExecutor(len(endpoints)) as pool:
        return dict(zip(endpoints, pool.map(lambda endpoint: server(endpoint, session), endpoints), strict=True))


def wait_for(question: Callable[[], T], good: Callable[[T], bool], seconds: float) -> T:
    """Ask until the answer is good or the time is up; give the last answer, for the caller to judge."""
    end = time.monotonic() + seconds
    while not good(answer := question()) and time.monotonic() < end:
        time.sleep(0.5)
    return answer


def wait_until_whole(endpoints: Sequence[str], session: str, seconds: float) -> list[str]:
    """Give what is still wrong with the zone after at most this long."""
    return wait_for(lambda: problems(servers(endpoints, session)), lambda found: not found, seconds)


def states(pool: str) -> dict[str, str]:
    """Read the state of every element of a pool's document, by name."""
    return {one.findtext("NAME", ""): one.findtext("STATE", "") for one in ET.fromstring(pool)}


def measured(endpoint: str, session: str) -> dict[str, int]:
    """Give the time of the last measurement of every node that this server has, by the node's name; 0: none."""
    pool = ET.fromstring(str(ask(endpoint, session, "one.hostpool.info")))
    found = {}
    for host in pool.iterfind("HOST"):
        told = str(ask(endpoint, session, "one.host.monitoring", int(host.findtext("ID", ""))))
        stamps = [int(stamp.text or 0) for stamp in ET.fromstring(told).iter("TIMESTAMP")]
        found[host.findtext("NAME", "")] = max(stamps, default=0)
    return found
