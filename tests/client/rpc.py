"""One XML-RPC call under one deadline, never repeated, with an honest outcome."""

from __future__ import annotations

import http.client
import time
import urllib.parse
import xmlrpc.client
from typing import NamedTuple
from xml.parsers.expat import ExpatError

from tests.client.calls import Outcome


class Answer(NamedTuple):
    """What came of a call: the payload only if it was acknowledged."""

    outcome: Outcome
    payload: object = None
    reason: str = ""


def call(endpoint: str, method: str, arguments: tuple[object, ...], timeout: float) -> Answer:
    """Call once. Not reached or refused: failed. Sent without a whole answer: unknown, it may have been carried out."""
    deadline = time.monotonic() + timeout
    url = urllib.parse.urlsplit(endpoint)
    body = xmlrpc.client.dumps(arguments, methodname=method).encode()  # type: ignore[arg-type]
    connection = http.client.HTTPConnection(url.hostname or "", url.port or 80, timeout=timeout)
    try:
        try:
            connection.connect()
        except OSError as error:
            return Answer("failed", reason=f"not reached: {error}")
        connection.sock.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            connection.request("POST", url.path or "/RPC2", body, {"Content-Type": "text/xml"})
            response = connection.getresponse()
            (answer,), _ = xmlrpc.client.loads(response.read())
        except (OSError, http.client.HTTPException, ExpatError, xmlrpc.client.Error) as error:
            return Answer("unknown", reason=f"no whole answer: {type(error).__name__} {error}")
    finally:
        connection.close()
    if isinstance(answer, list) and len(answer) >= 2 and answer[0] is True:
        return Answer("acknowledged", payload=answer[1])
    return Answer("failed", reason=f"refused: {answer!r}")
