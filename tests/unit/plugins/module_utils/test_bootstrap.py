# SPDX-License-Identifier: Apache-2.0
"""What the plan says to each situation, and that a run killed after any step is finished by the next."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import pytest
from ansible_collections.nebula.ha.plugins.module_utils.bootstrap import Plan, member_from, plan_zone

KEY = {".one/one_key": "k 0600 9869", ".ssh/id_rsa": "s 0600 9869"}


def endpoint(rank: int) -> str:
    return f"http://10.0.0.{rank + 1}:2633/RPC2"


def servers(count: int) -> list[dict[str, Any]]:
    return [{"id": rank, "name": f"fe{rank + 1}", "endpoint": endpoint(rank)} for rank in range(count)]


def fresh(rank: int) -> dict[str, Any]:
    """A machine on which OpenNebula was installed and configured, and never started."""
    return {
        "name": f"fe{rank + 1}",
        "endpoint": endpoint(rank),
        "installed": True,
        "server_id": -1,
        "unit": "inactive",
        "running": None,
        "database": {"populated": False, "formed": False, "index": -1, "term": -1, "servers": []},
        "stale": False,
        "database_stale": False,
        "credentials": {".ssh/id_rsa": f"own{rank} 0600 9869"},
    }


def healthy(rank: int, count: int = 3, leader: int = 0) -> dict[str, Any]:
    member = fresh(rank)
    member.update(
        server_id=rank,
        unit="active",
        running={"server_id": rank, "state": "leader" if rank == leader else "follower", "term": 2},
        database={"populated": True, "formed": True, "index": 40, "term": 2, "servers": servers(count)},
        credentials=dict(KEY),
    )
    return member


def stopped(rank: int, count: int = 3) -> dict[str, Any]:
    member = healthy(rank, count)
    member.update(unit="inactive", running=None)
    return member


def plan(found: list[dict[str, Any]]) -> Plan:
    return plan_zone([member_from(item) for item in found])


def nothing(result: Plan) -> bool:
    return not (
        result.bootstrap
        or result.stop
        or result.ids
        or result.start
        or result.join
        or result.restart
        or result.credentials
        or result.refuse
        or result.why
    )


@pytest.mark.parametrize("count", [3, 5])
def test_a_healthy_zone_needs_nothing(count: int) -> None:
    assert nothing(plan([healthy(rank, count, leader=1) for rank in range(count)]))


def test_new_machines_bootstrap_with_the_first_as_seed() -> None:
    result = plan([fresh(rank) for rank in range(3)])
    assert result.bootstrap
    assert result.solo
    assert result.seed == "fe1"
    assert not result.join


def test_a_follower_that_runs_solo_is_stopped_before_the_bootstrap() -> None:
    found = [fresh(rank) for rank in range(3)]
    found[1].update(unit="active", running={"server_id": -1, "state": "solo", "term": 0})
    assert plan(found).stop == ["fe2"]


def test_another_order_of_the_inventory_keeps_the_database_made_first() -> None:
    found = [fresh(rank) for rank in range(3)]
    found[2]["database"] = {"populated": True, "formed": False, "index": 0, "term": 0, "servers": servers(2)}
    result = plan(found)
    assert (result.bootstrap, result.seed, result.solo) == (True, "fe3", True)


def test_a_stopped_server_is_started() -> None:
    result = plan([healthy(0), stopped(1), healthy(2)])
    assert result.start == ["fe2"]
    assert not result.restart
    assert not result.join


def test_all_stopped_are_all_started() -> None:
    result = plan([stopped(rank) for rank in range(3)])
    assert result.start == ["fe1", "fe2", "fe3"]
    assert not result.bootstrap
    assert not result.refuse


def test_a_further_front_end_joins() -> None:
    result = plan([*(healthy(rank, leader=1) for rank in range(3)), fresh(3), fresh(4)])
    assert result.join == [{"name": "fe4", "kind": "new", "id": None}, {"name": "fe5", "kind": "new", "id": None}]
    assert result.seed == "fe2"
    assert result.credentials_from == "fe2"
    assert not result.credentials, "a joining server gets them while it joins"


def test_a_join_that_was_interrupted_goes_on() -> None:
    found = [*(healthy(rank, 4) for rank in range(3)), fresh(3)]
    assert plan(found).join == [{"name": "fe4", "kind": "again", "id": 3}]


def test_a_replaced_machine_joins_again_even_if_it_is_the_first() -> None:
    result = plan([fresh(0), healthy(1, leader=1), healthy(2, leader=1)])
    assert not result.bootstrap
    assert result.join == [{"name": "fe1", "kind": "again", "id": 0}]
    assert result.seed == "fe2"


def test_an_id_edited_by_hand_under_a_running_server_is_put_back() -> None:
    found = [healthy(rank) for rank in range(3)]
    found[1]["server_id"] = -1
    result = plan(found)
    assert result.ids == {"fe2": 1}
    assert result.restart == ["fe2"]
    assert not result.join


def test_what_a_member_wrote_alone_is_not_copied_over_silently() -> None:
    found = [healthy(rank) for rank in range(3)]
    found[1].update(server_id=-1, running={"server_id": -1, "state": "solo", "term": 0})
    result = plan(found)
    assert len(result.refuse) == 1
    assert "fe2 runs solo although it is server 1 of the zone" in result.refuse[0]
    assert not result.join
    assert not result.ids


def test_a_member_whose_database_was_dropped_gets_a_fresh_copy() -> None:
    found = [*(healthy(rank) for rank in range(2)), fresh(2)]
    result = plan(found)
    assert result.join == [{"name": "fe3", "kind": "again", "id": 2}]
    assert not result.refuse


def test_a_member_that_runs_as_another_gets_a_fresh_copy() -> None:
    found = [healthy(rank) for rank in range(3)]
    found[1].update(server_id=2, running={"server_id": 2, "state": "follower", "term": 2})
    assert plan(found).join == [{"name": "fe2", "kind": "again", "id": 1}]


def test_a_first_server_set_to_solo_in_a_stopped_zone_never_bootstraps() -> None:
    found = [stopped(rank) for rank in range(3)]
    found[0]["server_id"] = -1
    result = plan(found)
    assert not result.bootstrap
    assert result.start == ["fe2", "fe3"]
    assert result.join == [{"name": "fe1", "kind": "again", "id": 0}]


def test_without_a_majority_that_can_run_it_refuses() -> None:
    found = [stopped(0), fresh(1), fresh(2)]
    result = plan(found)
    assert not result.bootstrap
    assert len(result.refuse) == 1
    assert "Only 1 of the zone's 3 servers can run and 2 are needed" in result.refuse[0]


def test_an_address_that_changed_is_refused() -> None:
    found = [healthy(rank) for rank in range(3)]
    found[1]["endpoint"] = "http://10.0.0.99:2633/RPC2"
    result = plan(found)
    assert len(result.refuse) == 1
    assert "fe2 has the endpoint http://10.0.0.99:2633/RPC2" in result.refuse[0]


@pytest.mark.parametrize("which", ["stale", "database_stale"])
def test_who_runs_with_old_settings_is_restarted(which: str) -> None:
    found = [healthy(rank) for rank in range(3)]
    found[0][which] = found[2][which] = True
    assert plan(found).restart == ["fe1", "fe3"]


def test_a_stopped_server_with_old_settings_is_only_started() -> None:
    found = [healthy(0), stopped(1), healthy(2)]
    found[1]["stale"] = True
    result = plan(found)
    assert (result.start, result.restart) == (["fe2"], [])


def test_the_credentials_of_the_majority_win_even_against_the_leader() -> None:
    found = [healthy(rank, leader=0) for rank in range(3)]
    found[0]["credentials"] = {**KEY, ".one/one_key": "other 0600 9869"}
    result = plan(found)
    assert result.credentials == ["fe1"]
    assert result.credentials_from == "fe2"
    assert result.restart == ["fe1"]


def test_a_missing_credential_is_put_back_and_a_further_one_is_left() -> None:
    found = [healthy(rank) for rank in range(3)]
    del found[1]["credentials"][".ssh/id_rsa"]
    assert plan(found).credentials == ["fe2"]
    found = [healthy(rank) for rank in range(3)]
    found[0]["credentials"][".one/mine"] = "m 0600 9869"
    assert nothing(plan(found))


class Machines:
    """Three machines on which the bootstrap's steps are taken one by one, as roles/frontend/tasks takes them."""

    def __init__(self) -> None:
        self.found = [fresh(rank) for rank in range(3)]

    def named(self, name: str) -> dict[str, Any]:
        return next(item for item in self.found if item["name"] == name)

    def steps(self) -> list[Any]:
        """The steps of one run, each a function; decided once, at its start."""
        wanted = plan(self.found)
        assert not wanted.refuse
        steps: list[Any] = []
        if wanted.bootstrap:
            seed = self.named(wanted.seed)
            others = [item for item in self.found if item is not seed]
            steps += [lambda name=name: self.stop(self.named(name)) for name in wanted.stop]
            if wanted.solo:
                steps.append(lambda: self.solo(seed))
                steps += [lambda item=item: self.add(seed, item) for item in self.found]
            steps.append(lambda: self.stop(seed))
            steps += [lambda item=item: item.update(credentials=dict(seed["credentials"])) for item in others]
            steps += [lambda item=item: self.clone(seed, item) for item in others]
            steps += [lambda item=item: self.set_id(item) for item in others]
            steps.append(lambda: self.set_id(seed))
        joining = [item["name"] for item in wanted.join]
        assert not joining, "nobody joins in a first deployment"
        steps += [lambda item=item: self.start(item) for item in self.found]
        steps.append(self.elect)
        return steps

    @staticmethod
    def stop(item: dict[str, Any]) -> None:
        item.update(unit="inactive", running=None)

    @staticmethod
    def solo(item: dict[str, Any]) -> None:
        assert item["server_id"] == -1, "a member must never run solo"
        item.update(unit="active", running={"server_id": -1, "state": "solo", "term": 0})
        item["credentials"].update(KEY)
        if not item["database"]["populated"]:
            item["database"].update(populated=True, index=0, term=0)

    @staticmethod
    def add(seed: dict[str, Any], item: dict[str, Any]) -> None:
        known = seed["database"]["servers"]
        if all(server["endpoint"] != item["endpoint"] for server in known):
            known.append({"id": len(known), "name": item["name"], "endpoint": item["endpoint"]})

    @staticmethod
    def clone(seed: dict[str, Any], item: dict[str, Any]) -> None:
        assert seed["running"] is None, "the copy would not be consistent"
        assert item["running"] is None, "its oned would write into the copy"
        item["database"] = copy.deepcopy(seed["database"])

    @staticmethod
    def set_id(item: dict[str, Any]) -> None:
        ids = [server["id"] for server in item["database"]["servers"] if server["endpoint"] == item["endpoint"]]
        item["server_id"] = ids[0]

    def start(self, item: dict[str, Any]) -> None:
        if item["running"] is None:
            assert item["server_id"] >= 0, "a server without its id would run solo"
            assert all(other["database"]["servers"] == item["database"]["servers"] for other in self.found)
            item.update(unit="active", running={"server_id": item["server_id"], "state": "follower", "term": 0})

    def elect(self) -> None:
        running = [item for item in self.found if item["running"] is not None]
        if len(running) > len(self.found) // 2:
            running[0]["running"]["state"] = "leader"
            for item in running:
                item["running"]["term"] = max(1, item["running"]["term"])
                item["database"].update(formed=True, index=1, term=1)


def test_a_bootstrap_killed_after_any_step_and_once_more_after_any_is_finished_by_the_next_run() -> None:
    whole = len(Machines().steps())
    assert whole > 12
    tried = 0
    for first, second in itertools.product(range(whole + 1), repeat=2):
        machines = Machines()
        for limit in (first, second, None):
            for step in machines.steps()[:limit]:
                step()
        assert nothing(plan(machines.found)), f"killed after {first}, then after {second} steps"
        assert [item["server_id"] for item in machines.found] == [0, 1, 2]
        assert all(item["credentials"] == machines.found[0]["credentials"] for item in machines.found)
        tried += 1
    assert tried == (whole + 1) ** 2
