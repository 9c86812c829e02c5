# SPDX-License-Identifier: Apache-2.0
"""Inventories and machines that cannot work, and what must be said about each."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.nebula.ha.plugins.module_utils import preflight
from ansible_collections.nebula.ha.plugins.module_utils.preflight import (
    Broken,
    Fault,
    Limits,
    clock_faults,
    host_name_fault,
    inventory_faults,
    machine_faults,
    report,
    secret_problem,
)

SECRET = "kX3vR8mQ2pLw9sTn"
GOOD: dict[str, Any] = {
    "one_version": "6.10.5",
    "one_source": "upstream",
    "one_source_key": "",
    "one_allow_standin": False,
    "one_subnet": "192.0.2.0/24",
    "one_rpc_port": 2633,
    "one_oneadmin_password": SECRET,
    "one_db_password": SECRET[::-1],
    "one_db_name": "opennebula",
    "one_db_user": "oneadmin",
    "one_db_connections": 25,
    "one_election_timeout_ms": 4000,
    "one_election_timeout_step_ms": 1000,
    "one_broadcast_timeout_ms": 500,
    "one_xmlrpc_timeout_ms": 500,
    "one_log_retention": 250000,
    "one_limit_purge": 100000,
    "one_log_purge_timeout": 60,
}
NAMES = ("fe1", "fe2", "fe3")


def hosts(names: tuple[str, ...] = NAMES, **common: Any) -> dict[str, dict[str, Any]]:
    return {name: {**GOOD, "one_address": f"192.0.2.{n + 11}", **common} for n, name in enumerate(names)}


def faults(of: dict[str, dict[str, Any]]) -> list[Fault]:
    found: list[Fault] = inventory_faults({"frontends": list(of)}, of)
    return found


def one(of: dict[str, dict[str, Any]]) -> Fault:
    found = faults(of)
    assert len(found) == 1, [fault.sentence for fault in found]
    return found[0]


def test_a_good_inventory_has_no_fault() -> None:
    assert faults(hosts()) == []
    assert faults(hosts(tuple(f"fe{n}" for n in range(9)))) == []


def test_several_faults_are_all_named_at_once() -> None:
    of = hosts(("fe1", "fe_2"), one_subnet="nonsense", one_oneadmin_password="changeme", one_rpc_port=0)
    found = faults(of)
    assert {fault.variable for fault in found} == {
        "group frontends",
        "inventory_hostname",
        "one_subnet",
        "one_oneadmin_password",
        "one_rpc_port",
    }
    text = report(found, "The inventory cannot work")
    assert text.startswith("The inventory cannot work: 5 things to mend.\n1. ")
    assert all(f"{n}. {fault.sentence}" in text for n, fault in enumerate(found, 1))


@pytest.mark.parametrize("groups", [{}, {"frontends": []}])
def test_without_front_ends(groups: dict[str, list[str]]) -> None:
    (fault,) = inventory_faults(groups, {})
    assert fault.variable == "group frontends"


@pytest.mark.parametrize(
    ("count", "words"), [(1, "does not survive"), (2, "does not survive"), (4, "no more losses than 3"), (6, "than 5")]
)
def test_a_number_that_is_no_majority(count: int, words: str) -> None:
    fault = one(hosts(tuple(f"fe{n}" for n in range(count))))
    assert words in fault.problem and f"({count})" in fault.value


# variable, value, what the problem says
VALUES = [
    ("one_version", "7.4.0", "does not know that series"),
    ("one_version", "6.1", "does not know that series"),
    ("one_version", 6.1, "does not know that series"),
    ("one_version", "latest", "no release"),
    ("one_version", "6.10.5-1", "no release"),
    ("one_source", "", "no source"),
    ("one_source", "downloads.example.com", "no source"),
    ("one_source", "ftp://x/y", "no source"),
    ("one_source", "relative/folder", "no source"),
    ("one_source", "https://", "no source"),
    ("one_source_key", "key.asc", "no key's place"),
    ("one_allow_standin", "yes", "no boolean"),
    ("one_subnet", "", "not set"),
    ("one_subnet", "192.0.2.0", "no network"),
    ("one_subnet", "192.0.2.0/33", "no network"),
    ("one_subnet", "192.0.2.7/24", "bits beyond"),
    ("one_rpc_port", 70000, "no port"),
    ("one_rpc_port", "x", "no positive whole number"),
    ("one_db_connections", 0, "no positive whole number"),
    ("one_db_connections", 2.5, "no positive whole number"),
    ("one_db_connections", True, "no positive whole number"),
    ("one_log_retention", -1, "no positive whole number"),
    ("one_limit_purge", "", "no positive whole number"),
    ("one_log_purge_timeout", None, ""),
    ("one_election_timeout_ms", 1999, "4 x one_broadcast_timeout_ms (2000)"),
    ("one_election_timeout_step_ms", 799, "300 ms (800)"),
    ("one_broadcast_timeout_ms", 1001, "4 x one_broadcast_timeout_ms (4004)"),
    ("one_xmlrpc_timeout_ms", 701, "300 ms (1001)"),
    ("one_db_name", 'a"b', "a double quote"),
    ("one_db_name", "a b", "no name for MariaDB"),
    ("one_db_name", "", "no name"),
    ("one_db_user", "x" * 33, "no name for MariaDB"),
    ("one_db_user", "a\nb", "a line break"),
    ("one_zone_name", "a\\b", "a backslash"),
    ("one_oneadmin_password", "", "empty"),
    ("one_oneadmin_password", "short", "5 characters"),
    ("one_oneadmin_password", 123456789012, "a int, not a text"),
    ("one_db_password", 'with"a-quote-inside', "a double quote"),
    ("one_db_password", "with'a-quote-inside", "a single quote"),
    ("one_db_password", "with-a-break\ninside", "a line break"),
    ("one_db_password", "with\\a-backslash", "a backslash"),
    ("one_db_password", "  blanks-around-it-1", "a blank"),
    ("one_db_password", "change-me-please", "a placeholder"),
    ("one_db_password", "MyPassword2026", "a placeholder"),
    ("one_db_password", "aaaaaaaaaaaaaaaa", "a placeholder"),
]


@pytest.mark.parametrize(("variable", "value", "words"), VALUES)
def test_a_value_that_cannot_work(variable: str, value: Any, words: str) -> None:
    if value is None:
        given: dict[str, Any] = {variable: value}
        assert faults(hosts(**given)) == []  # not given: the default of the role counts
        return
    found = [fault for fault in faults(hosts(**{variable: value})) if words in fault.problem]
    assert len(found) == 1, [fault.sentence for fault in faults(hosts(**{variable: value}))]
    assert found[0].fix
    if variable in preflight.SECRETS and value:
        assert str(value).strip() not in found[0].sentence
    elif variable == found[0].variable and value != "":
        assert str(value) in found[0].sentence


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("one_version", "6.10"),
        ("one_source", "https://repo.example.com/one"),
        ("one_source", "/srv/one-repo"),
        ("one_source_key", "/srv/one-repo/key.asc"),
        ("one_source_key", "https://repo.example.com/key.asc"),
        ("one_rpc_port", "2634"),
        ("one_election_timeout_ms", 2000),
        ("one_election_timeout_step_ms", 800),
        ("one_zone_name", "Zone of Ümläuts"),
        ("one_subnet", "192.0.0.0/16"),
    ],
)
def test_a_value_that_works(variable: str, value: Any) -> None:
    assert faults(hosts(**{variable: value})) == []


def test_a_missing_secret_says_what_a_second_controller_needs() -> None:
    of = hosts()
    for values in of.values():
        del values["one_db_password"]
    fault = one(of)
    assert fault.variable == "one_db_password" and "secrets.yml" in fault.fix and "second controller" in fault.fix


def test_a_variable_that_differs_between_hosts() -> None:
    of = hosts()
    of["fe2"]["one_db_name"] = "other"
    assert one(of).sentence == (
        "fe2: one_db_name is 'other': it differs from fe1's, 'opennebula'; set it once, in group_vars/all."
    )
    of = hosts()
    of["fe3"]["one_oneadmin_password"] = "Another9secret8long"
    sentence = one(of).sentence
    assert "fe3: one_oneadmin_password: it differs from fe1's;" in sentence
    assert "Another9" not in sentence and SECRET not in sentence


def test_a_variable_that_cannot_be_rendered() -> None:
    of = hosts()
    of["fe2"]["one_address"] = Broken("'x' is undefined")
    of["fe1"]["one_zone_name"] = of["fe2"]["one_zone_name"] = Broken("'y' is undefined")
    assert [(fault.host, fault.variable) for fault in faults(of)] == [("fe1", "one_zone_name"), ("fe2", "one_address")]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("192.0.2.11", "fe1 has it too"),
        ("192.0.3.12", "outside one_subnet (192.0.2.0/24)"),
        ("192.0.2.0", "the network address"),
        ("192.0.2.255", "the broadcast address"),
        ("127.0.0.1", "cannot reach it"),
        ("0.0.0.0", "cannot reach it"),  # noqa: S104
        ("fe2.example.com", "no address"),
        ("192.0.2", "no address"),
        ("192.0.2.300", "no address"),
        ("192.0.2.12/24", "no address"),
        ("", "no address"),
        (None, "no address"),
        ("2001:db8::12", "outside one_subnet"),
    ],
)
def test_an_address_that_cannot_work(address: Any, words: str) -> None:
    of = hosts()
    of["fe2"]["one_address"] = address
    fault = one(of)
    assert (fault.variable, fault.host) == ("one_address", "fe2") and words in fault.problem


def test_addresses_of_ipv6() -> None:
    of = hosts(one_subnet="2001:db8::/64")
    for n, values in enumerate(of.values()):
        values["one_address"] = f"2001:db8::{n}"
    assert faults(of) == []  # there is no broadcast address, and ::0 is a host like others


def test_two_spellings_of_one_address() -> None:
    of = hosts(one_subnet="2001:db8::/64")
    for values, address in zip(of.values(), ("2001:db8::1", "2001:DB8:0::1", "2001:db8::3"), strict=True):
        values["one_address"] = address
    assert "fe1 has it too" in one(of).problem


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fe_1", "no part of a host's name"),
        ("-fe1", "no part"),
        ("fe1-", "no part"),
        ("fe1..example", "no part"),
        ("fe 1", "no part"),
        ("fe1\n", "no part"),
        ("a" * 64 + ".b", "64 is the limit"),
        ("a" * 65, "64 is the limit"),
        ("a" * 64, "no part"),
        ("192.0.2.11", "an address"),
        ("42", "an address or a number"),
        ("fe80::1", "an address"),
        ("localhost", "every machine"),
        ("localhost.localdomain", "every machine"),
        ("é1", "no part"),
    ],
)
def test_a_name_that_is_none(name: str, words: str) -> None:
    assert words in host_name_fault(name)


@pytest.mark.parametrize("name", ["fe1", "FE1", "fe-1", "1fe", "fe1.example.com", "a" * 63])
def test_a_name_that_is_one(name: str) -> None:
    assert host_name_fault(name) == ""


def test_two_names_that_differ_in_case_only() -> None:
    found = faults(hosts(("fe1", "FE1", "fe3")))
    assert [fault.problem for fault in found] == ["but for its case it is fe1 again"]


def test_long_random_secrets_are_no_placeholders() -> None:
    assert secret_problem("p4ssAdminx" + SECRET) == ""
    assert secret_problem(SECRET) == ""


# -- machines ----------------------------------------------------------------------------------------------------------

SETTINGS: dict[str, Any] = {
    "one_version": "6.10.5",
    "one_source": "upstream",
    "one_allow_standin": False,
    "one_db_name": "opennebula",
    "addresses": {"fe1": "192.0.2.11", "fe2": "192.0.2.12"},
}


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
    }
    for path, value in changes.items():
        *above, last = path.split("__")
        place = facts
        for key in above:
            place = place[key]
        place[last] = value
    return facts


def of_machine(settings: dict[str, Any] | None = None, **changes: Any) -> list[Fault]:
    found = {"fe1": machine(1, **changes), "fe2": machine(2)}
    judged: list[Fault] = machine_faults(found, settings or SETTINGS)
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
        return [fault.host or "" for fault in machine_faults(found, SETTINGS) if fault.variable.endswith("password")]

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
        ({"memory_mb": 500}, "memory", "want 900 MiB"),
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
    lab = {**SETTINGS, "one_allow_standin": True, "one_source": "/srv/one-repo"}
    assert of_machine(lab, opennebula__version="6.10.5-1+standin1", source_is_standin=True) == []


def test_a_series_takes_any_of_its_releases() -> None:
    assert of_machine({**SETTINGS, "one_version": "6.10"}, opennebula__version="6.10.4-1") == []
    assert of_machine({**SETTINGS, "one_version": "6.1"}, opennebula__version="6.10.4-1")[-1].variable == "OpenNebula"


def test_a_database_beside_ours_is_the_owners_business() -> None:
    assert of_machine(database__names=["opennebula", "notes"], database__ours=True) == []


def test_unknown_facts_are_no_fault() -> None:
    assert of_machine(memory_mb=None, addresses=None, free_mb={}) == []


def test_limits_are_parameters() -> None:
    found = {"fe1": machine(1)}
    assert [fault.variable for fault in machine_faults(found, SETTINGS, Limits(memory_mb=5000))] == ["memory"]
    assert machine_faults(found, SETTINGS, Limits(disk_mb=30000))[0].value == "20000 MiB"


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
