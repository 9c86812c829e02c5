"""The share that front-ends and nodes mount: a GlusterFS volume, a copy on each of the lab's share servers.

A site has its storage before the collection comes; this is the lab's. Nothing of it is a role.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from lab.hosts import access, machines
from lab.hosts.plan import SHARE, Host, Lab, LabError
from lab.hosts.run import run, succeeds, wait_for

VOLUME = "one"
BRICK = "/srv/disk/one"
OPTIONS = {
    "network.ping-timeout": "5",  # how long writers stand still when a server hangs
    "storage.owner-uid": "9869",  # oneadmin, on every machine of OpenNebula
    "storage.owner-gid": "9869",
}
REPLICAS = 3
SECONDS = 60.0


def provide(lab: Lab, inventory: Path) -> str:
    """The share's servers made, started, and the volume served by all of them; in a few words what there is."""
    servers = lab.of(SHARE)
    if len(servers) != REPLICAS:
        raise LabError(f"{SHARE} has {len(servers)} hosts, and the volume has {REPLICAS} copies: give it {REPLICAS}.")
    machines.create(lab, inventory, servers)
    if not served(lab, servers):
        make(lab, servers)
    return f"{servers[0].address}:/{VOLUME}, a copy on each of {', '.join(server.name for server in servers)}"


def make(lab: Lab, servers: Sequence[Host]) -> None:
    """Do what is missing between running servers and a served volume; its options are set before it starts."""
    first = servers[0]
    for server in servers:
        wait_for(
            lambda server=server: succeeds(gluster(lab, server, "pool", "list")),  # type: ignore[misc]
            SECONDS,
            f"glusterd of {server.name} does not answer: see `journalctl --unit glusterd` there.",
        )
    join(lab, first, servers[1:])
    if VOLUME not in asked(lab, first, "volume", "list").split():
        bricks = [f"{server.address}:{BRICK}" for server in servers]
        asked(lab, first, "volume", "create", VOLUME, "replica", str(REPLICAS), *bricks)
    info = asked(lab, first, "volume", "info", VOLUME, "--xml")
    for name, value in missing(info, OPTIONS).items():
        asked(lab, first, "volume", "set", VOLUME, name, value)
    if not started(info):
        asked(lab, first, "volume", "start", VOLUME)
    wait_for(
        lambda: served(lab, servers),
        SECONDS,
        f"The volume {VOLUME} is not served by all of {', '.join(server.name for server in servers)}: "
        f"see `gluster volume status {VOLUME}` on {first.name}.",
    )


def served(lab: Lab, servers: Sequence[Host]) -> bool:
    """Whether all copies of the volume can be written to."""
    try:
        return not offline(asked(lab, servers[0], "volume", "status", VOLUME, "--xml"), servers)
    except LabError:  # the daemon is not up yet, or there is no such volume
        return False


def gluster(lab: Lab, host: Host, *words: str) -> list[str]:
    return access.ssh(lab, host, "sudo", "gluster", "--mode=script", *words)


def asked(lab: Lab, host: Host, *words: str) -> str:
    return run(gluster(lab, host, *words))


def join(lab: Lab, first: Host, others: Sequence[Host]) -> None:
    """All servers in one pool; a volume may be made when they agree on it."""
    pool = asked(lab, first, "peer", "status", "--xml")
    for other in others:
        if str(other.address) not in peers(pool):
            asked(lab, first, "peer", "probe", str(other.address))
    wait_for(
        lambda: peers(asked(lab, first, "peer", "status", "--xml")) >= {str(other.address) for other in others},
        SECONDS,
        f"{first.name} does not see all of {', '.join(other.name for other in others)}: "
        f"see `gluster peer status` there.",
    )


def peers(status: str) -> set[str]:
    """Addresses of those that are connected and befriended, out of `gluster peer status --xml`."""
    befriended = "3"
    return {
        peer.findtext("hostname", "")
        for peer in ElementTree.fromstring(status).iter("peer")
        if peer.findtext("connected") == "1" and peer.findtext("state") == befriended
    }


def started(info: str) -> bool:
    return ElementTree.fromstring(info).findtext(".//volume/statusStr") == "Started"


def missing(info: str, options: dict[str, str]) -> dict[str, str]:
    """Those of OPTIONS that the volume does not have, out of `gluster volume info --xml`."""
    found = {
        option.findtext("name"): option.findtext("value") for option in ElementTree.fromstring(info).iter("option")
    }
    return {name: value for name, value in options.items() if found.get(name) != value}


def offline(status: str, servers: Sequence[Host]) -> list[str]:
    """Servers whose copy is not served, out of `gluster volume status --xml`."""
    served = {
        node.findtext("hostname")
        for node in ElementTree.fromstring(status).iter("node")
        if node.findtext("path") == BRICK and node.findtext("status") == "1"
    }
    return [server.name for server in servers if str(server.address) not in served]
