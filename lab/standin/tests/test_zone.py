"""oned processes with a real MariaDB: solo, then a zone of three, its leader killed, its majority lost."""

from __future__ import annotations

import contextlib
import http.client
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import xmlrpc.client
from itertools import count
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from lab.standin.oned import wire
from lab.standin.oned.server import post
from lab.standin.tests.zone import NUMBERS, SESSION, Database, Oned, leader_of, server_text, wait_for


def document(server: Oned, name: str) -> list[Any]:
    return server.call("one.document.allocate", f'NAME = "{name}"', 4200)


def names(maria: Database, server: Oned) -> list[str]:
    return [row[0] for row in maria.query("SELECT name FROM document_pool ORDER BY oid", server.name)]


def log_of(maria: Database, server: Oned) -> list[tuple[Any, ...]]:
    return maria.query("SELECT log_index, term, sqlcmd, fed_index, applied FROM logdb ORDER BY log_index", server.name)


def test_solo_answers(solo: Oned) -> None:
    zone = ElementTree.fromstring(solo.call("one.zone.info", 0, False)[1])
    assert zone.findtext("TEMPLATE/ENDPOINT") == "http://localhost:2633/RPC2"
    assert solo.raft() == {
        "SERVER_ID": -1,
        "STATE": 0,
        "TERM": 0,
        "VOTEDFOR": -1,
        "COMMIT": 0,
        "LOG_INDEX": -1,
        "LOG_TERM": -1,
        "FEDLOG_INDEX": -1,
    }
    assert solo.call("one.zone.info", 0, False, session="oneadmin:wrong") == [
        False,
        "[one.zone.info] User couldn't be authenticated, aborting call.",
        256,
        -1,
        -1,
    ]
    with pytest.raises(xmlrpc.client.Fault, match="not defined"):
        solo.call("one.nosuch.method")
    with pytest.raises(xmlrpc.client.Fault, match="supposed to be integer"):
        solo.call("one.zone.info", "x")


def test_solo_users_groups_documents(solo: Oned) -> None:
    assert solo.call("one.group.allocate", "red") == [True, 100, 0]
    assert solo.call("one.group.allocate", "red")[1:3] == [
        "[one.group.allocate] NAME is already taken by GROUP 100.",
        8192,
    ]
    assert solo.call("one.user.allocate", "eve", "pw", "core") == [True, 2, 0]
    assert solo.call("one.user.update", 2, 'A = "it\'s <&> \\ ]]> ü"', 1) == [True, 2, 0]
    text = solo.call("one.user.info", 2, False)[1]
    assert ElementTree.fromstring(text).findtext("TEMPLATE/A") == "it's <&> \\ ]]> ü"
    eve = {"session": "eve:pw"}
    assert solo.call("one.user.info", -1, False, **eve)[0] is True
    assert solo.call("one.group.allocate", "blue", **eve)[2] == 512
    assert solo.call("one.zone.raftstatus", **eve)[2] == 512
    assert solo.call("one.document.allocate", 'NAME = "mine"', 1, **eve) == [True, 0, 0]
    assert solo.call("one.document.update", 0, 'P = "2"', 1, **eve) == [True, 0, 0]
    found = ElementTree.fromstring(solo.call("one.document.info", 0, False)[1])
    assert (found.findtext("UNAME"), found.findtext("TEMPLATE/P")) == ("eve", "2")
    assert solo.call("one.document.delete", 0, False) == [True, 0, 0]
    assert solo.call("one.document.info", 0, False)[1:] == [
        "[one.document.info] Error getting document [0].",
        1024,
        0,
        -1,
    ]


def test_solo_servers_and_disabled_zone(solo: Oned) -> None:
    for expected in (0, 1, 2):
        solo.call("one.zone.addserver", 0, 'SERVER=[NAME="n",ENDPOINT="http://192.0.2.1:2633/RPC2"]')
        ids = ElementTree.fromstring(solo.call("one.zone.info", 0, False)[1]).findall("SERVER_POOL/SERVER/ID")
        assert int(ids[-1].text or "") == expected
    assert solo.call("one.zone.delserver", 0, 1) == [True, 0, 0]
    assert solo.call("one.zone.delserver", 0, 1)[1:3] == ["[one.zone.delserver] SERVER not found in zone", 2048]
    assert solo.call("one.zone.addserver", 0, "<SERVER><NAME>n</NAME></SERVER>")[1:3] == ["[one.zone.addserver] ", 2048]
    assert solo.call("one.zone.resetserver", 0, 9) == [True, 0, 0]
    assert solo.call("one.zone.enable", 0, False) == [True, 0, 0]
    assert solo.call("one.zone.delserver", 0, 2)[1:3] == [
        "[one.zone.delserver] Cannot process request, zone disabled",
        8192,
    ]
    assert solo.call("one.zone.enable", 0, True) == [True, 0, 0]
    assert solo.call("one.zone.rename", 0, "lab") == [True, 0, 0]
    assert solo.call("one.zone.update", 0, 'ENDPOINT="http://192.0.2.9:2633/RPC2"', 1) == [True, 0, 0]
    zone = ElementTree.fromstring(solo.call("one.zone.info", 0, False)[1])
    assert (zone.findtext("NAME"), zone.findtext("TEMPLATE/ENDPOINT")) == ("lab", "http://192.0.2.9:2633/RPC2")


def test_credentials_and_second_start(solo: Oned) -> None:
    made = solo.root / "var/.one"
    assert {path.name for path in made.iterdir()} == {
        "one_auth",
        "one_key",
        "sunstone_auth",
        "oneflow_auth",
        "onegate_auth",
    }
    sizes = {path.name: path.stat().st_size for path in made.iterdir() if path.name != "one_auth"}
    assert sizes == {"one_key": 65, "sunstone_auth": 77, "oneflow_auth": 77, "onegate_auth": 77}
    assert {stat.S_IMODE(path.stat().st_mode) for path in made.iterdir() if path.name != "one_auth"} == {0o600}
    before = {path: path.read_bytes() for path in made.iterdir()}
    assert (made.parent / ".lock").read_text().strip() == str(solo.process and solo.process.pid)
    assert solo.stop() == 0
    assert not (made.parent / ".lock").exists()
    solo.start()
    assert {path: path.read_bytes() for path in made.iterdir()} == before
    assert solo.call("one.userpool.info")[1].count("<USER>") == 2


def test_without_one_auth_it_does_not_start(maria: Database, tmp_path: Path) -> None:
    server = Oned(tmp_path, f"bare{next(NUMBERS)}", maria)
    (server.root / "var/.one/one_auth").unlink()
    server.spawn()
    assert server.process is not None
    assert server.process.wait(20) == 255
    assert "one_auth cannot be read" in (server.root / "var/oned.log").read_text()


def test_configuration_shows_what_runs(solo: Oned) -> None:
    root = ElementTree.fromstring(solo.call("one.system.config")[1])
    assert [child.tag for child in root] == sorted(child.tag for child in root)
    assert root.findtext("FEDERATION/SERVER_ID") == "-1"
    assert root.findtext("RAFT/BROADCAST_TIMEOUT_MS") == "100"
    assert root.findtext("API_LIST_ORDER") == "DESC"


def test_zone_elects_writes_fails_over_and_keeps_equal_logs(trio: list[Oned], maria: Database) -> None:
    written: list[str] = []

    def write(server: Oned, name: str) -> bool:
        answer = document(server, name)
        if answer[0]:
            written.append(name)
        return bool(answer[0])

    leader = leader_of(trio)
    assert leader is not None
    assert leader.hooks() == ["follower", "leader"]
    for number in range(9):
        assert write(trio[number % 3], f"before-{number}")
    killed = time.monotonic()
    leader.kill()
    alive = [server for server in trio if server is not leader]
    tries = count()
    wait_for("a write after the leader's death", lambda: write(alive[0], f"after-{next(tries)}"))
    # The next election timeout is 1 s; three of them are the promise.
    assert time.monotonic() - killed < 3
    second = leader_of(alive)
    assert second is not None
    assert second.raft()["TERM"] > 1
    for number in range(5):
        assert write(alive[number % 2], f"more-{number}")
    leader.start()
    wait_for("the returned server to hear the leader", lambda: write(leader, "back"))
    last = second.raft()["LOG_INDEX"]
    wait_for("equal logs", lambda: all(s.raft()["COMMIT"] == s.raft()["LOG_INDEX"] == last for s in trio))
    wait_for("equal databases", lambda: all(names(maria, server) == written for server in trio))
    logs = [log_of(maria, server) for server in trio]
    assert logs[0] == logs[1] == logs[2]
    assert all(row[4] == 1 for row in logs[0])
    bodies = [maria.query("SELECT * FROM document_pool ORDER BY oid", server.name) for server in trio]
    assert bodies[0] == bodies[1] == bodies[2]
    assert len(written) == len(set(written))


def test_without_a_majority_a_write_waits_and_counts_later(trio: list[Oned], maria: Database) -> None:
    leader = leader_of(trio)
    assert leader is not None
    others = [server for server in trio if server is not leader]
    for server in others:
        server.kill()
    answers: list[list[Any]] = []
    waiting = threading.Thread(target=lambda: answers.append(document(leader, "pending")), daemon=True)
    waiting.start()
    wait_for("the record", lambda: leader.raft()["LOG_INDEX"] == leader.raft()["COMMIT"] + 1)
    assert leader.call("one.zone.info", 0, False)[0] is True
    assert leader.raft()["STATE"] == 3
    assert not answers
    for server in others:
        server.spawn()
    waiting.join(20)
    assert answers == [[True, 0, 0]]
    wait_for("all databases", lambda: all(names(maria, server) == ["pending"] for server in trio))


def test_a_leader_that_comes_back_with_writes_pending_skips_a_record(trio: list[Oned], maria: Database) -> None:
    """The recorded trap: it looks well, and only its own log shows it. Nothing reaches it while it is away, as when it
    is cut off: a frozen one finds the records in its sockets, before any heartbeat that commits them."""
    leader = leader_of(trio)
    assert leader is not None
    assert document(leader, "before")[0] is True
    others = [server for server in trio if server is not leader]
    wait_for("all to have it", lambda: all(names(maria, server) == ["before"] for server in trio))
    for server in others:
        server.kill()
    promised: list[list[Any]] = []

    def write(name: str) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            promised.append(document(leader, name))

    writers = [threading.Thread(target=write, args=(f"pending-{number}",), daemon=True) for number in range(4)]
    for writer in writers:
        writer.start()
    wait_for("the record", lambda: leader.raft()["LOG_INDEX"] == leader.raft()["COMMIT"] + 1)
    tail = leader.raft()["LOG_INDEX"]
    leader.kill()
    for server in others:
        server.spawn()
    wait_for("a leader among the others", lambda: leader_of(others))
    for number in range(4):
        assert document(others[0], f"committed-{number}")[0] is True
    leader.spawn()
    last = others[0].raft()["LOG_INDEX"]
    wait_for("an index that looks well", lambda: leader.raft()["LOG_INDEX"] == leader.raft()["COMMIT"] == last)
    for writer in writers:
        writer.join(10)
    assert not promised
    highest = "(SELECT MAX(log_index) FROM logdb WHERE applied = 1)"
    skipped = f"SELECT log_index FROM logdb WHERE applied = 0 AND log_index < {highest}"
    wait_for("the last record to be applied", lambda: log_of(maria, leader)[-1][4] == 1)
    assert maria.query(skipped, leader.name) == [(tail,)]
    assert [maria.query(skipped, server.name) for server in others] == [[], []]
    terms = [[row[:4] for row in log_of(maria, server)] for server in trio]
    assert terms[0] == terms[1] == terms[2]
    # A restart changes nothing: it goes on behind the highest applied record.
    assert leader.stop() == 0
    leader.start()
    assert document(others[0], "after")[0] is True
    wait_for("the last write", lambda: names(maria, leader)[-1] == "after")
    assert maria.query(skipped, leader.name) == [(tail,)]


def test_a_call_passed_on_to_a_leader_that_vanished_takes_ten_seconds(trio: list[Oned]) -> None:
    leader = leader_of(trio)
    assert leader is not None
    assert leader.process is not None
    other = next(server for server in trio if server is not leader)
    leader.process.send_signal(signal.SIGSTOP)
    started = time.monotonic()
    answer = document(other, "x")
    assert 9 < time.monotonic() - started < 15
    assert (answer[0], answer[2]) == (False, 8192)
    # One that is gone is refused at once, as long as it is remembered; the zone has another leader by now.
    leader.kill()
    wait_for("a write", lambda: document(other, "y")[0])


def test_a_lost_lead_ends_a_waiting_write_without_a_text(trio: list[Oned]) -> None:
    leader = leader_of(trio)
    assert leader is not None
    for server in trio:
        if server is not leader:
            server.kill()
    answers: list[list[Any]] = []
    waiting = threading.Thread(target=lambda: answers.append(document(leader, "pending")), daemon=True)
    waiting.start()
    wait_for("the record", lambda: leader.raft()["LOG_INDEX"] == leader.raft()["COMMIT"] + 1)
    term = leader.raft()["TERM"]
    vote = wire.render_call("one.zone.voterequest", (SESSION, term + 5, 2, wire.I8(0), 0))
    assert wire.parse_answer(post(leader.endpoint, vote, 5))[1:4] == (
        "[one.zone.voterequest] Candidate's log is outdated",
        2048,
        term,
    )
    waiting.join(5)
    assert answers == [[False, "[one.document.allocate] ", 8192, -1, -1]]
    wait_for("an election", lambda: leader.raft()["STATE"] == 1)
    assert document(leader, "x")[1:3] == [
        "[one.document.allocate] Cannot process request, oned cluster in election mode",
        8192,
    ]
    assert leader.call("one.system.version")[2] == 8192
    assert leader.call("one.user.info", -1, False)[0] is True


def test_a_member_that_lost_its_place_is_let_in_again(trio: list[Oned]) -> None:
    leader = leader_of(trio)
    assert leader is not None
    victim = trio[2]
    assert victim is not leader
    victim.kill()
    assert leader.call("one.zone.delserver", 0, 2) == [True, 0, 0]
    assert leader.call("one.zone.addserver", 0, server_text(victim)) == [True, 0, 0]
    victim.configure(2)
    victim.start()
    assert document(leader, "x")[0] is True
    wait_for("the new member's log", lambda: victim.raft()["COMMIT"] == leader.raft()["COMMIT"])


def test_a_record_that_nobody_has_any_more_reaches_nobody(trio: list[Oned], maria: Database) -> None:
    leader = leader_of(trio)
    assert leader is not None
    stale = next(server for server in trio if server is not leader)
    stale.kill()
    for number in range(3):
        assert document(leader, f"missed-{number}")[0] is True
    maria.query(f"DELETE FROM logdb WHERE log_index < {leader.raft()['LOG_INDEX'] - 1}", leader.name)
    stale.start()
    wait_for("a write while one is out of the log", lambda: document(leader, "after")[0])
    wait_for("the leader's complaint", lambda: "cannot be loaded" in (leader.root / "var/oned.log").read_text())
    assert names(maria, stale) == []


def test_stop_gives_the_lead_back(trio: list[Oned]) -> None:
    leader = leader_of(trio)
    assert leader is not None
    started = time.monotonic()
    assert leader.stop() == 0
    assert time.monotonic() - started < 5
    assert leader.hooks()[-1] == "follower"
    wait_for("a new leader", lambda: leader_of([server for server in trio if server is not leader]))


def test_raft_calls_by_hand(trio: list[Oned]) -> None:
    leader = leader_of(trio)
    assert leader is not None
    follower = next(server for server in trio if server is not leader)
    term = follower.raft()["TERM"]

    def ask(method: str, *params: wire.Scalar) -> tuple[wire.Scalar, ...]:
        return wire.parse_answer(post(follower.endpoint, wire.render_call(method, params), 5))

    assert ask("one.zone.voterequest", SESSION, term - 1, 2, wire.I8(1), 1) == (
        False,
        "[one.zone.voterequest] Candidate's term is outdated",
        2048,
        term,
        -1,
    )
    heartbeat = (0, wire.I8(0), term - 1, wire.I8(0), 0, wire.I8(0), 0, wire.I8(-1), "")
    assert ask("one.zone.replicate", SESSION, *heartbeat)[1:4] == (
        f"[one.zone.replicate] Leader term ({term - 1}) is outdated ({term})",
        2048,
        term,
    )
    assert ask("one.zone.replicate", "oneadmin:wrong", *heartbeat)[2] == 256
    with pytest.raises(wire.Fault, match="64-bit integer"):
        ask("one.zone.voterequest", SESSION, 1, 2, 1, 1)
    assert ask("one.zone.fedreplicate", SESSION, wire.I8(0), wire.I8(0), "")[2] == 65536


def test_http_is_post_only(solo: Oned) -> None:
    answer = subprocess.run(
        ["curl", "--silent", "--include", f"http://127.0.0.1:{solo.port}/"], check=True, capture_output=True, text=True
    ).stdout
    assert answer.startswith("HTTP/1.1 405 Method Not Allowed")
    assert re.findall(r"(?m)^([A-Za-z-]+): ", answer) == ["Content-type", "Connection", "Date", "Server"]


def test_it_listens_where_it_is_told(solo: Oned) -> None:
    socket.create_connection(("127.0.0.1", solo.port), 5).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", solo.port), 5)


def test_it_takes_no_more_connections_than_max_conn(solo: Oned) -> None:
    """Whoever comes after them waits, whatever it asks; a connection that ends makes room."""
    with contextlib.ExitStack() as ends:
        held = [socket.create_connection(("127.0.0.1", solo.port)) for _ in range(15)]
        for connection in held:
            ends.callback(connection.close)
        waiting = http.client.HTTPConnection("127.0.0.1", solo.port, timeout=1)
        ends.callback(waiting.close)
        waiting.request("GET", "/RPC2")
        with pytest.raises(TimeoutError):
            waiting.getresponse()
        held[0].close()
        assert solo.call("one.zone.info", 0, False)[0]


def test_oned_says_what_it_is() -> None:
    command = [sys.executable, "-m", "lab.standin.oned", "-v"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert "test double" in done.stdout
