"""The share: what is read of GlusterFS's answers, and a volume on real machines. The latter needs root."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import share
from lab.hosts import arp, machines
from lab.hosts.inventory import read_lab
from lab.hosts.plan import SHARE, LabError, make_lab
from lab.tests.verbs import (
    MARKS,
    PREFIX,
    Footprint,
    clear,
    done,
    footprint,
    inside,
    lab,
    left,
    on,
    wait,
    write_inventory,
)

SERVERS = {f"share{number}": 50 + number for number in (1, 2, 3)}
MOUNTED = "/mnt/share"
MOUNT = (
    f"sudo mkdir -p {MOUNTED}; sudo mount -t glusterfs "
    f"-o backup-volfile-servers={PREFIX}.52:{PREFIX}.53 {PREFIX}.51:/one {MOUNTED}"
)


def status(*bricks: tuple[str, str, str]) -> str:
    """As `gluster volume status one --xml` says it: server, path, 1 where a process serves it."""
    return f"<cliOutput><volStatus><volume>{''.join(map(node, bricks))}</volume></volStatus></cliOutput>"


def node(brick: tuple[str, str, str]) -> str:
    return "<node><hostname>{}</hostname><path>{}</path><status>{}</status></node>".format(*brick)


def test_a_copy_is_served_by_a_process_of_its_own_server() -> None:
    made = make_lab("labdev", f"{PREFIX}.0/24", {name: f"{PREFIX}.{number}" for name, number in SERVERS.items()})
    healer = ("Self-heal Daemon", f"{PREFIX}.53", "1")
    up, down = (f"{PREFIX}.51", share.BRICK, "1"), (f"{PREFIX}.52", share.BRICK, "0")
    assert share.offline(status(up, down, healer), made.hosts) == ["share2", "share3"]


def test_a_peer_counts_when_it_is_connected_and_befriended() -> None:
    told = "".join(
        f"<peer><hostname>{name}</hostname><connected>{connected}</connected><state>{state}</state></peer>"
        for name, connected, state in (("a", 1, 3), ("b", 0, 3), ("c", 1, 4))
    )
    assert share.peers(f"<cliOutput><peerStatus>{told}</peerStatus></cliOutput>") == {"a"}


def test_only_options_that_differ_are_set() -> None:
    told = "<option><name>a</name><value>1</value></option><option><name>b</name><value>2</value></option>"
    info = f"<cliOutput><volume><statusStr>Created</statusStr><options>{told}</options></volume></cliOutput>"
    assert share.missing(info, {"a": "1", "b": "3", "c": "4"}) == {"b": "3", "c": "4"}
    assert not share.started(info)
    assert share.started(info.replace("Created", "Started"))


def test_the_share_is_three_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("no machine may be made")

    monkeypatch.setattr(machines, "create", never)
    made = make_lab("labdev", f"{PREFIX}.0/24", {"share1": f"{PREFIX}.51"}, groups={"share1": [SHARE]})
    with pytest.raises(LabError, match="share_servers has 1 hosts, and the volume has 3 copies"):
        share.provide(made, Path())


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_inventory(tmp_path_factory.mktemp("inventory"), {"frontends": {"one1": 11}, SHARE: SERVERS})


@pytest.fixture(scope="module")
def hosts(inventory: Path, packages: Path, before: Footprint) -> Iterator[Path]:
    """A share and a front-end that has mounted it; what fails in a test leaves none behind."""
    try:
        done("create", inventory, source=packages)
        on(inventory, "one1", "sudo apt-get -qq update && sudo apt-get -qq install -y glusterfs-client")
        on(inventory, "one1", MOUNT)
        yield inventory
    finally:
        clear(inventory)


def write(hosts: Path, text: str) -> None:
    on(hosts, "one1", f"sudo setpriv --reuid 9869 --regid 9869 --clear-groups sh -c 'echo {text} > {MOUNTED}/mark'")


def copies(hosts: Path) -> list[str]:
    """What the servers' own disks hold of the file, each with the number of its names: GlusterFS keeps two."""
    look = f"sudo sh -c 'cd {share.BRICK}; cat mark; find . -samefile mark | wc -l'"
    return [" ".join(on(hosts, server, look).split()) for server in SERVERS]


class TestMachines:
    pytestmark = MARKS

    def test_oneadmin_writes_and_every_server_has_it(self, hosts: Path) -> None:
        assert on(hosts, "one1", f"stat -c '%u %g' {MOUNTED}") == "9869 9869"
        write(hosts, "first")
        assert copies(hosts) == ["first 2"] * 3

    def test_a_second_create_changes_nothing(self, hosts: Path) -> None:
        def found() -> str:
            return on(hosts, "share1", "sudo gluster volume info one; pgrep gluster")

        first = found()
        done("create", hosts)
        assert found() == first

    def test_only_share_servers_have_its_packages(self, hosts: Path) -> None:
        done("create", hosts)
        listed = on(hosts, "one1", "ls /var/lib/dpkg/info")
        assert "glusterfs-client.list" in listed
        assert "glusterfs-server.list" not in listed

    def test_the_share_outlives_a_server(self, hosts: Path) -> None:
        done("kill", hosts, "share1")
        assert not inside("share1")
        write(hosts, "without")
        done("start", hosts, "share1")
        done("create", hosts)  # awaits the volume
        assert wait(lambda: copies(hosts) == ["without 2"] * 3, 60)

    def test_a_host_that_writes_to_the_share_can_be_frozen_and_killed(self, hosts: Path) -> None:
        """Its writers wait for a mount whose own process stands still, and the kernel cannot freeze who waits there."""
        loop = f"while dd if=/dev/zero of={MOUNTED}/load bs=4k count=50 status=none; do :; done"
        on(hosts, "one1", f'sudo systemd-run --quiet --unit=load --property=RuntimeMaxSec=60 sh -c "{loop}"')
        for _ in range(3):
            done("freeze", hosts, "one1")
            assert "frozen" in done("status", hosts).splitlines()[1]
            done("thaw", hosts, "one1")
        done("freeze", hosts, "one1")
        done("kill", hosts, "one1")
        assert not inside("one1")
        done("start", hosts, "one1")
        on(hosts, "one1", MOUNT)

    def test_arp_tells_every_holder_of_an_address(self, hosts: Path) -> None:
        known, shared = read_lab(hosts), f"{PREFIX}.10"
        assert list(arp.holders(known, known.host("one1").address, 1).values()) == ["one1"]
        assert arp.holders(known, ipaddress.IPv4Address(shared), 1) == {}
        for host in ("one1", "share2"):
            on(hosts, host, f"sudo ip address add {shared}/32 dev host0")
        assert sorted(arp.holders(known, ipaddress.IPv4Address(shared), 1).values()) == ["one1", "share2"]
        done("freeze", hosts, "share2")  # its kernel answers all the same
        assert sorted(arp.holders(known, ipaddress.IPv4Address(shared), 1).values()) == ["one1", "share2"]
        done("thaw", hosts, "share2")

    def test_the_share_is_in_a_snapshot(self, hosts: Path) -> None:
        """With the files' second names, without which GlusterFS would write to one copy and read the other."""
        write(hosts, "kept")
        done("snapshot", hosts, "shared", "--stay-down")
        done("destroy", hosts)
        done("create", hosts, "--from-snapshot", "shared")
        on(hosts, "one1", MOUNT)
        assert on(hosts, "one1", f"cat {MOUNTED}/mark") == "kept"
        assert copies(hosts) == ["kept 2"] * 3
        write(hosts, "renewed")
        assert copies(hosts) == ["renewed 2"] * 3

    def test_destroy_leaves_nothing_of_a_mounted_share(self, hosts: Path, before: Footprint) -> None:
        done("freeze", hosts, "share3")
        assert "frozen" in lab("status", hosts).stdout
        done("destroy", hosts)
        assert left(before, footprint()) == {}
