"""oned.log: the recorded shape of a line."""

from __future__ import annotations

import threading
import time
from pathlib import Path

_LEVELS = "EWID"


class Log:
    def __init__(self, path: Path, zone: int, level: int) -> None:
        self._file = path.open("a", encoding="utf-8", buffering=1)
        self._zone, self._level = zone, level
        self._lock = threading.Lock()

    def write(self, module: str, severity: str, text: str) -> None:
        if _LEVELS.index(severity) <= self._level:
            line = f"{time.strftime('%a %b %d %H:%M:%S %Y')} [Z{self._zone}][{module}][{severity}]: {text}\n"
            with self._lock:
                self._file.write(line)
