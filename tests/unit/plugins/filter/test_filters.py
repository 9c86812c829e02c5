# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.nebula.ha.plugins.filter.zone_endpoints import zone_endpoints
from ansible_collections.nebula.ha.plugins.filter.zone_plan import zone_plan


@pytest.mark.parametrize("name", ["zone_endpoints", "zone_plan", "health_table", "cloud_health", "cloud_report"])
def test_a_file_offers_the_filter_of_its_name(name: str) -> None:
    module = importlib.import_module(f"ansible_collections.nebula.ha.plugins.filter.{name}")
    assert module.FilterModule().filters() == {name: getattr(module, name)}


def test_endpoints_from_what_the_inventory_says_best() -> None:
    hostvars = {"fe1": {"one_address": "10.0.0.1", "ansible_host": "x"}, "fe2": {"ansible_host": "10.0.0.2"}, "fe3": {}}
    assert zone_endpoints(["fe1", "fe2", "fe3"], hostvars, "2634") == [
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
