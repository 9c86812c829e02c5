# SPDX-License-Identifier: Apache-2.0
"""The agent's parts alone: its HTTP server's bounds, the file for services, the settings, the reading of a log."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pymysql
import pytest
import yaml
from health_agent import database as agent_database
from health_agent.board import Board, PeerSight
from health_agent.config import Allowed, ConfigError, Peer, parse
from health_agent.database import LogSweep, Slow
from health_agent.front import CONNECTIONS_OF_ONE, LARGEST_REQUEST, Front
from health_agent.leads import LeadsFile
from health_agent.oned import digest
from health_agent.peers import Line, PeerError, sight
from zone.leadership import NEVER, Leadership, Limits, Observation, Standing
from zone.model import Answer, FailureKind, LogFacts, ServerState

from lab.standin.tests.zone import Database, free_port
from tests.agent.harness import AGENT, ROOT

# The HTTP server


class Served:
    def __init__(self) -> None:
        self.port = free_port()
        self.body = b'{"a": 1}\n'
        self.ticks = 0
        front = Front(("127.0.0.1", self.port), Allowed(["127.0.0.1", "127.0.1.0/24"]), self.page, self.tick, beat=0.05)
        threading.Thread(target=front.serve, daemon=True).start()

    def page(self, path: str) -> tuple[int, str, bytes]:
        return (200, "application/json", self.body) if path == "/a" else (404, "application/json", b"{}\n")

    def tick(self) -> None:
        self.ticks += 1

    def open(self, source: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 5, source_address=(source, 0))

    def ask(self, request: bytes, source: str = "127.0.0.1") -> bytes:
        """Everything until the server closes."""
        with self.open(source) as line:
            line.sendall(request)
            return rest(line)


def rest(line: socket.socket) -> bytes:
    data = b""
    while more := line.recv(65536):
        data += more
    return data


def answer(line: socket.socket) -> bytes:
    """One answer with a short body."""
    data = b""
    while not data.endswith(b"}\n"):
        more = line.recv(1)
        assert more, data
        data += more
    return data


def ended(line: socket.socket) -> bool:
    """Whether the server closed; it has said nothing."""
    try:
        return line.recv(1) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


@pytest.fixture(scope="module")
def served() -> Served:
    return Served()


GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


def test_a_balancers_check(served: Served) -> None:
    reply = served.ask(b"GET /a HTTP/1.0\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nConnection: close\r\n" in reply
    assert reply.endswith(b'\r\n\r\n{"a": 1}\n')
    assert served.ask(b"HEAD /a HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\n")
    assert b" 404 " in served.ask(b"GET /b HTTP/1.0\r\n\r\n")


def test_a_connection_is_kept_and_requests_may_come_in_pieces_or_together(served: Served) -> None:
    with served.open() as line:
        for byte in GET:
            line.sendall(bytes([byte]))
        assert b"\r\nConnection: keep-alive\r\n" in answer(line)
        line.sendall(GET + GET + b"GET /a HTTP/1.1\r\nConnection: Close\r\n\r\n")
        assert rest(line).count(b"HTTP/1.1 200 OK") == 3


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST /a HTTP/1.1\r\n\r\n", b"405"),
        (b"GET /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", b"400"),
        (b"GET /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"400"),
        (b"GET http://x/a HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /a\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", b"400"),
        (b"GET /a HTTP/1.1\r\nX: " + b"x" * LARGEST_REQUEST, b"431"),
    ],
)
def test_what_is_no_request_is_refused(served: Served, request_: bytes, status: bytes) -> None:
    assert served.ask(request_).startswith(b"HTTP/1.1 " + status)


def test_strangers_are_refused(served: Served) -> None:
    assert b" 403 " in served.ask(GET, source="127.0.0.2")
    assert b" 200 " in served.ask(b"GET /a HTTP/1.0\r\n\r\n", source="127.0.1.9")


def test_who_says_nothing_or_too_slowly_is_let_go(served: Served) -> None:
    with served.open() as slow:
        slow.sendall(b"GET /a HT")
        started = time.monotonic()
        slow.settimeout(0.3)
        while not ended(slow):
            with contextlib.suppress(OSError):
                slow.sendall(b"x")
            assert time.monotonic() - started < 8
        assert 1.5 < time.monotonic() - started < 3.5


def test_a_client_that_takes_no_answers_is_let_go(served: Served) -> None:
    served.body = b"x" * 3_000_000
    try:
        with served.open() as line:
            line.sendall(GET * 5)
            time.sleep(0.2)
            ticks = served.ticks
            assert b" 404 " in served.ask(b"GET /b HTTP/1.0\r\n\r\n"), "nobody else waits"
            time.sleep(3.0)
            assert served.ticks - ticks > 20
            took = 0
            with contextlib.suppress(ConnectionError):
                while more := line.recv(1_000_000):
                    took += len(more)
            assert took < 5 * len(served.body)
    finally:
        served.body = b'{"a": 1}\n'


def test_a_client_with_too_many_connections_loses_the_oldest(served: Served) -> None:
    lines = [served.open() for _ in range(CONNECTIONS_OF_ONE * 3)]
    try:
        for line in lines:
            line.sendall(b"GET /a")
        started = time.monotonic()
        with served.open() as one:
            one.sendall(GET)
            assert b" 200 " in answer(one)
        assert time.monotonic() - started < 0.5
        lines[0].settimeout(1)
        assert ended(lines[0])
        with served.open("127.0.1.1") as other:
            other.sendall(GET)
            assert b" 200 " in answer(other)
    finally:
        for line in lines:
            line.close()


# The connection to a peer's agent


def test_a_kept_connection_that_was_closed_is_made_anew(served: Served) -> None:
    line = Line("127.0.0.1", served.port, 2.0)
    assert line.get("/a") == served.body
    assert line._socket is not None
    line._socket.shutdown(socket.SHUT_RDWR)
    assert line.get("/a") == served.body
    with pytest.raises(PeerError, match="status 404"):
        line.get("/b")


def test_a_peer_that_is_silent_takes_its_time_and_no_more() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        line = Line("127.0.0.1", listener.getsockname()[1], 0.3)
        started = time.monotonic()
        with pytest.raises(PeerError, match=r"no answer within 0\.3 s") as caught:
            line.get("/a")
        assert caught.value.kind is FailureKind.TIMEOUT
        assert time.monotonic() - started < 1
    refused = Line("127.0.0.1", free_port(), 0.3)
    with pytest.raises(PeerError, match="does not run"):
        refused.get("/a")


@pytest.mark.parametrize("head", ["Content-Length: 99999999", "X: y", "Content-Length: -1"])
def test_a_peer_that_answers_without_end_is_left(head: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            # The listener goes before it has heard a second question.
            with contextlib.suppress(OSError):
                for _ in range(2):
                    line, _place = listener.accept()
                    line.sendall(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\nbody".encode())

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(PeerError, match="no length"):
            Line("127.0.0.1", listener.getsockname()[1], 1).get("/a")


STATUS: dict[str, Any] = {
    "name": "one2",
    "endpoint": "http://whatever",
    "age": 0.25,
    "raft": {
        "server_id": 1,
        "state": "follower",
        "term": 5,
        "voted_for": -1,
        "commit": 9,
        "index": 10,
        "log_term": 5,
        "fedlog_index": -1,
    },
    "zone": None,
    "version": None,
    "failure": None,
    "machine": {
        "database": "ok",
        "database_detail": "",
        "disk_free": 1,
        "disk_total": 2,
        "log": None,
        "credentials": None,
    },
}
PEER = Peer("one2", "http://10.0.0.2:2633/RPC2", "10.0.0.2", 2640)


def told(before: Observation | None = None, **changes: Any) -> PeerSight:
    text = json.dumps(STATUS | changes).encode()
    return sight(text, PEER, 100.0, before or Observation("one2", PEER.endpoint))


def test_a_peers_word_is_as_old_as_its_question_and_the_age_it_tells() -> None:
    found = told()
    assert (found.view.seen, found.heard) == (99.75, 100.0)
    assert found.answer == Answer(PEER.endpoint, found.view.raft)
    assert found.view.raft is not None
    assert found.view.raft.state is ServerState.FOLLOWER
    # It cannot make itself newer than the question
    assert told(age=-5.0).view.seen == 100.0


def test_a_peer_whose_oned_fails_is_known_as_it_was() -> None:
    before = told().view
    failed = told(before, raft=None, failure={"kind": "refused", "detail": "connection refused", "errno": None})
    assert (failed.view.raft, failed.view.seen) == (before.raft, before.seen)
    assert failed.view.gone
    assert failed.answer.raft is None


@pytest.mark.parametrize("text", [b"", b"[]", b"\xff", b'{"name": "x"}', json.dumps(STATUS | {"raft": {}}).encode()])
def test_what_is_no_status_is_refused(text: bytes) -> None:
    with pytest.raises(PeerError):
        sight(text, PEER, 100.0, Observation("one2", PEER.endpoint))


# The file for services

LIMITS = Limits()


def word(standing: Standing, term: int | None = 5, confirmed: float = NEVER) -> Leadership:
    return Leadership(standing, "", term, confirmed)


def test_the_file_follows_the_leader(tmp_path: Path) -> None:
    path = tmp_path / "leads"
    leads = LeadsFile(str(path), 0.0)

    def follow(standing: Standing, now: float, term: int = 5, confirmed: float = NEVER) -> str:
        changed = leads.follow(word(standing, term, confirmed), now, LIMITS)
        text = path.read_text() if path.exists() else ""
        assert changed is (text != follow.before)  # type: ignore[attr-defined]
        follow.before = text  # type: ignore[attr-defined]
        assert [item.name for item in tmp_path.iterdir()] == (["leads"] if text else [])
        return text

    follow.before = ""  # type: ignore[attr-defined]
    # Unconfirmed, nothing begins, however lately it was confirmed
    assert follow(Standing.UNCONFIRMED, 0.0, confirmed=0.0) == ""
    assert follow(Standing.LEADS, 1.0, confirmed=0.8) == "5\n"
    assert follow(Standing.LEADS, 2.0, confirmed=1.8) == "5\n"
    assert follow(Standing.UNCONFIRMED, 11.8) == "5\n"
    assert follow(Standing.UNCONFIRMED, 11.9) == ""
    assert follow(Standing.UNCONFIRMED, 12.0) == ""
    assert follow(Standing.LEADS, 13.0, term=6, confirmed=13.0) == "6\n"
    # A new term that nobody confirmed yet is not written
    assert follow(Standing.UNCONFIRMED, 14.0, term=7) == "6\n"
    assert follow(Standing.LEADS, 14.5, term=7, confirmed=14.5) == "7\n"
    assert follow(Standing.FOLLOWS, 14.6, term=8) == ""
    assert follow(Standing.LEADS, 15.0, term=9, confirmed=15.0) == "9\n"
    assert follow(Standing.GONE, 15.1) == ""


def test_an_agent_that_starts_again_takes_the_file_over(tmp_path: Path) -> None:
    path = tmp_path / "leads"
    path.write_text("5\n")
    leads = LeadsFile(str(path), 100.0)
    assert not leads.follow(word(Standing.UNCONFIRMED), 109.0, LIMITS)
    assert not leads.follow(word(Standing.LEADS, 5, 109.0), 109.0, LIMITS)
    assert leads.follow(word(Standing.UNCONFIRMED), 119.1, LIMITS)
    assert not path.exists()


# Settings


def settings(**changes: Any) -> str:
    values: dict[str, Any] = {
        "name": "one1",
        "endpoint": "http://10.0.0.1:2633/RPC2",
        "listen": {"address": "10.0.0.1", "port": 2640},
        "leads_file": "/run/x",
        "peers": [],
        "allowed": ["10.0.0.1"],
        "database": {"socket": "/s", "user": "u", "schema": "s", "zone_schema": "z"},
        "disk_paths": ["/"],
    }
    return json.dumps(values | changes)


def test_settings_are_read() -> None:
    config = parse(settings(intervals={"oned": 0.5}, limits={"services": 7}), "/cred/one_auth")
    assert (config.intervals.oned, config.intervals.peers, config.limits.services) == (0.5, 0.25, 7)
    assert config.session_file == "/cred/one_auth"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        (settings(listen={}), "'address' is missing"),
        (settings(intervals={"onde": 1}), "'intervals' has no 'onde'; it has database, disk"),
        (settings(limits={"confirm": -1}), "'limits.confirm' is -1"),
        (settings(limits={"confirm": "1"}), "'limits.confirm' is '1'"),
        (settings(allowed=["10.0.0.0/33"]), "'10.0.0.0/33' in 'allowed' has a prefix"),
        (settings(allowed=["one1"]), "'one1' in 'allowed' is no address"),
    ],
)
def test_settings_that_cannot_be_used_are_named(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=r".*") as caught:
        parse(text, "")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("10.0.0.7", True),
        ("10.0.0.8", False),
        ("192.0.2.255", True),
        ("192.0.3.0", False),
        ("::ffff:10.0.0.7", True),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("fe80::1%eth0", False),
    ],
)
def test_addresses_and_networks(address: str, inside: bool) -> None:
    assert (address in Allowed(["10.0.0.7", "192.0.2.0/24", "2001:db8::/32"])) is inside
    assert address in Allowed(["0.0.0.0/0", "::/0"])
    assert address not in Allowed([])


def test_a_digest_tells_credentials_apart_and_zones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("health_agent.oned.ROUNDS", 10)
    assert digest("oneadmin:a", "one") == digest("oneadmin:a", "one")
    assert len({digest("oneadmin:a", "one"), digest("oneadmin:b", "one"), digest("oneadmin:a", "two")}) == 3


def test_the_role_copies_the_whole_program() -> None:
    listed = yaml.safe_load((ROOT / "roles/health_agent/vars/main.yml").read_text())["__health_agent_modules"]
    own = {f"health_agent/{path.name}" for path in (AGENT / "health_agent").glob("*.py")}
    # What changes a zone is no business of a service that looks
    zone = {f"zone/{path.name}" for path in (AGENT / "zone").glob("*.py")} - {"zone/writer.py"}
    assert sorted(listed) == sorted(own | zone)


# The log's table


class Log:
    """A table of a real MariaDB, and what was asked of it."""

    def __init__(self, database: Database, name: str) -> None:
        self.name = name
        self.asked: list[str] = []
        self._connection = pymysql.connect(unix_socket=str(database.socket), user="root", autocommit=True)
        self.sql(f"CREATE DATABASE {name}")
        self.sql(f"USE {name}")
        self.sql(
            "CREATE TABLE logdb (log_index BIGINT UNSIGNED PRIMARY KEY, term INTEGER, sqlcmd MEDIUMTEXT, "
            "timestamp INTEGER, fed_index BIGINT UNSIGNED, applied BOOLEAN)"
        )

    def sql(self, text: str) -> Sequence[Sequence[Any]]:
        with self._connection.cursor() as cursor:
            cursor.execute(text)
            return list(cursor.fetchall())

    def query(self, text: str) -> Sequence[Sequence[Any]]:
        self.asked.append(text)
        try:
            return self.sql(text.replace("{log}", "logdb"))
        except pymysql.OperationalError as error:
            # This machine may do much else
            if error.args[0] == agent_database.STATEMENT_TIMEOUT:
                raise Slow from None
            raise

    def records(self, first: int, last: int, waiting: str = "0") -> None:
        self.sql(f"INSERT INTO logdb SELECT seq, 5, 'x', 0, 0, seq NOT IN ({waiting}) FROM seq_{first}_to_{last}")

    def close(self) -> None:
        self.sql(f"DROP DATABASE {self.name}")
        self._connection.close()


@pytest.fixture
def log(databases: list[Database], folder: Path) -> Iterator[Log]:
    found = Log(databases[0], f"log_{folder.name}")
    yield found
    found.close()


def swept(sweep: LogSweep, term: int = 5) -> LogFacts | None:
    sweep.look(term)
    for _ in range(500):
        if sweep.position >= sweep.applied - 1:
            break
        sweep.step()
    return sweep.facts()


def test_an_empty_log_and_its_first_record(log: Log) -> None:
    sweep = LogSweep(log.query)
    assert swept(sweep) is None
    log.sql("INSERT INTO logdb VALUES (0, 0, 'first', 0, 0, 1), (18446744073709551615, 0, 'state', 0, 0, 0)")
    assert swept(sweep) == LogFacts(0, 0, 0)


def test_what_waits_above_the_newest_applied_record_was_not_skipped(log: Log) -> None:
    log.records(0, 60, "30, 58, 59, 60")
    assert swept(LogSweep(log.query)) == LogFacts(0, 60, 57, (30,), 1)


def test_skipped_records_deep_in_a_long_log_are_found_and_counted(log: Log) -> None:
    waiting = ", ".join(str(index) for index in [5, *range(20_000, 20_050), 39_999])
    log.records(1, 40_000, waiting)
    sweep = LogSweep(log.query)
    sweep.look(5)
    facts = sweep.facts()
    assert facts is not None
    assert facts.skipped == (39_999,), "the tail is looked at first"
    facts = swept(sweep)
    assert facts == LogFacts(1, 40_000, 40_000, (5, *range(20_000, 20_019)), 52)
    # No question is about the whole table
    for text in log.asked:
        assert "LIMIT 1" in text or "SET STATEMENT max_statement_time = 0.05 FOR SELECT" in text
    pieces = [text for text in log.asked if "applied = 0" in text]
    assert len(pieces) >= 40_000 // agent_database.PIECE_MOST


def test_a_record_that_was_replaced_after_it_was_looked_at_is_found(log: Log) -> None:
    log.records(1, 20_000)
    sweep = LogSweep(log.query)
    assert swept(sweep) == LogFacts(1, 20_000, 20_000)
    log.sql("UPDATE logdb SET applied = 0 WHERE log_index IN (100, 19000)")
    sweep.look(5)
    facts = sweep.facts()
    assert facts is not None
    assert facts.skipped == (19_000,)
    # It happens when the leader changes: then all is looked at again
    found = swept(sweep, term=6)
    assert found is not None
    assert found.skipped == (100, 19_000)


def test_a_database_that_was_rebuilt_or_purged_is_believed(log: Log) -> None:
    log.records(1, 9000, "50, 8000")
    sweep = LogSweep(log.query)
    found = swept(sweep)
    assert found is not None
    assert found.skipped == (50, 8000)
    log.sql("DELETE FROM logdb WHERE log_index <= 1000")
    log.sql("UPDATE logdb SET applied = 1")
    sweep.look(5)
    assert sweep.facts() == LogFacts(1001, 9000, 9000)
    log.sql("DELETE FROM logdb")
    log.records(1, 500, "77")
    assert swept(sweep) == LogFacts(1, 500, 500, (77,), 1)
    log.sql("DELETE FROM logdb")
    assert swept(sweep) is None


def test_a_piece_that_takes_too_long_is_tried_smaller(log: Log) -> None:
    log.records(1, 30_000, "3, 20000")

    def query(text: str) -> Sequence[Sequence[Any]]:
        if "applied = 0" in text:
            first, last = (int(part.split()[0]) for part in (text.split("> ")[1], text.split("<= ")[1]))
            if last - first > 600:
                raise Slow
        return log.query(text)

    sweep = LogSweep(query)
    sweep.look(5)
    assert sweep.position == 0, "the first piece was too large"
    for _ in range(10):
        facts = swept(sweep)
        assert facts is not None
        if facts.skipped_count == 2:
            break
    assert facts is not None
    assert (facts.skipped_count, facts.applied) == (2, 30_000)
    # Without an answer to what is the newest applied one, the last answer stands
    log.records(30_001, 30_010)

    def later(text: str) -> Sequence[Sequence[Any]]:
        if "applied = 1" in text:
            raise Slow
        return log.query(text)

    sweep._query = later
    sweep.look(5)
    facts = sweep.facts()
    assert facts is not None
    assert (facts.newest, facts.applied) == (30_010, 30_000)


def test_mariadb_ends_a_question_that_takes_too_long(databases: list[Database], log: Log, folder: Path) -> None:
    """The bound is the server's: the agent hears of it as Slow, and goes on with the same connection."""
    where = {"socket": str(databases[0].socket), "user": "root", "schema": log.name, "zone_schema": log.name}
    probe = agent_database.DatabaseProbe(Board(parse(settings(database=where), ""), 0.0))
    endless = f"SELECT COUNT(*) FROM {log.name}.logdb, seq_1_to_30000 AS a, seq_1_to_30000 AS b WHERE a.seq <> b.seq"
    log.records(1, 1)
    probe._query(f"USE {log.name}")
    connection = probe._connection
    with pytest.raises(Slow):
        probe._query(f"SET STATEMENT max_statement_time = 0.05 FOR {endless}")
    assert probe._query("SELECT log_index FROM {log}") == ((1,),)
    assert probe._connection is connection
    probe._close()
