"""A balancer in front of three front-ends, all on the loopback."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.balancer.frontends import Zone
from tests.balancer.proxy import Proxy, certify, free_port, rendered, wait_until

ADDRESS = "127.0.0.77"
INTERVAL_MS = 100


@dataclass(frozen=True)
class Said:
    """What a client was told; status 0 is no answer at all."""

    status: int
    body: str = ""
    server: str = ""


class Balancer:
    """The way in."""

    def __init__(self, folder: Path, zone: Zone, **settings: object) -> None:
        """Render its settings."""
        self.zone = zone
        self.ports = {name: free_port(ADDRESS) for name in ("web", "redirect", "api", "api_read", "flow", "gate")}
        admin = folder / "admin.sock"
        certificate = folder / "one.pem"
        certify(certificate, ADDRESS)
        hosts = [server.name for server in zone]
        given = {
            "inventory_hostname": "lb1",
            "hostvars": {server.name: {"one_address": server.address} for server in zone},
            "balancer_user_address": ADDRESS,
            "balancer_web_port": self.ports["web"],
            "balancer_redirect_port": self.ports["redirect"],
            "balancer_stats_port": free_port(),
            **{f"balancer_{name}_port": self.ports[name] for name in ("api", "api_read", "flow", "gate")},
            "balancer_web_servers": hosts,
            "balancer_web_server_port": free_port(),
            "balancer_api_servers": hosts,
            "balancer_api_server_port": zone.ports["oned"],
            "balancer_flow_server_port": zone.ports["flow"],
            "balancer_gate_server_port": zone.ports["gate"],
            "balancer_check_port": zone.ports["agent"],
            "balancer_check_interval_ms": INTERVAL_MS,
            "balancer_api_connections": 50,
            "__balancer_certificate": str(certificate),
            "__balancer_socket": str(admin),
            **settings,
        }
        self.proxy = Proxy(folder, rendered("balancer", "haproxy.cfg.j2", given), admin)
        self.clients = ThreadPoolExecutor(60)

    def ask(self, name: str, body: str = "", timeout: float = 10.0) -> Said:
        """One call, never repeated."""
        if name == "gate":
            connection = http.client.HTTPConnection(ADDRESS, self.ports[name], timeout=timeout)
        else:
            connection = http.client.HTTPSConnection(
                ADDRESS, self.ports[name], timeout=timeout, context=self.proxy.context()
            )
        try:
            connection.request("POST", "/RPC2", body)
            answer = connection.getresponse()
            return Said(answer.status, answer.read().decode(), answer.headers["X-Served-By"] or "")
        except (OSError, http.client.HTTPException):
            return Said(0)
        finally:
            connection.close()

    def begin(self, name: str, body: str) -> Future[Said]:
        """A call that goes on meanwhile."""
        return self.clients.submit(self.ask, name, body)

    def settled(self, *names: str) -> None:
        """Its checks have seen these lead, and longer ago than a start excuses."""
        wait_until(f"{names} are up in api", lambda: self.proxy.up("api") == list(names))


@contextmanager
def balanced(folder: Path, oned_port: int = 0, **settings: object) -> Iterator[Balancer]:
    """Everything runs while the block runs."""
    ports = {name: free_port("127.0.7.1") for name in ("agent", "oned", "flow", "gate")}
    zone = Zone(ports | ({"oned": oned_port} if oned_port else {}))
    try:
        balancer = Balancer(folder, zone, **settings)
        with balancer.proxy.running():
            balancer.settled("fe1")
            yield balancer
    finally:
        zone.close()


Start = Callable[..., Balancer]


@pytest.fixture
def balancer(tmp_path: Path) -> Iterator[Balancer]:
    """fe1 leads, all answer reads."""
    with balanced(tmp_path) as running:
        yield running
