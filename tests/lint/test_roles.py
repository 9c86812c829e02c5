# SPDX-License-Identifier: Apache-2.0
"""A role's argument spec equals its defaults key by key, and its README shows the same table and its ports."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from plugins.module_utils import ports
from roles.leader_services.files.leader_services import STARTED
from tools import role_docs

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())


def load(path: Path) -> dict[str, Any]:
    return (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.exists() else {}


def plain(value: Any) -> Any:
    """Folded and plain scalars of the same text are equal."""
    return " ".join(value.split()) if isinstance(value, str) else value


def differences(defaults: dict[str, Any], options: dict[str, dict[str, Any]]) -> list[str]:
    """What a reader of the spec would be told wrongly."""
    found = [f"{name} has a default and no option" for name in defaults if name not in options]
    for name, option in options.items():
        if name not in defaults:
            if "default" in option:
                found.append(f"{name} has a default in the spec and none in defaults/main.yml")
        elif "default" not in option:
            found.append(f"{name} has a default that the spec does not say")
        elif plain(option["default"]) != plain(defaults[name]) or type(option["default"]) is not type(defaults[name]):
            found.append(f"{name} is {defaults[name]!r} by default, and {option['default']!r} in the spec")
    return found


def undescribed(options: dict[str, dict[str, Any]]) -> list[str]:
    return [name for name, option in options.items() if not option.get("description") or not option.get("type")]


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_the_spec_says_what_the_defaults_say(role: Path) -> None:
    spec = load(role / "meta" / "argument_specs.yml")
    assert "main" in spec.get("argument_specs", {}), (
        f"{role.name} has no meta/argument_specs.yml with an entry point main"
    )
    main = spec["argument_specs"]["main"]
    assert main.get("short_description")
    assert main.get("description")
    options = main.get("options") or {}
    assert not undescribed(options)
    assert differences(load(role / "defaults" / "main.yml"), options) == []


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_the_readme_has_the_tables_of_variables_and_ports(role: Path) -> None:
    readme = role / "README.md"
    assert readme.exists(), f"{role.name} has no README.md"
    text = readme.read_text(encoding="utf-8")
    assert text == role_docs.rendered(text, role), f"{role.name}: run make docs"


def numbers(defaults: dict[str, Any]) -> dict[str, int]:
    """The ports among the variables of a role."""
    return {name: value for name, value in defaults.items() if name.endswith("_port") and isinstance(value, int)}


def unlisted(role: str, defaults: dict[str, Any]) -> list[str]:
    """Ports of a role's defaults that the table lacks; a cloud-wide one has its row by name."""
    rows = {(port.variable, port.number) for port in ports.PORTS}
    known = {number for _variable, number in rows}
    return [
        name
        for name, value in numbers(defaults).items()
        if (name, value) not in rows and (role == "one" or value not in known)
    ]


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_port_of_a_role_stands_in_the_table(role: Path) -> None:
    assert unlisted(role.name, load(role / "defaults" / "main.yml")) == []


def test_a_port_that_the_table_lacks_is_seen() -> None:
    assert unlisted("one", {"one_rpc_port": 2633, "one_web_port": 444}) == ["one_web_port"]
    assert unlisted("balancer", {"balancer_admin_port": 9999, "balancer_redirect_port": 80}) == ["balancer_admin_port"]


def test_the_table_names_no_variable_that_is_not_there() -> None:
    defaults = load(ROOT / "roles" / "one" / "defaults" / "main.yml")
    for role in ROLES:
        defaults |= load(role / "defaults" / "main.yml")
    assert {port.variable for port in ports.PORTS if port.variable} <= set(defaults)


# Lists of machines that those that leave stay in, and why.
KEPT = {
    "common_hosts": "a machine that leaves still has a name",
    "frontend_hosts": "the rank of a server, which its timers have, does not move while another leaves",
    **dict.fromkeys(
        ("remove_web_servers", "remove_caches", "remove_balancers", "remove_nodes"), "what the leaving one carries"
    ),
}


def forgotten(defaults: dict[str, Any]) -> list[str]:
    """Lists of machines, among the defaults of a role, that hold those that leave."""
    return [
        name
        for name, value in defaults.items()
        if isinstance(value, str) and "groups[" in value and "one_leaving" not in value and name not in KEPT
    ]


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_machines_that_leave_are_in_no_list(role: Path) -> None:
    """`groups['caches'] | default([]) | reject('in', one_leaving) | list`: else remove.yml could not take them out."""
    assert forgotten(load(role / "defaults" / "main.yml")) == []


def test_a_list_that_forgets_them_is_seen() -> None:
    kept = {"b": "{{ groups['nodes'] | reject('in', one_leaving) | list }}"}
    assert forgotten({"a": "{{ groups['nodes'] }}", **kept}) == ["a"]
    every = {name for role in ROLES for name in load(role / "defaults" / "main.yml")}
    assert set(KEPT) <= every


@pytest.mark.parametrize("what", ["roles", "playbooks"])
def test_the_readme_lists_everything(what: str) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    names = {path.parents[1].name for path in ROOT.glob("roles/*/meta/main.yml")}
    rows = {f"[`{name}`](roles/{name}/README.md)" for name in names}
    if what == "playbooks":
        rows = {f"| `nebula.ha.{path.stem}` |" for path in ROOT.glob("playbooks/*.yml")}
    assert rows
    assert sorted(row for row in rows if row not in text) == []


@pytest.mark.parametrize("role", [role for role in ROLES if role.name != "one"], ids=lambda role: role.name)
def test_variables_carry_the_name_of_their_role(role: Path) -> None:
    own = load(role / "defaults" / "main.yml")
    assert [name for name in own if not name.startswith(f"{role.name}_")] == []


@pytest.mark.parametrize(
    ("defaults", "options", "said"),
    [
        ({"a": 1}, {}, "a has a default and no option"),
        ({}, {"a": {"default": 1}}, "a has a default in the spec and none"),
        ({"a": 1}, {"a": {}}, "a has a default that the spec does not say"),
        ({"a": 1}, {"a": {"default": 2}}, "a is 1 by default, and 2 in the spec"),
        ({"a": "1"}, {"a": {"default": 1}}, "a is '1' by default, and 1 in the spec"),
        ({"a": True}, {"a": {"default": 1}}, "a is True by default, and 1 in the spec"),
    ],
)
def test_every_difference_is_seen(defaults: dict[str, Any], options: dict[str, dict[str, Any]], said: str) -> None:
    assert len(differences(defaults, options)) == 1
    assert said in differences(defaults, options)[0]


def test_no_difference_where_there_is_none() -> None:
    assert differences({"a": "x\ny\n"}, {"a": {"default": "x y"}, "secret": {"type": "str"}}) == []


def test_the_leaders_services_have_the_ports_of_the_table() -> None:
    numbers = {port.service: port.number for port in ports.PORTS if port.role == "leader_services"}
    asked = load(ROOT / "roles/health/vars/main.yml")["__health_frontend"]["services"]
    assert {service["name"]: service["port"] for service in asked if "port" in service} == numbers
    started = load(ROOT / "roles/leader_services/vars/main.yml")
    assert started["__leader_services_http"] == {one["package"]: one["port"] for one in asked if "port" in one}
    assert started["__leader_services_units"] == [service["unit"] for service in asked] == list(STARTED)


@pytest.mark.parametrize("template", ["balancer/templates/haproxy.cfg.j2", "loopback_proxy/templates/loopback.cfg.j2"])
def test_proxies_ask_agents_and_leave_oned_alone(template: str) -> None:
    """A check ends with a reset, and one that oned has not taken yet would end it."""
    text = (ROOT / "roles" / template).read_text(encoding="utf-8")
    asked = set(re.findall(r"http-check send meth (\w+) uri (\S+)", text))
    assert asked - {("GET", "/")} == {("GET", "/leader"), ("GET", "/server")}
