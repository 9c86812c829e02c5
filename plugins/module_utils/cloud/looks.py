# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions that a machine asks itself: the only input and output of this package.

Each is asked in a child process of its own, all at once. A child that gives no answer in time is left behind: what
waits on a share whose server is gone cannot be ended, but it holds nothing of ours and ends when the share comes back.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import http.cookies
import json
import os
import re
import select
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..zone.client import CallError, Client, CredentialsError, endpoint_url, read_session
from ..zone.model import host_dict
from . import parse

Answer = dict[str, Any]
CSRF_TOKEN = re.compile(r"csrftoken\s*=\s*['\"]([^'\"]+)['\"]")
# What oned answers without a session: only that it is there.
KNOCK = (
    "<?xml version='1.0'?><methodCall><methodName>system.methodExist</methodName>"
    "<params><param><value><string>one.zone.info</string></value></param></params></methodCall>"
)


class LookError(Exception):
    """A question without an answer; `values` is what is known all the same."""

    def __init__(self, why: str, **values: Any) -> None:
        super().__init__(why)
        self.values = values


def ask_all(questions: Mapping[str, tuple[Callable[[], Answer], float]]) -> dict[str, Answer]:
    """What each question gave within its seconds: values, or `failure`."""
    start = time.monotonic()
    children = {name: _begin(question) for name, (question, _) in questions.items()}
    answers = {}
    for name, (pid, pipe) in children.items():
        seconds = questions[name][1]
        text = _read(pipe, start + seconds)
        if text is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, os.WNOHANG)
            answers[name] = {"failure": f"no answer within {seconds:.3g} s"}
            continue
        os.waitpid(pid, 0)
        answers[name] = json.loads(text) if text else {"failure": "the question broke off"}
    return answers


def _begin(question: Callable[[], Answer]) -> tuple[int, int]:
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _answer(question, theirs)
        finally:
            os._exit(0)
    os.close(theirs)
    # The child does the same for itself: whoever is first, the group is there before it may have to be killed.
    with contextlib.suppress(PermissionError, ProcessLookupError):
        os.setpgid(pid, pid)
    return pid, ours


def _answer(question: Callable[[], Answer], pipe: int) -> None:
    """In the child: nothing of the parent's stays open, or whoever reads the parent's output would wait for it."""
    os.setpgid(0, 0)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    os.closerange(3, pipe)
    os.closerange(pipe + 1, 1024)
    try:
        answer = {**question(), "failure": None}
    except LookError as error:
        answer = {**error.values, "failure": str(error)}
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        answer = {"failure": reason(error)}
    os.write(pipe, json.dumps(answer).encode())


def _read(pipe: int, deadline: float) -> str | None:
    """What the child wrote until it ended; none when time was over first."""
    chunks: list[bytes] = []
    try:
        while select.select([pipe], [], [], max(deadline - time.monotonic(), 0))[0]:
            chunk = os.read(pipe, 65536)
            if not chunk:
                return b"".join(chunks).decode()
            chunks.append(chunk)
    finally:
        os.close(pipe)
    return None


def reason(error: BaseException) -> str:
    """A failure in a few words."""
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, socket.timeout):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[0].lower() + error.strerror[1:]
    return str(error) or type(error).__name__


def output(*command: str) -> str:
    """What a program prints; a failure says its last line."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    except FileNotFoundError:
        raise LookError(f"{command[0]} is not installed") from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise LookError(f"{command[0]}: {said[-1]}")
    return done.stdout


# -- what every machine can say of itself -----------------------------------------------------------------------------


def addresses() -> Answer:
    """All addresses of its interfaces."""
    return {"addresses": parse.interface_addresses(output("ip", "-json", "address", "show"))}


def units(names: Sequence[str]) -> Answer:
    """How systemd sees some units."""
    return {"units": parse.unit_states(output("systemctl", "show", "--property=Id,ActiveState", *names))}


def package(name: str) -> Answer:
    """The version of an installed package, if it is."""
    command = ("dpkg-query", "--show", "--showformat", "${db:Status-Abbrev} ${Version}", name)
    try:
        abbreviation, version = output(*command).split()
    except LookError:
        return {"version": None}
    return {"version": version if abbreviation == "ii" else None}


# -- balancers --------------------------------------------------------------------------------------------------------


def haproxy(path: str, timeout: float) -> Answer:
    """Every server as HAProxy's checks see it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect(path)
        except FileNotFoundError:
            raise LookError(f"there is no socket {path}") from None
        connection.sendall(b"show stat\n")
        chunks = list(iter(lambda: connection.recv(65536), b""))
    return {"servers": parse.haproxy_servers(b"".join(chunks).decode())}


def certificate(path: str) -> Answer:
    """Names and end of a certificate in a file."""
    command = ("openssl", "x509", "-in", path, "-noout", "-enddate", "-ext", "subjectAltName")
    return parse.certificate(output(*command))


# -- caches and web machines ------------------------------------------------------------------------------------------


def cache(address: str, port: int, timeout: float) -> Answer:
    """Whether a cache keeps what it is given: a value is set, read and deleted."""
    key = f"nebula.ha.health:{uuid.uuid4().hex}"
    with socket.create_connection((address, port), timeout) as connection, connection.makefile("rwb") as stream:

        def say(text: str) -> str:
            stream.write(text.encode())
            stream.flush()
            line: str = stream.readline().decode().strip()
            if not line:
                raise LookError("the connection was closed")
            return line

        version = say("version\r\n")
        if not version.startswith("VERSION "):
            raise LookError(f"it answered '{version[:40]}', as no memcached does")
        stored = say(f"set {key} 0 10 2\r\nok\r\n")
        if stored != "STORED":
            raise LookError(f"it stores nothing ({stored[:60]})")
        if not say(f"get {key}\r\n").startswith(f"VALUE {key} ") or say("") != "ok" or say("") != "END":
            raise LookError("it does not give back what it stored")
        say(f"delete {key}\r\n")
    return {"version": version.split()[1]}


def web(address: str, port: int, timeout: float) -> Answer:
    """Whether Sunstone serves its login page."""
    status, _, body = _http(http.client.HTTPConnection(address, port, timeout=timeout), "GET", "/")
    if status != 200 or "login" not in body.lower():
        raise LookError(f"HTTP status {status}, and no login page")
    return {}


def knock(address: str, port: int, timeout: float) -> Answer:
    """Whether an oned answers there, asked what needs no session."""
    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    status, _, body = _http(connection, "POST", "/RPC2", {"Content-Type": "text/xml"}, KNOCK)
    if status != 200 or "methodResponse" not in body:
        raise LookError(f"HTTP status {status}")
    return {}


def _http(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    body: str | None = None,
) -> tuple[int, http.client.HTTPMessage, str]:
    try:
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode("utf-8", "replace")
    except http.client.HTTPException as error:
        raise LookError(f"the answer is no HTTP ({type(error).__name__})") from None
    finally:
        connection.close()


# -- front-ends -------------------------------------------------------------------------------------------------------


def hosts(address: str, port: int, auth_file: str, timeout: float) -> Answer:
    """The hosts of the zone, as this front-end's oned knows them."""
    try:
        found = Client(endpoint_url(address, port), read_session(auth_file), timeout).hosts()
    except (CallError, CredentialsError) as error:
        raise LookError(str(error)) from None
    return {"hosts": [host_dict(host) for host in found]}


def services(wanted: Sequence[Mapping[str, Any]], timeout: float) -> Answer:
    """Which services run here, and which serve, of those whose package is installed.

    One with a port serves when it answers HTTP, another one when it runs.
    """
    there = [item for item in wanted if not item["package"] or package(item["package"])["version"]]
    states = units([item["unit"] for item in there])["units"] if there else {}
    found = {}
    for item in there:
        unit = str(item["unit"]).removesuffix(".service")
        state = states.get(unit, "unknown")
        serves = _answers(item["address"], item["port"], timeout) if item["port"] else state == "active"
        # What is ending has been stopped.
        runs = state in ("active", "activating", "reloading")
        found[str(item["name"])] = {"unit": unit, "runs": runs, "serves": serves}
    return {"services": found}


def _answers(address: str, port: int, timeout: float) -> bool:
    try:
        _http(http.client.HTTPConnection(address, port, timeout=timeout), "GET", "/")
    except (OSError, LookError):
        return False
    return True


def login(address: str, port: int, name: str, ca: str, auth_file: str, timeout: float) -> Answer:
    """A person's way: log in at the address over verified TLS, open the page behind, log out.

    `ca` is trusted beside the machine's own authorities. `step` says how far it came.
    """
    try:
        session = base64.b64encode(read_session(auth_file).encode()).decode()
    except CredentialsError as error:
        raise LookError(str(error), step="login") from None
    context = ssl.create_default_context(cadata=ca or None)
    if ca:
        context.load_default_certs()
    step = "connect"

    def ask(
        method: str, path: str, headers: Mapping[str, str], body: str | None = None
    ) -> tuple[int, http.client.HTTPMessage, str]:
        connection = http.client.HTTPConnection(name, port, timeout=timeout)
        plain = socket.create_connection((address, port), timeout)
        connection.sock = context.wrap_socket(plain, server_hostname=name)
        return _http(connection, method, path, headers, body)

    try:
        ask("GET", "/", {})
        step = "login"
        status, headers, _ = ask("POST", "/login", {"Authorization": f"Basic {session}"})
        if status not in (200, 204):
            raise LookError(f"POST /login is answered with HTTP status {status}", step=step)
        step = "page"
        cookie = _cookie(headers)
        _, _, page = ask("GET", "/", {"Cookie": cookie})
        token = CSRF_TOKEN.search(page)
        if token is None:
            raise LookError("the login is accepted, and the next page asks to log in again", step=step)
        step = "logout"
        body = json.dumps({"csrftoken": token.group(1)})
        status, _, _ = ask("POST", "/logout", {"Cookie": cookie, "Content-Type": "application/json"}, body)
        if status not in (200, 204):
            raise LookError(f"POST /logout is answered with HTTP status {status}", step=step)
    except ssl.SSLCertVerificationError as error:
        raise LookError(f"the certificate is not trusted: {error.verify_message}", step="trust") from None
    except OSError as error:
        raise LookError(reason(error), step=step) from None
    return {"step": "done"}


def _cookie(headers: http.client.HTTPMessage) -> str:
    jar = http.cookies.SimpleCookie()
    for value in headers.get_all("Set-Cookie") or ():
        jar.load(value)
    return "; ".join(f"{item.key}={item.coded_value}" for item in jar.values())


# -- the share and hypervisors ----------------------------------------------------------------------------------------


def share(path: str, sentinel: str, belongs_to: str, owner: int) -> Answer:
    """Whether the share is mounted, ours, writable by its owner, and how much of it is free.

    The sentinel, a file at its top, says whose the share is: a strange one has none, or another. A small file is
    written and removed as the owner: permissions alone do not show a share without its majority.
    """
    with open("/proc/self/mountinfo", encoding="utf-8") as handle:
        mount = parse.mounted_at(handle.read(), path)
    values: Answer = {"path": path, "mounted": mount is not None, "sentinel_name": sentinel, "wanted": belongs_to}
    if mount is None:
        return values
    space = os.statvfs(path)
    values.update(
        fstype=mount[0],
        source=mount[1],
        sentinel=_first_line(os.path.join(path, sentinel)),
        size=space.f_blocks * space.f_frsize,
        free=space.f_bavail * space.f_frsize,
        writable=True,
        reason=None,
    )
    try:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(owner)
            os.setuid(owner)
        with tempfile.NamedTemporaryFile(dir=path, prefix=".nebula-health-") as file:
            file.write(b"ok")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        values.update(writable=False, reason=reason(error))
    return values


def _first_line(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as handle:
            return handle.readline().strip()
    except FileNotFoundError:
        return None


def libvirt(uri: str) -> Answer:
    """Whether libvirt answers, and how many guests run."""
    return {"running": len(output("virsh", "--connect", uri, "list", "--name").split())}
