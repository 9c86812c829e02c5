"""Web requests at a steady pace from outside, whatever the answers do: bounded in rate and time."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from tests.client.rpc import SERVED_BY, request

AT_ONCE = 40
MOST_PER_SECOND = 50
LONGEST = 600.0


@dataclasses.dataclass(frozen=True)
class Asked:
    """One request: when it was sent, who served it, and what went wrong (empty: nothing)."""

    sent: float
    seconds: float
    served_by: str
    wrong: str


class Load:
    """What was asked so far."""

    def __init__(self, url: str, ca: str, per_second: int, timeout: float) -> None:
        """Refuse a pace that is no longer a test."""
        if not 0 < per_second <= MOST_PER_SECOND:
            raise ValueError(f"{per_second} requests a second: from 1 to {MOST_PER_SECOND} may be asked")
        self._url, self._ca, self._pause, self._timeout = url, ca, 1 / per_second, timeout
        self._stop = threading.Event()
        self._under_way: list[Future[Asked]] = []

    def ask(self) -> Asked:
        """Ask once; an answer is good when it is whole and says 200."""
        sent = time.time()
        try:
            response = request("GET", self._url, self._timeout, ca=self._ca)
        except OSError as error:
            return Asked(sent, time.time() - sent, "", str(error))
        wrong = "" if response.status == 200 else f"HTTP {response.status}"
        return Asked(sent, time.time() - sent, response.headers.get(SERVED_BY, ""), wrong)

    def pace(self) -> None:
        """Send one request after each pause until stopped, waiting for none."""
        start = time.monotonic()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while not self._stop.is_set() and time.monotonic() - start < LONGEST:
                self._under_way.append(pool.submit(self.ask))
                self._stop.wait(max(0.0, start + len(self._under_way) * self._pause - time.monotonic()))

    def stop(self) -> None:
        """Send no more."""
        self._stop.set()

    @property
    def asked(self) -> list[Asked]:
        """All requests that have ended."""
        return [one.result() for one in self._under_way if one.done()]

    @property
    def wrong(self) -> list[Asked]:
        """Those that failed."""
        return [one for one in self.asked if one.wrong]

    def served(self, since: float = 0.0) -> set[str]:
        """Who served requests that were sent since then."""
        return {one.served_by for one in self.asked if one.sent >= since and one.served_by}


@contextlib.contextmanager
def load(url: str, ca: str, per_second: int, timeout: float = 10.0) -> Iterator[Load]:
    """Keep asking while the block runs; afterwards every request has ended."""
    asking = Load(url, ca, per_second, timeout)
    thread = threading.Thread(target=asking.pace)
    thread.start()
    try:
        yield asking
    finally:
        asking.stop()
        thread.join()
