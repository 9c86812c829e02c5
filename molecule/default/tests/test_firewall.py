"""Who reaches which port: asked from the machines themselves, and from one that is nobody's."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from testinfra.host import Host

from lab.hosts.plan import Lab
from plugins.module_utils import ports

# Asks each place once, all at the same time, and says of each what became of it.
ASK = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def ask(place):
    try:
        socket.create_connection(tuple(place), 1).close()
    except OSError as error:
        return type(error).__name__
    return "open"
places = json.loads(sys.argv[1])
with ThreadPoolExecutor(64) as lanes:
    print(json.dumps(list(lanes.map(ask, places))))
"""
Place = tuple[str, int]
ANYWHERE = {"0.0.0.0", "*", "[::]"}  # noqa: S104
# Above it lie ports that clients get for a moment.
LAST_OF_SERVICES = 32767


def asked(host: Host, places: Iterable[Place]) -> dict[Place, str]:
    """Connect from a machine to each place."""
    wanted = sorted(set(places))
    answers = json.loads(host.check_output("python3 -c %s %s", ASK, json.dumps(wanted)))
    return dict(zip(wanted, answers, strict=True))


@pytest.fixture(scope="module")
def reached(lab: Lab, machines: Mapping[str, Host]) -> dict[str, dict[Place, str]]:
    """By machine, what becomes of a connection to each place of the cloud where somebody listens."""
    places = {place for name in cloud_of(lab) for place in listened(lab, machines[name], name)}
    names = [*cloud_of(lab), stranger(lab)]
    with ThreadPoolExecutor(len(names)) as lanes:
        return dict(zip(names, lanes.map(lambda name: asked(machines[name], places), names), strict=True))


def cloud_of(lab: Lab) -> list[str]:
    """Name the machines that carry a part of the cloud."""
    return [host.name for host in lab.hosts if host.groups & set(ports.GROUPS)]


def stranger(lab: Lab) -> str:
    """Name a machine of the same network that no group of the collection has."""
    return next(host.name for host in lab.hosts if not host.groups & set(ports.GROUPS))


def listened(lab: Lab, host: Host, name: str) -> set[Place]:
    """Where services of a machine can be reached from outside: its own address, and the floating one."""
    own = str(lab.host(name).address)
    found = set()
    for line in host.check_output("ss --no-header --listening --tcp --numeric").splitlines():
        address, _colon, port = line.split()[3].rpartition(":")
        if int(port) <= LAST_OF_SERVICES:
            found.add((own if address.partition("%")[0] in ANYWHERE else address.partition("%")[0], int(port)))
    return {place for place in found if place[0] in (own, str(lab.floating))}


def at(reached: Mapping[str, Mapping[Place, str]], lab: Lab, group: str, port: int) -> dict[tuple[str, str], str]:
    """What each machine gets at this port of each other machine of a group."""
    return {
        (name, host.name): answers[str(host.address), port]
        for name, answers in reached.items()
        for host in lab.of(group)
        if host.name != name
    }


@pytest.mark.parametrize(
    ("group", "port", "sources"),
    [
        ("frontends", 2633, {"frontends", "sunstones", "balancers"}),
        ("caches", 11211, {"sunstones"}),
        ("sunstones", 9869, {"balancers"}),
    ],
)
def test_who_gets_in(
    reached: Mapping[str, Mapping[Place, str]], lab: Lab, group: str, port: int, sources: set[str]
) -> None:
    """Machines of these groups; all others are refused, and know it at once."""
    found = at(reached, lab, group, port)
    assert len(found) >= 2 * (len(cloud_of(lab)) - 1)
    for (source, target), answer in found.items():
        wanted = "open" if lab.host(source).groups & sources else "ConnectionRefusedError"
        assert answer == wanted, f"{source} to {target}:{port}"


def test_ssh_is_open_to_everybody(reached: Mapping[str, Mapping[Place, str]], lab: Lab) -> None:
    """The operator may come from anywhere."""
    ways = [
        (source, answers[str(lab.host(name).address), 22])
        for source, answers in reached.items()
        for name in cloud_of(lab)
    ]
    assert len(cloud_of(lab)) >= 8
    assert [way for way in ways if way[1] != "open"] == []


def of_users(lab: Lab, name: str) -> set[Place]:
    """The places of a machine that the table of ports gives to users, and ssh."""
    host = lab.host(name)
    own, floating = str(host.address), str(lab.floating or "")
    return {
        (claim.address or own, claim.number)
        for claim in ports.claims(host.groups, own, floating, {})
        if ports.USERS in claim.port.sources or claim.port.service in ports.SYSTEM
    }


def test_a_stranger_reaches_what_is_for_users_and_nothing_else(
    reached: Mapping[str, Mapping[Place, str]], lab: Lab, machines: Mapping[str, Host]
) -> None:
    """Whatever listens, in the table of ports or not."""
    open_to_all = {place for name in cloud_of(lab) for place in of_users(lab, name)}
    of_stranger = reached[stranger(lab)]
    wrong = {place: answer for place, answer in of_stranger.items() if (answer == "open") != (place in open_to_all)}
    assert wrong == {}
    assert len(of_stranger) > len(cloud_of(lab))
    assert {"open", "ConnectionRefusedError"} == set(of_stranger.values())


def test_every_group_reaches_what_the_table_gives_it(
    reached: Mapping[str, Mapping[Place, str]], lab: Lab, machines: Mapping[str, Host]
) -> None:
    """Each port on which a machine listens for others of the cloud, from every one of them."""
    ways = 0
    for name in cloud_of(lab):
        host = lab.host(name)
        there = listened(lab, machines[name], name)
        for claim in ports.claims(host.groups, str(host.address), str(lab.floating or ""), {}):
            place = (claim.address or str(host.address), claim.number)
            if "tcp" not in claim.port.protocols or place not in there:
                continue
            sources = {other.name for group in claim.port.sources for other in lab.of(group)} - {name}
            answers = {source: reached[source].get(place) for source in sources}
            assert set(answers.values()) <= {"open"}, (name, place, answers)
            ways += len(answers)
    assert ways >= 30


def test_the_system_may_load_rules_of_its_own(lab: Lab, machines: Mapping[str, Host]) -> None:
    """They begin with an empty kernel: started, reloaded, restarted and stopped, they take ours nowhere."""
    cache = lab.of("caches")[-1]
    machine, place = machines[cache.name], (str(cache.address), 11211)

    def closed() -> Any:
        machine.check_output(
            "for n in $(seq 50); do systemctl is-active --quiet nebula-firewall"
            " && nft list table inet nebula_ha_firewall >/dev/null 2>&1 && exit; sleep 0.1; done; exit 1"
        )
        return asked(machines[stranger(lab)], [place])[place]

    try:
        for verb in ("start", "reload", "restart"):
            machine.check_output("systemctl %s nftables", verb)
            assert closed() == "ConnectionRefusedError", verb
    finally:
        machine.check_output("systemctl stop nftables; systemctl restart nebula-firewall")
    assert closed() == "ConnectionRefusedError"
