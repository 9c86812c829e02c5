"""Three machines that carry everything: what shares a machine does not meet, and the cloud survives the loss of one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host as Machine

from lab.hosts.plan import Lab
from tests.client import rpc, trial
from tests.client.judge import judge_ledger, judge_service, turns
from tests.client.web import Browser
from tests.faults.strikes import kill_machine
from tests.zone import ask, database

# The sessions' cache dies with the machine, and a login anew waits for the election as a write does.
LIMITS = {"write": 12.0, "read": 5.0, "page": 12.0}


def test_the_zone_is_whole(endpoints: Mapping[str, str], session: str) -> None:
    """All three, in step."""
    assert ask.wait_until_whole(list(endpoints.values()), session, 60) == []


def test_a_person_logs_in_through_the_floating_address(cloud: Any, session: str) -> None:
    """By TLS that the cloud's CA vouches for."""
    browser = Browser(cloud.web, session, cloud.ca, 5)
    assert browser.login().outcome == "acknowledged"
    assert browser.page().outcome == "acknowledged"


def test_both_nodes_are_monitored(endpoints: Mapping[str, str], session: str) -> None:
    """Not only listed."""
    pool = ask.ask(next(iter(endpoints.values())), session, "one.hostpool.info")
    assert ask.states(str(pool)) == {"node1": "2", "node2": "2"}


@pytest.mark.parametrize("port", [2633, 9869, 11211])
def test_services_leave_the_floating_address_to_the_balancer(machines: Mapping[str, Machine], port: int) -> None:
    """On a front-end that is a balancer nothing of the zone listens on every address."""
    for name in ("one1", "one2"):
        listening = machines[name].check_output("ss --listening --tcp --numeric --no-header 'sport = %s'", str(port))
        own = {line.split()[3].rsplit(":", 1)[0] for line in listening.splitlines()}
        assert own
        everywhere = {"0.0.0.0", "*", "[::]"}  # noqa: S104
        assert not own & everywhere, (name, own)


def test_programs_of_the_machine_find_their_oned(
    machines: Mapping[str, Machine], frontends: Mapping[str, Machine]
) -> None:
    """The command line asks localhost, and gets this very server."""
    for name in frontends:
        shown = machines[name].check_output("sudo -u oneadmin onezone show 0")
        assert "leader" in shown


def test_one_machine_of_three_may_die(
    lab: Lab,
    cloud: Any,
    endpoints: Mapping[str, str],
    session: str,
    auth_file: Path,
    frontends: Mapping[str, Machine],
    tmp_path: Path,
    figures: list[str],
) -> None:
    """The one that holds the address, with its oned, its Sunstone and its cache."""
    holder = rpc.request("GET", cloud.web, 5, ca=cloud.ca).headers[rpc.BALANCED_BY]
    strike = kill_machine(lab, lab.host(holder))
    try:
        asked = trial.Asked(cloud.api, auth_file, cloud.web, cloud.ca)
        calls, fault = trial.run(tmp_path, "compact-", asked, strike.do, strike.prove)
    finally:
        strike.heal()
    assert (
        ask.wait_for(lambda: ask.wait_until_whole(list(endpoints.values()), session, 30), lambda wrong: not wrong, 90)
        == []
    )
    for kind, limit in LIMITS.items():
        service = judge_service(calls, kind, fault)  # type: ignore[arg-type]
        figures.append(f"{holder} killed: {kind}s back after {service.outage} s (limit {limit:g} s)")
        assert service.outage is not None
        assert service.longest_gap <= limit
    assert turns(calls)[0].balancer == holder
    assert len({turn.balancer for turn in turns(calls)}) == len(turns(calls)) == 2
    ledger = judge_ledger(
        calls, {name: database.documents(host, "compact-") for name, host in frontends.items()}, "compact-"
    )
    assert ledger.sound, ledger
