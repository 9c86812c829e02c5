# SPDX-License-Identifier: Apache-2.0
"""Questions to this machine's MariaDB: does it take a write, and what does the zone's log hold?

The write goes into a schema of the agent's own. The zone's log is only read, and of it only two columns; it has no
index over `applied`, so it is read in pieces, each bounded by the server itself, and never whole.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Callable

import pymysql
from pymysql.constants import CR, ER
from zone.model import DatabaseState, LogFacts

from .board import Board, DatabaseSight

# Indexes that are named in an answer, and kept in memory.
SHOWN = 20
KEPT = 20_000
# Records below the newest applied one that are looked at each time: what a returning leader leaves lies there.
TAIL = 5000
# Seconds that MariaDB may spend on one piece of the log.
PIECE_SECONDS = 0.05
PIECE_LEAST, PIECE_FIRST, PIECE_MOST = 500, 2000, 5000
# Nothing of the log lies above it: a -1 that marks something else is 2^64 - 1 in an unsigned column.
ABOVE = 2**63 - 1
STATEMENT_TIMEOUT = 1969
LOST = (CR.CR_CONNECTION_ERROR, CR.CR_CONN_HOST_ERROR, CR.CR_SERVER_GONE_ERROR, CR.CR_SERVER_LOST, 0)

Query = Callable[[str], Sequence[Sequence[Any]]]


class Slow(Exception):
    """MariaDB gave a question up after the time it was granted."""


class LogSweep:
    """What the zone's log holds, piece by piece: its ends, and the records below the newest applied one that were not.

    A record that was applied can be replaced later, when a new term begins, by one that never is: it starts over.
    """

    def __init__(self, query: Query) -> None:
        self._query = query
        self._piece = PIECE_FIRST
        self._skipped: set[int] = set()
        self._term: int | None = None
        self.oldest: int | None = None
        self.newest: int | None = None
        self.applied = 0
        # Up to there every record was looked at.
        self.position = 0

    def look(self, term: int | None) -> None:
        """The ends of the log, and its tail again."""
        self.oldest = self._end("ASC")
        self.newest = self._end("DESC")
        if self.oldest is None or self.newest is None:
            self._skipped.clear()
            self.applied = self.position = 0
            return
        if term != self._term or self.position > self.newest:
            self._term = term
            self.position = 0
        self.position = max(self.position, self.oldest - 1)
        self._skipped = {index for index in self._skipped if self.oldest <= index < self.newest}
        try:
            rows = self._bounded(
                f"SELECT log_index FROM {{log}} WHERE log_index >= 0 AND log_index < {ABOVE} AND applied = 1 "
                "ORDER BY log_index DESC LIMIT 1"
            )
            self.applied = int(rows[0][0]) if rows else 0
        except Slow:
            # Far more waits to be applied than is ever in flight; the last answer stands.
            self.applied = min(self.applied, self.newest)
        first = max(self.applied - TAIL, self.oldest - 1, 0)
        while first < self.applied - 1:
            last = min(first + self._piece, self.applied - 1)
            if not self._judge(first, last):
                return
            first = last

    def step(self) -> None:
        """One piece more of the log, if there is one that was not looked at."""
        if self.newest is not None and self.position < self.applied - 1:
            last = min(self.position + self._piece, self.applied - 1)
            if self._judge(self.position, last):
                self.position = last

    def facts(self) -> LogFacts | None:
        """What is known; none while the log is empty."""
        if self.oldest is None or self.newest is None:
            return None
        shown = tuple(sorted(self._skipped)[:SHOWN])
        return LogFacts(self.oldest, self.newest, self.applied, shown, len(self._skipped))

    def _end(self, order: str) -> int | None:
        rows = self._query(
            f"SELECT log_index FROM {{log}} WHERE log_index >= 0 AND log_index < {ABOVE} "
            f"ORDER BY log_index {order} LIMIT 1"
        )
        return int(rows[0][0]) if rows else None

    def _judge(self, after: int, last: int) -> bool:
        """Look at the records (after, last]; a piece that takes too long is tried smaller the next time."""
        started = time.monotonic()
        try:
            rows = self._bounded(
                f"SELECT log_index FROM {{log}} WHERE log_index > {after} AND log_index <= {last} AND applied = 0 "
                f"ORDER BY log_index LIMIT {PIECE_MOST}"
            )
        except Slow:
            self._piece = max(self._piece // 2, PIECE_LEAST)
            return False
        taken = time.monotonic() - started
        if taken > PIECE_SECONDS / 2:
            self._piece = max(self._piece // 2, PIECE_LEAST)
        elif taken < PIECE_SECONDS / 8:
            self._piece = min(self._piece * 2, PIECE_MOST)
        found = {int(row[0]) for row in rows}
        self._skipped = {index for index in self._skipped if not after < index <= last} | found
        if len(self._skipped) > KEPT:
            self._skipped = set(sorted(self._skipped)[:KEPT])
        return True

    def _bounded(self, sql: str) -> Sequence[Sequence[Any]]:
        return self._query(f"SET STATEMENT max_statement_time = {PIECE_SECONDS:g} FOR {sql}")


class DatabaseProbe:
    """Writes one row again and again, and reads the log between."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._config = board.config.database
        self._timeout = board.config.timeouts.database
        self._connection: pymysql.connections.Connection[Any] | None = None
        self._log = LogSweep(self._query)
        self._log_due = 0.0

    def __call__(self) -> None:
        """One write, and a piece of the log."""
        board, asked = self._board, time.monotonic()
        kept = self._connection is not None
        state, detail = self._write()
        if state is DatabaseState.DEAD and kept and time.monotonic() - asked < self._timeout / 2:
            # A MariaDB that started again has closed what was kept.
            state, detail = self._write()
        if state is DatabaseState.OK:
            board.database = DatabaseSight(state, "", asked)
            self._read_log(asked)
        else:
            board.database = replace(board.database, state=state, detail=detail)

    def _write(self) -> tuple[DatabaseState, str]:
        try:
            self._insert()
        except pymysql.MySQLError as error:
            code, detail = _told(error)
            self._close()
            return (DatabaseState.DEAD if code in LOST else DatabaseState.REFUSES_WRITES), detail
        except OSError as error:
            self._close()
            return DatabaseState.DEAD, error.strerror or type(error).__name__
        return DatabaseState.OK, ""

    def _insert(self) -> None:
        table = f"`{self._config.schema}`.`probe`"
        try:
            self._query(f"REPLACE INTO {table} (id, taken) VALUES (1, NOW(3))")
        except pymysql.ProgrammingError as error:
            if _told(error)[0] != ER.NO_SUCH_TABLE:
                raise
            self._query(f"CREATE TABLE IF NOT EXISTS {table} (id TINYINT PRIMARY KEY, taken DATETIME(3)) ENGINE=InnoDB")
            self._query(f"REPLACE INTO {table} (id, taken) VALUES (1, NOW(3))")

    def _read_log(self, asked: float) -> None:
        raft = self._board.own.raft
        try:
            if asked >= self._log_due:
                self._log_due = asked + self._board.config.intervals.log
                self._log.look(None if raft is None else raft.term)
            else:
                self._log.step()
        except Slow:
            return
        except (pymysql.MySQLError, OSError):
            # No such table while a database is made or replaced; a lost connection shows in the next write.
            self._board.log = None
            return
        self._board.log = self._log.facts()
        self._board.swept = self._log.position

    def _query(self, sql: str) -> Sequence[Sequence[Any]]:
        if self._connection is None:
            self._connection = pymysql.connect(
                unix_socket=self._config.socket,
                user=self._config.user,
                autocommit=True,
                connect_timeout=self._timeout,
                read_timeout=self._timeout,
                write_timeout=self._timeout,
            )
        with self._connection.cursor() as cursor:
            try:
                cursor.execute(sql.replace("{log}", f"`{self._config.zone_schema}`.`logdb`"))
            except pymysql.MySQLError as error:
                if _told(error)[0] == STATEMENT_TIMEOUT:
                    raise Slow from None
                raise
            rows: Sequence[Sequence[Any]] = cursor.fetchall()
            return rows

    def _close(self) -> None:
        if self._connection is not None:
            # It may be closed already.
            with contextlib.suppress(pymysql.MySQLError):
                self._connection.close()
            self._connection = None


def _told(error: pymysql.MySQLError) -> tuple[int, str]:
    """Number and text of an error."""
    arguments = error.args
    code = arguments[0] if arguments and isinstance(arguments[0], int) else 0
    text = str(arguments[1]) if len(arguments) > 1 else str(arguments[0]) if arguments else type(error).__name__
    return code, text or f"error {code}"
