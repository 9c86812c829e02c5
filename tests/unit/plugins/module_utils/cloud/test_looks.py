# SPDX-License-Identifier: Apache-2.0
"""Questions to a machine: each against a server that answers as recorded, or as one that is broken does."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.nebula.ha.plugins.module_utils.cloud import looks

HERE = "127.0.0.1"
SECONDS = 60.0  # nobody waits for it: a busy machine may


def ask(question: Callable[[], looks.Answer], seconds: float = SECONDS) -> looks.Answer:
    return looks.ask_all({"it": (question, seconds)})["it"]


# -- processes --------------------------------------------------------------------------------------------------------


def test_questions_are_asked_at_once_and_one_that_hangs_is_left_behind(tmp_path: Path) -> None:
    """Two that need each other can only be answered together."""
    meeting = tmp_path / "meeting"
    os.mkfifo(meeting)

    def reads() -> looks.Answer:
        return {"heard": meeting.read_text()}

    def writes() -> looks.Answer:
        return {"said": meeting.write_text("word")}

    def hangs() -> looks.Answer:
        time.sleep(600)
        return {}

    assert looks.ask_all({"a": (reads, SECONDS), "b": (writes, SECONDS), "c": (hangs, 0.5)}) == {
        "a": {"heard": "word", "failure": None},
        "b": {"said": 4, "failure": None},
        "c": {"failure": "no answer within 0.5 s"},
    }


def test_what_a_question_started_is_ended_with_it(tmp_path: Path) -> None:
    script = tmp_path / "hangs"
    script.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 600\n")
    script.chmod(0o755)
    seconds = 1.0
    while not (tmp_path / "pid").exists():
        assert ask(partial(looks.output, str(script)), seconds)["failure"] == f"no answer within {seconds:g} s"
        seconds *= 2
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
        assert time.monotonic() < deadline, "the program runs on"
        time.sleep(0.05)


def test_a_question_holds_no_file_of_the_parent(tmp_path: Path) -> None:
    """Whoever reads the module's output waits until the last process that holds it has ended."""
    held = os.open(tmp_path / "held", os.O_CREAT | os.O_RDWR)

    try:
        assert ask(lambda: {"held": Path(f"/proc/self/fd/{held}").exists()})["held"] is False
    finally:
        os.close(held)


def test_a_question_that_breaks_off_says_so() -> None:
    assert ask(lambda: os._exit(1))["failure"] == "the question broke off"
    assert ask(lambda: looks.CSRF_TOKEN.no_such_thing)["failure"] == "the question broke off"


def test_failures_in_words(tmp_path: Path) -> None:
    assert ask(partial(looks.output, "no-such-program"))["failure"] == "no-such-program is not installed"
    assert ask(partial(looks.output, "ls", str(tmp_path / "no")))["failure"].endswith("No such file or directory")
    assert (
        ask(partial(looks.haproxy, str(tmp_path / "no.sock"), 1))["failure"] == f"there is no socket {tmp_path}/no.sock"
    )


def test_this_machine() -> None:
    assert HERE in ask(looks.addresses)["addresses"]
    assert ask(partial(looks.package, "dpkg"))["version"]
    assert ask(partial(looks.package, "no-such-package")) == {"version": None, "failure": None}


# -- sockets ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[socket.socket], None]], int]]:
    """serve(talk) gives the port at which each connection is handed to talk."""
    servers = []

    def start(talk: Callable[[socket.socket], None]) -> int:
        server = socket.create_server((HERE, 0))
        servers.append(server)

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    talk(connection)

        threading.Thread(target=accept, daemon=True).start()
        return int(server.getsockname()[1])

    yield start
    for server in servers:
        server.close()


def memcached(connection: socket.socket, stored: bytes = b"STORED", keeps: bool = True) -> None:
    values: dict[bytes, bytes] = {}
    with connection.makefile("rwb") as stream:
        for line in stream:
            words = line.split()
            if words[0] == b"version":
                answer = b"VERSION 1.6.18"
            elif words[0] == b"set":
                values[words[1]] = stream.readline().strip() if keeps else stream.readline()[:0]
                answer = stored
            elif words[0] == b"get":
                value = values.get(words[1])
                answer = b"VALUE " + words[1] + b" 0 2\r\n" + value + b"\r\nEND" if value else b"END"
            else:
                answer = b"DELETED" if values.pop(words[1], None) else b"NOT_FOUND"
            stream.write(answer + b"\r\n")
            stream.flush()


def test_a_cache(serve: Callable[..., int]) -> None:
    assert ask(partial(looks.cache, HERE, serve(memcached), SECONDS)) == {"version": "1.6.18", "failure": None}


@pytest.mark.parametrize(
    ("talk", "said"),
    [
        (lambda connection: None, "the connection was closed"),
        (lambda connection: connection.sendall(b"HTTP/1.1 400\r\n"), "as no memcached does"),
        (partial(memcached, stored=b"SERVER_ERROR out of memory"), "stores nothing (SERVER_ERROR out of memory)"),
        (partial(memcached, keeps=False), "does not give back"),
    ],
)
def test_a_broken_cache(serve: Callable[..., int], talk: Any, said: str) -> None:
    failure = ask(partial(looks.cache, HERE, serve(talk), SECONDS))["failure"]
    assert said in failure or failure.startswith("connection reset"), failure


def test_no_cache() -> None:
    with socket.create_server((HERE, 0)) as server:
        port = server.getsockname()[1]
    assert ask(partial(looks.cache, HERE, port, SECONDS))["failure"] == "connection refused"


def test_a_cache_that_is_frozen() -> None:
    with socket.create_server((HERE, 0)) as server:
        assert ask(partial(looks.cache, HERE, server.getsockname()[1], 0.3))["failure"] == "no answer in time"


def test_haproxy(tmp_path: Path, fixtures: Path) -> None:
    path = tmp_path / "sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def talk() -> None:
            connection, _ = server.accept()
            with connection:
                assert connection.recv(100) == b"show stat\n"
                connection.sendall((fixtures / "cloud" / "haproxy.show-stat.csv").read_bytes())

        threading.Thread(target=talk, daemon=True).start()
        assert len(ask(partial(looks.haproxy, str(path), SECONDS))["servers"]) == 5


# -- the web ----------------------------------------------------------------------------------------------------------


class Sunstone(BaseHTTPRequestHandler):
    """Sunstone's answers as recorded: a login page, a cookie, a page with a token, a logout."""

    lives = True  # its sessions
    said: list[tuple[str, str, str]] = []

    def do_GET(self) -> None:
        known = self.headers.get("Cookie") == "rack.session=abc" and self.lives
        self.answer(200, "<script>\nvar csrftoken = 'f00';</script>" if known else "<title>Login</title>")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.said.append((self.path, self.headers.get("Authorization") or "", body))
        if self.path == "/login":
            good = self.headers.get("Authorization") == "Basic b25lYWRtaW46c2VjcmV0"
            return self.answer(204 if good else 401, "", **{"Set-Cookie": "rack.session=abc; path=/; HttpOnly"})
        return self.answer(204 if json.loads(body) == {"csrftoken": "f00"} else 401, "")

    def answer(self, status: int, body: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=x"
    subprocess.run(
        [
            *command.split(),
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            str(path),
            "-out",
            str(tmp_path / "crt"),
        ],
        check=True,
        capture_output=True,
    )
    path.write_text(path.read_text() + (tmp_path / "crt").read_text())
    return path


@pytest.fixture
def sunstone(certificate: Path) -> Iterator[Callable[..., int]]:
    servers = []

    def start(secure: bool = True, lives: bool = True) -> int:
        handler = type("Handler", (Sunstone,), {"lives": lives, "said": []})
        server = ThreadingHTTPServer((HERE, 0), handler)
        if secure:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server.server_address[1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def auth(tmp_path: Path) -> str:
    path = tmp_path / "one_auth"
    path.write_text("oneadmin:secret\n")
    return str(path)


def log_in(port: int, ca: str, auth: str, name: str = HERE) -> looks.Answer:
    return ask(partial(looks.login, HERE, port, name, ca, auth, SECONDS))


def test_a_login(sunstone: Callable[..., int], certificate: Path, auth: str) -> None:
    answer = log_in(sunstone(), certificate.read_text(), auth)
    assert (answer["step"], answer["failure"]) == ("done", None)
    assert "secret" not in json.dumps(answer)


def test_a_login_from_the_command_line_of_a_machine_says_where_it_ends(
    sunstone: Callable[..., int], certificate: Path, auth: str, tmp_path: Path
) -> None:
    ca = certificate.read_text()
    assert log_in(sunstone(lives=False), ca, auth)["step"] == "page"
    (tmp_path / "wrong").write_text("oneadmin:wrong\n")
    refused = log_in(sunstone(), ca, str(tmp_path / "wrong"))
    assert (refused["step"], refused["failure"]) == ("login", "POST /login is answered with HTTP status 401")
    assert log_in(sunstone(), ca, str(tmp_path / "missing"))["step"] == "login"
    assert log_in(sunstone(), "", auth)["step"] == "trust"
    assert log_in(sunstone(), ca, auth, "cloud.example.org")["step"] == "trust"
    with socket.create_server((HERE, 0)) as server:
        port = server.getsockname()[1]
    assert log_in(port, ca, auth) == {"step": "connect", "failure": "connection refused"}


def test_a_login_page(sunstone: Callable[..., int]) -> None:
    assert ask(partial(looks.web, HERE, sunstone(secure=False), SECONDS)) == {"failure": None}


def http(status: str, body: str) -> Callable[[socket.socket], None]:
    def talk(connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:  # all of the request: what is left unread would reset the connection
            length = 0
            for line in iter(stream.readline, b"\r\n"):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            stream.read(length)
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())

    return talk


def test_something_else_than_a_login_page(serve: Callable[..., int]) -> None:
    failure = ask(partial(looks.web, HERE, serve(http("200 OK", "It works!")), SECONDS))["failure"]
    assert failure == "HTTP status 200, and no login page"
    failure = ask(partial(looks.web, HERE, serve(http("502 Bad", "login")), SECONDS))["failure"]
    assert failure == "HTTP status 502, and no login page"
    failure = ask(partial(looks.web, HERE, serve(lambda connection: None), SECONDS))["failure"]
    assert failure


def test_an_oned_behind_a_proxy(serve: Callable[..., int]) -> None:
    assert ask(partial(looks.knock, HERE, serve(http("200 OK", "<methodResponse>")), SECONDS)) == {"failure": None}
    answer = ask(partial(looks.knock, HERE, serve(http("503 Service Unavailable", "none")), SECONDS))
    assert answer == {"failure": "HTTP status 503"}


def test_services(serve: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A package's files say what is expected, systemd what runs, and an answer over HTTP that it serves."""
    there = {"address": HERE, "port": serve(http("401 Unauthorized", ""))}
    with socket.create_server((HERE, 0)) as server:
        gone = {"address": HERE, "port": server.getsockname()[1]}
    plain = {"address": HERE, "port": 0, "package": ""}
    wanted = [
        {"name": "there", "unit": "there.service", "package": "dpkg", **there},
        {"name": "gone", "unit": "gone.service", "package": "", **gone},
        {"name": "not installed", "unit": "other.service", "package": "no-such-package", **there},
        *({"name": state, "unit": f"{state}.timer", **plain} for state in ("active", "activating", "deactivating")),
    ]
    states = {"there": "inactive", "gone": "active"}

    def systemctl(*command: str) -> str:
        if command[0] != "systemctl":
            return str(output(*command))
        shown = {name: states.get(name.partition(".")[0], name.partition(".")[0]) for name in command[3:]}
        return "\n".join(f"Id={name}\nActiveState={state}\n" for name, state in shown.items())

    output = looks.output
    monkeypatch.setattr(looks, "output", systemctl)
    assert ask(partial(looks.services, wanted, 1))["services"] == {
        "there": {"unit": "there", "runs": False, "serves": True},
        "gone": {"unit": "gone", "runs": True, "serves": False},
        "active": {"unit": "active.timer", "runs": True, "serves": True},
        "activating": {"unit": "activating.timer", "runs": True, "serves": False},
        "deactivating": {"unit": "deactivating.timer", "runs": False, "serves": False},
    }


def test_no_service_is_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    """And systemd, which would tell of all units, is not asked."""

    def asked(_names: object) -> looks.Answer:
        raise looks.LookError("systemd was asked")

    monkeypatch.setattr(looks, "units", asked)
    wanted = [{"name": "OneFlow", "unit": "a.service", "package": "no-such-package", "address": HERE, "port": 1}]
    assert ask(partial(looks.services, wanted, 1)) == {"services": {}, "failure": None}


def test_hosts_need_credentials_and_an_oned(auth: str, tmp_path: Path) -> None:
    assert "does not exist" in ask(partial(looks.hosts, HERE, 1, str(tmp_path / "no"), 1))["failure"]
    assert "connection refused" in ask(partial(looks.hosts, HERE, 1, auth, 1))["failure"]


# -- the share --------------------------------------------------------------------------------------------------------


def test_a_folder_is_no_share(tmp_path: Path) -> None:
    answer = ask(partial(looks.share, str(tmp_path), ".sentinel", "ours", os.getuid()))
    assert (answer["mounted"], answer["failure"]) == (False, None)


def on_a_mount(monkeypatch: pytest.MonkeyPatch, folder: Path, owner: int) -> looks.Answer:
    monkeypatch.setattr(looks.parse, "mounted_at", lambda text, path: ("nfs4", "10.0.0.1:/one"))
    return ask(partial(looks.share, str(folder), ".sentinel", "ours", owner))


def test_a_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".sentinel").write_text("ours\n")
    os.chown(tmp_path, os.getuid(), os.getgid())
    answer = on_a_mount(monkeypatch, tmp_path, os.getuid())
    assert (answer["sentinel"], answer["wanted"], answer["source"]) == ("ours", "ours", "10.0.0.1:/one")
    assert (answer["writable"], answer["reason"]) == (True, None)
    assert 0 < answer["free"] <= answer["size"]
    assert [item.name for item in tmp_path.iterdir()] == [".sentinel"]


def test_a_share_that_its_owner_cannot_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    answer = on_a_mount(monkeypatch, tmp_path, 9869)
    assert (answer["sentinel"], answer["writable"], answer["reason"]) == (None, False, "permission denied")
