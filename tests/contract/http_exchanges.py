"""Recorded exchanges with the web services, and the comparison with an answer. Pure but for `ask`."""

from __future__ import annotations

import base64
import http.client
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from pathlib import Path

FILE = Path(__file__).parent / "recordings/6.10.5.http.jsonl"
HEADERS = (
    "cache-control",
    "content-type",
    "vary",
    "set-cookie",
    "x-xss-protection",
    "x-content-type-options",
    "x-frame-options",
    "connection",
    "location",
)
# What is not compared: the length and words of pages, dates, and of `Server` more than that it is there.
ENDS = {"HOUR": 3600, "MONTH": 30 * 24 * 3600 - 1}  # when a cookie ends, in seconds from the answer
END_MARGIN = 60
SLOW = 2.0  # a request that took longer waited for memcached: twice a second, and a pause
PATIENCE = 6.0
LOGIN = 15.0  # the recorded logins took up to 2.1 s, on a machine of their own

# Bodies that only need a form, and why.
BODIES = {
    "memcache: api-datastore-csrf-timeout": (
        r'\{"DATASTORE_POOL":\{"DATASTORE":\[\{"ID":"2","UID":"0",.*"NAME":"system".*',
        "sizes are the disk's, and the recording holds the first 1500 characters",
    ),
    "memcache: api-zone-0": (
        r'\{\n  "ZONE": \{\n    "ID": "0",\n    "NAME": "OpenNebula",\n    "STATE": "0",\n    "TEMPLATE": \{\n.*',
        "the recorded zone had three servers",
    ),
    "memcache: api-user-0": (
        r'\{\n  "USER": \{\n    "ID": "0",.*"GROUPS": \{\n      "ID": "0"\n    \},.*"DATASTORE_QUOTA": \{\n    \},\n.*',
        "the token's password is random",
    ),
    "memory: host at fe1": (r'\{"HOST_POOL":\{.*\}\}', "the recorded zone had a host by then"),
}

FIREEDGE = "FireEdge comes with the series 7.x"
LISTED = (
    (r"fireedge\..*", FIREEDGE),
    (r"novnc\..*", "noVNC is a placeholder: consoles come with a later issue"),
    (r"oned\.get\..*", "what oned says to a GET is no service of the web"),
    (r"memcache: post-group-csrf-in-json", "nothing of ours writes through Sunstone; its refusal is compared"),
)


def reason(name: str) -> str | None:
    """Why a recording is not compared; None when it must be."""
    return next((why for names, why in LISTED if re.fullmatch(names, name)), None)


@dataclass(frozen=True)
class Reply:
    """An answer: `page` says login or index, else there is a body."""

    status: int
    headers: Mapping[str, str]
    body: str = ""
    page: str = ""
    token: str = ""
    seconds: float | None = None
    length: int | None = None


@dataclass(frozen=True)
class Exchange:
    name: str
    to: str = ""
    method: str = ""
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    answer: Reply | None = None


def load(path: Path = FILE) -> dict[str, Exchange]:
    """Every exchange by name, in the recorded order; one without an answer is kept for the count only."""
    found = {}
    for line in path.read_text().splitlines():
        row = json.loads(line)
        if "answer" in row:
            row["answer"] = Reply(**row["answer"])
        found[row["name"]] = Exchange(**row)
    return found


@dataclass
class Names:
    """Recorded SESSIONID-n and CSRFTOKEN-n, and what stands for them here."""

    known: dict[str, str] = field(default_factory=dict)

    def live(self, text: str) -> str:
        """A recorded text with this run's values; a session that nobody gave us is an unknown one."""
        return re.sub(r"(?:SESSIONID|CSRFTOKEN)-\d", lambda m: self.known.get(m[0], "f" * 64), text)

    def bind(self, recorded: str, value: str) -> bool:
        """Whether VALUE is, or from now on stands for, the recorded name."""
        if recorded not in self.known and value in self.known.values():
            return False
        return self.known.setdefault(recorded, value) == value


def ask(address: str, port: int, exchange: Exchange, names: Names) -> Reply:
    """Repeat an exchange."""
    headers = {name: names.live(value) for name, value in exchange.headers.items()}
    if "Authorization" in headers:
        pair = headers["Authorization"].removeprefix("Basic ")
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    connection = http.client.HTTPConnection(address, port, timeout=60)
    began = time.monotonic()
    try:
        connection.request(exchange.method, names.live(exchange.path), names.live(exchange.body) or None, headers)
        answer = connection.getresponse()
        body = answer.read().decode()
    finally:
        connection.close()
    seconds = time.monotonic() - began
    found = {name.lower(): value for name, value in answer.getheaders()}
    return described(Reply(answer.status, found, body, seconds=seconds))


def described(reply: Reply, now: float | None = None) -> Reply:
    """A live answer in the recorded form: which page, its token, a cookie's end in words."""
    headers = {name: value for name, value in reply.headers.items() if name in HEADERS}
    if "set-cookie" in headers:
        headers["set-cookie"] = re.sub(
            "expires=([^;]*)", lambda m: f"expires={_end(m[1], now or time.time())}", headers["set-cookie"]
        )
    page = token = ""
    if "<html" in reply.body:
        found = re.search(r"csrftoken = '([0-9a-f]{64})'", reply.body)
        page, token = ("index", found[1]) if found else ("login" if 'id="login_form"' in reply.body else "other", "")
    body = "" if page else reply.body
    return replace(reply, headers=headers, body=body, page=page, token=token, length=len(reply.body.encode()))


def _end(date: str, now: float) -> str:
    seconds = parsedate_to_datetime(date).timestamp() - now
    return next((word for word, after in ENDS.items() if abs(seconds - after) < END_MARGIN), f"{seconds:.0f} s")


def compare(exchange: Exchange, have: Reply, names: Names, proxied: bool = False) -> list[str]:
    """Every difference as a sentence."""
    want = exchange.answer
    assert want is not None, f"{exchange.name} has no recorded answer"
    found = []
    if want.status != have.status:
        found.append(f"status {want.status} is {have.status}")
    for name in HEADERS:
        if proxied and name == "connection":
            continue  # the balancer's own
        expected, actual = want.headers.get(name), have.headers.get(name)
        if name == "set-cookie" and expected and actual:
            found += _cookie(expected, actual, names)
        elif expected != actual:
            found.append(f"header {name}: {expected!r} is {actual!r}")
    found += _content(exchange, want, have, names)
    if want.seconds is not None and have.seconds is not None:
        found += _time(exchange, want.seconds, have.seconds)
    return found


def _content(exchange: Exchange, want: Reply, have: Reply, names: Names) -> list[str]:
    if want.page != have.page:
        return [f"page {want.page or 'none'!r} is {have.page or 'none'!r}"]
    if want.token and not names.bind(want.token, have.token):
        return ["the page carries another token than before"]
    form = BODIES.get(exchange.name)
    if form is not None:
        return [] if re.fullmatch(form[0], have.body, re.DOTALL) else [f"body {have.body[:200]!r} has not its form"]
    if want.length is not None:
        return [] if want.length == have.length else [f"length {want.length} is {have.length}"]
    return [] if want.body == have.body else [f"body {want.body!r} is {have.body[:200]!r}"]


def _cookie(want: str, have: str, names: Names) -> list[str]:
    pattern = r"([\w.]+)=([^;]+)(.*)"
    expected, actual = re.fullmatch(pattern, want), re.fullmatch(pattern, have)
    if not (expected and actual) or (expected[1], expected[3]) != (actual[1], actual[3]):
        return [f"cookie {want!r} is {have!r}"]
    if re.fullmatch("[0-9a-f]{64}", actual[2]) is None:
        return [f"session {actual[2]!r} has not the recorded form"]
    return [] if names.bind(expected[2], actual[2]) else [f"session {expected[2]} is another one than recorded"]


def _time(exchange: Exchange, want: float, have: float) -> list[str]:
    if exchange.method == "POST":
        return [] if have < LOGIN else [f"took {have:.1f} s"]
    if (want > SLOW) != (have > SLOW) or have > PATIENCE:
        return [f"took {have:.1f} s, recorded {want:.1f} s"]
    return []
