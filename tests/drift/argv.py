"""A watch over the command lines of this machine's processes: no secret may ever stand in one.

The lab's machines are containers, so their processes are seen from here.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path


class Watch:
    """Looks again and again while the block runs; `seen` holds which secret was caught where, not the secret."""

    def __init__(self, secrets: Sequence[str], pause: float = 0.1) -> None:
        """Watch for these; a short or empty secret would be found everywhere."""
        if not secrets or min(map(len, secrets)) < 8:
            raise ValueError("a watch wants secrets of at least 8 characters")
        self._secrets = [secret.encode() for secret in secrets]
        self._pause = pause
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.seen: set[tuple[int, str]] = set()  # position of the secret, name of the program
        self.looks = 0

    def __enter__(self) -> Watch:
        """Start to look."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Look a last time and stop."""
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        known: dict[Path, bytes] = {}
        while True:
            ending = self._end.is_set()
            known = self._look(known)
            self.looks += 1
            if ending:
                return
            self._end.wait(self._pause)

    def _look(self, known: dict[Path, bytes]) -> dict[Path, bytes]:
        lines: dict[Path, bytes] = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                line = (process / "cmdline").read_bytes()
            except OSError:  # it ended while we looked
                continue
            lines[process] = line
            if known.get(process) != line:
                program = line.split(b"\0")[0].decode(errors="replace")
                self.seen |= {(number, program) for number, secret in enumerate(self._secrets) if secret in line}
        return lines
