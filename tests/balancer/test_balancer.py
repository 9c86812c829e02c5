"""Calls go to whom the agents name, once, and whoever breaks one off ends nobody."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.balancer.conftest import ADDRESS, INTERVAL_MS, Balancer, Said, balanced
from tests.balancer.frontends import Manner, Zone
from tests.balancer.proxy import free_port, wait_until
from tests.client.abort import abort

LEADERS = ("api", "flow", "gate")
PARTS = {"api": "oned", "api_read": "oned", "flow": "flow", "gate": "gate"}
# Two failed checks; the rest is a machine with other work to do
SWITCHED = 3 * INTERVAL_MS / 1000 + 1.0


def numbered(name: str, calls: int) -> list[str]:
    return [f"{name} {number}" for number in range(calls)]


@pytest.mark.parametrize("name", LEADERS)
def test_calls_go_to_the_leader_alone(balancer: Balancer, name: str) -> None:
    said = [balancer.ask(name, body) for body in numbered(name, 12)]
    assert {(one.status, one.server) for one in said} == {(200, "fe1")}
    assert balancer.zone.received(PARTS[name]) == [("fe1", body) for body in numbered(name, 12)]


def test_reads_are_shared_by_all_that_can_serve_them(balancer: Balancer) -> None:
    said = [balancer.ask("api_read", body) for body in numbered("read", 30)]
    assert Counter(one.server for one in said) == {"fe1": 10, "fe2": 10, "fe3": 10}
    balancer.zone["fe2"].agent.serves = False
    wait_until("fe2 is out of the reads", lambda: balancer.proxy.up("api_read") == ["fe1", "fe3"], SWITCHED)
    said = [balancer.ask("api_read", body) for body in numbered("again", 20)]
    assert Counter(one.server for one in said) == {"fe1": 10, "fe3": 10}
    # It may still lead: the other question is another
    assert balancer.proxy.up("api") == ["fe1"]


@pytest.mark.parametrize("name", LEADERS)
def test_the_next_call_goes_to_the_new_leader_and_an_open_one_is_cut(balancer: Balancer, name: str) -> None:
    part = PARTS[name]
    for server in balancer.zone:
        getattr(server, part).manner = "hang"
    hanging = balancer.begin(name, "hangs")
    wait_until("the call hangs", lambda: balancer.zone.received(part) == [("fe1", "hangs")])
    for server in balancer.zone:
        getattr(server, part).manner = "answer"
    balancer.zone.lead("fe3")
    cut = wait_until("the call is cut", hanging.done, SWITCHED)
    assert hanging.result().status in (0, 502)
    took = wait_until("another answers", lambda: balancer.ask(name, "next").server == "fe3", SWITCHED)
    assert cut + took < SWITCHED
    # The call that was cut is nobody else's
    assert balancer.zone.received(part).count(("fe1", "hangs")) == 1
    assert [who for who, body in balancer.zone.received(part) if body == "hangs"] == ["fe1"]


def test_an_agent_that_is_gone_says_no(balancer: Balancer) -> None:
    balancer.zone["fe1"].agent.close()
    wait_until("fe1 is out", lambda: balancer.proxy.up("api") == [], SWITCHED)
    wait_until("others are read", lambda: balancer.proxy.up("api_read") == ["fe2", "fe3"], SWITCHED)


def test_an_agent_that_is_silent_says_no_within_two_seconds(balancer: Balancer) -> None:
    """A frozen machine: its kernel takes connections, and nobody says a word."""
    balancer.zone["fe1"].agent.silent = True
    wait_until("fe1 is out", lambda: balancer.proxy.up("api") == [], 2 * (0.5 + INTERVAL_MS / 1000) + 0.8)


@pytest.mark.parametrize("manner", ["close", "reset"])
@pytest.mark.parametrize("name", PARTS)
def test_a_call_that_may_have_been_carried_out_is_not_sent_again(balancer: Balancer, name: str, manner: Manner) -> None:
    """It was read, and the connection ended without an answer; two others would take it."""
    for server in balancer.zone:
        getattr(server, PARTS[name]).manner = manner
    assert balancer.ask(name, "once").status == 502
    time.sleep(0.3)
    assert [body for _, body in balancer.zone.received(PARTS[name])] == ["once"]


def test_a_call_that_was_refused_is_sent_to_another_once(balancer: Balancer) -> None:
    """Nothing was sent before, so nothing is sent twice."""
    balancer.zone["fe2"].oned.close()
    said = [balancer.ask("api_read", body) for body in numbered("read", 9)]
    assert {one.status for one in said} == {200}
    assert {one.server for one in said} == {"fe1", "fe3"}
    assert sorted(body for _, body in balancer.zone.received()) == numbered("read", 9)


def test_a_leader_that_refuses_is_not_replaced_by_a_follower(balancer: Balancer) -> None:
    """One more try at the leader, and a word that says that nobody has the call."""
    balancer.zone["fe1"].oned.close()
    said = balancer.ask("api", "refused")
    assert (said.status, "reached nobody" in said.body) == (503, True)
    assert balancer.zone.received() == []


@pytest.mark.parametrize("name", LEADERS)
def test_with_nobody_leading_a_client_hears_so_at_once(balancer: Balancer, name: str) -> None:
    balancer.zone.lead()
    balancer.settled()
    start = time.monotonic()
    said = balancer.ask(name, "x")
    assert time.monotonic() - start < 1
    assert (said.status, said.body.partition(",")[0]) == (503, "No front-end leads the zone")
    assert balancer.ask("api_read", "x").status == 200


@pytest.mark.parametrize("name", LEADERS)
def test_of_two_that_say_they_lead_neither_gets_a_call(balancer: Balancer, name: str) -> None:
    """A stale one would take a write that nobody else ever sees."""
    balancer.zone.lead("fe1", "fe2")
    balancer.settled("fe1", "fe2")
    wait_until("calls are refused", lambda: balancer.ask(name, "early").status == 503, 5)
    said = [balancer.ask(name, body) for body in numbered("late", 6)]
    assert {one.status for one in said} == {503}
    assert [body for _, body in balancer.zone.received(PARTS[name]) if body != "early"] == []
    balancer.zone.lead("fe2")
    balancer.settled("fe2")
    assert balancer.ask(name, "after").server == "fe2"


def test_a_start_loses_no_call(tmp_path: Path) -> None:
    """Before the first check every server counts as up; a call goes on where it is when that one follows."""
    zone = Zone({name: free_port("127.0.7.1") for name in ("agent", "oned", "flow", "gate")})
    for server in zone:
        server.oned.pause = 2.0
    try:
        balancer = Balancer(tmp_path, zone, balancer_check_interval_ms=1500)
        with balancer.proxy.running():
            early = [balancer.begin("api", body) for body in numbered("early", 9)]
            wait_until("they are under way", lambda: len(zone.received()) == 9, 2)
            assert {who for who, _ in zone.received()} == {"fe1", "fe2", "fe3"}
            balancer.settled("fe1")
            assert not any(future.done() for future in early)
            assert [future.result().status for future in early] == [200] * 9
    finally:
        zone.close()


def test_a_reload_loses_no_call(balancer: Balancer) -> None:
    """As systemd does it: the new process takes the sockets over, the old one ends with its last call."""
    for server in balancer.zone:
        server.oned.pause = 0.01
    over = threading.Event()

    def call() -> list[int]:
        return [balancer.ask("api", "x").status for _ in iter(over.is_set, True)]

    callers = [balancer.clients.submit(call) for _ in range(4)]
    try:
        for _ in range(2):
            balancer.proxy.reload()
            balancer.settled("fe1")
            # Its rule about two leaders begins, and nothing changes for those that call
            wait_until("it is older than two seconds", lambda: balancer.proxy.age() > 2)
    finally:
        over.set()
    statuses = [status for future in callers for status in future.result()]
    assert Counter(statuses) == {200: len(statuses)}
    assert len(statuses) > 20


def test_what_oned_has_no_room_for_waits_shortly(tmp_path: Path) -> None:
    with balanced(tmp_path, balancer_api_connections=2) as balancer:
        balancer.zone["fe1"].oned.manner = "hang"
        held = [balancer.begin("api", body) for body in numbered("held", 2)]
        wait_until("both are held", lambda: len(balancer.zone.received()) == 2)
        start = time.monotonic()
        assert balancer.ask("api", "too many").status == 503
        assert time.monotonic() - start < 1
        balancer.zone["fe1"].oned.go_on.set()
        assert [future.result().status for future in held] == [502, 502]
        assert len(balancer.zone.received()) == 2


def test_half_a_call_reaches_nobody(balancer: Balancer) -> None:
    counts = abort(f"https://{ADDRESS}:{balancer.ports['api']}/RPC2", ca(balancer), 60, 20, ["half", "headers"])
    assert counts == {"half": 30, "headers": 30}
    assert balancer.ask("api", "whole").status == 200
    assert balancer.zone.received() == [("fe1", "whole")]
    assert balancer.zone["fe1"].oned.halves == 0


def ca(balancer: Balancer) -> str:
    return str(balancer.proxy.certificate)


@pytest.mark.parametrize("name", ["api", "api_read"])
def test_masses_of_clients_that_give_up_end_no_oned(tmp_path: Path, name: str) -> None:
    """Each oned ends by a connection that is reset before it was taken, and meets none."""
    # A machine with much else to do may not be taken for an agent that is silent
    with balanced(tmp_path, balancer_check_interval_ms=1000) as balancer:
        for server in balancer.zone:
            server.oned.pause = 0.02
        counts = abort(f"https://{ADDRESS}:{balancer.ports[name]}/RPC2", ca(balancer), 900, 40)
        assert counts["whole"] >= 100 and counts["late"] >= 100
        assert [server.name for server in balancer.zone if server.oned.ended] == []
        assert balancer.zone.received() != []
        assert balancer.ask(name, "alive").status == 200


def test_this_oned_does_end_of_a_client_that_reaches_it() -> None:
    """What the test above would see: a bounded number of pairs of connect and reset."""
    zone = Zone({name: free_port("127.0.0.1") for name in ("agent", "oned", "flow", "gate")}, base="127.0.0.")
    try:
        told = abort(f"http://{zone['fe1'].address}:{zone.ports['oned']}/RPC2", "", 400, 20, ["connect"])
        assert zone["fe1"].oned.ended, told
    finally:
        zone.close()


def test_a_drained_machine_is_out_of_every_way(balancer: Balancer) -> None:
    """What tasks/drain.yml says to HAProxy for api covers the ways that follow it."""
    balancer.proxy.say("set server api/fe1 state maint")
    balancer.proxy.say("set server api_read/fe1 state maint")
    states = {(item["backend"], item["state"]) for item in balancer.proxy.servers() if item["server"] == "fe1"}
    assert states >= {(name, "maint") for name in PARTS}
    assert balancer.ask("flow", "x").status == balancer.ask("gate", "x").status == 503
    balancer.proxy.say("set server api/fe1 state ready")
    balancer.settled("fe1")
    assert balancer.ask("flow", "x") == Said(200, balancer.ask("flow", "x").body, "fe1")
