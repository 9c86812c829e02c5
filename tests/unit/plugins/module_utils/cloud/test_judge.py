# SPDX-License-Identifier: Apache-2.0
"""The verdict on a cloud: what each fault is called, what it weighs, whom it is about, and that it is told once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.nebula.ha.plugins.module_utils.cloud import judge
from ansible_collections.nebula.ha.plugins.module_utils.report import cloud_lines
from ansible_collections.nebula.ha.plugins.module_utils.zone.judge import Severity
from ansible_collections.nebula.ha.plugins.module_utils.zone.model import FailureKind, ServerState

from ..zone.zones import down, up, zone
from .clouds import DAY, FLOATING, NOW, SERVICES, Scene, good, host, server

Break = Callable[[Scene], None]


def servers(scene: Scene, of: str, *changed: dict[str, str]) -> None:
    """What a balancer's checks say: the servers named differently, the others as they were."""
    said = scene.looks(of)["haproxy"]["servers"]
    keys = {(item["backend"], item["server"]) for item in changed}
    said[:] = [item for item in said if (item["backend"], item["server"]) not in keys] + list(changed)


def down_in(of: str, backend: str, name: str, scene: Scene) -> None:
    servers(scene, of, server(backend, name, "down", "L4CON"))


def leads(*names: str, ways: tuple[str, ...] = judge.LEADERS, of: str = "lb1") -> Break:
    """What a balancer hears of who leads."""
    return lambda scene: scene.lead(scene.looks(of)["haproxy"]["servers"], *names, ways=ways)


def hosts(scene: Scene, *found: dict[str, Any]) -> None:
    for name in scene.of("frontends"):
        scene.looks(name)["hosts"]["hosts"] = list(found)


def certificate(**values: Any) -> Break:
    return lambda scene: scene.looks("lb1")["certificate"].update(values)


def login(step: str, *names: str) -> Break:
    def breaks(scene: Scene) -> None:
        for name in names or scene.of("frontends"):
            scene.fail(name, "login", "it says no", step=step)

    return breaks


def share(**values: Any) -> Break:
    return lambda scene: scene.looks("node2")["share"].update(values)


def all_of(*breaks: Break) -> Break:
    def every(scene: Scene) -> None:
        for one in breaks:
            one(scene)

    return every


def service(machine: str, name: str, **found: bool) -> Break:
    def breaks(scene: Scene) -> None:
        scene.looks(machine)["services"]["services"][name].update(found)

    return breaks


def holds(*names: str) -> Break:
    def moves(scene: Scene) -> None:
        for name in scene.of("balancers"):
            addresses = scene.looks(name)["addresses"]["addresses"]
            addresses[:] = [item for item in addresses if item != FLOATING] + [FLOATING] * (name in names)

    return moves


def no_front_end(scene: Scene) -> None:
    scene.unreachable("fe1", "fe2", "fe3")
    scene.zone_known = False


def not_a_word(scene: Scene) -> None:
    scene.results["cache2"] = {"msg": "/usr/bin/python3: not found.\n", "failed": True}


NODES = (host("node1", 0), host("node2", 1))
# What was done to the cloud: the codes that it gives, the verdict, and state and words of a machine that it concerns.
FAULTS: dict[str, tuple[Break, list[str], str, tuple[str, str, str]]] = {
    "all well": (lambda scene: None, [], "healthy", ("lb1", "healthy", "holds the address, 7 of 7 up")),
    "nobody holds the address": (
        holds(),
        ["no_holder"],
        "no_service",
        ("lb1", "healthy", "stands by, 7 of 7 up"),
    ),
    "both hold it": (
        holds("lb1", "lb2"),
        ["two_holders"],
        "degraded",
        ("lb2", "degraded", "holds the address beside another"),
    ),
    "the holder's HAProxy is dead": (
        lambda scene: scene.fail("lb1", "haproxy"),
        ["holder_down"],
        "no_service",
        ("lb1", "down", "holds the address, HAProxy does not answer"),
    ),
    "the backup's HAProxy is dead": (
        lambda scene: scene.fail("lb2", "haproxy"),
        ["balancer_down"],
        "degraded",
        ("lb2", "down", "HAProxy does not answer"),
    ),
    "keepalived is dead": (
        lambda scene: scene.looks("lb2")["units"].update(units={"keepalived": "failed"}),
        ["keepalived_down"],
        "degraded",
        ("lb2", "degraded", "keepalived does not run"),
    ),
    "a month left": (
        certificate(not_after=NOW + 30 * DAY),
        ["certificate_aging"],
        "healthy",
        ("lb1", "healthy", "holds"),
    ),
    "more than a month left": (certificate(not_after=NOW + 31 * DAY), [], "healthy", ("lb1", "healthy", "holds")),
    "a week left": (
        certificate(not_after=NOW + 7 * DAY),
        ["certificate_ending"],
        "degraded",
        ("lb1", "degraded", "certificate ends within a week"),
    ),
    "none left": (
        certificate(not_after=NOW - 1),
        ["certificate_expired"],
        "no_service",
        ("lb1", "degraded", "certificate has expired"),
    ),
    "a stranger's certificate": (
        certificate(names=["other.example.org"]),
        ["certificate_names"],
        "degraded",
        ("lb1", "degraded", "certificate is for other names"),
    ),
    "a certificate for nobody": (
        certificate(names=[]),
        ["certificate_names"],
        "degraded",
        ("lb1", "degraded", "certificate is for other names"),
    ),
    "no certificate": (
        lambda scene: scene.fail("lb1", "certificate", "openssl: No such file"),
        ["certificate_unknown"],
        "degraded",
        ("lb1", "degraded", "certificate cannot be read"),
    ),
    "a server is down for both": (
        all_of(*(partial(down_in, lb, "web", "fe2") for lb in ("lb1", "lb2"))),
        ["server_down"],
        "degraded",
        ("fe2", "degraded", "is down at the balancers"),
    ),
    "an agent is down for the holder": (
        partial(down_in, "lb1", "api_read", "fe2"),
        ["server_down"],
        "degraded",
        ("fe2", "degraded", "is down at the balancers"),
    ),
    "nobody gets calls": (
        leads(),
        ["api_closed"],
        "no_service",
        ("lb1", "degraded", "sends no call to the leader"),
    ),
    "nobody would get calls": (
        leads(of="lb2"),
        ["standby_closed"],
        "degraded",
        ("lb2", "degraded", "would send no call to the leader"),
    ),
    "two say that they lead": (
        leads("fe1", "fe3"),
        ["api_double"],
        "no_service",
        ("lb1", "degraded", "hears of two leaders, sends calls to neither"),
    ),
    "two say so to the one that stands by": (
        leads("fe1", "fe3", of="lb2"),
        ["standby_closed"],
        "degraded",
        ("lb2", "degraded", "would send no call to the leader"),
    ),
    "another gets the calls": (
        leads("fe2"),
        ["api_misled"],
        "degraded",
        ("lb1", "degraded", "sends calls to another than the leader"),
    ),
    "another would get them": (
        leads("fe2", of="lb2"),
        ["api_misled"],
        "degraded",
        ("lb2", "degraded", "sends calls to another than the leader"),
    ),
    "nobody's OneFlow gets any": (
        leads(ways=("flow",)),
        ["service_closed"],
        "degraded",
        ("lb1", "degraded", "does not lead to the leader's services"),
    ),
    "the leader is taken out at once": (
        lambda scene: servers(scene, "lb1", *(server(way, "fe1", "maint", "") for way in (*judge.LEADERS, "api_read"))),
        ["api_closed", "server_drained"],
        "no_service",
        ("fe1", "degraded", "is taken out at the balancers"),
    ),
    "a follower is drained": (
        lambda scene: servers(
            scene, "lb1", *(server(way, "fe2", "drain") for way in ("web", "api_read")), server("api", "fe2", "down")
        ),
        ["server_drained"],
        "degraded",
        ("fe2", "degraded", "is taken out at the balancers"),
    ),
    "a server that nobody knows is down": (
        lambda scene: servers(scene, "lb1", server("mine", "x", "down", ""), server("mine", "y")),
        ["server_down"],
        "degraded",
        ("fe2", "healthy", "follows"),
    ),
    "a server is drained": (
        lambda scene: servers(scene, "lb1", server("web", "fe2", "drain")),
        ["server_drained"],
        "degraded",
        ("fe2", "degraded", "is taken out at the balancers"),
    ),
    "no server is left": (
        lambda scene: servers(scene, "lb1", *(server("web", f"fe{n}", "down") for n in (1, 2, 3))),
        ["backend_down", "server_down"],
        "no_service",
        ("lb1", "degraded", "has no server to send to"),
    ),
    "one cache is dead": (
        lambda scene: scene.fail("cache1", "cache"),
        ["cache_dead"],
        "degraded",
        ("cache1", "down", "memcached does not answer"),
    ),
    "all caches are dead": (
        all_of(lambda scene: scene.fail("cache1", "cache"), lambda scene: scene.unreachable("cache2")),
        ["caches_dead", "machine_unreachable", "cache_dead"],
        "no_service",
        ("cache2", "down", "not reachable"),
    ),
    "a web machine is dead": (
        all_of(
            lambda scene: scene.fail("fe3", "web"),
            lambda scene: servers(scene, "lb1", server("web", "fe3", "down")),
        ),
        ["web_down"],
        "degraded",
        ("fe3", "degraded", "Sunstone does not answer"),
    ),
    "a web machine has lost its caches": (
        lambda scene: scene.fail("fe3", "web_cache"),
        ["web_without_cache"],
        "degraded",
        ("fe3", "degraded", "reaches no cache"),
    ),
    "a web machine has lost the zone": (
        lambda scene: scene.fail("fe3", "web_zone"),
        ["web_without_zone"],
        "degraded",
        ("fe3", "degraded", "reaches no oned"),
    ),
    "the web address is dead": (
        login("connect"),
        ["web_unreachable"],
        "no_service",
        ("fe1", "healthy", "serves the web"),
    ),
    "the certificate is refused": (login("trust"), ["certificate_untrusted"], "no_service", ("fe1", "healthy", "")),
    "the login is refused": (login("login"), ["web_login_refused"], "no_service", ("fe1", "healthy", "")),
    "the session does not hold": (login("page"), ["web_session_lost"], "no_service", ("fe1", "healthy", "")),
    "nobody gets out": (login("logout"), ["web_logout_failed"], "healthy", ("fe1", "healthy", "")),
    "the login fails from one": (
        login("page", "fe3"),
        ["web_unsteady"],
        "degraded",
        ("fe3", "degraded", "cannot log in from here"),
    ),
    "a share is not mounted": (
        lambda scene: scene.looks("node2").update(share={**good(), "path": "/x", "mounted": False}),
        ["share_missing"],
        "degraded",
        ("node2", "degraded", "share is not mounted"),
    ),
    "another share": (
        share(sentinel="another's"),
        ["share_strange"],
        "degraded",
        ("node2", "degraded", "share is not the cloud's"),
    ),
    "a share without a sentinel": (share(sentinel=None), ["share_strange"], "degraded", ("node2", "degraded", "")),
    "a full share": (share(free=4 << 30), ["share_full"], "degraded", ("node2", "degraded", "share is full")),
    "a share with little left": (share(free=5 << 30), [], "healthy", ("node2", "healthy", "MONITORED, 0 VMs")),
    "a share of unknown size": (share(size=0, free=0), [], "healthy", ("node2", "healthy", "")),
    "a share that refuses": (
        share(writable=False, reason="permission denied"),
        ["share_unwritable"],
        "degraded",
        ("node2", "degraded", "share cannot be written"),
    ),
    "a share that hangs": (
        lambda scene: scene.fail("node2", "share", "no answer within 5 s"),
        ["share_silent"],
        "degraded",
        ("node2", "degraded", "share does not answer"),
    ),
    "a node is not registered": (
        lambda scene: hosts(scene, NODES[0]),
        ["node_missing"],
        "degraded",
        ("node2", "down", "no host of the zone"),
    ),
    "a node is in ERROR": (
        lambda scene: hosts(scene, NODES[0], host("node2", 1, "ERROR", "ssh: no route")),
        ["node_error"],
        "degraded",
        ("node2", "down", "ERROR in the zone"),
    ),
    "a node waits": (
        lambda scene: hosts(scene, NODES[0], host("node2", 1, "INIT")),
        ["node_unmonitored"],
        "degraded",
        ("node2", "degraded", "not MONITORED"),
    ),
    "a node is taken out": (
        lambda scene: hosts(scene, NODES[0], host("node2", 1, "OFFLINE")),
        ["node_unmonitored"],
        "degraded",
        ("node2", "degraded", "not MONITORED"),
    ),
    "a node is in ERROR without a word": (
        lambda scene: hosts(scene, NODES[0], host("node2", 1, "MONITORING_ERROR")),
        ["node_error"],
        "degraded",
        ("node2", "down", "ERROR in the zone"),
    ),
    "a node is being looked at": (
        lambda scene: hosts(scene, NODES[0], host("node2", 1, "MONITORING_MONITORED")),
        [],
        "healthy",
        ("node2", "healthy", "MONITORING_MONITORED, 0 VMs"),
    ),
    "a node goes by its address": (
        lambda scene: hosts(scene, NODES[0], host(scene.address["node2"], 1)),
        [],
        "healthy",
        ("node2", "healthy", "MONITORED, 0 VMs"),
    ),
    "a node of somebody else": (
        lambda scene: hosts(scene, *NODES, host("other", 7, "ERROR")),
        ["host_unknown"],
        "healthy",
        ("node2", "healthy", "MONITORED, 0 VMs"),
    ),
    "libvirt is dead": (
        lambda scene: scene.fail("node1", "libvirt", "virsh: cannot connect"),
        ["hypervisor_down"],
        "degraded",
        ("node1", "down", "libvirt does not answer"),
    ),
    "the leader lacks a service": (
        service("fe1", "OneGate", runs=True, serves=False),
        ["services_missing"],
        "degraded",
        ("fe1", "degraded", "leads without its services"),
    ),
    "the leader has none": (
        all_of(*(service("fe1", name, runs=False, serves=False) for name in SERVICES)),
        ["services_missing"],
        "degraded",
        ("fe1", "degraded", "leads without its services"),
    ),
    "a follower has all": (
        all_of(*(service("fe2", name, runs=True, serves=True) for name in SERVICES)),
        ["services_elsewhere"],
        "degraded",
        ("fe2", "degraded", "runs the leader's services"),
    ),
    "a follower has a service": (
        service("fe2", "OneFlow", runs=False, serves=True),
        ["services_elsewhere"],
        "degraded",
        ("fe2", "degraded", "runs the leader's services"),
    ),
    "a follower runs hooks": (
        service("fe2", "the hook manager", runs=True, serves=False),
        ["services_elsewhere"],
        "degraded",
        ("fe2", "degraded", "runs the leader's services"),
    ),
    "a machine is gone": (
        lambda scene: scene.unreachable("node2"),
        ["machine_unreachable"],
        "degraded",
        ("node2", "down", "not reachable"),
    ),
    "a machine cannot be looked at": (
        not_a_word,
        ["machine_unknown"],
        "degraded",
        ("cache2", "degraded", "could not be looked at"),
    ),
    "no front-end is left": (
        no_front_end,
        ["zone_unknown", "machine_unreachable"],
        "no_service",
        ("fe1", "down", "not reachable"),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault(fault: str) -> None:
    breaks, codes, state, (name, machine_state, words) = FAULTS[fault]
    scene = Scene()
    breaks(scene)
    verdict = scene.verdict()
    assert verdict.codes() == tuple(codes)
    assert verdict.state.value == state
    (about,) = [machine for machine in verdict.machines if machine.name == name]
    assert (about.state, words in about.does) == (machine_state, True), about.does
    for problem in verdict.problems:
        assert problem.sentence.endswith("."), problem.sentence
        assert problem.next_step


def told(fault: str) -> str:
    """Everything that is said of a fault, as it stands in fixtures/cloud/verdicts.txt."""
    scene = Scene()
    FAULTS[fault][0](scene)
    verdict = scene.verdict().as_dict()
    marked = [
        f"{item['name']} as {part['part']}" for item in verdict["machines"] for part in item["parts"] if part["marked"]
    ]
    own = {
        key: verdict[key]
        for key in (
            "healthy",
            "web",
            "api",
            "reads",
            "flow",
            "gate",
            "address",
            "host",
            "leader",
            "holder",
            "asked",
            "answered",
        )
    }
    return "\n".join([f"== {fault}", *cloud_lines(verdict), f"marked: {', '.join(marked)}", str(own), ""])


def test_every_sentence(fixtures: Path) -> None:
    assert "\n".join(told(fault) for fault in FAULTS) == (fixtures / "cloud" / "verdicts.txt").read_text()


def test_every_code_has_a_fault() -> None:
    assert {code for _, codes, _, _ in FAULTS.values() for code in codes} == set(judge.CODES)


def test_no_code_is_the_zones_too() -> None:
    assert not set(judge.CODES) & set(judge.zone_judge.CODES)
    assert set(judge.DEAD) | set(judge.CONSEQUENCES) <= {*judge.CODES, *judge.zone_judge.CODES}
    assert {code for codes in judge.CONSEQUENCES.values() for code in codes} <= {*judge.CODES, *judge.zone_judge.CODES}


def sentences(scene: Scene, code: str) -> list[tuple[str | None, str]]:
    return [(item.machine, item.sentence) for item in scene.verdict().problems if item.code == code]


def test_what_both_balancers_say_of_a_server_is_said_once() -> None:
    scene = Scene()
    for name in ("lb1", "lb2"):
        servers(scene, name, server("web", "fe2", "down", "L4CON Connection refused"))
    assert sentences(scene, "server_down") == [
        ("fe2", "fe2 is down in web, lb1 and lb2 say (L4CON Connection refused).")
    ]


def test_of_the_leaders_servers_only_one_is_expected() -> None:
    """Two of three are down, and the cloud is healthy; the sentences name all that is about one server at once."""
    scene = Scene()
    assert sum(item["state"] == "down" for item in scene.looks("lb1")["haproxy"]["servers"]) == 6
    assert scene.verdict().codes() == ()
    leads()(scene)
    assert sentences(scene, "api_closed") == [
        ("lb1", "lb1 sends no call to fe1, which leads: no server is up in api, flow and gate.")
    ]
    leads("fe1", "fe2")(scene)
    assert sentences(scene, "api_double") == [
        ("lb1", "lb1 sends no call of api, flow and gate on: the agents of fe1 and fe2 all say that they lead.")
    ]
    leads("fe3")(scene)
    assert sentences(scene, "api_misled") == [
        ("lb1", "lb1 sends the calls of api, flow and gate to fe3, but fe1 leads.")
    ]


def test_a_zone_without_a_leader_has_no_server_up_and_that_is_no_news() -> None:
    scene = Scene()
    scene.answers = [up(n, ServerState.CANDIDATE, zone(3)) for n in range(3)]
    for name in ("lb1", "lb2"):
        leads(of=name)(scene)
    assert set(scene.verdict().codes()) <= set(judge.zone_judge.CODES)
    leads("fe2")(scene)
    assert set(scene.verdict().codes()) <= set(judge.zone_judge.CODES)
    leads("fe2", "fe3")(scene)
    assert "api_double" in scene.verdict().codes()


def test_where_nobody_knows_the_zone_a_way_without_a_server_is_seen() -> None:
    scene = Scene()
    scene.only(["lb1", "lb2"])
    scene.zone_known = False
    assert scene.verdict().codes() == ()
    (holder,) = [machine for machine in scene.verdict().machines if machine.name == "lb1"]
    assert holder.does == "holds the address, 7 of 7 up"
    leads(of="lb2")(scene)
    assert scene.verdict().codes() == ()
    leads()(scene)
    assert sentences(scene, "backend_down")[0] == ("lb1", "lb1 has no server for api: 3 servers, none of them up.")


@pytest.mark.parametrize(
    ("fault", "does"),
    [
        (lambda scene: None, "holds the address, 7 of 7 up"),
        (leads("fe2"), "holds the address, 6 of 7 up"),
        (leads("fe1", "fe2"), "holds the address, 6 of 7 up"),
        (leads(ways=("gate",)), "holds the address, 6 of 7 up"),
        (partial(down_in, "lb1", "api_read", "fe3"), "holds the address, 6 of 7 up"),
    ],
)
def test_those_are_counted_that_should_be_up(fault: Break, does: str) -> None:
    scene = Scene()
    fault(scene)
    judgement = judge._Judgement(scene.cloud, scene.machines(), scene.zone(), NOW, "")
    assert judgement._does(judgement.by_name["lb1"], "balancers") == does


@pytest.mark.parametrize(
    ("backend", "states"), [("web", ["degraded", "healthy"]), ("api_read", ["healthy", "degraded"])]
)
def test_a_check_is_about_the_part_behind_it(backend: str, states: list[str]) -> None:
    scene = Scene()
    down_in("lb1", backend, "fe2", scene)
    (about,) = [machine for machine in scene.verdict().machines if machine.name == "fe2"]
    assert [part.state for part in about.parts] == states


def test_what_the_leader_says_of_the_hosts_counts() -> None:
    scene = Scene()
    of = zone(3)
    scene.answers = [up(0, ServerState.FOLLOWER, of), up(1, ServerState.LEADER, of), up(2, ServerState.FOLLOWER, of)]
    for name in ("lb1", "lb2"):
        leads("fe2", of=name)(scene)
    for name in scene.of("frontends"):
        scene.looks(name)["services"]["services"] = {}
        scene.looks(name)["hosts"]["hosts"] = list(NODES if name == "fe2" else ())
    assert scene.verdict().codes() == ()
    scene.fail("fe2", "hosts")
    assert scene.verdict().codes() == ("node_missing",)


def test_a_zone_without_a_leader() -> None:
    scene = Scene()
    scene.answers = [up(n, ServerState.CANDIDATE, zone(3)) for n in range(3)]
    verdict = scene.verdict()
    assert verdict.leader is None
    assert verdict.sentence.startswith("Cloud OpenNebula gives no service: 9 machines, lb1 holds 10.0.0.100. No server")


def test_the_api_of_front_ends_alone_is_the_leaders() -> None:
    scene = Scene({f"fe{n}": ("frontends",) for n in (1, 2, 3)}, floating="")
    of = zone(3)
    scene.answers = [up(0, ServerState.FOLLOWER, of), up(1, ServerState.LEADER, of), up(2, ServerState.FOLLOWER, of)]
    assert scene.verdict().api == "http://10.0.0.2:2633/RPC2"


def test_a_dead_machine_is_told_once() -> None:
    """The zone, the balancers and the pool of hosts say it as well: that is no news."""
    scene = Scene()
    of = zone(3)
    scene.answers = [
        up(0, ServerState.LEADER, of),
        up(1, ServerState.FOLLOWER, of),
        down(2, FailureKind.UNREACHABLE),
    ]
    for name in ("lb1", "lb2"):
        servers(scene, name, server("web", "fe3", "down"), server("api_read", "fe3", "down"))
    hosts(scene, NODES[0], host("node2", 1, "ERROR", "no route"))
    scene.unreachable("fe3", "node2")
    verdict = scene.verdict()
    assert [(item.code, item.machine) for item in verdict.problems] == [
        ("machine_unreachable", "fe3"),
        ("machine_unreachable", "node2"),
    ]


def test_a_fault_of_the_zone_weighs_as_it_does_there() -> None:
    scene = Scene()
    of = zone(3)
    scene.answers = [up(0, ServerState.LEADER, of), down(1), down(2)]
    verdict = scene.verdict()
    assert verdict.codes() == ("no_quorum", "server_unreachable")
    assert verdict.state.value == "no_service"
    (third,) = [machine for machine in verdict.machines if machine.name == "fe3"]
    assert [(part.part, part.state) for part in third.parts] == [("sunstones", "healthy"), ("frontends", "down")]
    assert third.state == "degraded"


def test_who_may_hold_the_address_is_not_accused() -> None:
    """The one that does not answer may be the holder: the login through the address tells."""
    scene = Scene()
    scene.unreachable("lb1")
    verdict = scene.verdict()
    assert verdict.codes() == ("machine_unreachable",)
    assert verdict.holder is None
    login("connect")(scene)
    assert scene.verdict().codes() == ("web_unreachable", "machine_unreachable")


def test_the_sentence_of_a_healthy_cloud() -> None:
    verdict = Scene().verdict()
    assert (
        verdict.sentence == "Cloud OpenNebula is healthy: 9 machines, fe1 leads 3 of 3 servers, lb1 holds 10.0.0.100."
    )
    assert (verdict.web, verdict.api) == ("https://10.0.0.100/", "https://10.0.0.100:2633/RPC2")
    assert verdict.reads == "https://10.0.0.100:2643/RPC2"
    assert (verdict.flow, verdict.gate) == ("https://10.0.0.100:2474/", "http://10.0.0.100:5030/")
    assert (verdict.leader, verdict.holder, verdict.package, verdict.asked) == ("fe1", "lb1", "6.10.5-1", 9)


def test_the_sentence_names_the_two_gravest_and_counts_the_rest() -> None:
    scene = Scene()
    scene.unreachable("node1")
    scene.fail("cache1", "cache")
    scene.fail("lb1", "haproxy")
    scene.fail("fe2", "web")
    assert scene.verdict().sentence == (
        "Cloud OpenNebula gives no service: 9 machines, fe1 leads 3 of 3 servers, lb1 holds 10.0.0.100. "
        "HAProxy on lb1 does not answer: connection refused, and lb1 holds 10.0.0.100. node1 (10.0.0.8) cannot be "
        "reached over ssh: connect to host x port 22: No route to host. (2 more problems)"
    )


def test_a_name_is_what_users_type() -> None:
    scene = Scene()
    scene.cloud = judge.Cloud(floating_address=FLOATING, service_name="cloud.example.org", web_port=8443, api_port=443)
    verdict = scene.verdict()
    assert (verdict.web, verdict.api) == ("https://cloud.example.org:8443/", "https://cloud.example.org/RPC2")
    assert verdict.codes() == ()


@pytest.mark.parametrize(
    ("names", "covered"),
    [
        (["CLOUD.example.org"], True),
        (["*.example.org"], True),
        (["*.org"], False),
        (["example.org"], False),
        ([], False),
    ],
)
def test_names_of_a_certificate(names: list[str], covered: bool) -> None:
    scene = Scene()
    scene.cloud = judge.Cloud(floating_address=FLOATING, service_name="cloud.example.org")
    for name in ("lb1", "lb2"):
        scene.looks(name)["certificate"]["names"] = names
    assert (scene.verdict().codes() == ()) is covered


def test_what_was_left_out_is_not_judged() -> None:
    scene = Scene()
    scene.only(["lb2", "cache1"])
    scene.zone_known = False
    verdict = scene.verdict()
    assert verdict.codes() == ()
    assert verdict.sentence == (
        "Cloud OpenNebula is healthy: 9 machines. Only 2 of 9 machines were asked, the verdict is about those."
    )
    assert {machine.name for machine in verdict.machines if machine.state != "unknown"} == {"lb2", "cache1"}


def test_why_the_zone_is_unknown_is_said() -> None:
    scene = Scene()
    verdict = judge.judge(scene.cloud, scene.machines(), None, NOW, "one_auth does not exist.")
    assert verdict.problems[0].sentence == (
        "No front-end could say how the zone is (fe1, fe2, fe3 asked): one_auth does not exist."
    )


def test_front_ends_alone() -> None:
    scene = Scene({f"fe{n}": ("frontends",) for n in (1, 2, 3)}, floating="")
    verdict = scene.verdict()
    assert verdict.codes() == ()
    assert (verdict.web, verdict.api, verdict.holder) == (None, "http://10.0.0.1:2633/RPC2", None)
    assert (verdict.reads, verdict.flow, verdict.gate) == (None, None, None)


def test_three_machines_that_carry_everything() -> None:
    every = ("balancers", "sunstones", "caches", "frontends", "nodes")
    scene = Scene({f"fe{n}": every for n in (1, 2, 3)})
    scene.fail("fe2", "cache")
    verdict = scene.verdict()
    assert verdict.codes() == ("cache_dead",)
    assert [part.state for part in verdict.machines[1].parts] == ["healthy", "healthy", "down", "healthy", "healthy"]
    assert verdict.machines[1].state == "degraded"


def test_a_single_balancer_stands_at_its_own_address() -> None:
    scene = Scene({"fe1": ("frontends", "sunstones"), "lb1": ("balancers",)}, floating="")
    scene.zone_known = False
    scene.only(["lb1"])
    verdict = scene.verdict()
    assert (verdict.web, verdict.holder, verdict.codes()) == ("https://10.0.0.4/", "lb1", ())
    scene.fail("lb1", "haproxy")
    assert scene.verdict().codes() == ("holder_down",)


def test_web_machines_without_a_balancer_are_reached_directly() -> None:
    scene = Scene({"fe1": ("frontends", "sunstones")}, floating="")
    assert scene.verdict().web == "http://10.0.0.1:9869/"


def test_the_view_of_most_answers_counts() -> None:
    alone = {"sentence": "a", "serving": False, "answering": 1}
    most = {"sentence": "b", "serving": True, "answering": 2}
    assert judge.best_zone([alone, most, {"msg": "one_auth is missing"}]) == most
    assert judge.best_zone([{"msg": "one_auth is missing"}]) is None


def test_a_verdict_is_plain_values() -> None:
    scene = Scene()
    scene.fail("cache1", "cache")
    plain = scene.verdict().as_dict()
    assert plain["codes"] == ["cache_dead"]
    assert plain["problems"][0]["severity"] == Severity.WARNING.value
    assert plain["machines"][0]["parts"][0] == {
        "part": "sunstones",
        "state": "healthy",
        "does": "serves the web",
        "marked": False,
    }
