"""The loops of the client, side by side, bounded in count and time: one writes, one reads, one is at the web."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from tests.client.calls import Call, Kind
from tests.client.rpc import Answer, call
from tests.client.web import Browser

DOCUMENT_TYPE = 4200
REPLICATES_WITHIN = 1.0


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a client does: whom it asks, as whom, how often and how long."""

    servers: tuple[str, ...]
    session: str = dataclasses.field(repr=False)
    prefix: str
    interval: float = 0.2
    timeout: float = 1.5
    seconds: float = 120.0
    stop_file: Path | None = None  # holds the epoch second at which to end, once somebody knows it
    web: str = ""  # address of the web interface; empty: only the API is asked
    ca: str = ""  # file with the certificate that vouches for https

    def __post_init__(self) -> None:
        """Refuse a plan without an end or a pause."""
        if not self.servers or self.interval < 0.05 or not 0 < self.seconds <= 600:
            raise ValueError("the client wants servers, an interval of 0.05 s or more and an end within 600 s")


class Client:
    """Writes documents and reads them back; after a failure it turns to the next server and never repeats a write."""

    def __init__(self, plan: Plan, log: TextIO) -> None:
        """Keep the plan; calls go to the log as they end."""
        self._plan = plan
        self._log = log
        self._lock = threading.Lock()
        self._first: tuple[float, int] | None = None  # when acknowledged, which document

    def run(self) -> None:
        """Write and read until the end."""
        end = time.time() + self._plan.seconds
        threads = [
            threading.Thread(target=self._loop, args=(kind, step, end))
            for kind, step in (("write", self._write), ("read", self._read))
        ]
        if self._plan.web:
            threads.append(threading.Thread(target=self._watch, args=(end,)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _ticks(self, end: float) -> Iterator[int]:
        """Count moments, `interval` apart; a call that took longer costs the moments it covered."""
        start = time.monotonic()
        tick = 0
        while time.time() < min(end, self._asked_to_end()):
            yield tick
            tick = max(tick + 1, int((time.monotonic() - start) / self._plan.interval) + 1)
            time.sleep(max(0.0, start + tick * self._plan.interval - time.monotonic()))

    def _asked_to_end(self) -> float:
        path = self._plan.stop_file
        text = path.read_text().strip() if path and path.exists() else ""
        return float(text) if text else float("inf")

    def _loop(self, kind: Kind, step: Callable[[str, str], tuple[str, Answer] | None], end: float) -> None:
        server = 0
        for tick in self._ticks(end):
            endpoint = self._plan.servers[server]
            sent = time.time()
            result = step(endpoint, f"{self._plan.prefix}{tick:06d}")
            if result is None:
                continue
            name, answer = result
            document = answer.payload if isinstance(answer.payload, int) else None
            self._note(_call(kind, name, endpoint, sent, answer, document))
            if answer.outcome != "acknowledged":
                server = (server + 1) % len(self._plan.servers)

    def _watch(self, end: float) -> None:
        """Log in, and stay: a new login only where the old one is gone."""
        browser = Browser(self._plan.web, self._plan.session, self._plan.ca, self._plan.timeout)
        inside = False
        for tick in self._ticks(end):
            sent = time.time()
            kind: Kind = "page" if inside else "login"
            answer = browser.page() if inside else browser.login()
            self._note(_call(kind, f"{kind} {tick}", self._plan.web, sent, answer))
            inside = answer.outcome == "acknowledged" if kind == "login" else answer.outcome != "logged out"

    def _write(self, endpoint: str, name: str) -> tuple[str, Answer]:
        arguments = (self._plan.session, f'NAME = "{name}"', DOCUMENT_TYPE)
        answer = call(endpoint, "one.document.allocate", arguments, self._plan.timeout, self._plan.ca)
        if answer.outcome == "acknowledged" and isinstance(answer.payload, int):
            with self._lock:
                self._first = self._first or (time.time(), answer.payload)
        return name, answer

    def _read(self, endpoint: str, _name: str) -> tuple[str, Answer] | None:
        """Read the run's first document, which every server has: a refusal means no service, not a server behind."""
        with self._lock:
            since, document = self._first or (float("inf"), -1)
        if since > time.time() - REPLICATES_WITHIN:
            return None
        arguments = (self._plan.session, document, False)
        return f"document {document}", call(endpoint, "one.document.info", arguments, self._plan.timeout, self._plan.ca)

    def _note(self, entry: Call) -> None:
        with self._lock:
            self._log.write(entry.to_line() + "\n")
            self._log.flush()


def _call(kind: Kind, name: str, server: str, sent: float, answer: Answer, document: int | None = None) -> Call:
    who = {"served_by": answer.served_by, "balanced_by": answer.balanced_by}
    return Call(kind, name, server, sent, time.time(), answer.outcome, document, answer.reason, **who)
