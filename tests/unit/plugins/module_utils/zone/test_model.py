# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.nebula.ha.plugins.module_utils.zone import model

from .zones import down, up, zone


def test_every_recorded_zone_document_is_read(fixtures: Path) -> None:
    names = sorted((fixtures / "zone").glob("*zone.info*.xml"))
    assert len(names) >= 10
    for name in names:
        zone = model.parse_zone(name.read_text())
        assert zone.id == 0
        assert name.read_text().count("<SERVER>") == len(zone.servers), name


def test_every_recorded_raft_status_is_read(fixtures: Path) -> None:
    names = sorted((fixtures / "zone").glob("*raftstatus*.xml"))
    assert len(names) >= 20
    states = {model.parse_raft(name.read_text()).state for name in names}
    assert states == set(model.ServerState)


def test_a_zone_of_three_word_for_word(fixtures: Path) -> None:
    zone = model.parse_zone((fixtures / "zone" / "ha3.zone.info.readd-new-id.payload.xml").read_text())
    assert zone == model.Zone(
        0,
        "OpenNebula",
        True,
        "http://localhost:2633/RPC2",
        (
            model.ZoneServer(0, "ob1", "http://10.98.0.1:2633/RPC2"),
            model.ZoneServer(2, "ob3", "http://10.98.0.3:2633/RPC2"),
            model.ZoneServer(3, "ob2", "http://10.98.0.2:2633/RPC2"),
        ),
    )
    assert [item.id for item in zone.find(name="ob2")] == [3]
    assert [item.id for item in zone.find(endpoint="http://10.98.0.3:2633/RPC2/")] == [2]
    assert zone.find(name="ob1", endpoint="http://10.98.0.3:2633/RPC2") == ()


def test_a_disabled_zone(fixtures: Path) -> None:
    assert model.parse_zone((fixtures / "zone" / "ha3-disabled.zone.info.payload.xml").read_text()).enabled is False


def test_a_raft_status_word_for_word(fixtures: Path) -> None:
    text = (fixtures / "zone" / "ha3-cut.raftstatus.cut.ex-leader.payload.xml").read_text()
    assert model.parse_raft(text) == model.RaftStatus(0, model.ServerState.LEADER, 16, 0, 753, 754, 16, -1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no XML"),
        ("<ZONE><ID>0</ID>", "no XML"),
        ("<RAFT></RAFT>", "a <RAFT> document where <ZONE>"),
        ("<ZONE><NAME>x</NAME></ZONE>", "no <ID>"),
        ("<ZONE><ID>zero</ID><NAME>x</NAME><STATE>0</STATE></ZONE>", "is 'zero', which is no number"),
    ],
)
def test_what_is_no_zone_document_says_why(text: str, words: str) -> None:
    with pytest.raises(model.DocumentError, match=words):
        model.parse_zone(text)


def test_an_unknown_state_is_refused(fixtures: Path) -> None:
    text = (fixtures / "zone" / "solo.zone.raftstatus.payload.xml").read_text()
    with pytest.raises(model.DocumentError, match="STATE is 9"):
        model.parse_raft(text.replace("<STATE>0<", "<STATE>9<"))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://fe1:2633/RPC2", "http://FE1:2633/RPC2/", True),
        ("http://fe1:2633/RPC2", "http://fe1:2633", True),
        ("http://fe1:2633/RPC2", "http://fe1:2634/RPC2", False),
        ("http://fe1:2633/RPC2", "https://fe1:2633/RPC2", False),
        ("http://fe1:2633/RPC2", "http://fe2:2633/RPC2", False),
        ("http://fe1:80/RPC2", "http://fe1/RPC2", True),
    ],
)
def test_endpoints_are_compared_by_what_they_mean(one: str, other: str, same: bool) -> None:
    assert (model.endpoint_key(one) == model.endpoint_key(other)) is same


def test_recorded_hosts_in_every_state(fixtures: Path) -> None:
    hosts = model.parse_hosts((fixtures / "pools" / "ha3.hostpool.info.mixed.payload.xml").read_text())
    assert [(host.id, host.name, host.state.name, host.vm_mad, host.vms) for host in hosts] == [
        (1, "kvm2", "ERROR", "kvm", ()),
        (2, "nohost.invalid", "ERROR", "kvm", ()),
        (3, "kvm9", "INIT", "nosuch", ()),
        (5, "kvm1", "MONITORED", "qemu", (3,)),
    ]
    assert hosts[1].error == "Sat Nov 21 16:05:40 2026 : Error monitoring Host nohost.invalid (2):"
    assert [(host.state.monitored, host.state.failed) for host in hosts[2:]] == [(False, False), (True, False)]


def test_recorded_datastores_before_and_after_a_share(fixtures: Path) -> None:
    fresh, shared = (
        model.parse_datastores((fixtures / "pools" / f"ha3.datastorepool.info.{name}.payload.xml").read_text())
        for name in ("fresh", "shared")
    )
    assert [(item.id, item.name, item.attributes["TM_MAD"]) for item in fresh] == [
        (0, "system", "ssh"),
        (1, "default", "ssh"),
        (2, "files", "ssh"),
    ]
    assert [item.attributes["TM_MAD"] for item in shared] == ["shared"] * 3
    assert shared[0].attributes["SHARED"] == "YES"


def test_recorded_clusters(fixtures: Path) -> None:
    assert model.parse_clusters((fixtures / "pools" / "ha3.clusterpool.info.payload.xml").read_text()) == {"default": 0}


def test_a_template_as_opennebula_takes_it() -> None:
    assert model.template_text({"TM_MAD": "shared", "X": 'a "b" \\'}) == 'TM_MAD = "shared"\nX = "a \\"b\\" \\\\"'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<HOST_POOL><HOST><STATE>99</STATE></HOST></HOST_POOL>", "is 99, which is no state of a host"),
        ("<HOST_POOL><HOST><STATE>2</STATE><NAME>x</NAME></HOST></HOST_POOL>", "no <ID>"),
        ("<ZONE></ZONE>", "a <ZONE> document where <HOST_POOL>"),
    ],
)
def test_what_is_no_pool_of_hosts(text: str, words: str) -> None:
    with pytest.raises(model.DocumentError, match=words):
        model.parse_hosts(text)


MACHINE = model.MachineFacts(
    model.DatabaseState.REFUSES_WRITES,
    "disk full",
    5,
    100,
    model.LogFacts(3, 900, 890, (17, 18), 40),
    "ab12",
)


@pytest.mark.parametrize("machine", [MACHINE, model.MachineFacts()])
@pytest.mark.parametrize(
    "answer",
    [up(0, model.ServerState.LEADER, zone(3)), up(1, model.ServerState.SOLO, zone(1), version=None), down(2)],
)
def test_what_an_agent_says_comes_through(machine: model.MachineFacts, answer: model.Answer) -> None:
    status = model.AgentStatus("fe1", 0.125, answer, machine)
    read = model.parse_status(json.dumps(model.status_dict(status)))
    assert (read.name, read.age, read.machine) == ("fe1", 0.125, machine)
    # How long the agent's own question took is its own affair.
    assert model.answer_dict(read.answer) == {**model.answer_dict(answer), "seconds": None}


def changed(path: str, value: Any) -> str:
    """A status with another value at one place; DROP takes it away."""
    status = model.status_dict(model.AgentStatus("fe1", 0.1, up(0, model.ServerState.LEADER, zone(3)), MACHINE))
    *way, last = path.split(".")
    place = status
    for step in way:
        place = place[step]
    if value is DROP:
        del place[last]
    else:
        place[last] = value
    return json.dumps(status)


DROP = object()


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("name", 3, "status.name is 3"),
        ("age", "old", "status.age is 'old'"),
        ("age", True, "status.age is True"),
        ("endpoint", DROP, "status has no endpoint"),
        ("machine", None, "machine is no object"),
        ("machine", DROP, "status has no machine"),
        ("machine.database", "dying", "machine.database is 'dying'"),
        ("machine.disk_free", 1.5, "machine.disk_free is 1.5"),
        ("machine.disk_free", True, "machine.disk_free is True"),
        ("machine.log", [], "machine.log is no object"),
        ("machine.log.skipped", 3, "machine.log.skipped is 3"),
        ("machine.log.skipped", ["a"], "machine.log.skipped is 'a'"),
        ("machine.credentials", 7, "machine.credentials is 7"),
        ("raft.state", "king", "status.raft.state is 'king'"),
        ("raft.term", "5", "status.raft.term is '5'"),
        ("zone.enabled", 1, "status.zone.enabled is 1"),
        ("zone.servers", [1], "status.zone.servers is no object"),
        ("version", 6, "status.version is 6"),
    ],
)
def test_a_status_of_another_kind_is_refused(path: str, value: Any, said: str) -> None:
    with pytest.raises(model.DocumentError, match=said):
        model.parse_status(changed(path, value))


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null"])
def test_what_is_no_status_at_all(text: str) -> None:
    with pytest.raises(model.DocumentError):
        model.parse_status(text)


@pytest.mark.parametrize(
    ("free", "total", "full"),
    [
        (None, None, False),
        (None, 2**40, False),
        (0, 2**40, True),
        (2**30 - 1, 2**40, True),
        (2**30, 2**40, False),
        (10, 200, False),
        (9, 200, True),
        (2**30 - 1, None, True),
        (2**30, None, False),
    ],
)
def test_when_a_disk_is_full(free: int | None, total: int | None, full: bool) -> None:
    assert model.MachineFacts(disk_free=free, disk_total=total).disk_full is full
