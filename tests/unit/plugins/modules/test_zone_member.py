# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.nebula.ha.plugins.modules import zone_member

from .conftest import Run
from .oned import SESSION, Oned

BODY = (
    "<ZONE><ID>0</ID><NAME>OpenNebula</NAME><STATE>0</STATE><TEMPLATE/><SERVER_POOL><SERVER>"
    "<ENDPOINT><![CDATA[http://10.0.0.1:2633/RPC2]]></ENDPOINT><ID><![CDATA[4]]></ID><NAME><![CDATA[fe1]]></NAME>"
    "</SERVER></SERVER_POOL></ZONE>"
)


class Cursor:
    """Answers the module's three questions."""

    def __init__(self, tables: int, log: tuple[Any, Any], body: Any) -> None:
        self.answers: list[list[tuple[Any, ...]]] = [[("x",)] * tables, [log], [] if body is None else [(body,)]]
        self.now: list[tuple[Any, ...]] = []

    def __enter__(self) -> Cursor:
        return self

    def __exit__(self, *arguments: object) -> None:
        pass

    def execute(self, query: str, values: tuple[Any, ...] = ()) -> None:
        self.now = self.answers.pop(0)

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.now

    def fetchone(self) -> tuple[Any, ...] | None:
        return self.now[0] if self.now else None


class Connection(Cursor):
    def cursor(self) -> Cursor:
        return self


class Driver:
    """In place of pymysql."""

    class err:  # noqa: N801
        OperationalError = RuntimeError

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def connect(self, **_arguments: Any) -> Connection:
        return self.connection


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A front-end's folders; systemd says what `state` of the module under test holds."""
    (tmp_path / ".one").mkdir()
    (tmp_path / ".one" / "one_auth").write_text(SESSION + "\n")
    (tmp_path / ".one" / "one_key").write_text("k" * 64)
    (tmp_path / "oned.conf").write_text("PORT = 2633\nFEDERATION = [\n    # SERVER_ID = 9\n    SERVER_ID = 4\n]\n")
    monkeypatch.setattr(zone_member, "unit_state", lambda *_: {"LoadState": "loaded", "ActiveState": "inactive"})
    return tmp_path


def go(run: Run, machine: Path, **arguments: Any) -> dict[str, Any]:
    given = {
        "name": "fe1",
        "endpoint": "http://10.0.0.1:2633/RPC2",
        "host": "127.0.0.1",
        "timeout": 1,
        "config": str(machine / "oned.conf"),
        "home": str(machine),
        "auth_file": str(machine / ".one" / "one_auth"),
        "socket": str(machine / "mysqld.sock"),
        **arguments,
    }
    result = run("zone_member", **given)
    assert not result["failed"], result
    assert not result["changed"]
    member: dict[str, Any] = result["member"]
    return member


def test_a_stopped_server_is_known_by_its_file_and_its_database(
    run: Run, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine / "mysqld.sock").touch()
    driver = Driver(Connection(2, (17, 3), BODY.encode()))
    monkeypatch.setattr(zone_member, "pymysql", driver, raising=False)
    monkeypatch.setattr(zone_member, "PYMYSQL_ERROR", None)
    member = go(run, machine)
    assert (member["installed"], member["server_id"], member["unit"], member["running"]) == (True, 4, "inactive", None)
    assert member["database"] == {
        "populated": True,
        "formed": True,
        "index": 17,
        "term": 3,
        "zone_name": "OpenNebula",
        "servers": [{"id": 4, "name": "fe1", "endpoint": "http://10.0.0.1:2633/RPC2"}],
    }


@pytest.mark.parametrize(
    ("tables", "log", "body", "populated", "formed"),
    [(1, (5, 1), BODY, False, False), (2, (0, 0), BODY, True, False), (2, (5, 1), None, False, False)],
    ids=["a load that was interrupted", "never had a leader", "no such zone"],
)
def test_how_far_the_database_is(
    run: Run,
    machine: Path,
    monkeypatch: pytest.MonkeyPatch,
    tables: int,
    log: tuple[int, int],
    body: Any,
    populated: bool,
    formed: bool,
) -> None:
    (machine / "mysqld.sock").touch()
    monkeypatch.setattr(zone_member, "pymysql", Driver(Connection(tables, log, body)), raising=False)
    monkeypatch.setattr(zone_member, "PYMYSQL_ERROR", None)
    database = go(run, machine)["database"]
    assert (database["populated"], database["formed"]) == (populated, formed)


def test_a_machine_without_anything(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zone_member, "unit_state", lambda *_: {"LoadState": "not-found", "ActiveState": "inactive"})
    member = go(run, tmp_path)
    assert (member["installed"], member["server_id"], member["unit"]) == (False, None, "absent")
    assert member["credentials"] == {}
    assert not member["database"]["populated"]


def test_a_running_server_speaks_for_itself(run: Run, machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zone_member, "unit_state", lambda *_: {"LoadState": "loaded", "ActiveState": "active"})
    with Oned(state=3, server_id=4, term=6) as oned:
        member = go(run, machine, port=oned.port)
    assert member["unit"] == "active"
    assert {key: member["running"][key] for key in ("server_id", "state", "term")} == {
        "server_id": 4,
        "state": "leader",
        "term": 6,
    }


@pytest.mark.parametrize("seconds", [-60, 60])
@pytest.mark.parametrize("younger", ["oned.conf", "monitord.conf", ".one/one_auth", ".one/one_key"])
def test_it_is_stale_when_a_file_is_younger_than_its_oned(
    run: Run, machine: Path, monkeypatch: pytest.MonkeyPatch, younger: str, seconds: int
) -> None:
    started = int(time.monotonic() * 1e6)
    monkeypatch.setattr(
        zone_member,
        "unit_state",
        lambda *_: {
            "LoadState": "loaded",
            "ActiveState": "active",
            "ExecMainStartTimestampMonotonic": str(started),
        },
    )
    (machine / "monitord.conf").touch()
    for name in ("oned.conf", "monitord.conf", ".one/one_auth", ".one/one_key"):
        os.utime(machine / name, (time.time() - 3600, time.time() - 3600))
    os.utime(machine / younger, (time.time() + seconds, time.time() + seconds))
    with Oned() as oned:
        assert go(run, machine, port=oned.port)["stale"] is (seconds > 0)


def test_credentials_are_told_by_digest_mode_and_owner_but_never_the_password(run: Run, machine: Path) -> None:
    (machine / ".one" / "one_key").chmod(0o600)
    before = go(run, machine)["credentials"]
    assert list(before) == [".one/one_key"]
    digest, mode, owner = before[".one/one_key"].split()
    assert (len(digest), mode, owner) == (64, "0600", str(os.getuid()))
    (machine / ".one" / "one_key").chmod(0o644)
    assert go(run, machine)["credentials"] != before
