"""A server of the zone that only listens: what the others send it is compared with what the recorded servers sent."""

from __future__ import annotations

import re
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .recording import Recording, Typed, typed

ANSWER = (
    '<?xml version="1.0" encoding="UTF-8"?><methodResponse><params><param><value><array><data>'
    "<value><boolean>1</boolean></value><value><i4>{term}</i4></value><value><i4>0</i4></value>"
    "</data></array></value></param></params></methodResponse>"
)
# Which argument is the sender's term.
TERM = {"one.zone.replicate": 2, "one.zone.voterequest": 0}


@dataclass(frozen=True)
class Heard:
    """One call that reached us; the secret is not kept."""

    method: str
    arguments: tuple[Typed, ...]


@dataclass
class Listener:
    """What was heard, and where."""

    url: str
    heard: list[Heard] = field(default_factory=list)

    def first(self, recording: Recording, statement: str | None = None) -> Heard | None:
        """The first call of a method, with a statement that begins so; an empty one is a heartbeat's."""
        for call in list(self.heard):
            said = call.arguments[-1][1]
            fits = statement is None or (said.startswith(statement) if statement else not said)
            if call.method == recording.method and fits:
                return call
        return None


def read_call(body: bytes) -> Heard:
    root = ET.fromstring(body)
    return Heard(root.findtext("methodName") or "", tuple(typed(v) for v in root.iterfind("params/param/value"))[1:])


@contextmanager
def listening(address: str) -> Iterator[Listener]:
    """Listen on a free port and agree to everything."""
    heard: list[Heard] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            call = read_call(self.rfile.read(int(self.headers["Content-Length"])))
            heard.append(call)
            body = ANSWER.format(term=call.arguments[TERM.get(call.method, 0)][1]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (http.server's name)
            pass

    with ThreadingHTTPServer((address, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        thread.start()
        try:
            yield Listener(f"http://{address}:{server.server_address[1]}/RPC2", heard)
        finally:
            server.shutdown()
            thread.join()


def compare_call(recording: Recording, heard: Heard, bound: Mapping[str, str]) -> list[str]:
    """Types as recorded; a recorded 0 or -1 as it stands, other numbers any; a statement with this zone's ids."""
    want, have = recording.arguments, heard.arguments
    if [kind for kind, _ in want] != [kind for kind, _ in have]:
        return [f"types {[kind for kind, _ in want]} are {[kind for kind, _ in have]}"]
    differences = []
    for position, ((kind, expected), (_, actual)) in enumerate(zip(want, have, strict=True)):
        if kind == "string":
            for old, new in bound.items():
                expected = re.sub(rf"(?<!\w){old}(?!\w)", new, expected)  # noqa: PLW2901 (once an id)
            if expected != actual:
                differences.append(f"argument {position + 1}: {expected!r} is {actual!r}")
        elif re.fullmatch(r"-?\d+", actual) is None:
            differences.append(f"argument {position + 1}: {actual!r} is no number")
        # The first id is 0 too, so a sender's id of 0 says nothing.
        elif expected in {"0", "-1"} and position > 2 and actual != expected:
            differences.append(f"argument {position + 1}: {expected} is {actual}")
    return differences
