# SPDX-License-Identifier: Apache-2.0
"""Questions to this machine's oned: its state often, its zone seldom, its version when it may have changed."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from typing import Callable

from zone.client import CallError, Client
from zone.model import FailureKind

from .board import Board, Reads

# What a stranger who reads the digest would have to do for each password that he tries.
ROUNDS = 100_000
# The version of an oned that was not seen to end is asked again after that long.
VERSION_AGE = 60.0


def digest(session: str, zone: str) -> str:
    """What tells two credentials apart and shows none."""
    return hashlib.pbkdf2_hmac("sha256", session.encode(), b"nebula.ha " + zone.encode(), ROUNDS).hex()


class OnedProbe:
    """Asks the own oned, one call at a time."""

    def __init__(self, board: Board, session: str, changed: Callable[[], None]) -> None:
        config = board.config
        self._board = board
        self._session = session
        self._changed = changed
        self._client = Client(config.endpoint, session, config.timeouts.oned)
        self._zone_due = self._version_due = 0.0
        self.refused_since: float | None = None

    def __call__(self) -> None:
        """One look."""
        board, asked = self._board, time.monotonic()
        before = board.own
        try:
            board.requests += 1
            raft = self._client.raft_status()
        except CallError as error:
            board.own = replace(before, failure=error.failure)
            board.own_asked = asked
            self._version_due = 0.0
            refused = error.failure.kind is FailureKind.CREDENTIALS
            self.refused_since = (self.refused_since or asked) if refused else None
            if before.failure is None:
                self._changed()
            return
        board.own = replace(before, raft=raft, seen=asked, failure=None)
        board.own_asked = asked
        self.refused_since = None
        if before.raft is None or (before.raft.state, before.raft.term) != (raft.state, raft.term):
            self._changed()
        if asked >= self._zone_due:
            self._read(asked)

    def _read(self, asked: float) -> None:
        board = self._board
        self._zone_due = asked + board.config.intervals.zone
        reads = board.reads
        try:
            board.requests += 1
            zone = self._client.zone(board.config.zone_id)
            board.reads = reads = Reads(reads.zone if zone == reads.zone else zone, reads.version, asked)
            if asked >= self._version_due:
                board.requests += 1
                board.reads = replace(reads, version=self._client.version())
                self._version_due = asked + VERSION_AGE
        except CallError:
            # Without a leader oned refuses to name its version; a document that did not come shows in its age.
            return
        if board.credentials is None:
            board.credentials = digest(self._session, zone.name)
