"""Datastores, hosts and their cluster, against what a real zone answered."""

from __future__ import annotations

import re
import xmlrpc.client
from typing import Any

import pytest

from lab.standin.tests.zone import Oned, leader_of, wait_for
from tests.contract.recording import Recording, load

RECORDED = load()
# What a real leader measured on its disks; the stand-in measures no datastores.
MEASURED = re.compile(r"<(TOTAL|FREE|USED)_MB>\d+<")


def answer_of(recording: Recording) -> list[Any]:
    assert recording.answer is not None
    kinds: dict[str, Any] = {"boolean": lambda text: text == "1", "i4": int, "i8": int, "string": str}
    return [kinds[kind](MEASURED.sub(r"<\1_MB>0<", text)) for kind, text in recording.answer.values]


def replay(server: Oned, *names: str) -> None:
    """Repeat recorded calls; each has to answer as the real zone did."""
    for name in names:
        recording = RECORDED[name]
        kinds: dict[str, Any] = {"boolean": lambda text: text == "1", "int": int, "i4": int, "string": str}
        arguments = [kinds[kind](text) for kind, text in recording.arguments]
        assert server.call(recording.method, *arguments) == answer_of(recording), name


def test_datastores_change_their_drivers_as_recorded(solo: Oned) -> None:
    replay(solo, "solo.datastorepool.info", "solo.clusterpool.info", "ha3.datastore.info.0.fresh")
    replay(solo, *(f"ha3.datastore.update.{number}.tm-shared" for number in range(3)))
    replay(solo, "ha3.datastore.update.0.again-same", "ha3.datastorepool.info.shared")
    replay(solo, *(f"ha3.datastore.info.{number}.shared" for number in range(3)))
    replay(solo, "ha3.datastore.update.1.tm-qcow2")
    replay(solo, *(f"err.datastore.update.{what}" for what in ("tm-unknown", "ds-unknown", "syntax", "not-found")))
    accepted = ("type-wrong", "system-ds-mad", "type-change-shared-system-to-image", "tm-empty", "replace-without-tm")
    replay(solo, *(f"ha3-accepted.datastore.update.{what}" for what in accepted))
    replay(solo, "ha3.datastore.update.0.shared-no-by-hand", "ha3.datastore.info.0.shared")
    replay(solo, *(f"ha3.datastore.update.{number}.tm-ssh" for number in range(3)))
    replay(solo, "ha3.datastorepool.info.back-to-ssh")
    with pytest.raises(xmlrpc.client.Fault, match="supposed to be integer"):
        solo.call("one.datastore.update", 0, 'TM_MAD = "shared"', "1")


def test_hosts_are_kept_as_recorded(solo: Oned) -> None:
    """Of a driver that nobody has, so that what is kept does not move while it is looked at."""
    replay(solo, "solo.hostpool.info", "err.host-not-found", "err.host.allocate.no-name", "err.host.allocate.empty-im")
    replay(solo, "err.host.allocate.cluster-not-found")
    for oid, name in enumerate(("node-a", "node-b")):
        assert solo.call("one.host.allocate", name, "nosuch", "nosuch", -oid) == [True, oid, 0]
    replay(solo, "err.host.allocate.duplicate", "ha3.clusterpool.info")

    def recorded(name: str) -> str:
        text = str(answer_of(RECORDED[name])[1])
        return re.sub(r"<ERROR>.*?</ERROR>", "", text).replace("[kvm]", "[nosuch]")

    replay(solo, "ha3.host.status.disable")
    assert solo.call("one.host.info", 0, False)[1] == recorded("ha3.host.info.disabled")
    replay(solo, "ha3.host.status.offline")
    assert solo.call("one.host.info", 1, False)[1] == recorded("ha3.host.info.offline")
    replay(solo, "ha3.host.status.enable")
    assert solo.call("one.hostpool.info")[1] == recorded("ha3-down2.read")
    assert solo.call("one.host.update", 0, 'RACK = "7"\nVM_MAD = ""', 1) == [True, 0, 0]
    assert "<RACK><![CDATA[7]]></RACK>" in solo.call("one.host.info", 0, False)[1]
    assert "<VM_MAD><![CDATA[nosuch]]></VM_MAD><CLUSTER_ID>" in solo.call("one.host.info", 0, False)[1]
    assert solo.call("one.host.rename", 0, "node-b")[1] == "[one.host.rename] NAME is already taken by HOST 1."
    assert solo.call("one.host.rename", 0, "node-c") == [True, 0, 0]
    assert solo.call("one.host.status", 0, 3)[1:3] == ["[one.host.status] Wrong status code", 8192]
    assert solo.call("one.host.delete", 0) == [True, 0, 0]
    assert solo.call("one.host.info", 0, False)[2] == 1024
    assert solo.call("one.host.allocate", "node-d", "nosuch", "nosuch", 0) == [True, 2, 0]


def test_only_administrators_see_hosts(solo: Oned) -> None:
    assert solo.call("one.user.allocate", "eve", "pw", "core")[0] is True
    assert solo.call("one.hostpool.info", session="eve:pw")[2] == 512
    assert solo.call("one.datastore.update", 0, 'TM_MAD = "shared"', 1, session="eve:pw")[2] == 512
    assert solo.call("one.datastorepool.info", session="eve:pw")[0] is True


def test_datastores_and_hosts_are_records_of_the_zone(trio: list[Oned]) -> None:
    leader = leader_of(trio)
    assert leader is not None
    follower = next(server for server in trio if server is not leader)
    assert follower.call("one.datastore.update", 1, 'TM_MAD = "shared"', 1) == [True, 1, 0]
    assert follower.call("one.host.allocate", "node-a", "nosuch", "nosuch", -1) == [True, 0, 0]

    def pools(server: Oned) -> list[str]:
        methods = ("one.datastorepool.info", "one.hostpool.info", "one.clusterpool.info")
        return [server.call(method)[1] for method in methods]

    wanted = pools(leader)
    assert [part in text for part, text in zip(("[shared]", "node-a", "<HOSTS><ID>0"), wanted, strict=True)] == [
        True
    ] * 3
    wait_for("equal pools", lambda: all(pools(server) == wanted for server in trio))
