# SPDX-License-Identifier: Apache-2.0
"""A copy between two real MariaDB servers; ssh is a script that runs the command here and keeps what it saw."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible_collections.nebula.ha.plugins.modules.database_clone import CloneError, database_values, defaults_file

from .conftest import Run

PASSWORD = "long secret # of ; the test"
needs_mariadb = pytest.mark.skipif(
    not shutil.which("mariadbd") or os.geteuid() != 0, reason="needs the package mariadb-server and root"
)


class Server:
    """A MariaDB of its own in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "s.sock"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        folder.mkdir(mode=0o755)
        data = folder / "data"
        common = ["--no-defaults", f"--datadir={data}"]
        subprocess.run(
            ["mariadb-install-db", *common, "--user=root", "--auth-root-authentication-method=socket"],
            check=True,
            capture_output=True,
        )
        small = ["--innodb-buffer-pool-size=8M", "--innodb-log-file-size=4M", "--skip-log-bin"]
        self.process = subprocess.Popen(
            ["mariadbd", *common, "--user=root", f"--socket={self.socket}", f"--port={self.port}", *small]
            + ["--bind-address=127.0.0.1", f"--pid-file={folder}/pid"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 30
        while subprocess.run([*self.client, "--execute", "SELECT 1"], capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline and self.process.poll() is None
            time.sleep(0.1)

    @property
    def client(self) -> list[str]:
        return ["mariadb", "--no-defaults", f"--socket={self.socket}"]

    def sql(self, text: str) -> str:
        done = subprocess.run(
            [*self.client, "--batch", "--skip-column-names"], input=text, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


SCHEMA = """
CREATE DATABASE opennebula CHARACTER SET utf8mb4;
USE opennebula;
CREATE TABLE logdb (log_index BIGINT PRIMARY KEY, term INT, applied INT) ENGINE=InnoDB;
CREATE TABLE zone_pool (oid INT PRIMARY KEY, body MEDIUMTEXT) ENGINE=InnoDB;
"""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    folder = tmp_path_factory.mktemp("mariadb")
    peer, local = Server(folder / "peer"), Server(folder / "local")
    peer.sql(
        SCHEMA + "INSERT INTO logdb VALUES (-1,0,0),(41,2,1),(42,2,1); INSERT INTO zone_pool VALUES (0,'<ZONE/>');"
    )
    peer.sql(
        f"CREATE USER oneadmin@localhost IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON opennebula.* TO oneadmin@localhost;"
    )
    yield peer, local
    peer.stop()
    local.stop()


class Machine:
    """A machine as the module sees it: programs on the path, oned.conf, a folder for the dump."""

    def __init__(self, folder: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.seen = folder / "seen"
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        self.config = folder / "oned.conf"
        self.config.write_text(
            f'DB = [ BACKEND = "mysql", SERVER = "127.0.0.1", PORT = {port}, USER = "oneadmin",\n'
            f'  PASSWD = "{PASSWORD}", DB_NAME = "opennebula" ]\n'
        )
        self.program("systemctl", "echo inactive")
        self.program("runuser", 'shift 3; exec "$@"')
        # The last argument is the command; its input goes through a socket, as sshd hands it over.
        self.program(
            "ssh",
            f'echo "$@" > {self.seen}; ls -l {self.scratch} >> {self.seen}; for last; do :; done; exec sh -c "$last"',
        )
        monkeypatch.setenv("PATH", f"{self.bin}:{os.environ['PATH']}")

    def program(self, name: str, body: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def arguments(self, local: Server) -> dict[str, str]:
        return {
            "source": "127.0.0.1",
            "config": str(self.config),
            "socket": str(local.socket),
            "scratch": str(self.scratch),
        }


@pytest.fixture
def machine(servers: tuple[Server, Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    servers[1].sql("DROP DATABASE IF EXISTS opennebula")
    return Machine(tmp_path, servers[0].port, monkeypatch)


@needs_mariadb
def test_the_copy_equals_the_peer_and_replaces_what_was_there(
    run: Run, servers: tuple[Server, Server], machine: Machine
) -> None:
    peer, local = servers
    local.sql(SCHEMA + "CREATE TABLE stale (a INT); INSERT INTO logdb VALUES (99,9,0);")
    result = run("database_clone", **machine.arguments(local))
    assert (result["failed"], result["changed"], result["index"]) == (False, True, 42), result
    assert result["bytes"] > 500
    for query in ("SELECT * FROM opennebula.logdb ORDER BY 1", "SHOW TABLES FROM opennebula"):
        assert local.sql(query) == peer.sql(query)
    assert list(machine.scratch.iterdir()) == []
    seen = machine.seen.read_text()
    assert PASSWORD not in seen and "--single-transaction" in seen and "BatchMode=yes" in seen
    assert "-rw-------" in seen


@needs_mariadb
def test_the_password_reaches_the_peer_through_a_socket(
    run: Run, servers: tuple[Server, Server], machine: Machine
) -> None:
    """sshd may hand a socket over as standard input, which cannot be opened by name."""
    machine.program(
        "ssh",
        "for last; do :; done\n"
        "exec python3 -c 'import socket, subprocess, sys, threading\n"
        "ours, theirs = socket.socketpair()\n"
        'process = subprocess.Popen(["sh", "-c", sys.argv[1]], stdin=theirs)\n'
        "theirs.close(); ours.sendall(sys.stdin.buffer.read()); ours.close()\n"
        'sys.exit(process.wait())\' "$last"',
    )
    result = run("database_clone", **machine.arguments(servers[1]))
    assert result["index"] == 42, result


@needs_mariadb
@pytest.mark.parametrize(
    ("program", "body", "words"),
    [
        ("systemctl", "echo active", "cannot be replaced under a living oned, and its unit is active"),
        ("systemctl", "echo deactivating", "its unit is deactivating"),
        ("systemctl", "echo no systemd >&2; exit 1", "does not tell its unit's state (no systemd)"),
        ("ssh", "echo Permission denied >&2; exit 255", "gave no dump (exit status 255): Permission denied"),
        ("mariadb-dump", "echo '-- half'", "The dump of 127.0.0.1 broke off"),
        ("mariadb-dump", "echo 'no such syntax;'; echo '-- Dump completed'", "MariaDB did not take the dump"),
        ("mariadb-dump", "echo '-- Dump completed on'", "The copy holds no zone"),
    ],
)
def test_what_goes_wrong_is_said_and_nothing_is_left(
    run: Run, servers: tuple[Server, Server], machine: Machine, program: str, body: str, words: str
) -> None:
    machine.program(program, body)
    result = run("database_clone", **machine.arguments(servers[1]))
    assert result["failed"] and words in result["msg"], result
    assert PASSWORD not in str(result)
    assert list(machine.scratch.iterdir()) == []


@needs_mariadb
def test_one_copy_at_a_time_and_a_killed_one_leaves_nothing(
    run: Run, servers: tuple[Server, Server], machine: Machine
) -> None:
    (machine.scratch / "nebula-ha-clone-killed.sql").write_text("half a dump")
    with ThreadPoolExecutor() as threads, machine.config.open() as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        second = threads.submit(run, "database_clone", **machine.arguments(servers[1]))
        with pytest.raises(TimeoutError):
            second.result(timeout=2)
        assert not machine.seen.exists(), "the peer was asked while another copy was under way"
        fcntl.flock(turn, fcntl.LOCK_UN)
        assert second.result(timeout=60)["index"] == 42
    assert list(machine.scratch.iterdir()) == []


@needs_mariadb
def test_a_living_oned_keeps_its_database(run: Run, servers: tuple[Server, Server], machine: Machine) -> None:
    local = servers[1]
    local.sql(SCHEMA)
    machine.program("systemctl", "echo active")
    assert run("database_clone", **machine.arguments(local))["failed"]
    assert not machine.seen.exists()
    assert local.sql("SHOW TABLES FROM opennebula") == "logdb\nzone_pool"


@needs_mariadb
def test_check_mode_asks_nobody(run: Run, servers: tuple[Server, Server], machine: Machine) -> None:
    result = run("database_clone", check=True, **machine.arguments(servers[1]))
    assert (result["failed"], result["changed"]) == (False, True)
    assert not machine.seen.exists()


def test_the_defaults_file() -> None:
    values = {"USER": "u", "PASSWD": "p #1", "SERVER": "localhost", "PORT": "0"}
    assert defaults_file(values) == '[client]\nuser="u"\npassword="p #1"\nhost="localhost"\n'
    assert defaults_file({**values, "PORT": "3307"}).endswith("\nport=3307\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("PORT = 1\n", "has no DB block"),
        ('DB = [ BACKEND = "sqlite" ]\n', "lacks USER, PASSWD, DB_NAME"),
        ("DB = [", "line 1"),
    ],
)
def test_an_oned_conf_without_a_database(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "oned.conf"
    path.write_text(text)
    with pytest.raises(CloneError, match=words):
        database_values(str(path))


@pytest.mark.parametrize("source", ["-oProxyCommand=x", "fe1;id", ""])
def test_a_source_that_is_no_host(run: Run, tmp_path: Path, source: str) -> None:
    config = tmp_path / "oned.conf"
    config.write_text('DB = [ USER = "a", PASSWD = "b", DB_NAME = "c" ]\n')
    result = run("database_clone", source=source, config=str(config))
    assert result["failed"] and "give a host's name or address" in result["msg"]
