# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from ..module_utils.zone.servers import free_port
from .conftest import Run
from .oned import SESSION, Oned


class Machine:
    """A front-end as the module sees it: systemctl on the path, oned.conf and oneadmin's home."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.config = folder / "oned.conf"
        self.home = folder / "home"
        for name in (".one", ".ssh"):
            (self.home / name).mkdir(parents=True)
        (self.home / ".one/one_auth").write_text(SESSION + "\n")
        (self.home / ".one/one_key").write_text("key")
        self.unit("loaded", "inactive")
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def unit(self, load: str, active: str, started: float = 0.0, reload: str = "no") -> None:
        """`started` in seconds of the system's clock."""
        since_boot = int((time.monotonic() - (time.time() - started)) * 1e6) if started else 0
        lines = f"LoadState={load}\\nActiveState={active}\\nNeedDaemonReload={reload}\\n"
        program = self.folder / "systemctl"
        program.write_text(f"#!/bin/sh\nprintf '{lines}ExecMainStartTimestampMonotonic={since_boot}\\n'\n")
        program.chmod(0o755)

    def look(self, run: Run, port: int = 1, **arguments: Any) -> dict[str, Any]:
        result = run(
            "zone_member",
            name="fe1",
            endpoint="http://10.0.0.1:2633/RPC2",
            host="127.0.0.1",
            port=port,
            auth_file=str(self.home / ".one/one_auth"),
            config=str(self.config),
            home=str(self.home),
            **{"socket": str(self.folder / "no.sock"), "timeout": 1, **arguments},
        )
        assert not result["failed"] and not result["changed"], result
        return dict(result["member"])


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_a_bare_machine(run: Run, machine: Machine) -> None:
    machine.unit("not-found", "inactive")
    member = machine.look(run)
    assert (member["installed"], member["server_id"], member["unit"], member["running"]) == (
        False,
        None,
        "absent",
        None,
    )
    assert member["database"]["populated"] is False
    assert set(member["credentials"]) == {".one/one_key"}


@pytest.mark.parametrize(
    ("text", "number"),
    [("FEDERATION = [ MODE = x, SERVER_ID = 2 ]\n", 2), ("FEDERATION = [ SERVER_ID = -1 ]\n", -1), ("PORT = 1\n", -1)],
)
def test_the_configured_id(run: Run, machine: Machine, text: str, number: int) -> None:
    machine.config.write_text(text)
    assert machine.look(run)["server_id"] == number


def test_a_running_server(run: Run, machine: Machine) -> None:
    machine.unit("loaded", "active", started=time.time() - 100)
    with Oned(state=2, server_id=1) as oned:
        member = machine.look(run, oned.port)
    assert (member["unit"], member["running"]["state"], member["running"]["server_id"]) == ("active", "follower", 1)
    assert SESSION.split(":")[1] not in str(member)
    silent = machine.look(run, free_port())
    assert (silent["running"], silent["silence"]) == (None, "connection refused")


def test_a_configuration_newer_than_the_process_is_stale(run: Run, machine: Machine) -> None:
    now = time.time()
    machine.config.write_text("PORT = 1\n")
    files = [machine.config, machine.home / ".one/one_auth", machine.home / ".one/one_key"]

    def stale(started: float) -> bool:
        machine.unit("loaded", "active", started)
        return bool(machine.look(run)["stale"])

    for path in files:
        os.utime(path, (now - 50, now - 50))
    assert stale(now - 100) and not stale(now - 10)
    for path in files:
        os.utime(path, (now - 5, now - 5))
        assert stale(now - 10), path
        os.utime(path, (now - 50, now - 50))
    machine.unit("loaded", "inactive", now - 100)
    assert machine.look(run)["stale"] is False


def test_systemd_wants_to_reload(run: Run, machine: Machine) -> None:
    machine.unit("loaded", "active", time.time(), reload="yes")
    assert machine.look(run)["reload"] is True


def test_credentials_change_with_content_and_mode(run: Run, machine: Machine) -> None:
    key = machine.home / ".one/one_key"
    key.chmod(0o600)
    first = machine.look(run)["credentials"]
    key.chmod(0o640)
    second = machine.look(run)["credentials"]
    key.write_text("other")
    third = machine.look(run)["credentials"]
    assert len({item[".one/one_key"] for item in (first, second, third)}) == 3


def test_what_goes_wrong_is_said(run: Run, machine: Machine) -> None:
    machine.config.write_text("FEDERATION = [")
    arguments = {"name": "a", "endpoint": "b", "config": str(machine.config), "home": str(machine.home)}
    assert "line 1" in run("zone_member", **arguments)["msg"]
    machine.config.write_text("FEDERATION = [ SERVER_ID = x ]")
    assert "SERVER_ID" in run("zone_member", **arguments)["msg"]
    assert "no name of a database" in run("zone_member", database="a`b", **arguments)["msg"]
    (machine.folder / "systemctl").write_text("#!/bin/sh\necho no bus >&2; exit 1\n")
    assert "no bus" in run("zone_member", **arguments)["msg"]
