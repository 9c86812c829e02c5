# SPDX-License-Identifier: Apache-2.0
"""Questions at intervals, each kind in a thread of its own: one in flight at most, and none holds another up."""

from __future__ import annotations

import threading
import time
from typing import Callable

# What a loop leaves to others between two questions, however long the last one took.
BREATH = 0.02


class Loop(threading.Thread):
    """One kind of question, put again and again."""

    def __init__(self, name: str, probe: Callable[[], None], interval: Callable[[float], float]) -> None:
        super().__init__(name=name, daemon=True)
        self._probe = probe
        self._interval = interval
        self._soon = threading.Event()
        self.asked = threading.Event()

    def run(self) -> None:
        while True:
            started = time.monotonic()
            self._probe()
            self.asked.set()
            now = time.monotonic()
            self._soon.wait(max(started + self._interval(now) - now, BREATH))
            self._soon.clear()

    def soon(self) -> None:
        """Ask again as soon as the question in flight is answered."""
        self._soon.set()
