# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from ..module_utils.zone.servers import free_port
from .conftest import Run
from .oned import SESSION, Oned

FE1 = {"name": "fe1", "endpoint": "http://10.0.0.1:2633/RPC2"}
# Nobody listens there: a refusal at once.
GONE = f"http://127.0.0.1:{free_port()}/RPC2"


@pytest.fixture
def auth(tmp_path: Path) -> str:
    path = tmp_path / "one_auth"
    path.write_text(SESSION + "\n")
    return str(path)


def go(run: Run, oned: Oned, auth: str, **arguments: Any) -> dict[str, Any]:
    """Against this oned; its peers' addresses lead nowhere, so the time to ask them is short."""
    given = {"host": "127.0.0.1", "port": oned.port, "auth_file": auth, "timeout": 0.5, "wait": 2, **arguments}
    return run("zone_server", **given)


def test_the_first_server_of_a_solo_zone(run: Run, auth: str) -> None:
    with Oned() as oned:
        result = go(run, oned, auth, name="fe1", endpoint=GONE)
        assert (result["failed"], result["changed"]) == (False, True), result
        assert result["server"] == {"id": 0, "name": "fe1", "endpoint": GONE}
        assert result["servers"] == [result["server"]]
        assert result["diff"]["before"] == "" and "0 fe1" in result["diff"]["after"]
        again = go(run, oned, auth, name="fe1", endpoint=GONE)
        assert (again["changed"], again["server"]) == (False, result["server"])
        assert oned.calls.count("zone.addserver") == 1


def test_check_mode_predicts_the_id_and_adds_nothing(run: Run, auth: str) -> None:
    with Oned(servers=[(0, "fe1", GONE), (3, "fe2", GONE + "/")]) as oned:
        result = go(run, oned, auth, name="fe3", endpoint="http://127.0.0.1:1/RPC2", check=True)
        assert (result["changed"], result["server"]["id"]) == (True, 4)
        assert "zone.addserver" not in oned.calls


def test_a_follower_that_is_behind_does_not_lead_to_a_second_entry(run: Run, auth: str) -> None:
    leader = Oned(state=3, server_id=0)
    follower = Oned(state=2, server_id=1)
    with leader, follower:
        both = [(0, "fe1", leader.url), (1, "fe2", follower.url)]
        leader.servers = [*both, (2, "fe3", GONE)]
        follower.servers = both
        result = go(run, follower, auth, name="fe3", endpoint=GONE)
        assert (result["changed"], result["server"]["id"]) == (False, 2), result
        assert "zone.addserver" not in follower.calls + leader.calls


@pytest.mark.parametrize("trouble", ["drop"])
def test_a_call_without_an_answer_that_was_applied_is_found(run: Run, auth: str, trouble: str) -> None:
    with Oned(trouble={"zone.addserver": trouble}, delay=0.3) as oned:
        result = go(run, oned, auth, name="fe1", endpoint=GONE)
        assert (result["failed"], result["changed"], result["server"]["id"]) == (False, True, 0), result
        assert oned.calls.count("zone.addserver") == 1


def test_a_call_without_an_answer_that_was_lost_is_not_repeated(run: Run, auth: str) -> None:
    with Oned(trouble={"zone.addserver": "lose"}) as oned:
        result = go(run, oned, auth, name="fe1", endpoint=GONE, wait=0.6)
        assert result["failed"] and "may still be applied" in result["msg"] and "looks before" in result["msg"]
        assert oned.calls.count("zone.addserver") == 1


def test_a_follower_shows_the_change_late(run: Run, auth: str) -> None:
    with Oned(delay=0.5) as oned:
        assert go(run, oned, auth, name="fe1", endpoint=GONE)["server"]["id"] == 0


def test_a_refusal_is_told(run: Run, auth: str) -> None:
    with Oned(trouble={"zone.addserver": "Servers have to be added elsewhere"}) as oned:
        result = go(run, oned, auth, name="fe1", endpoint=GONE)
        assert result["failed"] and "refused adding fe1: Servers have to be added elsewhere" in result["msg"]


@pytest.mark.parametrize("entry", [("fe1", "http://127.0.0.1:1/RPC2"), ("other", GONE)])
def test_an_entry_cannot_be_changed(run: Run, auth: str, entry: tuple[str, str]) -> None:
    with Oned(servers=[(0, *entry)]) as oned:
        result = go(run, oned, auth, name="fe1", endpoint=GONE)
        assert result["failed"] and "cannot change that into fe1" in result["msg"]
        assert "zone.addserver" not in oned.calls


def test_an_entry_twice_is_refused_and_one_can_be_removed(run: Run, auth: str) -> None:
    with Oned(servers=[(0, "fe1", GONE), (1, "fe1", GONE)]) as oned:
        result = go(run, oned, auth, name="fe1", endpoint=GONE)
        assert result["failed"] and "2 times, as servers 0, 1" in result["msg"]
        assert go(run, oned, auth, name="fe1", id=1, state="absent")["changed"]
        assert oned.servers == [(0, "fe1", GONE)]


@pytest.mark.parametrize("state", ["present", "absent", "reset"])
def test_a_disabled_zone_takes_no_change(run: Run, auth: str, state: str) -> None:
    servers = [] if state == "present" else [(0, "fe1", GONE)]
    with Oned(servers=servers, enabled=False) as oned:
        result = go(run, oned, auth, name="fe1", endpoint=GONE, state=state)
        assert result["failed"] and "is disabled and takes no change: run 'onezone enable 0'" in result["msg"]
        assert not {"zone.addserver", "zone.delserver", "zone.resetserver"} & set(oned.calls)


def test_a_disabled_zone_that_is_right_needs_no_change(run: Run, auth: str) -> None:
    with Oned(servers=[(0, "fe1", GONE)], enabled=False) as oned:
        assert go(run, oned, auth, name="fe1", endpoint=GONE)["changed"] is False


def test_a_server_is_removed_once(run: Run, auth: str) -> None:
    with Oned(servers=[(0, "fe1", "http://127.0.0.1:1/RPC2"), (1, "fe2", GONE)]) as oned:
        predicted = go(run, oned, auth, name="fe2", state="absent", check=True)
        assert predicted["changed"] and len(oned.servers) == 2
        result = go(run, oned, auth, name="fe2", state="absent")
        assert (result["changed"], result["server"], len(result["servers"])) == (True, None, 1)
        assert result["diff"] == predicted["diff"]
        assert go(run, oned, auth, name="fe2", state="absent")["changed"] is False
        assert oned.calls.count("zone.delserver") == 1


def test_a_running_member_is_not_removed_unless_forced(run: Run, auth: str) -> None:
    leader, member = Oned(state=3, server_id=0), Oned(state=2, server_id=1)
    with leader, member:
        leader.servers = [(0, "fe1", leader.url), (1, "fe2", member.url)]
        member.servers = leader.servers
        result = go(run, leader, auth, name="fe2", state="absent")
        assert result["failed"] and "still runs as server 1" in result["msg"]
        assert go(run, leader, auth, name="fe2", state="absent", force=True)["changed"]


def test_a_wrong_second_entry_of_a_running_server_can_go(run: Run, auth: str) -> None:
    leader = Oned(state=3, server_id=0)
    with leader:
        leader.servers = [(0, "fe1", leader.url), (1, "fe1", leader.url)]
        assert go(run, leader, auth, id=1, state="absent")["changed"]
        assert [entry[0] for entry in leader.servers] == [0]


def test_reset(run: Run, auth: str) -> None:
    with Oned(servers=[(4, "fe1", GONE)]) as oned:
        assert go(run, oned, auth, name="fe1", state="reset", check=True)["changed"]
        assert "zone.resetserver" not in oned.calls
        result = go(run, oned, auth, name="fe1", state="reset")
        assert (result["changed"], result["server"]["id"]) == (True, 4)
        assert oned.calls.count("zone.resetserver") == 1


def test_reset_of_an_unknown_server_is_refused_here_as_oned_would_accept_it(run: Run, auth: str) -> None:
    with Oned(servers=[(4, "fe1", GONE)]) as oned:
        result = go(run, oned, auth, name="fe9", state="reset")
        assert result["failed"] and "0 servers of the zone OpenNebula fit" in result["msg"] and "fe1" in result["msg"]
        assert "zone.resetserver" not in oned.calls


def test_reset_without_an_answer(run: Run, auth: str) -> None:
    with Oned(servers=[(4, "fe1", GONE)], trouble={"zone.resetserver": "drop"}) as oned:
        result = go(run, oned, auth, name="fe1", state="reset")
        assert result["failed"] and "It is unknown whether fe1 was reset" in result["msg"]
        assert oned.calls.count("zone.resetserver") == 1


def test_an_oned_that_starts_is_waited_for(run: Run, auth: str) -> None:
    oned = Oned()
    timer = threading.Timer(0.5, oned.__enter__)  # until then it is bound, and answers nobody
    timer.start()
    result = go(run, oned, auth, name="fe1", endpoint=GONE, wait=10, timeout=0.2)
    oned.__exit__()
    assert result["changed"], result


def test_nobody_answers(run: Run, auth: str) -> None:
    result = run("zone_server", host="127.0.0.1", port=free_port(), auth_file=auth, wait=0.3, **FE1)
    assert result["failed"] and "connection refused" in result["msg"] and "systemctl start" in result["msg"]


def test_check_mode_before_the_first_deploy(run: Run, tmp_path: Path) -> None:
    arguments = {"host": "127.0.0.1", "port": free_port(), "auth_file": str(tmp_path / "no"), **FE1}
    result = run("zone_server", check=True, **arguments)
    assert (result["failed"], result["changed"], result["server"]["id"]) == (False, True, None)
    assert run("zone_server", check=True, state="absent", **arguments)["changed"] is False
    assert "does not exist" in run("zone_server", **arguments)["msg"]


def test_wrong_credentials_are_not_waited_for(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "one_auth"
    path.write_text("oneadmin:other\n")
    with Oned() as oned:
        result = go(run, oned, str(path), wait=30, **FE1)
        assert result["failed"] and "authenticated" in result["msg"]
        assert len(oned.calls) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "fe1"}, "endpoint"),
        ({"state": "absent"}, "one of the following is required"),
        ({**FE1, "port": 0}, "port is 0"),
        ({**FE1, "timeout": 0}, "timeout is 0"),
        ({**FE1, "id": 3}, "leave it out"),
        ({"name": 'fe"1', "endpoint": "http://x/"}, "cannot hold quotes"),
        ({"name": " ", "endpoint": "http://x/"}, "cannot hold"),
    ],
)
def test_parameters_that_mean_nothing(run: Run, auth: str, arguments: dict[str, Any], words: str) -> None:
    result = run("zone_server", **{"auth_file": auth, **arguments})
    assert result["failed"] and words in result["msg"]
