"""What Sunstone finds on its loopback address: an oned that can serve it, its own first, and the leader's OneFlow."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.balancer.frontends import Zone
from tests.balancer.proxy import Proxy, free_port, rendered, wait_until

NAMES = ["fe1", "fe2", "fe3"]


class Web:
    """A web machine and its proxy."""

    def __init__(self, folder: Path, name: str, zone: Zone) -> None:
        """Render its settings."""
        self.zone = zone
        self.ports = {"oned": free_port(), "flow": free_port(), "own": free_port()}
        self.admin = folder / "admin.sock"
        given = {
            "inventory_hostname": name,
            "hostvars": {server.name: {"one_address": server.address} for server in zone},
            "loopback_proxy_address": zone["fe1"].address,
            "loopback_proxy_web_servers": [name],
            "loopback_proxy_frontends": NAMES,
            "loopback_proxy_balancers": [],
            "loopback_proxy_caches": [],
            "loopback_proxy_oned_port": self.ports["oned"],
            "loopback_proxy_flow_port": self.ports["flow"],
            "loopback_proxy_rpc_port": zone.ports["oned"],
            "loopback_proxy_flow_server_port": zone.ports["flow"],
            "loopback_proxy_health_port": zone.ports["agent"],
            "loopback_proxy_memcached_port": free_port(),
            "__loopback_proxy_web": True,
            "__loopback_proxy_own_oned": False,
            "__loopback_proxy_nearest": [one for one in NAMES if one == name] + [one for one in NAMES if one != name],
        }
        text = rendered("loopback_proxy", "loopback.cfg.j2", given)
        self.proxy = Proxy(folder, text.replace("/run/nebula-loopback/admin.sock", str(self.admin)), self.admin)

    def ask(self, name: str, body: str = "x") -> tuple[int, str]:
        """One call: the status, 0 for none, and who answered."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[name], timeout=10)
        try:
            connection.request("POST", "/RPC2", body)
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.headers["X-By"] or ""
        except http.client.HTTPException:
            return 0, ""
        finally:
            connection.close()


@contextmanager
def serving(folder: Path, name: str) -> Iterator[Web]:
    """A web machine that is one of the front-ends, or none."""
    zone = Zone({part: free_port("127.0.7.1") for part in ("agent", "oned", "flow", "gate")})
    try:
        web = Web(folder, name, zone)
        with web.proxy.running():
            wait_until("the leader is known", lambda: web.proxy.up("flow") == ["fe1"])
            yield web
    finally:
        zone.close()


def test_its_own_oned_serves_it_and_another_when_that_one_cannot(tmp_path: Path) -> None:
    with serving(tmp_path, "fe2") as web:
        assert {web.ask("oned") for _ in range(6)} == {(200, "fe2")}
        web.zone["fe2"].agent.serves = False
        wait_until("another serves", lambda: web.ask("oned") == (200, "fe1"), 5)
        web.zone["fe2"].agent.serves = True
        wait_until("its own serves again", lambda: web.ask("oned") == (200, "fe2"), 5)


def test_a_machine_of_the_web_tier_alone_has_the_first(tmp_path: Path) -> None:
    with serving(tmp_path, "web1") as web:
        assert web.ask("oned") == (200, "fe1")
        web.zone["fe1"].agent.close()
        wait_until("another serves", lambda: web.ask("oned") == (200, "fe2"), 5)


def test_oneflow_is_the_leaders(tmp_path: Path) -> None:
    with serving(tmp_path, "fe2") as web:
        assert {web.ask("flow") for _ in range(4)} == {(200, "fe1")}
        web.zone.lead("fe3")
        wait_until("the new leader's answers", lambda: web.ask("flow") == (200, "fe3"), 6)
        web.zone.lead()
        wait_until("nobody's answers", lambda: web.ask("flow")[0] == 503, 6)


@pytest.mark.parametrize("manner", ["close", "reset"])
def test_a_call_is_not_sent_twice(tmp_path: Path, manner: str) -> None:
    with serving(tmp_path, "fe2") as web:
        for server in web.zone:
            server.oned.manner = "close" if manner == "close" else "reset"
        assert web.ask("oned", "once")[0] == 502
        assert web.zone.received() == [("fe2", "once")]


def test_before_the_agents_are_there_nothing_answers_and_then_all(tmp_path: Path) -> None:
    """The first deployment: the proxy runs long before what is behind it."""
    zone = Zone({part: free_port("127.0.7.1") for part in ("agent", "oned", "flow", "gate")})
    ports = zone.ports
    zone.close()
    web = Web(tmp_path, "fe1", zone)
    with web.proxy.running():
        wait_until("nobody is up", lambda: web.proxy.up("oned") == web.proxy.up("flow") == [], 5)
        assert web.ask("oned")[0] == web.ask("flow")[0] == 503
        there = Zone(ports)
        try:
            wait_until("all are up", lambda: web.proxy.up("oned") == NAMES and web.proxy.up("flow") == ["fe1"], 5)
            assert web.ask("oned") == web.ask("flow") == (200, "fe1")
        finally:
            there.close()
