"""One request under one deadline, never repeated, with an honest outcome."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time
import urllib.parse
import xmlrpc.client
from collections.abc import Mapping
from typing import NamedTuple
from xml.parsers.expat import ExpatError

from tests.client.calls import Outcome

SERVED_BY, BALANCED_BY = "X-Served-By", "X-Balanced-By"


class Answer(NamedTuple):
    """What came of a call: the payload only if it was acknowledged."""

    outcome: Outcome
    payload: object = None
    reason: str = ""
    served_by: str = ""
    balanced_by: str = ""


class Response(NamedTuple):
    """A whole HTTP response."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


class NotReachedError(OSError):
    """No connection: nothing was sent."""


class NotAnsweredError(OSError):
    """Sent, and no whole answer."""


def must_be_next_door(host: str) -> None:
    """Refuse an address that no link of this machine leads to: without its bridge, packets for a lab would leave."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, 9))  # sends nothing: the kernel only chooses the way
        own = probe.getsockname()[0]
    if ipaddress.ip_address(socket.gethostbyname(host)) not in ipaddress.ip_network(f"{own}/24", strict=False):
        raise NotReachedError(f"no link of this machine leads to {host}: the lab is gone")


class _Connection(http.client.HTTPConnection):
    """One connection under one deadline; with a CA it is TLS, and the server has to prove its name by it."""

    def __init__(self, url: urllib.parse.SplitResult, timeout: float, ca: str | None) -> None:
        secure = url.scheme == "https"
        super().__init__(url.hostname or "", url.port or (443 if secure else 80), timeout=timeout)
        self._context = ssl.create_default_context(cafile=ca) if secure else None

    def connect(self) -> None:
        super().connect()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._context:
            self.sock = self._context.wrap_socket(self.sock, server_hostname=self.host)


def request(
    method: str, url: str, timeout: float, body: bytes = b"", headers: Mapping[str, str] | None = None, ca: str = ""
) -> Response:
    """Ask once."""
    deadline = time.monotonic() + timeout
    parts = urllib.parse.urlsplit(url)
    connection = _Connection(parts, timeout, ca or None)
    try:
        try:
            must_be_next_door(connection.host)
            connection.connect()
        except OSError as error:
            raise NotReachedError(f"not reached: {error}") from error
        connection.sock.settimeout(max(0.01, deadline - time.monotonic()))
        path = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        try:
            connection.request(method, path, body or None, {"Connection": "close", **(headers or {})})
            response = connection.getresponse()
            return Response(response.status, response.headers, response.read())
        except (OSError, http.client.HTTPException) as error:
            raise NotAnsweredError(f"no whole answer: {type(error).__name__} {error}") from error
    finally:
        connection.close()


def call(endpoint: str, method: str, arguments: tuple[object, ...], timeout: float, ca: str = "") -> Answer:
    """Call once. Not reached or refused: failed. Sent without a whole answer: unknown, it may have been carried out."""
    body = xmlrpc.client.dumps(arguments, methodname=method).encode()  # type: ignore[arg-type]
    try:
        response = request("POST", endpoint, timeout, body, {"Content-Type": "text/xml"}, ca)
    except NotReachedError as error:
        return Answer("failed", reason=str(error))
    except NotAnsweredError as error:
        return Answer("unknown", reason=str(error))
    who = (response.headers.get(SERVED_BY, ""), response.headers.get(BALANCED_BY, ""))
    try:
        (answer,), _ = xmlrpc.client.loads(response.body)
    except (ExpatError, xmlrpc.client.Error) as error:
        return Answer("unknown", None, f"no whole answer: HTTP {response.status}, {error}", *who)
    if isinstance(answer, list) and len(answer) >= 2 and answer[0] is True:
        return Answer("acknowledged", answer[1], "", *who)
    return Answer("failed", None, f"refused: {answer!r}", *who)
