"""A private memcached, an oned that knows one user, and the services of this checkout, all on the loopback."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer

from lab.standin.sunstone.web import Application, Log, Web
from lab.standin.tests.zone import free_port

ROOT = Path(__file__).resolve().parents[4]
MEMCACHED = ROOT / ".cache/memcached/usr/bin/memcached"
RIGHT = "oneadmin:throwaway-oneadmin"
USER = "<USER><ID>0</ID><NAME>oneadmin</NAME><TEMPLATE></TEMPLATE></USER>"


def wait_until(what: str, true: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"{what}: not after {seconds} s"
        time.sleep(0.02)


class Cache:
    """memcached as a process that can be stopped and frozen."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert MEMCACHED.exists(), f"{MEMCACHED} is not there: run tools/bootstrap test"
        command = [str(MEMCACHED), "-u", "root", "-l", "127.0.0.1", "-p", str(self.port), "-m", "16"]
        self._process = subprocess.Popen(command)
        wait_until("memcached answers", self._answers)

    def _answers(self) -> bool:
        try:
            return bool(self.ask("version"))
        except ConnectionError:
            return False

    def ask(self, line: str) -> list[str]:
        """The lines of an answer that ends with END, or the only line."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection, connection.makefile("rwb") as stream:
            stream.write(f"{line}\r\n".encode())
            stream.flush()
            lines = []
            for answer in stream:
                lines.append(answer.decode().strip())
                if not line.startswith("lru_crawler") or lines[-1] == "END" or lines[-1].startswith("BUSY"):
                    break
            return lines

    def keys(self) -> dict[str, int]:
        """Every key and its end: -1 for none."""
        found = {}
        for line in self.ask("lru_crawler metadump all"):
            fields = dict(part.split("=", 1) for part in line.split() if "=" in part)
            if fields:
                found[fields["key"].replace("%3A", ":").replace("%3a", ":")] = int(fields["exp"])
        return found

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        stat = Path(f"/proc/{self._process.pid}/stat")
        wait_until("memcached stands still", lambda: stat.read_text().rsplit(")", 1)[1].split()[0] == "T")

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


class Handler(SimpleXMLRPCRequestHandler):
    rpc_paths = ("/RPC2",)


class Oned:
    """Answers a user's calls; `leader` says whether it answers those that need one."""

    def __init__(self) -> None:
        self.leader = True
        self.pools = {"one.hostpool.info": "<HOST_POOL></HOST_POOL>", "one.vmpool.info": "<VM_POOL></VM_POOL>"}
        self._server = SimpleXMLRPCServer(("127.0.0.1", 0), Handler, logRequests=False)
        self._server.register_instance(self)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}/RPC2"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def _dispatch(self, method: str, parameters: tuple[object, ...]) -> list[object]:
        if parameters[0] != RIGHT:
            return [False, f"[{method}] User couldn't be authenticated, aborting call.", 256]
        if method == "one.user.info":
            return [True, USER, 0]
        if method == "one.system.version":
            return [True, "6.10.5", 0] if self.leader else [False, "oned cluster in election mode", 8192]
        if method == "one.documentpool.info":
            return [True, "<DOCUMENT_POOL></DOCUMENT_POOL>", 0]
        return [True, self.pools[method], 0]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: str
    seconds: float

    @property
    def cookie(self) -> str:
        return self.headers.get("Set-Cookie", "")

    @property
    def token(self) -> str:
        return self.body.partition("csrftoken = '")[2].partition("'")[0]


@contextmanager
def listening(application: Application, log: Log) -> Iterator[Browser]:
    server = Web(("127.0.0.1", 0), application, log)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield Browser(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


class Browser:
    """Asks one service; keeps no cookie of its own."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(
        self,
        method: str,
        path: str,
        cookie: str = "",
        *,
        user: str = "",
        body: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        sent = dict(headers or {})
        if cookie:
            sent["Cookie"] = cookie
        if user:
            sent["Authorization"] = "Basic " + b64encode(user.encode()).decode()
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        return Reply(answer.status, dict(answer.getheaders()), text, time.monotonic() - began)

    def login(self, **more: str) -> str:
        """The cookie of a new session."""
        reply = self.ask("POST", "/login", user=RIGHT, headers=more)
        assert reply.status == 204
        return reply.cookie.partition(";")[0]

    def token(self, cookie: str, **headers: str) -> str:
        return self.ask("GET", "/", cookie, headers=headers).token
