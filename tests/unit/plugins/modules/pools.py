# SPDX-License-Identifier: Apache-2.0
"""An oned for the tests of the modules `host` and `datastore`: pools in memory that answer as the recordings do."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from .oned import Answering

INIT, MONITORED, ERROR, DISABLED, OFFLINE = 0, 2, 3, 4, 8
MESSAGE = "Sat Nov 21 16:05:45 2026 : Error monitoring Host kvm1 (0): "


@dataclass
class Node:
    """A host: `probes` are the states that looking at it shows, one after the other, the last one for good."""

    id: int
    name: str
    im_mad: str = "kvm"
    vm_mad: str = "kvm"
    cluster: str = "default"
    vms: list[int] = field(default_factory=list)
    probes: list[int] = field(default_factory=lambda: [MONITORED])

    def document(self) -> str:
        state = self.probes.pop(0) if len(self.probes) > 1 else self.probes[0]
        error = f"<ERROR><![CDATA[{MESSAGE}]]></ERROR>" if state == ERROR else ""
        return (
            f"<HOST><ID>{self.id}</ID><NAME>{escape(self.name)}</NAME><STATE>{state}</STATE>"
            f"<IM_MAD><![CDATA[{self.im_mad}]]></IM_MAD><VM_MAD><![CDATA[{self.vm_mad}]]></VM_MAD>"
            f"<CLUSTER>{self.cluster}</CLUSTER><VMS>{''.join(f'<ID>{vm}</ID>' for vm in self.vms)}</VMS>"
            f"<TEMPLATE>{error}</TEMPLATE></HOST>"
        )


@dataclass
class Pools(Answering):
    """One oned."""

    nodes: list[Node] = field(default_factory=list)
    datastores: dict[int, dict[str, str]] = field(default_factory=dict)
    clusters: dict[str, int] = field(default_factory=lambda: {"default": 0, "other": 100})
    # The states of a host that is added, or enabled after it was offline.
    probes: list[int] = field(default_factory=lambda: [INIT, MONITORED])
    # Attributes that an update is accepted for and does not change.
    deaf: tuple[str, ...] = ()

    @property
    def writes(self) -> list[str]:
        """The calls that are no question."""
        return [call for call in self.calls if not call.endswith("pool.info")]

    def _node(self, number: int) -> Node:
        return next(node for node in self.nodes if node.id == number)

    def _hostpool_info(self) -> str:
        return f"<HOST_POOL>{''.join(node.document() for node in self.nodes)}</HOST_POOL>"

    def _host_allocate(self, name: str, im_mad: str, vm_mad: str, cluster: int) -> int:
        assert cluster == -1
        self.nodes.append(Node(7, name, im_mad, vm_mad, probes=list(self.probes)))
        return 7

    def _host_update(self, number: int, template: str, merge: int) -> int:
        assert merge == 1
        for key, value in attributes(template).items():
            setattr(self._node(number), key.lower(), value)
        return number

    def _host_status(self, number: int, status: int) -> int:
        node = self._node(number)
        after_offline = list(self.probes) if node.probes == [OFFLINE] else [INIT]
        node.probes = {0: after_offline, 1: [DISABLED], 2: [OFFLINE]}[status]
        return number

    def _host_delete(self, number: int) -> int:
        self.nodes = [node for node in self.nodes if node.id != number]
        return number

    def _clusterpool_info(self) -> str:
        entries = "".join(f"<CLUSTER><ID>{i}</ID><NAME>{n}</NAME></CLUSTER>" for n, i in self.clusters.items())
        return f"<CLUSTER_POOL>{entries}</CLUSTER_POOL>"

    def _cluster_addhost(self, cluster: int, number: int) -> int:
        self._node(number).cluster = next(name for name, key in self.clusters.items() if key == cluster)
        return cluster

    def _datastorepool_info(self) -> str:
        entries = "".join(
            f"<DATASTORE><ID>{number}</ID><NAME>ds{number}</NAME><TEMPLATE>"
            + "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in template.items())
            + "</TEMPLATE></DATASTORE>"
            for number, template in self.datastores.items()
        )
        return f"<DATASTORE_POOL>{entries}</DATASTORE_POOL>"

    def _datastore_update(self, number: int, template: str, merge: int) -> int:
        assert merge == 1
        heard = {name: value for name, value in attributes(template).items() if name not in self.deaf}
        self.datastores[number].update(heard)
        return number


def attributes(template: str) -> dict[str, str]:
    """A template of plain attributes, read back."""
    return dict(re.findall(r'^(\w+) = "([^"]*)"$', template, re.MULTILINE))
