# SPDX-License-Identifier: Apache-2.0
"""Machines that cannot carry their parts of the cloud, and what must be said about each."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.nebula.ha.plugins.module_utils.preflight.fault import Fault
from ansible_collections.nebula.ha.plugins.module_utils.preflight.machines import (
    Limits,
    Settings,
    clock_faults,
    machine_faults,
)

SETTINGS = Settings(
    version="6.10.5",
    source="upstream",
    addresses={"fe1": "192.0.2.11", "fe2": "192.0.2.12"},
    parts={"fe1": ["frontends"], "fe2": ["frontends"]},
)


def machine(number: int, **changes: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "system": "debian",
        "release": "12",
        "init": "systemd",
        "memory_mb": 4000,
        "free_mb": {"/var/lib": 20000, "/var/log": 20000},
        "addresses": ["127.0.0.1", f"192.0.2.{number + 10}"],
        "epoch": 1000.5,
        "controller": {"before": 1000.0, "after": 1001.0},
        "database": {"names": [], "ours": False, "populated": False},
        "opennebula": {
            "version": None,
            "ours": False,
            "sqlite": False,
            "oneadmin_password_fits": None,
            "db_password_fits": None,
        },
        "source_is_standin": False,
        "hardware": [f"02:00:00:00:00:{number:02x}"],
        "floating_answers": None,
        "share": None,
    }
    for path, value in changes.items():
        *above, last = path.split("__")
        place = facts
        for key in above:
            place = place[key]
        place[last] = value
    return facts


def of_machine(settings: Settings = SETTINGS, **changes: Any) -> list[Fault]:
    found = {"fe1": machine(1, **changes), "fe2": machine(2)}
    judged: list[Fault] = machine_faults(found, settings)
    return judged


def test_fresh_machines_have_no_fault() -> None:
    assert of_machine() == []


def test_a_zone_of_ours_that_runs_has_no_fault() -> None:
    ours: dict[str, Any] = {
        "database__names": ["opennebula"],
        "database__ours": True,
        "database__populated": True,
        "opennebula__version": "6.10.5-1",
        "opennebula__ours": True,
        "opennebula__oneadmin_password_fits": True,
        "opennebula__db_password_fits": True,
    }
    assert of_machine(**ours) == []


@pytest.mark.parametrize("key", ["oneadmin_password_fits", "db_password_fits"])
def test_a_password_edited_by_hand_on_one_of_several_is_no_fault_but_on_all_it_is(key: str) -> None:
    def named(*fit: bool) -> list[str]:
        ours = {"database__ours": True, "database__populated": True, "opennebula__ours": True}
        found = {
            f"fe{number}": machine(number, **ours, **{f"opennebula__{key}": fits})
            for number, fits in enumerate(fit, start=1)
        }
        settings = replace(SETTINGS, parts={name: ["frontends"] for name in found})
        return [fault.host or "" for fault in machine_faults(found, settings) if fault.variable.endswith("password")]

    assert named(True, False, True) == []
    assert named(False, False) == ["fe1", "fe2"]


def test_an_interrupted_first_run_has_no_fault() -> None:
    """Packages are there, with the password that they made up, and no zone yet."""
    half: dict[str, Any] = {
        "database__names": ["opennebula"],
        "database__ours": True,
        "opennebula__version": "6.10.5-1",
        "opennebula__oneadmin_password_fits": False,
        "opennebula__db_password_fits": None,
    }
    assert of_machine(**half) == []


@pytest.mark.parametrize(
    ("changes", "variable", "words"),
    [
        ({"system": "centos", "release": "9"}, "system", "not packaged"),
        ({"release": "10"}, "system", "not packaged"),
        ({"release": "13"}, "system", "debian 11/12, ubuntu 22.04/24.04"),
        ({"system": "ubuntu", "release": "20.04"}, "system", "not packaged"),
        ({"init": ""}, "init", "services cannot be run"),
        ({"memory_mb": 500}, "memory", "wants 900 MiB"),
        ({"free_mb": {"/var/lib": 10, "/var/log": 9000}}, "room in /var/lib", "2000 MiB"),
        ({"free_mb": {"/var/lib": 10, "/var/log": 10}}, "room in /var/lib, /var/log", "2000 MiB"),
        ({"addresses": ["127.0.0.1", "10.0.0.1"]}, "one_address", "no interface"),
        ({"database__names": ["shop", "opennebula"]}, "MariaDB", "something else"),
        ({"opennebula__sqlite": True}, "OpenNebula", "did not make it"),
        ({"database__names": ["opennebula"], "database__populated": True}, "OpenNebula", "did not make it"),
        ({"opennebula__version": "6.10.4-1"}, "OpenNebula", "wants 6.10.5"),
        ({"opennebula__version": "6.10.5-1+standin1"}, "OpenNebula", "stand-in"),
        ({"source_is_standin": True}, "one_source", "stand-in"),
        (
            {
                "database__populated": True,
                "database__ours": True,
                "opennebula__ours": True,
                "opennebula__oneadmin_password_fits": False,
            },
            "one_oneadmin_password",
            "never changes it",
        ),
        (
            {
                "database__populated": True,
                "database__ours": True,
                "opennebula__ours": True,
                "opennebula__db_password_fits": False,
            },
            "one_db_password",
            "never changes it",
        ),
    ],
)
def test_a_machine_that_cannot_be_a_front_end(changes: dict[str, Any], variable: str, words: str) -> None:
    found = of_machine(**changes)
    assert [(fault.host, fault.variable) for fault in found] == [("fe1", variable)], [f.sentence for f in found]
    assert words in found[0].sentence


@pytest.mark.parametrize(
    ("system", "release"), [("debian", "11"), ("debian", "12"), ("ubuntu", "22.04"), ("ubuntu", "24.04")]
)
def test_supported_systems(system: str, release: str) -> None:
    assert of_machine(system=system, release=release) == []


def test_a_lab_may_have_the_stand_in() -> None:
    lab = replace(SETTINGS, allow_standin=True, source="/srv/one-repo")
    assert of_machine(lab, opennebula__version="6.10.5-1+standin1", source_is_standin=True) == []


def test_a_series_takes_any_of_its_releases() -> None:
    assert of_machine(replace(SETTINGS, version="6.10"), opennebula__version="6.10.4-1") == []
    assert of_machine(replace(SETTINGS, version="6.1"), opennebula__version="6.10.4-1")[-1].variable == "OpenNebula"


def test_a_database_beside_ours_is_the_owners_business() -> None:
    assert of_machine(database__names=["opennebula", "notes"], database__ours=True) == []


def test_unknown_facts_are_no_fault() -> None:
    assert of_machine(memory_mb=None, addresses=None, free_mb={}) == []


def test_limits_are_parameters() -> None:
    found = {"fe1": machine(1)}
    assert [fault.variable for fault in machine_faults(found, SETTINGS, Limits(memory_mb={"system": 5000}))] == [
        "memory"
    ]
    assert machine_faults(found, SETTINGS, Limits(disk_mb={"frontends": 30000}))[0].value == "20000 MiB"


def clocks(**offsets: float) -> list[Fault]:
    found = {}
    for name, offset in offsets.items():
        facts = copy.deepcopy(machine(1))
        facts["epoch"] += offset
        found[name] = facts
    judged: list[Fault] = clock_faults(found, 2.0)
    return judged


def test_clocks_that_agree() -> None:
    assert clocks(fe1=0, fe2=0.9, fe3=-0.9) == []


def test_a_clock_that_is_off_is_the_one_named() -> None:
    (ahead,) = clocks(fe1=60, fe2=0, fe3=0.1)
    assert ahead.host == "fe1"
    assert "58.9 s or more ahead of fe3" in ahead.problem
    (behind,) = clocks(fe1=0, fe2=-60, fe3=0)
    assert behind.host == "fe2" and "behind" in behind.problem


def test_a_slow_answer_proves_nothing() -> None:
    slow = machine(1)
    slow["controller"] = {"before": 900.0, "after": 1100.0}
    slow["epoch"] = 1050.0
    assert clock_faults({"fe1": slow, "fe2": machine(2)}, 2.0) == []


def test_a_controller_with_a_wrong_clock_accuses_nobody() -> None:
    assert clocks(fe1=5000, fe2=5000.3, fe3=5000.1) == []


# -- machines of every kind ------------------------------------------------------------------------------------------

CLOUD = Settings(
    version="6.10.5",
    floating="192.0.2.100",
    share="storage:/one",
    parts={"fe1": ["frontends"], "lb1": ["balancers"], "lb2": ["balancers"], "cache1": ["caches"], "node1": ["nodes"]},
)


def cloud(settings: Settings = CLOUD, **changed: dict[str, Any]) -> list[Fault]:
    found = {name: machine(n, **changed.get(name, {})) for n, name in enumerate(settings.parts)}
    judged: list[Fault] = machine_faults(found, settings)
    return judged


def test_a_whole_cloud_of_fresh_machines() -> None:
    assert cloud() == []


def test_machines_that_do_not_answer_are_named_with_all_other_faults() -> None:
    silent = {"unreachable": "No route to host"}
    found = {"fe1": silent, "lb1": machine(1), "node1": silent, "lb2": machine(2, init="")}
    judged = machine_faults(found, CLOUD)
    assert [(fault.host, fault.variable) for fault in judged] == [("fe1", "ssh"), ("node1", "ssh"), ("lb2", "init")]
    assert "No route to host" in judged[0].problem and "--limit" not in judged[0].fix
    assert "--limit '!node1'" in judged[1].fix
    (failed,) = machine_faults({"node1": {"failed": "Missing sudo password"}, "lb1": machine(1)}, CLOUD)
    assert failed.host == "node1" and "Missing sudo password" in failed.problem and "--limit '!node1'" in failed.fix


@pytest.mark.parametrize(
    ("parts", "memory", "fits"),
    [
        (["caches"], 250, True),
        (["balancers"], 200, True),
        (["frontends"], 250, False),
        (["frontends", "sunstones", "balancers", "caches"], 1349, False),
        (["frontends", "sunstones", "balancers", "caches"], 1350, True),
    ],
)
def test_a_machine_needs_what_its_parts_need_together(parts: list[str], memory: int, fits: bool) -> None:
    settings = replace(SETTINGS, parts={"fe1": parts})
    found = machine_faults({"fe1": machine(1, memory_mb=memory)}, settings)
    assert [fault.variable for fault in found] == ([] if fits else ["memory"])


def test_the_system_matters_as_far_as_the_packages_that_come_onto_it() -> None:
    assert cloud(cache1={"release": "13"}) == []
    assert [fault.problem for fault in cloud(cache1={"system": "centos"})] == ["the roles know apt only"]
    assert [fault.host for fault in cloud(node1={"release": "13"})] == ["node1"]


def test_a_foreign_database_matters_on_front_ends_only() -> None:
    shop = {"database__names": ["shop"]}
    assert cloud(cache1=shop) == []
    assert [fault.host for fault in cloud(fe1=shop)] == ["fe1"]


def test_a_node_of_another_release() -> None:
    (fault,) = cloud(node1={"opennebula__version": "6.8.0-1"})
    assert (fault.host, fault.variable) == ("node1", "OpenNebula")


MAC = "52:54:00:aa:bb:cc"


def test_a_floating_address_that_a_stranger_has() -> None:
    (fault,) = cloud(lb1={"floating_answers": [MAC]}, lb2={"floating_answers": [MAC]})
    assert fault.variable == "one_floating_address" and fault.host is None
    assert MAC in fault.problem and "192.0.2.100" in fault.value


def test_a_floating_address_where_it_belongs() -> None:
    held = {"addresses": ["192.0.2.100"], "hardware": [MAC]}
    assert cloud(lb1=held, lb2={"floating_answers": [MAC]}) == []
    assert cloud(lb1={"floating_answers": []}, lb2={"floating_answers": None}) == []


def test_a_floating_address_on_another_machine_of_ours() -> None:
    (fault,) = cloud(cache1={"addresses": ["192.0.2.100"], "hardware": [MAC]}, lb1={"floating_answers": [MAC]})
    assert fault.host == "cache1" and "no balancer" in fault.problem


def test_a_balancer_that_was_not_looked_at_may_be_the_one_that_answers() -> None:
    looked = {"lb1": machine(1, floating_answers=[MAC])}
    assert machine_faults(looked, CLOUD) == []
    assert [f.variable for f in machine_faults({**looked, "lb2": {"unreachable": "x"}}, CLOUD)] == ["ssh"]


@pytest.mark.parametrize(
    ("share", "words"),
    [
        ({"mounted": True, "writable": False}, "9869"),
        ({"mounted": True, "writable": None}, "does not answer"),
        ({"mounted": True, "writable": True}, ""),
        ({"mounted": False, "writable": None}, ""),
        (None, ""),
    ],
)
def test_a_share_that_is_mounted(share: Any, words: str) -> None:
    found = cloud(node1={"share": share})
    assert [(fault.host, fault.variable) for fault in found] == ([("node1", "one_datastore_source")] if words else [])
    assert not words or words in found[0].problem
    assert cloud(replace(CLOUD, share=""), node1={"share": share}) == []
