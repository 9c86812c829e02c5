"""The recordings, and answers in the same form. An answer is typed: a boolean is not an int, an i8 is not an i4."""

from __future__ import annotations

import http.client
import json
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

FILE = Path(__file__).parent / "recordings/6.10.5.jsonl"

Typed = tuple[str, str]


@dataclass(frozen=True)
class Answer:
    """What a call came to: values, a fault, or no answer at all ("refused" or "hung")."""

    values: tuple[Typed, ...] = ()
    fault: tuple[int, str] | None = None
    failed: str | None = None

    @property
    def success(self) -> bool:
        return self.values[:1] == (("boolean", "1"),)

    @property
    def payload(self) -> str:
        return self.values[1][1] if len(self.values) > 1 else ""

    def __str__(self) -> str:
        if self.failed:
            return self.failed
        if self.fault:
            return f"fault {self.fault[0]} {self.fault[1]}"
        return ", ".join(f"{kind} {value[:200]}" for kind, value in self.values)


@dataclass(frozen=True)
class Recording:
    """One recorded call. Server is the number of the recorded front-end, 0 for a floating or loopback address."""

    name: str
    method: str
    server: int | None = None
    session: str = ""
    arguments: tuple[Typed, ...] = ()
    answer: Answer | None = None


def load(path: Path = FILE) -> dict[str, Recording]:
    """Every recording by name; one without an answer is kept for the count only."""
    found = {}
    for line in path.read_text().splitlines():
        row = json.loads(line)
        answer = None
        if "answer" in row:
            answer = Answer(tuple((kind, value) for kind, value in row["answer"]))
        elif "fault" in row:
            answer = Answer(fault=(row["fault"][0], row["fault"][1]))
        elif "failed" in row:
            answer = Answer(failed=row["failed"])
        arguments = tuple((kind, value) for kind, value in row.get("arguments", ()))
        found[row["name"]] = Recording(
            row["name"], row["method"], row.get("server"), row.get("session", ""), arguments, answer
        )
    return found


def request(method: str, session: str, arguments: tuple[Typed, ...]) -> bytes:
    """The body of a call."""
    values = [("string", session), *arguments]
    params = "".join(f"<param><value><{kind}>{escape(value)}</{kind}></value></param>" for kind, value in values)
    return (
        f'<?xml version="1.0"?>\n<methodCall><methodName>{method}</methodName><params>{params}</params></methodCall>'
    ).encode()


def typed(value: ET.Element) -> Typed:
    """A value element; without a type it is a string, as XML-RPC has it."""
    return (value[0].tag, value[0].text or "") if len(value) else ("string", value.text or "")


def parse(body: bytes) -> Answer:
    """The answer in a body."""
    root = ET.fromstring(body)
    fault = root.find("fault/value/struct")
    if fault is not None:
        members = {m.findtext("name"): typed(m.find("value") or ET.Element("value")) for m in fault.findall("member")}
        return Answer(fault=(int(members["faultCode"][1]), members["faultString"][1]))
    data = root.find("params/param/value/array/data")
    if data is None:
        raise ValueError(f"neither a fault nor an array: {body[:200]!r}")
    return Answer(tuple(typed(value) for value in data))


def call(url: str, method: str, session: str, arguments: tuple[Typed, ...], timeout: float) -> Answer:
    """Ask a server; a refused connection and a hanging call are answers too."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port or 80, timeout=timeout)
    try:
        connection.request("POST", place.path, request(method, session, arguments), {"Content-Type": "text/xml"})
        response = connection.getresponse()
        body = response.read()
        if response.status != http.client.OK:
            return Answer(failed=f"HTTP status {response.status}")
        return parse(body)
    except ConnectionRefusedError:
        return Answer(failed="refused")
    except TimeoutError:
        return Answer(failed="hung")
    except (OSError, http.client.HTTPException) as error:
        return Answer(failed=f"{type(error).__name__}: {error}")
    finally:
        connection.close()
