# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.nebula.ha.plugins.filter.host_address import host_address
from ansible_collections.nebula.ha.plugins.filter.zone_endpoints import zone_endpoints
from ansible_collections.nebula.ha.plugins.filter.zone_plan import zone_plan

FILTERS = Path(__file__).resolve().parents[4] / "plugins" / "filter"
HOSTVARS = {"fe1": {"one_address": "10.0.0.1", "ansible_host": "x"}, "fe2": {"ansible_host": "10.0.0.2"}, "fe3": {}}


@pytest.mark.parametrize("name", [path.stem for path in FILTERS.glob("*.py") if path.stem != "__init__"])
def test_a_file_offers_the_filter_of_its_name(name: str) -> None:
    module = importlib.import_module(f"ansible_collections.nebula.ha.plugins.filter.{name}")
    assert module.FilterModule().filters() == {name: getattr(module, name)}


def test_addresses() -> None:
    assert [host_address(name, HOSTVARS) for name in HOSTVARS] == ["10.0.0.1", "10.0.0.2", "fe3"]


def test_endpoints() -> None:
    assert zone_endpoints(HOSTVARS, HOSTVARS, "2634") == [
        {"name": "fe1", "endpoint": "http://10.0.0.1:2634/RPC2"},
        {"name": "fe2", "endpoint": "http://10.0.0.2:2634/RPC2"},
        {"name": "fe3", "endpoint": "http://fe3:2634/RPC2"},
    ]


def test_a_plan_needs_what_was_found() -> None:
    with pytest.raises(AnsibleFilterError, match="empty"):
        zone_plan([])
    with pytest.raises(AnsibleFilterError, match="zone_member"):
        zone_plan([{"name": "fe1"}])


def test_a_plan_is_plain_values() -> None:
    found = [
        {
            "name": f"fe{n}",
            "endpoint": f"http://10.0.0.{n}:2633/RPC2",
            "installed": True,
            "server_id": -1,
            "unit": "inactive",
            "running": None,
            "database": {"populated": False},
            "credentials": {},
        }
        for n in (1, 2, 3)
    ]
    plan = zone_plan(found)
    assert (type(plan), plan["seed"], plan["bootstrap"]) == (dict, "fe1", True)
