# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.nebula.ha.plugins.module_utils.zone.judge import Verdict, judge
from ansible_collections.nebula.ha.plugins.module_utils.zone.model import LogFacts, MachineFacts, ServerState
from ansible_collections.nebula.ha.plugins.modules.zone_health import watch

from ..module_utils.zone.servers import black_hole, counting_hole, free_port
from ..module_utils.zone.test_look import agent, status
from ..module_utils.zone.zones import down, up, zone
from .conftest import Run
from .oned import SESSION, Oned


@pytest.fixture
def auth(tmp_path: Path) -> str:
    path = tmp_path / "one_auth"
    path.write_text(SESSION + "\n")
    return str(path)


class Three:
    """A zone of three: fe1 leads."""

    def __init__(self) -> None:
        self.servers = [Oned(state=3 if n == 0 else 2, server_id=n) for n in range(3)]
        entries = [(n, f"fe{n + 1}", server.url) for n, server in enumerate(self.servers)]
        for server in self.servers:
            server.servers = entries

    @property
    def expected(self) -> list[dict[str, str]]:
        return [{"name": f"fe{n + 1}", "endpoint": server.url} for n, server in enumerate(self.servers)]

    def __enter__(self) -> Three:
        for server in self.servers:
            server.__enter__()
        return self

    def __exit__(self, *arguments: object) -> None:
        for server in self.servers:
            server.__exit__(*arguments)


def go(run: Run, auth: str, port: int, module: str = "zone_health", **arguments: Any) -> dict[str, Any]:
    return run(module, host="127.0.0.1", port=port, auth_file=auth, **{"timeout": 2, **arguments})


def test_a_healthy_zone(run: Run, auth: str) -> None:
    with Three() as three:
        result = go(run, auth, three.servers[1].port, servers=three.expected, wait=5)
    assert (result["failed"], result["changed"], result["healthy"], result["state"]) == (False, False, True, "healthy")
    assert result["leader"] == {"name": "fe1", "id": 0, "endpoint": three.servers[0].url}
    assert (result["quorum"], result["answering"], result["following"], result["codes"]) == (2, 3, 3, [])
    assert [server["state"] for server in result["servers"]] == ["leader", "follower", "follower"]
    assert len(result["history"]) == 1
    assert SESSION.split(":")[1] not in str(result)


def test_the_local_server_is_down_and_the_others_tell(run: Run, auth: str) -> None:
    with Three() as three:
        result = go(run, auth, free_port(), servers=three.expected)
    assert result["healthy"], result["sentence"]


def test_without_wait_a_bad_verdict_is_no_failure(run: Run, auth: str) -> None:
    result = go(run, auth, free_port())
    assert (result["failed"], result["state"], result["codes"]) == (
        False,
        "no_service",
        ["no_zone", "server_unreachable"],
    )


def test_wait_fails_with_the_reasons_and_the_next_steps(run: Run, auth: str) -> None:
    with Three() as three:
        three.servers[0].state = 1
        start = time.monotonic()
        result = go(run, auth, three.servers[1].port, wait=0.8)
        assert 0.7 < time.monotonic() - start < 4
    assert result["failed"] and result["state"] == "no_service"
    assert "is not healthy after" in result["msg"] and "[no_leader]" in result["msg"] and "[candidate]" in result["msg"]


def test_wait_ends_when_the_zone_becomes_healthy(run: Run, auth: str) -> None:
    with Three() as three:
        three.servers[0].state = 2

        def elect() -> None:
            three.servers[0].state = 3

        timer = threading.Timer(0.8, elect)
        timer.start()
        result = go(run, auth, three.servers[1].port, wait=20)
        timer.join()
    assert result["healthy"] and 0.5 < result["waited"] < 10
    assert len(result["history"]) == 2
    assert "gives no service" in result["history"][0] and "is healthy" in result["history"][1]


def test_until_leader_is_content_with_a_degraded_zone(run: Run, auth: str) -> None:
    with Three() as three:
        three.servers[2].__exit__()
        three.servers[2].__exit__ = lambda *_arguments: None  # type: ignore[method-assign]
        assert go(run, auth, three.servers[0].port, wait=5, until="leader")["state"] == "degraded"
        result = go(run, auth, three.servers[0].port, wait=0.3, until="healthy")
        assert result["failed"] and "[server_unreachable]" in result["msg"]


def test_check_mode_looks_once_and_never_fails(run: Run, auth: str, tmp_path: Path) -> None:
    start = time.monotonic()
    result = go(run, auth, free_port(), wait=60, check=True)
    assert not result["failed"] and result["state"] == "no_service"
    result = go(run, str(tmp_path / "no"), free_port(), wait=60, check=True)
    assert not result["failed"] and "does not exist" in str(result["warnings"])
    assert time.monotonic() - start < 5
    assert go(run, str(tmp_path / "no"), free_port())["failed"]


def test_two_black_holes_cost_one_timeout(run: Run, auth: str) -> None:
    with Three() as three, black_hole() as one, black_hole() as two:
        entries = [*three.servers[0].servers, (3, "fe4", one), (4, "fe5", two)]
        for server in three.servers:
            server.servers = entries
        start = time.monotonic()
        result = go(run, auth, three.servers[0].port, timeout=1)
        assert 0.9 < time.monotonic() - start < 2.5
    assert (result["state"], result["answering"]) == ("degraded", 3)


@pytest.mark.parametrize("agents", [False, True])
def test_two_of_five_black_holed_cost_one_timeout_and_a_second(run: Run, auth: str, agents: bool) -> None:
    with Three() as three, contextlib.ExitStack() as stack:
        counted = [stack.enter_context(counting_hole(f"127.0.0.{n}")) for n in (4, 5)]
        holes = [url for url, _asked in counted]
        port = free_port() if agents else 0
        if agents:
            stack.enter_context(agent("127.0.0.1", port, status()))
            stack.enter_context(black_hole("127.0.0.5", port))
        entries = [*three.servers[0].servers, (3, "fe4", holes[0]), (4, "fe5", holes[1])]
        for server in three.servers:
            server.servers = entries
        named = [{"name": name, "endpoint": url} for _number, name, url in entries]
        start = time.monotonic()
        result = go(run, auth, three.servers[0].port, timeout=1.5, servers=named, agent_port=port)
        took = time.monotonic() - start
        # Twice three questions to each that answers; the silent are not asked twice.
        assert [len(server.calls) for server in three.servers] == [6, 6, 6]
        assert [asked() for _url, asked in counted] == [1, 1]
    assert 1.4 < took < 2.5
    assert (result["state"], result["answering"], result["codes"]) == ("degraded", 3, ["server_unreachable"])


def test_a_clean_look_is_the_only_one(run: Run, auth: str) -> None:
    with Three() as three:
        assert go(run, auth, three.servers[0].port)["healthy"]
        assert [len(server.calls) for server in three.servers] == [3, 3, 3]


def test_a_second_look_tells_a_passing_election_from_a_lasting_one(run: Run, auth: str) -> None:
    with Three() as three:
        three.servers[2].state = 1
        assert go(run, auth, three.servers[0].port)["codes"] == ["candidate"]
        threading.Timer(0.3, setattr, (three.servers[2], "state", 2)).start()
        assert go(run, auth, three.servers[0].port)["healthy"]


def test_a_second_look_tells_a_log_that_stands_still(run: Run, auth: str) -> None:
    with Three() as three:
        for server in three.servers[:2]:
            server.index = 60
        assert go(run, auth, three.servers[0].port)["healthy"]

        def write() -> None:
            for server in three.servers[:2]:
                server.index = 61

        threading.Timer(0.3, write).start()
        result = go(run, auth, three.servers[0].port)
    assert (result["codes"], result["problems"][0]["server"]) == (["out_of_window"], "fe3")


def test_while_it_waits_the_look_before_is_the_first_sample(run: Run, auth: str) -> None:
    with Three() as three:
        three.servers[2].state = 1
        result = go(run, auth, three.servers[0].port, wait=0.3)
        assert result["failed"] and result["codes"] == ["candidate"]
        three.servers[1].state, three.servers[2].state = 2, 2
        three.servers[0].state = 2

        def elect() -> None:
            three.servers[0].state, three.servers[2].state = 3, 1

        # Healthy but for one that has just begun to ask for votes: that is not what was waited for.
        threading.Timer(0.3, elect).start()
        threading.Timer(1.3, setattr, (three.servers[2], "state", 2)).start()
        result = go(run, auth, three.servers[0].port, wait=10)
    assert result["healthy"] and result["waited"] > 1.2


def test_what_agents_know(run: Run, auth: str) -> None:
    port = free_port()
    lost = MachineFacts(log=LogFacts(1, 50, 50, (44,), 1))
    with Three() as three:
        # No agent yet: nothing is concluded.
        assert go(run, auth, three.servers[0].port, agent_port=port)["healthy"]
        with agent("127.0.0.1", port, status(lost)):
            result = go(run, auth, three.servers[0].port, agent_port=port)
        assert go(run, auth, three.servers[0].port)["healthy"]
    assert result["codes"] == ["record_skipped"]
    assert "(index 44)" in result["problems"][0]["sentence"]


def test_zone_info(run: Run, auth: str) -> None:
    with Three() as three:
        result = go(run, auth, three.servers[1].port, module="zone_info")
        assert [server["name"] for server in result["zone"]["servers"]] == ["fe1", "fe2", "fe3"]
        by_endpoint = {answer["endpoint"]: answer for answer in result["answers"]}
        assert by_endpoint[three.servers[0].url]["raft"]["state"] == "leader"
        assert by_endpoint[three.servers[2].url]["version"] == "6.10.5"
    result = go(run, auth, three.servers[1].port, module="zone_info")
    assert (result["failed"], result["zone"], result["answers"][0]["failure"]["kind"]) == (False, None, "refused")


@pytest.mark.parametrize("module", ["zone_info", "zone_health"])
def test_parameters_and_credentials(run: Run, auth: str, tmp_path: Path, module: str) -> None:
    assert "port is 0" in go(run, auth, 0, module=module)["msg"]
    assert "does not exist" in go(run, str(tmp_path / "no"), 1, module=module)["msg"]


@pytest.mark.parametrize("port", [-1, 65536])
def test_no_port_of_an_agent(run: Run, auth: str, port: int) -> None:
    assert f"agent_port is {port}" in go(run, auth, 1, agent_port=port)["msg"]


def verdicts() -> tuple[Verdict, Verdict]:
    of = zone(3)
    good = judge([up(0, ServerState.LEADER, of), *(up(n, ServerState.FOLLOWER, of) for n in (1, 2))])
    return good, judge([down(0)])


def test_watch_looks_on_a_clock_and_sleeps_no_longer_than_is_left() -> None:
    good, bad = verdicts()
    now = [0.0]
    naps: list[float] = []

    def pause(seconds: float) -> None:
        naps.append(seconds)
        now[0] += seconds

    verdict, waited, history = watch(lambda: bad, lambda it: it.healthy, 1.2, lambda: now[0], pause)
    assert (verdict, len(history), naps[:2]) == (bad, 1, [0.5, 0.5]) and waited == pytest.approx(1.2, abs=0.02)
    looks = iter([bad, bad, good])
    verdict, waited, history = watch(lambda: next(looks), lambda it: it.healthy, 60, lambda: now[0], pause)
    assert (verdict, len(history), waited) == (good, 2, pytest.approx(1.0))
