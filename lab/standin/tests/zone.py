"""A zone on the loopback: a private MariaDB and oned processes of this checkout, all below one folder."""

from __future__ import annotations

import http.client
import itertools
import os
import re
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pymysql

REPOSITORY = Path(__file__).resolve().parents[3]
SESSION = "oneadmin:secret"
NUMBERS = itertools.count()
SHIPPED = Path(__file__).parents[1] / "packages/payload/opennebula/etc/one/oned.conf"
DRIVERS = "\n".join(re.findall(r"(?ms)^(?:TM|DS)_MAD_CONF = \[.*?^\]", SHIPPED.read_text()))


def wait_for(what: str, check: Callable[[], Any], seconds: float = 20.0) -> Any:
    """The first true answer of check; calls that fail meanwhile count as not yet."""
    end = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < end:
        try:
            last = check()
            if last:
                return last
        except (OSError, pymysql.MySQLError, xmlrpc.client.Error) as error:
            last = error
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come within {seconds} s; last: {last!r}")


# Below the range from which the kernel gives ports to clients: a port that is free stays free until its server starts.
PORTS = itertools.count(20000 + os.getpid() * 64 % 10000)


def free_port() -> int:
    while True:
        port = next(PORTS)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


class Transport(xmlrpc.client.Transport):
    """A call that hangs fails its test instead of stopping all of them."""

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = super().make_connection(host)
        connection.timeout = 30
        return connection


class Database:
    def __init__(self, root: Path) -> None:
        self.socket = root / "mysqld.sock"
        # The distribution's files run it as root only when told so, and with no network at all.
        common = ["--no-defaults", f"--datadir={root / 'data'}", *(["--user=root"] if os.getuid() == 0 else [])]
        subprocess.run(
            ["mariadb-install-db", *common, "--auth-root-authentication-method=normal", "--skip-test-db"],
            check=True,
            capture_output=True,
        )
        options = [
            f"--socket={self.socket}",
            "--skip-networking",
            "--innodb-flush-log-at-trx-commit=2",
            "--skip-log-bin",
        ]
        self._process = subprocess.Popen(
            [
                "/usr/sbin/mariadbd",
                *common,
                *options,
                f"--log-error={root / 'mysqld.log'}",
                f"--pid-file={root / 'mysqld.pid'}",
            ]
        )
        wait_for("MariaDB", lambda: self.query("SELECT 1"), 60)

    def query(self, sql: str, database: str | None = None) -> list[tuple[Any, ...]]:
        connection = pymysql.connect(unix_socket=str(self.socket), user="root", database=database, autocommit=True)
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(60)


@contextmanager
def database(root: Path) -> Iterator[Database]:
    found = Database(root)
    try:
        yield found
    finally:
        found.stop()


class Oned:
    """One server: a folder, a database of its own, a port."""

    def __init__(self, root: Path, name: str, maria: Database, timers: tuple[int, int, int] = (400, 100, 200)) -> None:
        self.name, self.root, self.maria, self.timers = name, root / name, maria, timers
        self.port, self.events = free_port(), free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}/RPC2"
        self.process: subprocess.Popen[bytes] | None = None
        for folder in ("etc", "var/.one", "var/remotes/hooks"):
            (self.root / folder).mkdir(parents=True)
        (self.root / "var/.one/one_auth").write_text(SESSION + "\n")
        (self.root / "var/remotes/hooks/note").write_text(f'#!/bin/sh\necho "$1" >> {self.root}/hooks.log\n')
        (self.root / "var/remotes/hooks/note").chmod(0o755)
        maria.query(f"CREATE DATABASE {name}")
        self.configure(-1)

    def configure(self, server_id: int) -> None:
        election, broadcast, rpc = self.timers
        (self.root / "etc/oned.conf").write_text(
            f"""
DB = [ BACKEND = "mysql", SERVER = "localhost", PORT = 0, USER = "root", PASSWD = "", DB_NAME = "{self.name}" ]
PORT = {self.port}
LISTEN_ADDRESS = "127.0.0.1"
FEDERATION = [ MODE = "STANDALONE", SERVER_ID = {server_id} ]
RAFT = [ ELECTION_TIMEOUT_MS = {election}, BROADCAST_TIMEOUT_MS = {broadcast}, XMLRPC_TIMEOUT_MS = {rpc} ]
{DRIVERS}
HM_MAD = [ EXECUTABLE = "one_hm", ARGUMENTS = "-p {self.events} -l 0 -b 127.0.0.1" ]
RAFT_LEADER_HOOK = [ COMMAND = "note", ARGUMENTS = "leader" ]
RAFT_FOLLOWER_HOOK = [ COMMAND = "note", ARGUMENTS = "follower" ]
"""
        )

    def start(self) -> None:
        self.spawn()
        self.ready()

    def spawn(self) -> None:
        environment = {
            **os.environ,
            "ONE_LOCATION": str(self.root),
            "MYSQL_UNIX_PORT": str(self.maria.socket),
            "STANDIN_WARMUP_MS": "300",
        }
        environment.pop("NOTIFY_SOCKET", None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lab.standin.oned", "-f"], cwd=REPOSITORY, env=environment
        )

    def ready(self, seconds: float = 20.0) -> None:
        """Wait until it answers; a process that has ended never will."""

        def answers() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, f"{self.name} ended: {(self.root / 'var/oned.log').read_text()[-500:]}"
            return bool(self.call("one.zone.info", 0, False))

        wait_for(f"{self.name} answers", answers, seconds)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(20)

    def call(self, method: str, *args: object, session: str = SESSION) -> list[Any]:
        proxy = xmlrpc.client.ServerProxy(self.endpoint, transport=Transport())
        with proxy:
            answer = getattr(proxy, method)(session, *args)
        assert isinstance(answer, list)
        return answer

    def raft(self) -> dict[str, int]:
        answer = self.call("one.zone.raftstatus")
        return {leaf.tag: int(leaf.text or "") for leaf in ElementTree.fromstring(answer[1])}

    def hooks(self) -> list[str]:
        path = self.root / "hooks.log"
        return path.read_text().split() if path.exists() else []


def server_text(server: Oned) -> str:
    return f'SERVER=[NAME="{server.name}",ENDPOINT="{server.endpoint}"]'


def leader_of(servers: list[Oned]) -> Oned | None:
    leaders = [(status["TERM"], server) for server in servers if (status := server.raft())["STATE"] == 3]
    return max(leaders, key=lambda pair: pair[0])[1] if leaders else None


def copy_database(maria: Database, source: Oned, target: Oned) -> None:
    command = [
        "mariadb-dump",
        "--no-defaults",
        "-uroot",
        f"--socket={maria.socket}",
        "--single-transaction",
        source.name,
    ]
    dump = subprocess.run(command, check=True, capture_output=True).stdout
    command = ["mariadb", "--no-defaults", "-uroot", f"--socket={maria.socket}", target.name]
    subprocess.run(command, input=dump, check=True)
