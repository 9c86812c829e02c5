# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machines of a cloud and what they answered, as immutable types. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

# The groups of an inventory that are ours, from the user down, and what a machine in them is called.
PARTS: dict[str, str] = {
    "balancers": "balancer",
    "sunstones": "web",
    "caches": "cache",
    "frontends": "front-end",
    "nodes": "node",
}


@dataclass(frozen=True)
class Look:
    """What one question gave, or why it gave nothing."""

    values: Mapping[str, Any] = field(default_factory=dict)
    failure: str | None = None


@dataclass(frozen=True)
class Machine:
    """A machine of the inventory. `failure` says why it gave no answers; one that was left out was never asked."""

    name: str
    address: str
    parts: tuple[str, ...]
    asked: bool = True
    reached: bool = True
    failure: str | None = None
    looks: Mapping[str, Look] = field(default_factory=dict)

    @property
    def answered(self) -> bool:
        """Whether it answered at all."""
        return self.asked and self.failure is None

    def look(self, name: str) -> Look | None:
        """What it answered to a question; nothing if it was not asked that."""
        return self.looks.get(name)

    def value(self, look: str, name: str, default: Any = None) -> Any:
        """One value of an answer."""
        found = self.looks.get(look)
        return default if found is None or found.failure is not None else found.values.get(name, default)


@dataclass(frozen=True)
class Cloud:
    """What the inventory says that is more than one machine's affair."""

    name: str = "OpenNebula"
    floating_address: str = ""
    service_name: str = ""
    web_port: int = 443
    api_port: int = 2633
    api_read_port: int = 2643
    flow_port: int = 2474
    gate_port: int = 5030
    rpc_port: int = 2633
    sunstone_port: int = 9869
    memcached_port: int = 11211
    share: str = ""


def cloud_from(given: Mapping[str, Any]) -> Cloud:
    """The cloud from plain values; ports may be text."""
    return Cloud(
        name=str(given.get("name") or "OpenNebula"),
        floating_address=str(given.get("floating_address") or ""),
        service_name=str(given.get("service_name") or ""),
        web_port=int(given.get("web_port", 443)),
        api_port=int(given.get("api_port", 2633)),
        api_read_port=int(given.get("api_read_port", 2643)),
        flow_port=int(given.get("flow_port", 2474)),
        gate_port=int(given.get("gate_port", 5030)),
        rpc_port=int(given.get("rpc_port", 2633)),
        sunstone_port=int(given.get("sunstone_port", 9869)),
        memcached_port=int(given.get("memcached_port", 11211)),
        share=str(given.get("share") or ""),
    )


def machine_from(name: str, address: str, groups: Iterable[str], result: Mapping[str, Any] | None) -> Machine:
    """A machine with what Ansible registered for it: answers, a failure, or nothing because it was left out."""
    parts = tuple(part for part in PARTS if part in set(groups))
    if result is None:
        return Machine(name, address, parts, asked=False)
    looks = result.get("looks")
    if result.get("unreachable") or not isinstance(looks, Mapping):
        # Ansible says at length that ssh failed, and at the end why.
        why = " ".join(str(result.get("msg") or "it gave no reason").split()).rpartition("ssh: ")[2].rstrip(".")
        return Machine(name, address, parts, reached=not result.get("unreachable"), failure=why)
    return Machine(
        name,
        address,
        parts,
        looks={
            str(key): Look({k: v for k, v in value.items() if k != "failure"}, value.get("failure"))
            for key, value in looks.items()
        },
    )
