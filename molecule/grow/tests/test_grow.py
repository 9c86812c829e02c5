"""A web machine and a node come and go, and a front-end is drained and stopped, while users ask for pages."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host as Machine

from lab.hosts import cgroups
from lab.hosts import machines as hosts
from lab.hosts.plan import Lab
from tests.client.load import Load, load
from tests.drift.play import ROOT, Run, run
from tests.zone import ask

WEB, NODE = "web1", "node3"
# Beside the inventory: a further line each.
WEB_LINE, NODE_LINE = (f"--inventory={ROOT / 'molecule' / 'grow' / name}" for name in ("web.yml", "node.yml"))
DRAINED = "fe3"
MONITORED = "2"
UNITS = "opennebula mariadb opennebula-sunstone nebula-loopback memcached haproxy keepalived libvirtd"


def nodes(endpoints: Mapping[str, str], session: str) -> dict[str, str]:
    """Give the state of every host of the zone, as the first front-end says."""
    pool = ask.ask(next(iter(endpoints.values())), session, "one.hostpool.info")
    return ask.states(str(pool))


def processes(machines: Mapping[str, Machine]) -> dict[str, str]:
    """Give the main process of each of the cloud's services, by machine."""
    return {
        name: machine.check_output(f"systemctl show --property Id,MainPID {UNITS}")
        for name, machine in machines.items()
        if name not in (WEB, NODE)
    }


@dataclasses.dataclass
class Step:
    """A play under load, and who served what was asked after it."""

    play: Run
    asked: Load
    served: set[str]
    nodes: Mapping[str, str]


def under_load(cloud: Any, per_second: int, play: Any, look: Any) -> Step:
    """Run a play while users ask, and go on asking for a while after it."""
    with load(cloud.web, cloud.ca, per_second) as asking:
        time.sleep(1)
        done = play().must_succeed()
        after = time.time()
        enough = ask.wait_for(lambda: [one for one in asking.asked if one.sent > after], lambda new: len(new) > 60, 30)
        assert len(enough) > 60
    return Step(done, asking, asking.served(after), look())


@pytest.fixture(scope="module")
def before(machines: Mapping[str, Machine]) -> dict[str, str]:
    """What runs before anything is added."""
    return processes(machines)


@pytest.fixture(scope="module")
def added(before: Mapping[str, str], cloud: Any, inventory: Path, endpoints: Mapping[str, str], session: str) -> Step:
    """Add both."""
    return under_load(
        cloud,
        10,
        lambda: run("playbooks/site.yml", inventory, WEB_LINE, NODE_LINE),
        lambda: nodes(endpoints, session),
    )


def test_what_is_added_serves_and_is_monitored(added: Step, figures: list[str]) -> None:
    """By one line each: pages come from the web machine, and the zone monitors the node."""
    figures.append(f"added {WEB} and {NODE}: {len(added.asked.asked)} requests, {len(added.asked.wrong)} failed")
    assert WEB in added.served
    assert added.nodes == {"node1": MONITORED, "node2": MONITORED, NODE: MONITORED}


def test_adding_fails_no_request(added: Step) -> None:
    """Every page came."""
    assert len(added.asked.asked) > 100
    assert added.asked.wrong == []


def test_adding_restarts_nothing_that_was_there(
    before: Mapping[str, str], added: Step, machines: Mapping[str, Machine]
) -> None:
    """Everybody learns of the new ones by a reload at most: each process is the one that it was."""
    assert processes(machines) == before


def test_a_second_run_with_them_changes_nothing(added: Step, inventory: Path) -> None:
    """The inventory is the truth, the cloud is it."""
    again = run("playbooks/site.yml", inventory, WEB_LINE, NODE_LINE).must_succeed()
    assert not any(again.changed.values()), again.changes


@pytest.fixture(scope="module")
def drained(
    added: Step, cloud: Any, lab: Lab, inventory: Path, machines: Mapping[str, Machine], tmp_path_factory: Any
) -> Any:
    """Drain a front-end at the balancers, stop its machine, start it, and let it serve again."""
    play = tmp_path_factory.mktemp("drain") / "drain.yml"
    play.write_text(
        "- hosts: balancers\n  become: true\n  gather_facts: false\n  tasks:\n    - ansible.builtin.include_role:\n"
        "        name: nebula.ha.balancer\n        tasks_from: drain.yml\n"
    )

    def state(wanted: str) -> None:
        variables = f'{{"balancer_drain_host": "{DRAINED}", "balancer_drain_state": "{wanted}"}}'
        run(str(play), inventory, WEB_LINE, NODE_LINE, "--extra-vars", variables).must_succeed()

    host = lab.host(DRAINED)
    with load(cloud.web, cloud.ca, 50) as asking:
        time.sleep(1)
        state("drain")
        quiet = time.time()
        time.sleep(2)
        cgroups.groups().halt(host)
        off = time.time()
        time.sleep(5)
    hosts.power_on(lab, host)
    state("ready")
    with load(cloud.web, cloud.ca, 20) as afterwards:
        ask.wait_for(afterwards.served, lambda served: DRAINED in served, 60)
    return asking, quiet, off, afterwards


def test_a_drained_front_end_is_stopped_without_a_failed_request(drained: Any, figures: list[str]) -> None:
    """50 requests a second, from before the drain until after the machine is off."""
    asking, quiet, off, _ = drained
    figures.append(f"{DRAINED} drained and stopped: {len(asking.asked)} requests, {len(asking.wrong)} failed")
    assert DRAINED in asking.served(), "it served nothing before: draining it proves nothing"
    assert DRAINED not in asking.served(quiet)
    assert len([one for one in asking.asked if one.sent > off]) > 100
    assert asking.wrong == []


def test_the_drained_front_end_serves_again(drained: Any, endpoints: Mapping[str, str], session: str) -> None:
    """Ready at the balancers, and a follower again."""
    assert DRAINED in drained[3].served()
    assert ask.wait_until_whole(list(endpoints.values()), session, 90) == []


@pytest.fixture(scope="module")
def removed(drained: Any, cloud: Any, inventory: Path, endpoints: Mapping[str, str], session: str) -> list[Step]:
    """Remove both, one after the other; the line of the first is gone when the second goes."""

    def remove(name: str, *lines: str) -> Step:
        variables = f'{{"remove_host": "{name}", "remove_confirmed": true}}'
        return under_load(
            cloud,
            20,
            lambda: run("playbooks/remove.yml", inventory, *lines, "--extra-vars", variables),
            lambda: nodes(endpoints, session),
        )

    return [remove(WEB, WEB_LINE, NODE_LINE), remove(NODE, NODE_LINE)]


def test_what_is_removed_serves_no_longer_and_is_forgotten(removed: list[Step], figures: list[str]) -> None:
    """No page comes from the web machine, the zone does not know the node."""
    web, node = removed
    figures.append(f"removed {WEB}: {len(web.asked.asked)} requests, {len(web.asked.wrong)} failed")
    assert WEB in web.asked.served(), "it served nothing before: removing it proves nothing"
    assert WEB not in web.served
    assert node.nodes == {"node1": MONITORED, "node2": MONITORED}


def test_removing_fails_no_request(removed: list[Step]) -> None:
    """Every page came."""
    assert all(step.asked.wrong == [] for step in removed)


def test_what_is_removed_runs_nothing_of_ours(removed: list[Step], machines: Mapping[str, Machine]) -> None:
    """Stopped, and it stays so after a boot."""
    ours = "nebula-firewall"
    for name, units in ((WEB, ("opennebula-sunstone", "nebula-loopback", ours)), (NODE, ("libvirtd", ours))):
        for unit in units:
            assert machines[name].run("systemctl is-active %s", unit).stdout.strip() != "active", (name, unit)
            assert machines[name].run("systemctl is-enabled %s", unit).stdout.strip() != "enabled", (name, unit)


def test_what_is_removed_is_let_in_no_more(removed: list[Step], lab: Lab, machines: Mapping[str, Machine]) -> None:
    """Its address is in no rule of those that it reached, and its own rules are gone."""

    def named(name: str, rules: str) -> bool:
        return bool(re.search(rf"(?<![\d.]){re.escape(str(lab.host(name).address))}(?![\d.])", rules))

    for name, of in ((WEB, ("fe1", "cache1")), (NODE, ("fe1", "node1"))):
        for other in of:
            rules = machines[other].check_output("nft list table inet nebula_ha_firewall")
            assert named("fe2", rules)
            assert not named(name, rules), (name, other)
        assert machines[name].run("nft list table inet nebula_ha_firewall").rc != 0


def test_without_the_lines_nothing_is_left_to_do(removed: list[Step], inventory: Path) -> None:
    """The inventory without them and the cloud agree."""
    again = run("playbooks/site.yml", inventory).must_succeed()
    assert not any(again.changed.values()), again.changes
