"""The loops of the client, side by side, bounded in count and time: one writes, one reads, one is at the web."""

from __future__ import annotations

import dataclasses
import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TextIO

from tests.client.calls import Call, Kind
from tests.client.rpc import Answer, call
from tests.client.web import Browser

DOCUMENT_TYPE = 4200
REPLICATES_WITHIN = 1.0
AT_ONCE = 10  # calls of one kind at least: one that hangs must not keep the next from being made


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a client does: whom it asks, as whom, how often and how long."""

    server: str  # endpoint of the API
    session: str = dataclasses.field(repr=False)
    prefix: str
    interval: float = 0.2  # of writes, the finest figure that an outage can have
    timeout: float = 1.5
    seconds: float = 120.0
    stop_file: Path | None = None  # holds the epoch second at which to end, once somebody knows it
    web: str = ""  # address of the web interface; empty: only the API is asked
    ca: str = ""  # file with the certificate that vouches for https
    read_server: str = ""  # endpoint that is read from; empty: the one that is written to
    read_interval: float = 0.0  # of reads and looks; 0: as writes

    def __post_init__(self) -> None:
        """Refuse a plan without an end or a pause."""
        if not self.server or min(self.interval, self.read_pace) < 0.02 or not 0 < self.seconds <= 600:
            raise ValueError("the client wants a server, intervals of 0.02 s or more and an end within 600 s")

    @property
    def read_pace(self) -> float:
        """Seconds between two reads."""
        return self.read_interval or self.interval

    def at_once(self, interval: float) -> int:
        """How many calls of one kind may hang before the next one's time is lost."""
        return max(AT_ONCE, math.ceil(self.timeout / interval) + 1)


class Client:
    """Writes documents, reads one back, looks at the web interface: each at its own pace, no call ever repeated."""

    def __init__(self, plan: Plan, log: TextIO) -> None:
        """Keep the plan; calls go to the log as they end."""
        self._plan = plan
        self._log = log
        self._lock = threading.Lock()
        self._first: tuple[float, int] | None = None  # when acknowledged, which document
        self._browser = Browser(plan.web, plan.session, plan.ca, plan.timeout)
        self._inside = False
        self._sessions = 0  # pages of a session that is gone may still be under way when the next is there
        self._logging_in = threading.Lock()

    def run(self) -> None:
        """Write, read and look until the end."""
        plan, end = self._plan, time.time() + self._plan.seconds
        steps: list[tuple[Callable[[int], None], float]] = [(self._write, plan.interval), (self._read, plan.read_pace)]
        steps += [(self._look, plan.read_pace)] * bool(plan.web)
        threads = [threading.Thread(target=self._loop, args=(*step, end)) for step in steps]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _ticks(self, interval: float, end: float) -> Iterator[int]:
        """Count moments, `interval` apart."""
        start = time.monotonic()
        tick = 0
        while time.time() < min(end, self._asked_to_end()):
            yield tick
            tick += 1
            time.sleep(max(0.0, start + tick * interval - time.monotonic()))

    def _asked_to_end(self) -> float:
        path = self._plan.stop_file
        text = path.read_text().strip() if path and path.exists() else ""
        return float(text) if text else float("inf")

    def _loop(self, step: Callable[[int], None], interval: float, end: float) -> None:
        with ThreadPoolExecutor(self._plan.at_once(interval)) as pool:
            under_way = [pool.submit(step, tick) for tick in self._ticks(interval, end)]
        for done in under_way:
            done.result()

    def _write(self, tick: int) -> None:
        name, sent = f"{self._plan.prefix}{tick:06d}", time.time()
        answer = self._ask(self._plan.server, "one.document.allocate", f'NAME = "{name}"', DOCUMENT_TYPE)
        document = answer.payload if isinstance(answer.payload, int) else None
        if answer.outcome == "acknowledged" and document is not None:
            with self._lock:
                self._first = self._first or (time.time(), document)
        self._note("write", name, self._plan.server, sent, answer, document)

    def _read(self, tick: int) -> None:
        """Read the run's first document, which every server has: a refusal means no service, not a server behind."""
        with self._lock:
            since, document = self._first or (float("inf"), -1)
        if since <= time.time() - REPLICATES_WITHIN:
            server, sent = self._plan.read_server or self._plan.server, time.time()
            self._note("read", f"read {tick}", server, sent, self._ask(server, "one.document.info", document, False))

    def _look(self, _tick: int) -> None:
        """See the page behind the login; a new login only where the session is gone, and one at a time."""
        sent = time.time()
        session = self._sessions
        if self._inside:
            answer = self._browser.page()
            if answer.outcome == "logged out" and session == self._sessions:
                self._inside = False
            self._note("page", f"session {session}", self._plan.web, sent, answer)
        elif self._logging_in.acquire(blocking=False):
            try:
                answer = self._browser.login()
                self._sessions += 1
                self._inside = answer.outcome == "acknowledged"
            finally:
                self._logging_in.release()
            self._note("login", f"session {self._sessions}", self._plan.web, sent, answer)

    def _ask(self, server: str, method: str, *arguments: object) -> Answer:
        plan = self._plan
        return call(server, method, (plan.session, *arguments), plan.timeout, plan.ca)

    def _note(
        self, kind: Kind, name: str, server: str, sent: float, answer: Answer, document: int | None = None
    ) -> None:
        entry = Call(
            kind,
            name,
            server,
            sent,
            time.time(),
            answer.outcome,
            document,
            answer.reason,
            answer.served_by,
            answer.balanced_by,
        )
        with self._lock:
            self._log.write(entry.to_line() + "\n")
            self._log.flush()
