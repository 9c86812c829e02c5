# SPDX-License-Identifier: Apache-2.0
"""A zone of agents on the loopback: each a process of its own beside a oned that says what a test wants."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from lab.standin.tests.zone import Database, free_port

ROOT = Path(__file__).resolve().parents[2]
AGENT = ROOT / "roles/health_agent/files"
SESSION = "oneadmin:secret"
STATES = {"solo": 0, "candidate": 1, "follower": 2, "leader": 3}
# What the issue promises, whatever hangs behind the agent.
ANSWER_SECONDS = 0.05


class FakeOned:
    """An oned that answers as it is told to, and counts what is in flight."""

    def __init__(self, name: str, server_id: int, port: int) -> None:
        self.name, self.server_id, self.port = name, server_id, port
        self.endpoint = f"http://127.0.0.1:{port}/RPC2"
        self.state, self.term, self.index = "follower", 5, 100
        self.zone: list[FakeOned] = []
        self.silent = threading.Event()
        self.password = SESSION
        self.calls: list[tuple[float, str]] = []
        # Those whose caller still waits
        self.waiting: list[socket.socket] = []
        self.most_in_flight = 0
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        self.start()

    def start(self) -> None:
        oned = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                oned.serve(self)

            def log_message(self, *_arguments: object) -> None:
                pass

        ThreadingHTTPServer.allow_reuse_address = True
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        arguments, method = xmlrpc.client.loads(body)
        with self._lock:
            self.calls.append((time.monotonic(), str(method)))
            self.waiting = [line for line in self.waiting if not _closed(line)] + [request.connection]
            self.most_in_flight = max(self.most_in_flight, len(self.waiting))
        try:
            while self.silent.is_set() and not _closed(request.connection):
                time.sleep(0.01)
            if self.silent.is_set():
                return
        finally:
            with self._lock:
                self.waiting = [line for line in self.waiting if line is not request.connection]
        answer = self.answer(str(method), arguments)
        text = xmlrpc.client.dumps((answer,), methodresponse=True).encode()
        request.send_response(200)
        request.send_header("Content-Type", "text/xml")
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        request.wfile.write(text)

    def answer(self, method: str, arguments: tuple[Any, ...]) -> list[Any]:
        if arguments[0] != self.password:
            return [False, "User couldn't be authenticated", 256]
        if method == "one.zone.raftstatus":
            fields = {
                "SERVER_ID": self.server_id if self.state != "solo" else -1,
                "STATE": STATES[self.state],
                "TERM": self.term,
                "VOTEDFOR": -1,
                "COMMIT": self.index,
                "LOG_INDEX": self.index,
                "LOG_TERM": self.term,
                "FEDLOG_INDEX": -1,
            }
            return [True, "<RAFT>" + "".join(f"<{k}>{v}</{k}>" for k, v in fields.items()) + "</RAFT>", 0]
        if method == "one.zone.info":
            servers = "".join(
                f"<SERVER><ID>{item.server_id}</ID><NAME>{item.name}</NAME><ENDPOINT>{item.endpoint}</ENDPOINT></SERVER>"
                for item in self.zone
            )
            zone = "<ZONE><ID>0</ID><NAME>OpenNebula</NAME><STATE>0</STATE><TEMPLATE><ENDPOINT>-</ENDPOINT></TEMPLATE>"
            return [True, f"{zone}<SERVER_POOL>{servers}</SERVER_POOL></ZONE>", 0]
        return [True, "6.10.5", 0]


def _closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


class Relay:
    """A cable to a port: pulled, it swallows what is sent and is silent, as a network does."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self._target = target
        self._pulled = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def pull(self) -> None:
        self._pulled.set()

    def plug(self) -> None:
        self._pulled.clear()

    def _accept(self) -> None:
        while True:
            near, _place = self._listener.accept()
            try:
                far = socket.create_connection(("127.0.0.1", self._target), 5)
            except OSError:
                near.close()
                continue
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                if not self._pulled.is_set():
                    sink.sendall(data)
            # An end is told as little as anything else
            if not self._pulled.is_set():
                sink.shutdown(socket.SHUT_WR)
        except OSError:
            source.close()
            sink.close()


@dataclass
class Reply:
    status: int
    seconds: float
    value: dict[str, Any]


@dataclass
class Agent:
    """One agent: its oned, its cables to the others, its process."""

    name: str
    root: Path
    oned: FakeOned
    database: Database
    port: int
    config: dict[str, Any]
    cables: list[Relay] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None
    leads: Path = Path()

    def start(self, notify: Path | None = None) -> None:
        path = self.root / f"{self.name}.json"
        path.write_text(json.dumps(self.config))
        environment = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
        if notify is not None:
            environment["NOTIFY_SOCKET"] = str(notify)
        self.process = subprocess.Popen([sys.executable, "-I", "-B", str(AGENT), str(path)], env=environment)

    def stop(self, number: int = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
            self.process.wait(10)

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def get(self, path: str, source: str = "127.0.0.1") -> Reply:
        """One answer over a new connection, as a balancer asks."""
        started = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5, source_address=(source, 0))
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            text = response.read()
            seconds = time.monotonic() - started
            return Reply(response.status, seconds, json.loads(text) if path != "/metrics" else {"text": text.decode()})
        finally:
            connection.close()

    def says(self, path: str) -> int:
        try:
            return self.get(path).status
        except OSError:
            return 0


def wait_for(what: str, check: Callable[[], Any], seconds: float) -> float:
    """The seconds until it was so."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        if check():
            return time.monotonic() - started
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come within {seconds} s")


class Watch:
    """Asks an agent for its pages all the time, from a process of its own."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def __enter__(self) -> Watch:
        assert self._agent.process is not None
        command = [sys.executable, "-m", "tests.agent.watch", str(self._agent.port), str(self._agent.process.pid)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_what: object) -> None:
        self._told, _nothing = self._process.communicate(timeout=20)

    def prompt(self) -> None:
        """Every answer came in time."""
        taken = json.loads(self._told)
        assert len(taken) > 10
        late = [one for one in taken if one[2] > ANSWER_SECONDS]
        assert late == [], f"{len(late)} of {len(taken)} answers came late"


INTERVALS: dict[str, float] = {"log": 1.0, "disk": 0.5, "zone": 1.0}
LIMITS: dict[str, float] = {"services": 3.0, "disk_bytes": 0}


@contextmanager
def zone(
    root: Path,
    databases: list[Database],
    size: int = 3,
    limits: dict[str, float] | None = None,
    disk: Path | None = None,
    production: bool = False,
) -> Iterator[list[Agent]]:
    """Agents of a zone whose first server leads; the databases go round."""
    names = [f"one{number + 1}" for number in range(size)]
    oneds = [FakeOned(name, number, free_port()) for number, name in enumerate(names)]
    ports = [free_port() for _name in names]
    agents = []
    (root / "one_auth").write_text(SESSION + "\n")
    for number, oned in enumerate(oneds):
        oned.zone = oneds
        database = databases[number % len(databases)]
        schema = f"{root.name.replace('-', '_')}_{oned.name}"
        database.query(f"CREATE DATABASE `{schema}`")
        database.query(f"CREATE DATABASE `{schema}_zone`")
        database.query(
            f"CREATE TABLE `{schema}_zone`.logdb (log_index BIGINT UNSIGNED PRIMARY KEY, term INTEGER, "
            "sqlcmd MEDIUMTEXT, timestamp INTEGER, fed_index BIGINT UNSIGNED, applied BOOLEAN)"
        )
        cables = [Relay(port) for port in ports]
        agent = Agent(oned.name, root, oned, database, ports[number], {}, cables, leads=root / f"{oned.name}.leads")
        agent.config = {
            "name": oned.name,
            "endpoint": oned.endpoint,
            "listen": {"address": "127.0.0.1", "port": agent.port},
            "session_file": str(root / "one_auth"),
            "leads_file": str(agent.leads),
            "peers": [
                {"name": other.name, "endpoint": other.endpoint, "address": "127.0.0.1", "port": cables[place].port}
                for place, other in enumerate(oneds)
                if other is not oned
            ],
            "allowed": ["127.0.0.1"],
            "database": {
                "socket": str(database.socket),
                "user": "root",
                "schema": schema,
                "zone_schema": f"{schema}_zone",
            },
            "disk_paths": [str(disk or root)],
            "intervals": {} if production else INTERVALS,
            "limits": {"disk_bytes": 0} if production else {**LIMITS, **(limits or {})},
        }
        agents.append(agent)
    oneds[0].state = "leader"
    try:
        for agent in agents:
            agent.start()
        wait_for("a leader", lambda: agents[0].says("/leader") == 200, 40)
        wait_for("its services", agents[0].leads.exists, 40)
        wait_for("all readable", lambda: all(agent.says("/server") == 200 for agent in agents), 40)
        yield agents
    finally:
        for agent in agents:
            agent.stop()
            agent.oned.silent.clear()
            agent.oned.stop()


def cut(agents: list[Agent], one: Agent) -> None:
    """Pull the cables between one server's agent and the others, both ways."""
    place = agents.index(one)
    for agent in agents:
        if agent is one:
            for cable in agent.cables:
                cable.pull()
        else:
            agent.cables[place].pull()
