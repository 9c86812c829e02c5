# SPDX-License-Identifier: Apache-2.0
"""Agents as they run, and what hangs, ends or is cut off behind them: they say the right thing, in time and at once."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.standin.tests.zone import Database
from tests.agent.cost import measure, settled
from tests.agent.harness import Agent, Watch, cut, wait_for, zone

LEADS, NOT = 200, 503


def term(agent: Agent) -> str:
    return agent.leads.read_text().strip() if agent.leads.exists() else ""


def refuses(agent: Agent, path: str, words: str) -> bool:
    reply = agent.get(path)
    return reply.status == NOT and words in reply.value["reason"]


@contextmanager
def stopped(database: Database) -> Iterator[None]:
    process = database._process
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)
        wait_for("the database", lambda: database.query("SELECT 1"), 20)


def test_a_healthy_zone(folder: Path, databases: list[Database]) -> None:
    with zone(folder, databases) as agents:
        one, two, three = agents
        assert [agent.says("/leader") for agent in agents] == [LEADS, NOT, NOT]
        assert refuses(two, "/leader", "one2 is follower in term 5")
        assert [term(agent) for agent in agents] == ["5", "", ""]
        # What the log's tail shows
        schema = three.config["database"]["zone_schema"]
        three.database.query(
            "INSERT INTO logdb SELECT seq, 5, 'x', 0, 0, seq NOT IN (7, 9, 40) FROM seq_3_to_40", schema
        )
        wait_for("the log", lambda: three.get("/status").value["machine"]["log"], 5)
        status = three.get("/status").value
        assert status["machine"]["log"] == {
            "oldest": 3,
            "newest": 40,
            "applied": 39,
            "skipped": [7, 9],
            "skipped_count": 2,
        }
        assert (status["name"], status["version"], status["failure"]) == ("one3", "6.10.5", None)
        assert status["raft"]["state"] == "follower"
        assert status["age"] < 1
        assert [server["name"] for server in status["zone"]["servers"]] == ["one1", "one2", "one3"]
        assert status["machine"]["database"] == "ok"
        # One credential, one digest, and nothing of it in clear
        digests = {agent.get("/status").value["machine"]["credentials"] for agent in agents}
        assert len(digests) == 1
        assert len(str(digests.pop())) == 64
        assert "secret" not in str(status)
        # Every agent has the same verdict, from the others' words
        wait_for("the verdict", lambda: one.get("/health").value["codes"] == ["record_skipped"], 5)
        verdicts = [agent.get("/health").value for agent in agents]
        assert {verdict["leader"]["name"] for verdict in verdicts} == {"one1"}
        assert all(verdict["age"] < 1 for verdict in verdicts)
        metrics = three.get("/metrics").value["text"]
        for line in ("nebula_leader 0", "nebula_term 5", "nebula_peers_seen 2", "nebula_skipped_records 2"):
            assert f"\n{line}\n" in metrics
        assert '\nnebula_problems{code="record_skipped"} 1\n' in metrics


def test_a_leader_that_is_cut_off_says_so_and_its_services_stay_for_a_while(
    folder: Path, databases: list[Database]
) -> None:
    with zone(folder, databases) as agents:
        one, two, three = agents
        with Watch(one) as watch:
            cut(agents, one)
            began = time.monotonic()
            assert wait_for("the refusal", lambda: refuses(one, "/leader", "only 1 of 3 servers"), 3) < 1.5
            assert wait_for("no majority", lambda: refuses(one, "/server", "only 1 of 3 servers"), 3) < 2.2
            # The others elect another meanwhile; the one that was cut off does not hear of it
            two.oned.state, two.oned.term, three.oned.term = "leader", 6, 6
            assert wait_for("the new leader", lambda: two.says("/leader") == LEADS, 3) < 1
            assert wait_for("its services", lambda: term(two) == "6", 3) < 0.6
            assert term(one) == "5", "a short gap moves no services"
            wait_for("the end of its services", lambda: term(one) == "", 5)
            # Three seconds in these tests
            assert 2.5 < time.monotonic() - began < 4
        watch.prompt()
        # Healed, it hears of the other and is what its oned says
        one.oned.state, one.oned.term = "follower", 6
        for agent in agents:
            for cable in agent.cables:
                cable.plug()
        wait_for("the healed one", lambda: refuses(one, "/leader", "one1 is follower in term 6"), 5)
        wait_for("reads", lambda: one.says("/server") == LEADS, 5)


def test_a_black_holed_peer_hinders_nobody(folder: Path, databases: list[Database]) -> None:
    with zone(folder, databases) as agents:
        one, two, three = agents
        with Watch(one) as watch:
            cut(agents, three)
            end = time.monotonic() + 2.5
            while time.monotonic() < end:
                assert (one.says("/leader"), two.says("/server")) == (LEADS, LEADS)
                time.sleep(0.05)
            wait_for("the verdict", lambda: one.get("/health").value["codes"] == ["server_unreachable"], 3)
        watch.prompt()
        assert one.says("/leader") == LEADS
        assert term(one) == "5"


def test_a_hung_oned(folder: Path, databases: list[Database]) -> None:
    with zone(folder, databases) as agents:
        one, two, three = agents
        one.oned.most_in_flight = 0
        with Watch(one) as watch:
            one.oned.silent.set()
            hung = time.monotonic()
            assert wait_for("the refusal", lambda: refuses(one, "/leader", "last told its state"), 5) < 2.7
            assert wait_for("no reads", lambda: refuses(one, "/server", "last told its state"), 5) < 2.7
            # The others elect another
            two.oned.state, two.oned.term, three.oned.term = "leader", 6, 6
            assert wait_for("the new leader", lambda: two.says("/leader") == LEADS, 3) < 1
            assert wait_for("the end of its services", lambda: term(one) == "", 3) < 1, "it sees that another leads"
            time.sleep(max(hung + 4.5 - time.monotonic(), 0))
        watch.prompt()
        assert one.oned.most_in_flight == 1, "one question in flight at most"
        assert len([moment for moment, _method in one.oned.calls if moment > hung]) <= 4
        # It thaws, and its oned does not know better yet
        one.oned.silent.clear()
        end = time.monotonic() + 1
        while time.monotonic() < end:
            assert one.says("/leader") == NOT
        one.oned.state, one.oned.term = "follower", 6
        wait_for("reads", lambda: one.says("/server") == LEADS, 5)


def test_an_oned_that_has_ended(folder: Path, databases: list[Database]) -> None:
    with zone(folder, databases) as agents:
        one, two, three = agents
        with Watch(one) as watch:
            one.oned.stop()
            assert wait_for("the refusal", lambda: refuses(one, "/leader", "oned does not run on one1"), 3) < 0.6
            assert wait_for("no reads", lambda: refuses(one, "/server", "oned does not run on one1"), 3) < 0.6
            assert wait_for("the end of its services", lambda: term(one) == "", 3) < 0.6
            # Nobody leads: they look more often, so that the next one is found soon
            time.sleep(0.5)
            calls = len(two.oned.calls)
            time.sleep(1)
            assert len(two.oned.calls) - calls >= 8
            two.oned.state, two.oned.term, three.oned.term = "leader", 6, 6
            assert wait_for("the new leader", lambda: two.says("/leader") == LEADS, 3) < 0.6
        watch.prompt()
        status = one.get("/status").value
        assert (status["raft"], status["failure"]["kind"]) == (None, "refused")
        assert status["machine"]["database"] == "ok"
        assert "server_unreachable" in two.get("/health").value["codes"]


def test_a_stopped_database(folder: Path, databases: list[Database]) -> None:
    with zone(folder, databases) as agents:
        one, two, _three = agents
        with stopped(one.database), Watch(one) as watch:
            assert wait_for("the refusal", lambda: refuses(one, "/leader", "database"), 6) < 3.7
            # Its oned answers from memory here, and nothing else waits
            assert one.says("/server") == LEADS
            assert one.get("/status").value["age"] < 1
            wait_for("the word", lambda: one.get("/status").value["machine"]["database"] == "dead", 4)
            assert term(one) == "5", "the leader's services are no question of its database"
            wait_for("the verdict", lambda: "database_dead" in two.get("/health").value["codes"], 3)
        watch.prompt()
        wait_for("writes again", lambda: one.says("/leader") == LEADS, 5)


def test_a_dead_database_and_one_that_refuses(folder: Path, tmp_path: Path, databases: list[Database]) -> None:
    own = Database(tmp_path)
    try:
        with zone(folder, [own, databases[0]]) as agents:
            one = agents[0]
            schema = one.config["database"]["schema"]
            own.query(
                f"CREATE TRIGGER `{schema}`.full BEFORE INSERT ON `{schema}`.probe "
                "FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'the table is full'"
            )
            full = "the database takes no write: the table is full"
            assert wait_for("the refusal", lambda: refuses(one, "/leader", full), 5) < 2.5
            assert one.get("/status").value["machine"]["database"] == "refuses_writes"
            own.query(f"DROP TRIGGER `{schema}`.full")
            wait_for("writes again", lambda: one.says("/leader") == LEADS, 5)
            with Watch(one) as watch:
                own._process.kill()
                own._process.wait(10)
                assert wait_for("the refusal", lambda: refuses(one, "/leader", "takes no write: Can't conn"), 5) < 2.5
                assert one.get("/status").value["machine"]["database"] == "dead"
                assert one.says("/server") == LEADS
                time.sleep(0.7)
            watch.prompt()
    finally:
        if own._process.poll() is None:
            own.stop()


@pytest.mark.skipif(os.getuid() != 0, reason="a file system of its own needs root")
def test_a_full_disk(folder: Path, databases: list[Database]) -> None:
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "nebula-test", str(disk)], check=True)
    try:
        with zone(folder, databases, limits={"disk_bytes": 4 * 1024 * 1024}, disk=disk) as agents:
            one = agents[0]
            with Watch(one) as watch:
                (disk / "filler").write_bytes(b"x" * 6 * 1024 * 1024)
                assert wait_for("the refusal", lambda: refuses(one, "/leader", "bytes are free on disk"), 5) < 1.5
                assert one.says("/server") == LEADS
                assert one.get("/status").value["machine"]["disk_free"] < 4 * 1024 * 1024
                (disk / "filler").unlink()
                assert wait_for("room again", lambda: one.says("/leader") == LEADS, 5) < 1.5
            watch.prompt()
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_an_agent_that_slept_never_says_that_it_leads(folder: Path, databases: list[Database]) -> None:
    with zone(folder, databases) as agents:
        one, two, three = agents
        one.freeze()
        two.oned.state, two.oned.term, three.oned.term = "leader", 6, 6
        wait_for("the new leader", lambda: two.says("/leader") == LEADS, 5)
        # A cable that was pulled as well: nobody tells it at first
        for place in (1, 2):
            one.cables[place].pull()
        time.sleep(1.5)
        one.thaw()
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            assert one.says("/leader") == NOT
        for place in (1, 2):
            one.cables[place].plug()
        wait_for("it hears", lambda: refuses(one, "/leader", "is in term 6"), 5)
        assert term(one) == ""


def test_an_agent_that_starts_again_moves_no_services(folder: Path, databases: list[Database]) -> None:
    with zone(folder, databases) as agents:
        one = agents[0]
        written = one.leads.stat().st_mtime_ns
        one.stop(signal.SIGTERM)
        assert term(one) == "5"
        one.start()
        assert wait_for("it leads", lambda: one.says("/leader") == LEADS, 5) < 2
        assert one.leads.stat().st_mtime_ns == written
        # And what it finds is no word for ever: nobody confirms it
        one.stop()
        cut(agents, one)
        one.start()
        wait_for("the end of its services", lambda: term(one) == "", 6)


def test_a_credential_that_is_refused_is_taken_anew(folder: Path, databases: list[Database]) -> None:
    with zone(folder, databases) as agents:
        one = agents[0]
        assert one.process is not None
        one.oned.password = "oneadmin:new"
        wait_for("the failure", lambda: (one.get("/status").value["failure"] or {}).get("kind") == "credentials", 3)
        wait_for("the refusal", lambda: one.says("/leader") == NOT, 4)
        assert one.says("/server") == NOT
        # Longer than this test waits: it goes on, and says why
        assert one.process.poll() is None
        one.stop()
        one.config["timeouts"] = {"refused": 0.5}
        one.start()
        assert one.process.wait(10) == 75, "systemd starts it again, with the credential as it is then"
        (folder / "one_auth").write_text("oneadmin:new\n")
        one.start()
        wait_for("it leads", lambda: one.says("/leader") == LEADS, 10)
        time.sleep(1)
        assert one.process.poll() is None


def test_systemd_hears_when_it_is_ready_and_that_it_lives(folder: Path, databases: list[Database]) -> None:
    with (
        zone(folder, databases) as agents,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd,
    ):
        one = agents[0]
        systemd.bind(str(folder / "notify"))
        systemd.settimeout(10)
        one.stop()
        one.start(notify=folder / "notify")
        assert systemd.recv(1000) == b"READY=1"
        # Whoever waited for it gets the right word from then on
        wait_for("it leads", lambda: one.says("/leader") == LEADS, 3)
        heard = [systemd.recv(1000) for _ in range(3)]
        assert heard.count(b"WATCHDOG=1") >= 1
        assert b"STATUS=one1 leads in term 5" in heard
        # Its words end with its life
        one.freeze()
        systemd.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while systemd.recv(1000):
                continue
        systemd.settimeout(2.5)
        with pytest.raises(TimeoutError):
            systemd.recv(1000)


@pytest.mark.parametrize("wrong", [{"allowed": ["nobody"]}, {"session_file": "/nowhere"}])
def test_settings_that_cannot_be_used_end_it(
    folder: Path, databases: list[Database], wrong: dict[str, object], capfd: pytest.CaptureFixture[str]
) -> None:
    with zone(folder, databases, size=1) as agents:
        one = agents[0]
        one.stop()
        one.config.update(wrong)
        one.start()
        assert one.process is not None
        assert one.process.wait(10) == 78
        assert f"{one.name}.json: " in capfd.readouterr().err


def test_what_an_agent_costs(folder: Path, databases: list[Database]) -> None:
    """The best of three: what else this machine does costs caches."""
    with zone(folder, databases, production=True) as agents:
        one = settled(agents)
        costs = [measure(one, 4) for _ in range(3)]
    best = min(costs, key=lambda cost: cost.core)
    assert best.core < 0.02, best
    assert best.megabytes < 40, best
    assert best.oned < 7, best
