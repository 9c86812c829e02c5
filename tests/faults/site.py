"""The cloud that a scenario inflicts faults on, and what is asked of it before, during and after."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Mapping
from typing import Any

from testinfra.host import Host as Machine

from lab.hosts.arp import holders
from lab.hosts.plan import Lab
from tests.client import rpc
from tests.zone import ask
from tests.zone.raft import Server


@dataclasses.dataclass
class Site:
    """What a trial acts on."""

    lab: Lab
    cloud: Any
    machines: Mapping[str, Machine]
    endpoints: Mapping[str, str]
    session: str

    def servers(self, but: str = "") -> dict[str, Server | None]:
        """Give every server's own words, by name; the one that cannot be asked is left out."""
        asked = {name: endpoint for name, endpoint in self.endpoints.items() if name != but}
        answers = ask.servers(list(asked.values()), self.session)
        return {name: answers[endpoint] for name, endpoint in asked.items()}

    def wrong(self, seconds: float) -> list[str]:
        """Give what is wrong with the zone after waiting for it to be whole."""
        return ask.wait_until_whole(list(self.endpoints.values()), self.session, seconds)

    def active(self) -> str:
        """Name the balancer that answers."""
        return rpc.request("GET", self.cloud.web, 3, ca=self.cloud.ca).headers[rpc.BALANCED_BY]

    def holders(self, seconds: float = 2.0) -> list[str]:
        """Name every machine that says the floating address is its own."""
        return sorted(holders(self.lab, ipaddress.IPv4Address(self.cloud.address), seconds).values())


def term(servers: Mapping[str, Server | None]) -> int:
    """Give the highest term that anybody knows."""
    return max(server.term for server in servers.values() if server)
