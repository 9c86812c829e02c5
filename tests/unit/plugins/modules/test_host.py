# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.nebula.ha.plugins.modules import host as module

from ..module_utils.zone.servers import free_port
from .conftest import Run
from .oned import SESSION
from .pools import ERROR, INIT, MESSAGE, MONITORED, OFFLINE, Node, Pools


@pytest.fixture
def auth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(module, "SEEN", 0.6)
    path = tmp_path / "one_auth"
    path.write_text(SESSION + "\n")
    return str(path)


def go(run: Run, port: int, auth: str, **arguments: Any) -> dict[str, Any]:
    given = {"host": "127.0.0.1", "port": port, "auth_file": auth, "timeout": 1, "wait": 3, "name": "kvm1"}
    return run("host", **{**given, **arguments})


def test_a_node_joins_once_it_is_monitored(run: Run, auth: str) -> None:
    with Pools(probes=[INIT, INIT, MONITORED]) as oned:
        result = go(run, oned.port, auth, vm_mad="qemu")
        assert (result["failed"], result["changed"]) == (False, True), result
        assert (result["host"]["id"], result["host"]["state"], result["host"]["vm_mad"]) == (7, "MONITORED", "qemu")
        assert result["diff"]["before"] == "" and "kvm1: im_mad kvm, vm_mad qemu" in result["diff"]["after"]
        again = go(run, oned.port, auth, vm_mad="qemu")
        assert (again["changed"], again["host"]) == (False, result["host"])
        assert oned.writes == ["host.allocate"]


def test_listed_is_not_joined(run: Run, auth: str) -> None:
    with Pools(probes=[INIT]) as oned:
        result = go(run, oned.port, auth, wait=0.7)
        assert result["failed"]
        assert "kvm1 is INIT after 0.7 s, not MONITORED" in result["msg"] and "monitor.log" in result["msg"]
        assert go(run, oned.port, auth, wait=0)["host"]["state"] == "INIT"


@pytest.mark.parametrize("state", [ERROR, INIT])
def test_a_host_that_is_not_monitored_is_probed_at_once(run: Run, auth: str, state: int) -> None:
    with Pools(nodes=[Node(0, "kvm1", probes=[state])]) as oned:
        result = go(run, oned.port, auth)
        assert (result["failed"], result["changed"], result["host"]["state"]) == (False, True, "MONITORED"), result
        assert oned.writes == ["host.status"] * 2, "offline first: only then oned probes it at once"
        assert go(run, oned.port, auth)["changed"] is False


def test_a_host_that_stays_in_error_says_why_and_what_to_do(run: Run, auth: str) -> None:
    with Pools(nodes=[Node(0, "kvm1", probes=[ERROR])], probes=[INIT, ERROR]) as oned:
        result = go(run, oned.port, auth, wait=30)
        assert result["failed"]
        assert MESSAGE.strip() in result["msg"] and "'ssh kvm1 true'" in result["msg"]
        assert oned.writes == ["host.status"] * 2
    with Pools(probes=[INIT, ERROR]) as oned:
        assert MESSAGE.strip() in go(run, oned.port, auth, wait=30)["msg"]
        assert oned.writes == ["host.allocate"] + ["host.status"] * 2, "a new one has a second chance"


def test_check_mode_says_it_all_and_does_nothing(run: Run, auth: str) -> None:
    with Pools(nodes=[Node(3, "kvm2", vms=[5]), Node(4, "kvm3", probes=[ERROR])]) as oned:
        added = go(run, oned.port, auth, check=True, cluster="other")
        assert added["changed"] and added["host"]["cluster"] == "other"
        moved = go(run, oned.port, auth, check=True, name="kvm2", vm_mad="qemu", state="disabled")
        assert moved["changed"] and "vm_mad qemu, cluster default, disabled" in moved["diff"]["after"]
        assert go(run, oned.port, auth, check=True, name="kvm3")["changed"], "it would be probed again"
        assert go(run, oned.port, auth, check=True, name="kvm3", state="absent")["changed"]
        assert (
            "Virtual machines are on kvm2 (5)"
            in go(run, oned.port, auth, check=True, name="kvm2", state="absent")["msg"]
        )
        assert oned.writes == []


def test_drivers_and_cluster_of_a_host_can_change(run: Run, auth: str) -> None:
    with Pools(nodes=[Node(0, "kvm1")]) as oned:
        result = go(run, oned.port, auth, vm_mad="qemu", cluster="other")
        assert (result["host"]["vm_mad"], result["host"]["cluster"]) == ("qemu", "other"), result
        assert "vm_mad kvm, cluster default" in result["diff"]["before"]
        assert oned.writes == ["host.update", "cluster.addhost"]
        result = go(run, oned.port, auth, vm_mad="qemu", cluster="third")
        assert result["failed"] and "has no cluster third for kvm1 (it has: default, other)" in result["msg"]


def test_enabled_and_disabled(run: Run, auth: str) -> None:
    with Pools(nodes=[Node(0, "kvm1")]) as oned:
        result = go(run, oned.port, auth, state="disabled")
        assert (result["changed"], result["host"]["state"]) == (True, "DISABLED")
        assert go(run, oned.port, auth, state="disabled")["changed"] is False
        left = go(run, oned.port, auth)
        assert (left["changed"], left["host"]["state"]) == (False, "DISABLED"), "present leaves a person's decision"
        assert "kvm1 is DISABLED: no virtual machine is placed on it until it is enabled." in left["warnings"]
        result = go(run, oned.port, auth, state="enabled")
        assert (result["changed"], result["host"]["state"]) == (True, "MONITORED")
        assert oned.writes == ["host.status"] * 3


def test_a_host_leaves(run: Run, auth: str) -> None:
    with Pools(nodes=[Node(0, "kvm1"), Node(1, "kvm2", vms=[3, 4])]) as oned:
        result = go(run, oned.port, auth, name="kvm2", state="absent")
        assert result["failed"] and "Virtual machines are on kvm2 (3, 4)" in result["msg"]
        result = go(run, oned.port, auth, state="absent")
        assert (result["changed"], result["host"], result["diff"]["after"]) == (True, None, "")
        assert go(run, oned.port, auth, state="absent")["changed"] is False
        assert oned.writes == ["host.delete"]


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("host.allocate", {}),
        ("host.update", {"name": "kvm2", "vm_mad": "qemu"}),
        ("cluster.addhost", {"name": "kvm2", "cluster": "other"}),
        ("host.status", {"name": "kvm2", "state": "disabled"}),
        ("host.delete", {"name": "kvm2", "state": "absent"}),
    ],
)
def test_a_call_without_an_answer_is_looked_for_and_never_repeated(
    run: Run, auth: str, method: str, arguments: dict[str, Any]
) -> None:
    with Pools(nodes=[Node(0, "kvm2")], trouble={method: "drop"}) as oned:
        result = go(run, oned.port, auth, **arguments)
        assert (result["failed"], result["changed"]) == (False, True), result
        assert oned.writes == [method]
    with Pools(nodes=[Node(0, "kvm2")], trouble={method: "lose"}) as oned:
        result = go(run, oned.port, auth, **{"wait": 0.5, **arguments})
        assert result["failed"] and "may still be applied" in result["msg"]
        assert oned.writes == [method]


def test_a_refusal_is_told(run: Run, auth: str) -> None:
    with Pools(trouble={"host.allocate": "NAME is already taken by HOST 1."}) as oned:
        result = go(run, oned.port, auth)
        assert result["msg"] == "The zone refused adding kvm1: NAME is already taken by HOST 1.."


def test_before_the_first_deploy_only_check_mode_has_an_answer(run: Run, auth: str) -> None:
    result = go(run, free_port(), auth, check=True)
    assert (result["failed"], result["changed"], result["host"]["id"]) == (False, True, -1)
    assert any("No oned answers yet" in text for text in result["warnings"])
    result = go(run, free_port(), auth, wait=0)
    assert result["failed"] and "systemctl start opennebula" in result["msg"]
    result = go(run, free_port(), auth + ".none")
    assert result["failed"] and "deploy it first" in result["msg"]
    assert go(run, free_port(), auth + ".none", check=True)["changed"]


def test_offline_hosts_count_as_disabled(run: Run, auth: str) -> None:
    with Pools(nodes=[Node(0, "kvm1", probes=[OFFLINE])]) as oned:
        assert go(run, oned.port, auth, state="disabled")["changed"] is False
        assert go(run, oned.port, auth, state="enabled")["host"]["state"] == "MONITORED"
        assert oned.writes == ["host.status"]
