"""What the three services share: HTTP as recorded, their Ruby-flavoured YAML, their log, calls to oned."""

from __future__ import annotations

import base64
import binascii
import http.client
import os
import re
import sys
import time
import xmlrpc.client
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

MAX_BYTES = 2**20
# Addresses that the recorded web library takes for proxies of its own.
_PROXY = re.compile(r"127\.0\.0\.1|::1|localhost|(10|172\.(1[6-9]|2\d|3[01])|192\.168)\..*|fd[0-9a-f]{2}:.+")
_SETTING = re.compile(r":(\w+):(?:\s+(.*?))?\s*(?:\s#.*)?")


class StartError(Exception):
    """A service cannot start; the message says why, the status is the recorded one."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class Refused(Exception):
    """oned said no."""


class Unreachable(Exception):
    """oned did not answer."""


def place(*parts: str) -> Path:
    """A file as installed; ONE_LOCATION moves all of them below one folder, as with the real ones."""
    root = os.environ.get("ONE_LOCATION")
    top = {"etc": "/etc/one", "var": "/var/lib/one", "log": "/var/log/one"}
    if root:
        top = {"etc": f"{root}/etc", "var": f"{root}/var", "log": f"{root}/var"}
    return Path(top[parts[0]], *parts[1:])


def settings(name: str) -> dict[str, str]:
    """The plain `:key: value` lines of a configuration; lists and what is indented are of no use here."""
    path, found = place("etc", name), {}
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise StartError(f"Error parsing config file {path}: {error.strerror}", 1) from error
    for number, line in enumerate(lines, 1):
        if not line.strip() or line[0] in " #-":
            continue
        match = _SETTING.fullmatch(line)
        if match is None:
            raise StartError(f"Error parsing config file {path}: line {number} is not ':name: value'", 1)
        found[match[1]] = (match[2] or "").strip("\"'")
    return found


def credentials(name: str) -> None:
    """Refuse to start without the service's account; the double itself acts as the user who asks."""
    path = place("var", ".one", name)
    if not path.exists() or ":" not in path.read_text():
        raise StartError(f"{path} does not hold the service's account: oned writes it at its first start", 255)


class Log:
    """The recorded shape of a line."""

    def __init__(self, name: str) -> None:
        self._file = place("log", name).open("a", encoding="utf-8", buffering=1)

    def write(self, severity: str, text: str) -> None:
        self._file.write(f"{time.strftime('%a %b %d %H:%M:%S %Y')} [{severity}]: {text}\n")


class _Transport(xmlrpc.client.Transport):
    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def make_connection(self, host: object) -> http.client.HTTPConnection:
        connection = super().make_connection(host)  # type: ignore[arg-type]
        connection.timeout = self._seconds
        return connection


class Oned:
    """Calls with a user's own credentials."""

    def __init__(self, conf: dict[str, str]) -> None:
        self._endpoint = conf.get("one_xmlrpc", "http://localhost:2633/RPC2")
        self._seconds = float(conf.get("one_xmlrpc_timeout", 60))

    def call(self, session: str, method: str, *arguments: object) -> str:
        try:
            with xmlrpc.client.ServerProxy(self._endpoint, transport=_Transport(self._seconds)) as proxy:
                answer = getattr(proxy, f"one.{method}")(session, *arguments)
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
            raise Unreachable(f"{self._endpoint}: {error}") from error
        if not isinstance(answer, list) or len(answer) < 2:
            raise Unreachable(f"{self._endpoint} did not answer as oned does")
        if not answer[0]:
            raise Refused(str(answer[1]))
        return str(answer[1])


@dataclass
class Request:
    method: str
    target: str
    headers: Message
    body: bytes
    remote: str
    path: str = field(init=False)
    params: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.target)
        self.path, self.params = parts.path, dict(parse_qsl(parts.query))
        if self.headers.get_content_type() == "application/x-www-form-urlencoded":
            self.params |= dict(parse_qsl(self.body.decode(errors="replace")))

    def cookie(self, name: str) -> str | None:
        try:
            found = SimpleCookie(self.headers.get("Cookie", "")).get(name)
        except CookieError:
            return None
        return found.value if found else None

    def basic(self) -> str | None:
        """name:password of the request, if it brings any."""
        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        try:
            pair = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        return pair if kind.lower() == "basic" and ":" in pair else None

    @property
    def forwarded(self) -> list[str]:
        """Of several such headers the recorded server sees the last: a proxy's hides the client's own."""
        lines = self.headers.get_all("X-Forwarded-For", [])
        return [hop for hop in re.split(r"[,\s]+", lines[-1]) if hop] if lines else []

    @property
    def ip(self) -> str:
        """The client: who connected, or behind a proxy the last hop that is none."""
        if not _PROXY.fullmatch(self.remote) or not self.forwarded:
            return self.remote
        clients = [hop for hop in self.forwarded if not _PROXY.fullmatch(hop)]
        return clients[-1] if clients else self.forwarded[0]

    @property
    def https(self) -> bool:
        return self.headers.get("X-Forwarded-Proto", "").split(",")[0].strip() == "https"


@dataclass
class Answer:
    status: int
    body: str = ""
    html: bool = False
    headers: dict[str, str] = field(default_factory=dict)


Application = Callable[[Request], Answer]


class _Handler(BaseHTTPRequestHandler):
    server: Web
    protocol_version = "HTTP/1.1"
    timeout = 30

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > MAX_BYTES:
            self.send_error(413)
            return
        began = time.monotonic()
        remote = str(self.client_address[0])
        request = Request(self.command, self.path, self.headers, self.rfile.read(int(length)), remote)
        answer = self.server.application(request)
        content = b"" if answer.status == 204 else answer.body.encode()
        self._send(request, answer, content)
        who = ", ".join(request.forwarded) or remote
        when = time.strftime("%d/%b/%Y:%H:%M:%S %z")
        line = f'{who} - - [{when}] "{self.command} {self.path} {self.request_version}"'
        self.server.log.write("I", f"{line} {answer.status} {len(content) or '-'} {time.monotonic() - began:.4f}")

    def _send(self, request: Request, answer: Answer, content: bytes) -> None:
        headers = {"X-Content-Type-Options": "nosniff", **answer.headers}
        if answer.status == 204:
            self.close_connection = True
        else:
            headers["Content-Type"] = f"{'text/html' if answer.html else 'application/json'};charset=utf-8"
            headers["Content-Length"] = str(len(content))
            if answer.html:
                headers |= {"X-XSS-Protection": "1; mode=block", "X-Frame-Options": "SAMEORIGIN"}
        headers |= {"Connection": "close" if self.close_connection else "keep-alive"}
        headers |= {"Server": "thin (nebula stand-in, not OpenNebula)"}
        self.send_response_only(answer.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if request.method != "HEAD":
            self.wfile.write(content)


class Web(ThreadingHTTPServer):
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], application: Application, log: Log) -> None:
        self.application, self.log = application, log
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has gone is nothing to report; anything else is a fault of ours."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def run(name: str, start: Callable[[dict[str, str], Log], Application]) -> int:
    """Start one service: `sunstone` reads sunstone-server.conf, wants .one/sunstone_auth and writes sunstone.log."""
    try:
        conf = settings(f"{name}-server.conf")
        credentials(f"{name}_auth")
        log = Log(f"{name}.log")
        server = Web((conf["host"], int(conf["port"])), start(conf, log), log)
    except StartError as error:
        print(error, file=sys.stderr)
        return error.status
    except (KeyError, ValueError, OSError) as error:
        print(f"{name}: {error!r} keeps it from listening", file=sys.stderr)
        return 1
    print(f"stand-in of {name} (a test double, not OpenNebula) listens on {conf['host']}:{conf['port']}", flush=True)
    server.serve_forever()
    return 0
