# SPDX-License-Identifier: Apache-2.0
"""Inventories that cannot work, and what must be said about each."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.nebula.ha.plugins.module_utils.preflight.fault import SECRETS, Broken, report
from ansible_collections.nebula.ha.plugins.module_utils.preflight.inventory import (
    host_name_fault,
    inventory_faults,
    secret_problem,
)

from .inventories import SECRET, faults, hosts, one


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
    ("one_rpc_connections", 0, "no positive whole number"),
    ("one_log_retention", -1, "no positive whole number"),
    ("one_limit_purge", "", "no positive whole number"),
    ("one_log_purge_timeout", None, ""),
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
    if variable in SECRETS and value:
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
        ("127.0.0.1", "can reach it"),
        ("0.0.0.0", "can reach it"),  # noqa: S104
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


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("0.0.0.0/0", "half the world"),
        ("::/0", "half the world"),
        ("128.0.0.0/1", "half the world"),
        ("2000::/3", "half the world"),
        ("monitor.example.org", "no address or network"),
        ("192.0.2", "no address or network"),
        ("192.0.2.0/33", "no address or network"),
        ("", "no address or network"),
        (192, "no address or network"),
        ("192.0.2.7/24", "bits beyond"),
    ],
)
def test_a_trusted_source_that_is_refused(source: Any, words: str) -> None:
    fault = one(hosts(one_trusted_sources=["198.51.100.9", source]))
    assert fault.variable == "one_trusted_sources" and words in fault.problem and fault.fix


def test_trusted_sources() -> None:
    good = ["192.0.2.200", "198.51.100.0/24", "10.0.0.0/8", "2001:db8::7", "2001:db8::/32", "fd00::/16"]
    assert faults(hosts(one_trusted_sources=good)) == []
    assert "no list" in one(hosts(one_trusted_sources="192.0.2.200")).problem
    assert [fault.value for fault in faults(hosts(one_trusted_sources=["x", "192.0.2.1", "y"]))] == ["'x'", "'y'"]
