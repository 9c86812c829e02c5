# SPDX-License-Identifier: Apache-2.0
"""A whole healthy cloud for the tests, in the words in which its machines answer, and ways to break it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.nebula.ha.plugins.module_utils.cloud.judge import LEADERS, Verdict, judge
from ansible_collections.nebula.ha.plugins.module_utils.cloud.model import Cloud, Machine, machine_from
from ansible_collections.nebula.ha.plugins.module_utils.zone import judge as zone_judge
from ansible_collections.nebula.ha.plugins.module_utils.zone.model import ServerState

from ..zone.zones import expected, up, zone

NOW = 1_800_000_000.0
DAY = 86400
FLOATING = "10.0.0.100"
GROUPS = {
    **{f"fe{n}": ("frontends", "sunstones") for n in (1, 2, 3)},
    **{f"lb{n}": ("balancers",) for n in (1, 2)},
    **{f"cache{n}": ("caches",) for n in (1, 2)},
    **{f"node{n}": ("nodes",) for n in (1, 2)},
}
ADDRESS = {name: f"10.0.0.{number}" for number, name in enumerate(GROUPS, 1)}

SERVICES = {
    "OneFlow": "opennebula-flow",
    "OneGate": "opennebula-gate",
    "the hook manager": "opennebula-hem",
    "the showback timer": "opennebula-showback.timer",
}


def good() -> dict[str, Any]:
    return {"failure": None}


def server(backend: str, name: str, state: str = "up", check: str = "L7OK") -> dict[str, str]:
    return {"backend": backend, "server": name, "state": state, "check": check}


def host(name: str, number: int, state: str = "MONITORED", error: str = "") -> dict[str, Any]:
    return {"id": number, "name": name, "state": state, "error": error, "vms": [1] if number == 0 else []}


def follows(service: str, there: bool) -> dict[str, Any]:
    return {"unit": SERVICES[service], "runs": there, "serves": there}


class Scene:
    """Every machine's answers, to be changed before they are judged."""

    def __init__(self, groups: dict[str, tuple[str, ...]] | None = None, floating: str = FLOATING) -> None:
        self.cloud = Cloud(floating_address=floating, share="10.0.0.51:/one")
        self.groups = dict(groups or GROUPS)
        self.address = {name: ADDRESS.get(name, f"10.0.1.{n}") for n, name in enumerate(self.groups, 1)}
        self.results: dict[str, dict[str, Any] | None] = {name: {"looks": {}} for name in self.groups}
        of = zone(len(self.of("frontends")))
        self.answers = [up(0, ServerState.LEADER, of), *(up(n, ServerState.FOLLOWER, of) for n in (1, 2))]
        self.zone_known = True
        for name, parts in self.groups.items():
            own = {**good(), "addresses": ["127.0.0.1", self.address[name]]}
            self.looks(name)["addresses"] = own
            for part in parts:
                self.looks(name).update(getattr(self, f"_{part}")(name))
            if floating and name == next(iter(self.of("balancers")), None):
                own["addresses"].append(floating)

    def of(self, part: str) -> list[str]:
        return [name for name, parts in self.groups.items() if part in parts]

    def looks(self, name: str) -> dict[str, Any]:
        result = self.results[name]
        assert result is not None
        looks: dict[str, Any] = result["looks"]
        return looks

    def _balancers(self, name: str) -> dict[str, Any]:
        ends = {"web": "sunstones", **dict.fromkeys(("api", "api_read", "flow", "gate"), "frontends")}
        servers = [server(end, one) for end, part in ends.items() for one in self.of(part)]
        self.lead(servers, "fe1")
        names = ["cloud.example.org", self.cloud.floating_address or self.address[name]]
        return {
            "haproxy": {**good(), "servers": servers},
            "certificate": {**good(), "not_after": NOW + 800 * DAY, "names": names},
            "units": {**good(), "units": {"keepalived": "active"}},
        }

    @staticmethod
    def lead(servers: list[dict[str, str]], *names: str, ways: tuple[str, ...] = LEADERS) -> None:
        """What HAProxy says of servers of which these say that they lead: nothing is checked but in api."""
        for item in servers:
            if item["backend"] in ways:
                up = item["server"] in names
                check = "" if item["backend"] != "api" else "L7OK" if up else "Layer7 wrong status"
                item.update(state="up" if up else "down", check=check)

    def _sunstones(self, name: str) -> dict[str, Any]:
        return {"web": good(), "web_cache": good(), "web_zone": good()}

    def _caches(self, name: str) -> dict[str, Any]:
        return {"cache": {**good(), "version": "1.6.18"}}

    def _frontends(self, name: str) -> dict[str, Any]:
        hosts = [host(node, number) for number, node in enumerate(self.of("nodes"))]
        return {
            "package": {**good(), "version": "6.10.5-1"},
            "hosts": {**good(), "hosts": hosts},
            "services": {**good(), "services": {service: follows(service, name == "fe1") for service in SERVICES}},
            "login": {**good(), "step": "done"},
            "share": self.share(),
        }

    def _nodes(self, name: str) -> dict[str, Any]:
        return {"libvirt": {**good(), "running": 0}, "share": self.share()}

    @staticmethod
    def share() -> dict[str, Any]:
        return {
            **good(),
            "path": "/var/lib/one/datastores",
            "mounted": True,
            "source": "10.0.0.51:/one",
            "sentinel": "ours",
            "wanted": "ours",
            "sentinel_name": ".nebula-share",
            "size": 100 << 30,
            "free": 70 << 30,
            "writable": True,
            "reason": None,
        }

    def fail(self, name: str, look: str, why: str = "connection refused", **values: Any) -> None:
        self.looks(name)[look] = {"failure": why, **values}

    def unreachable(self, *names: str) -> None:
        for name in names:
            why = "Failed to connect: ssh: connect to host x port 22: No route to host."
            self.results[name] = {"unreachable": True, "msg": why}

    def only(self, names: Iterable[str]) -> None:
        self.results = {name: result if name in names else None for name, result in self.results.items()}

    def machines(self) -> list[Machine]:
        return [
            machine_from(name, self.address[name], parts, self.results[name]) for name, parts in self.groups.items()
        ]

    def zone(self) -> dict[str, Any] | None:
        return zone_judge.judge(self.answers, expected(3)).as_dict() if self.zone_known else None

    def verdict(self) -> Verdict:
        return judge(self.cloud, self.machines(), self.zone(), NOW)
