"""What a lab is, before anything is made."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from lab.hosts import access, arp, cgroups, image, kernel, layers, machines, network, snapshots, state
from lab.hosts.plan import LINK_MAX, SHARE, Host, Lab, LabError, make_lab, short

TWO = {"one1": "10.213.92.11", "one2": "10.213.92.12"}


@pytest.fixture
def lab() -> Lab:
    return make_lab("labdev", "10.213.92.0/24", TWO)


def test_a_lab_has_its_hosts_in_order(lab: Lab) -> None:
    assert [host.name for host in lab.hosts] == ["one1", "one2"]
    assert lab.bridge == "br-labdev"
    assert lab.hosts[0].link == "vb-labdev-one1"
    assert lab.host("one2").address == ipaddress.IPv4Address("10.213.92.12")


@pytest.mark.parametrize(
    ("name", "subnet", "addresses", "said"),
    [
        ("Lab", "10.213.92.0/24", TWO, "lab_name is 'Lab'"),
        ("lab", "10.213.92.1/24", TWO, "lab_subnet is '10.213.92.1/24', which is no IPv4 network"),
        ("lab", "198.41.0.0/24", TWO, "choose a private network"),
        ("lab", "10.0.0.0/8", TWO, "between /16 and /28"),
        ("lab", "10.213.92.0/24", {"one1": "10.213.93.11"}, "ansible_host of one1 is 10.213.93.11, outside lab_subnet"),
        ("lab", "10.213.92.0/24", {"one1": "one1.example"}, "which is no IPv4 address"),
        ("lab", "10.213.92.0/24", {"one1": "10.213.92.11", "one2": "10.213.92.11"}, "already taken by one1"),
        ("lab", "10.213.92.0/24", {"one1": "10.213.92.1"}, "already taken by the bridge"),
        ("lab", "10.213.92.0/24", {"one_1": "10.213.92.11"}, "'one_1' cannot be a machine's name"),
        ("lab", "10.213.92.0/24", {}, "names no host"),
    ],
)
def test_a_wrong_inventory_gets_a_sentence(name: str, subnet: str, addresses: dict[str, str], said: str) -> None:
    with pytest.raises(LabError) as caught:
        make_lab(name, subnet, addresses)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_hosts_are_found_by_their_group() -> None:
    lab = make_lab("labdev", "10.213.92.0/24", TWO, groups={"one2": ["all", "caches"]})
    assert [host.name for host in lab.of("caches")] == ["one2"]
    assert lab.of("nodes") == ()


@pytest.mark.parametrize(
    ("floating", "said"),
    [
        ("10.213.92.11", "ansible_host of one1 is 10.213.92.11, already taken by one_floating_address"),
        ("10.213.92.1", "one_floating_address is 10.213.92.1, already taken by the bridge"),
        ("10.213.93.10", "one_floating_address is 10.213.93.10, outside lab_subnet"),
        ("cloud", "one_floating_address is 'cloud', which is no IPv4 address"),
    ],
)
def test_the_floating_address_is_nobody_elses(floating: str, said: str) -> None:
    with pytest.raises(LabError) as caught:
        make_lab("lab", "10.213.92.0/24", TWO, floating=floating)
    assert said in str(caught.value)


def test_an_answer_to_arp_names_its_holder() -> None:
    """Neither our own question, nor an answer for another address, nor a stump of a frame is one."""
    wanted, other = ipaddress.IPv4Address("10.213.92.10"), ipaddress.IPv4Address("10.213.92.11")
    question = arp.request(bytes(6), other, wanted)
    body = arp.ARP.pack(1, arp.ETH_P_IP, 6, 4, arp.REPLY, bytes(range(6)), wanted.packed, bytes(6), other.packed)
    reply = arp.ETHERNET.pack(bytes(6), bytes(6), arp.ETH_P_ARP) + body
    assert arp.answer(reply, wanted) == "00:01:02:03:04:05"
    assert arp.answer(question, wanted) is None
    assert arp.answer(reply, other) is None
    assert arp.answer(reply[:20], wanted) is None


def test_the_kernels_settings_come_back_with_the_last_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    low, high = tmp_path / "low", tmp_path / "high"
    low.write_text("128\n")
    high.write_text("9000\n")
    monkeypatch.setattr(kernel, "SETTINGS", {low: 500, high: 500})
    monkeypatch.setattr(kernel, "STATE", tmp_path)
    monkeypatch.setattr(kernel, "LOCKS", tmp_path)
    kernel.ready()
    kernel.ready()  # of a second lab: what it finds is not what a fresh machine had
    assert (low.read_text(), high.read_text()) == ("500\n", "9000\n")
    kernel.restore(labs_left=True)
    assert low.read_text() == "500\n"
    kernel.restore(labs_left=False)
    assert (low.read_text(), high.read_text()) == ("128\n", "9000\n")


def test_a_share_server_has_its_packages_and_its_disk_and_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The installation of all others is what the tests of the roles are about."""
    monkeypatch.setattr("lab.hosts.plan.STATE", tmp_path)
    monkeypatch.setattr(image, "machine_apt", lambda: image.Apt((), (), ()))
    monkeypatch.setattr(image, "base", lambda apt: Path("/base"))
    monkeypatch.setattr(image, "share", lambda apt, names: Path("/share"))
    monkeypatch.setattr(layers, "mount", lambda host, stack: None)
    monkeypatch.setattr(machines, "furnish", lambda lab, host, mirrors: None)
    monkeypatch.setattr(access, "keep_public", lambda host: None)
    lab = make_lab("labdev", "10.213.92.0/24", TWO, groups={"one1": ["nodes"], "one2": [SHARE]})
    machines.make(lab, list(lab.hosts))
    stacks = {host.name: made.layers for host in lab.hosts if (made := state.record(host)) is not None}
    assert stacks == {"one1": (Path("/base"),), "one2": (Path("/share"), Path("/base"))}
    assert [host.name for host in lab.hosts if host.disk.is_dir()] == ["one2"]
    bound = ["/srv/disk" in " ".join(cgroups.nspawn(host, lab.repository)) for host in lab.hosts]
    assert bound == [False, True]


def test_the_zone_goes_down_before_the_share_and_its_first_server_last(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = {name: f"10.213.92.{number}" for number, name in enumerate(("s1", "f1", "f2", "f3", "n1"), 11)}
    groups = {"s1": [SHARE], "n1": ["nodes"], **{name: ["frontends"] for name in ("f1", "f2", "f3")}}
    halted: list[str] = []

    class Halted(cgroups.OwnGroups):
        def halt(self, host: Host, seconds: float = 90) -> None:
            halted.append(host.name)

    machines.shut_down(make_lab("labdev", "10.213.92.0/24", addresses, groups=groups), Halted())
    assert halted == ["n1", "f3", "f2", "f1", "s1"]


def test_an_unknown_host_is_named(lab: Lab) -> None:
    with pytest.raises(LabError, match="has no host one9: it has one1, one2"):
        lab.host("one9")


def test_long_names_stay_apart_and_fit_the_kernel() -> None:
    names = {f"front-end-number-{number}": f"10.213.92.{10 + number}" for number in range(1, 10)}
    made = make_lab("a-lab-with-a-long-name", "10.213.92.0/24", names)
    links = {host.link for host in made.hosts}
    assert len(links) == 9
    assert all(len(link) <= LINK_MAX for link in {*links, made.bridge})
    assert short("just-fits", 9) == "just-fits"


def test_lower_layers_come_newest_first() -> None:
    options = layers.overlay_options([Path("/s2"), Path("/s1"), Path("/base")], Path("/h/upper"), Path("/h/work"))
    assert options == "lowerdir=/s2:/s1:/base,upperdir=/h/upper,workdir=/h/work"


@pytest.mark.parametrize("name", ["/a:b", "/a,b", "/a\\b"])
def test_a_folder_that_overlayfs_would_misread_is_refused(name: str) -> None:
    with pytest.raises(LabError, match="its name holds"):
        layers.overlay_options([Path(name)], Path("/u"), Path("/w"))


def test_more_layers_than_a_mount_can_name_are_refused() -> None:
    with pytest.raises(LabError, match="more than one mount can name"):
        layers.overlay_options(
            [Path(f"/var/cache/nebula-lab/{number:090}") for number in range(60)], Path("/u"), Path("/w")
        )


ROUTES = [
    {"dst": "default", "gateway": "192.0.2.1", "dev": "eth0"},
    {"dst": "192.0.2.0/24", "dev": "eth0"},
]
ADDRESSES = [
    {"ifname": "eth0", "addr_info": [{"local": "192.0.2.2", "prefixlen": 24}]},
    {"ifname": "lo", "addr_info": [{"local": "127.0.0.1", "prefixlen": 8}]},
]


def test_a_free_subnet_passes(lab: Lab) -> None:
    assert network.subnet_conflict(lab.subnet, network.taken_by_machine(ROUTES, ADDRESSES, lab)) is None


@pytest.mark.parametrize(
    ("route", "said"),
    [
        ({"dst": "10.213.0.0/16", "dev": "wg0"}, "overlaps 10.213.0.0/16 (a route of this machine over wg0)"),
        ({"dst": "10.213.92.77", "dev": "tun0"}, "overlaps 10.213.92.77/32"),
        ({"dst": "10.213.92.0/25", "type": "blackhole"}, "over blackhole"),
    ],
)
def test_a_subnet_in_the_machines_routes_is_refused(lab: Lab, route: dict[str, str], said: str) -> None:
    wrong = network.subnet_conflict(lab.subnet, network.taken_by_machine([*ROUTES, route], ADDRESSES, lab))
    assert wrong is not None
    assert said in wrong
    assert "LAB_SUBNET" in wrong


def test_a_subnet_in_the_machines_addresses_is_refused(lab: Lab) -> None:
    address = {"ifname": "docker0", "addr_info": [{"local": "10.213.92.1", "prefixlen": 16}]}
    wrong = network.subnet_conflict(lab.subnet, network.taken_by_machine(ROUTES, [*ADDRESSES, address], lab))
    assert wrong is not None
    assert "the address 10.213.92.1 on docker0" in wrong


def test_what_the_lab_laid_itself_is_no_conflict(lab: Lab) -> None:
    own = [{"dst": "10.213.92.0/24", "dev": "br-labdev"}, {"dst": "10.213.92.0/24", "type": "unreachable"}]
    bridge = {"ifname": "br-labdev", "addr_info": [{"local": "10.213.92.1", "prefixlen": 24}]}
    assert (
        network.subnet_conflict(lab.subnet, network.taken_by_machine([*ROUTES, *own], [*ADDRESSES, bridge], lab))
        is None
    )


def test_another_lab_in_the_subnet_is_refused(lab: Lab) -> None:
    other = network.Taken(ipaddress.IPv4Network("10.213.92.128/25"), "the lab other")
    wrong = network.subnet_conflict(lab.subnet, [other])
    assert wrong is not None
    assert "the lab other" in wrong


def test_the_lab_hides_behind_this_machine_only_towards_others(lab: Lab) -> None:
    assert "ip saddr 10.213.92.0/24 ip daddr != 10.213.92.0/24 masquerade" in network.rules(lab)
    assert "table ip nebula_lab_labdev" in network.rules(lab)


HYBRID = """\
24 1 0:20 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
25 24 0:21 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer
26 24 0:22 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
27 24 0:23 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
28 24 0:24 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
UNIFIED = "30 1 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


def test_the_hierarchies_of_a_hybrid_machine_are_found() -> None:
    assert cgroups.mounted(HYBRID) == {
        "freezer": Path("/sys/fs/cgroup/freezer"),
        "name=systemd": Path("/sys/fs/cgroup/systemd"),
        "cpu": Path("/sys/fs/cgroup/cpu,cpuacct"),
        "cpuacct": Path("/sys/fs/cgroup/cpu,cpuacct"),
        "": Path("/sys/fs/cgroup/unified"),
    }


def test_the_hierarchy_of_a_unified_machine_is_found() -> None:
    assert cgroups.mounted(UNIFIED) == {"": Path("/sys/fs/cgroup")}


def test_sources_are_debians_own() -> None:
    text = (
        "http://mirror.example/debian/|bookworm|main|Debian\n"
        "http://mirror.example/debian/|bookworm|contrib|Debian\n"
        "http://mirror.example/debian-security/|bookworm-security|main|$(ORIGIN)\n"
        "https://tools.example/apt|bookworm|stable|Tools Inc\n"
        "http://mirror.example/debian/|trixie|main|Debian\n"
    )
    assert image.parse_targets(text) == (
        "deb http://mirror.example/debian-security/ bookworm-security main",
        "deb http://mirror.example/debian/ bookworm main contrib",
    )


def test_options_are_those_of_the_way_to_the_mirror() -> None:
    text = (
        'Acquire "";\nAcquire::http::Proxy "http://proxy.example:3142";\nAcquire::https::CaInfo "";\n'
        'Acquire::Check-Valid-Until "false";\nAcquire::IndexTargets::deb::Packages::Optional "0";\n'
    )
    assert image.parse_options(text) == (
        'Acquire::http::Proxy "http://proxy.example:3142";',
        'Acquire::Check-Valid-Until "false";',
    )


def test_mirror_and_proxy_are_the_names_to_resolve() -> None:
    sources = ("deb http://mirror.example:8080/debian/ bookworm main",)
    assert image.names_of(sources, ('Acquire::http::Proxy "http://proxy.example:3142";',)) == (
        "mirror.example",
        "proxy.example",
    )


def test_a_base_of_other_packages_has_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    apt = image.Apt(sources=("deb http://mirror.example bookworm main",), options=(), names=())
    first = image.base_key(apt)
    assert image.base_key(apt) == first
    monkeypatch.setattr(image, "PACKAGES", (*image.PACKAGES, "nano"))
    assert image.base_key(apt) != first


def test_known_hosts_name_address_and_host(lab: Lab) -> None:
    assert access.known_line(lab.hosts[0], "ssh-ed25519 AAAA root@one1\n") == "10.213.92.11,one1 ssh-ed25519 AAAA\n"


def test_a_host_knows_itself_and_the_mirror(lab: Lab) -> None:
    text = machines.hosts_text(lab.hosts[0], {"mirror.example": "192.0.2.80"})
    assert "127.0.1.1 one1\n" in text
    assert text.endswith("192.0.2.80 mirror.example\n")


def test_a_snapshot_fits_the_same_hosts_at_the_same_addresses_only(lab: Lab) -> None:
    elsewhere = make_lab("labdev", "10.213.93.0/24", {"one1": "10.213.93.11", "one2": "10.213.93.12"})
    renamed = make_lab("other", "10.213.92.0/24", TWO)
    assert snapshots.key(lab) == snapshots.key(renamed)
    assert snapshots.key(lab) != snapshots.key(elsewhere)
