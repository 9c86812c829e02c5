# SPDX-License-Identifier: Apache-2.0
"""The file that says to this machine's services that the leader is here: it holds the term, or is not there."""

from __future__ import annotations

import os

from zone.leadership import NEVER, Leadership, Limits, services_run


class LeadsFile:
    """Written whole or not at all; an agent that starts again goes on with what it finds."""

    def __init__(self, path: str, now: float) -> None:
        self._path = path
        self._term = self._found()
        # How long ago a majority vouched before the start is not known: from now on it counts.
        self._confirmed = NEVER if self._term is None else now

    def _found(self) -> str | None:
        try:
            with open(self._path, encoding="ascii") as handle:
                return handle.read().strip()
        except FileNotFoundError:
            return None

    def follow(self, leading: Leadership, now: float, limits: Limits) -> bool:
        """Make the file right; whether that changed it."""
        if self._term is not None or leading.leads:
            self._confirmed = max(self._confirmed, leading.confirmed)
        run = services_run(leading, self._confirmed, now, limits)
        # Unconfirmed, the last confirmed term stays in it.
        wanted = (str(leading.term) if leading.leads else self._term) if run else None
        if wanted == self._term:
            return False
        if wanted is None:
            self._remove()
        else:
            self._write(wanted)
        self._term = wanted
        return True

    def _write(self, term: str) -> None:
        new = f"{self._path}.new"
        with open(new, "w", encoding="ascii") as handle:
            handle.write(f"{term}\n")
        os.replace(new, self._path)

    def _remove(self) -> None:
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            return
