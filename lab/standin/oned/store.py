"""MariaDB: the state tables, the log and the vote."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pymysql
import pymysql.converters

from .conf import Conf
from .raft import Record
from .template import body

NO_INDEX = 2**64 - 1
_POOL = (
    "oid INTEGER PRIMARY KEY, name VARCHAR({0}), body MEDIUMTEXT, uid INTEGER, gid INTEGER, "
    "owner_u INTEGER, group_u INTEGER, other_u INTEGER"
)
_VERSION = "oid INTEGER PRIMARY KEY, version VARCHAR(256), timestamp INTEGER, comment VARCHAR(256), is_slave BOOLEAN"
TABLES = {
    "logdb": "log_index BIGINT UNSIGNED PRIMARY KEY, term INTEGER, sqlcmd MEDIUMTEXT, timestamp INTEGER, "
    "fed_index BIGINT UNSIGNED, applied BOOLEAN",
    "system_attributes": "name VARCHAR(128) PRIMARY KEY, body MEDIUMTEXT",
    "pool_control": "tablename VARCHAR(32) PRIMARY KEY, last_oid BIGINT UNSIGNED",
    "db_versioning": _VERSION,
    "local_db_versioning": _VERSION,
    "zone_pool": _POOL.format(128) + ", UNIQUE(name)",
    "user_pool": _POOL.format(256) + ", UNIQUE(name)",
    "group_pool": _POOL.format(128) + ", UNIQUE(name)",
    "datastore_pool": _POOL.format(128) + ", UNIQUE(name)",
    "host_pool": _POOL.format(128) + ", UNIQUE(name)",
    "hook_pool": _POOL.format(128) + ", UNIQUE(name)",
    "document_pool": _POOL.format(128).replace("uid", "type INTEGER, uid", 1),
}


class StoreError(Exception):
    """The database cannot be used; the message says why and what to look at."""


class RecordError(Exception):
    """The database refused the SQL of a record."""


def quote(text: str) -> str:
    return "'" + str(pymysql.converters.escape_string(text)) + "'"


class Store:
    """Connections are made when needed and kept; each carries one statement or one transaction at a time."""

    def __init__(self, conf: Conf) -> None:
        db = conf.vector("DB")
        if db.get("BACKEND", "sqlite").lower() != "mysql":
            raise StoreError('oned.conf: the stand-in knows DB = [ BACKEND = "mysql", ... ] only')
        port, server = int(db.get("PORT", "0")), db.get("SERVER", "localhost")
        where: dict[str, Any] = {"host": server, "port": port or 3306}
        if server == "localhost" and not port:
            where = {"unix_socket": os.environ.get("MYSQL_UNIX_PORT", "/run/mysqld/mysqld.sock")}
        self._where: dict[str, Any] = {
            **where,
            "user": db.get("USER", "oneadmin"),
            "password": db.get("PASSWD", ""),
            "database": db.get("DB_NAME", "opennebula"),
            "charset": "utf8mb4",
            "autocommit": True,
            "connect_timeout": 5,
            "init_command": "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        }
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue()
        self._free = threading.BoundedSemaphore(int(db.get("CONNECTIONS", "25")))

    @contextmanager
    def cursor(self) -> Iterator[Any]:
        with self._free:
            try:
                try:
                    connection = self._idle.get_nowait()
                    connection.ping(reconnect=True)
                except queue.Empty:
                    connection = pymysql.connect(**self._where)
            except pymysql.MySQLError as error:
                text = f"the database does not answer: {error.args[-1]}; is MariaDB up, is DB in oned.conf right?"
                raise StoreError(text) from error
            try:
                with connection.cursor() as cursor:
                    yield cursor
            except (pymysql.OperationalError, pymysql.InterfaceError, pymysql.InternalError) as error:
                connection.close()
                raise StoreError(f"the database failed: {error.args[-1]}") from error
            except BaseException:
                connection.close()
                raise
            self._idle.put(connection)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def execute(self, *statements: str) -> None:
        """All the statements or none."""
        with self.cursor() as cursor:
            cursor.execute("START TRANSACTION")
            try:
                for sql in statements:
                    cursor.execute(sql)
            except (pymysql.IntegrityError, pymysql.ProgrammingError, pymysql.DataError) as error:
                cursor.execute("ROLLBACK")
                raise RecordError(str(error.args[-1])) from error
            cursor.execute("COMMIT")

    def create_tables(self) -> bool:
        """True if the database still wants its first contents."""
        with self.cursor() as cursor:
            cursor.execute("SET sql_notes = 0")
            for name, columns in TABLES.items():
                cursor.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns}) ENGINE=InnoDB COLLATE=utf8mb4_bin")
            cursor.execute("SET sql_notes = 1")
        return not self.rows("SELECT oid FROM local_db_versioning")

    # Objects

    def next_id(self, table: str, first: int) -> int:
        rows = self.rows(f"SELECT last_oid FROM pool_control WHERE tablename = {quote(table)}")
        return int(rows[0][0]) + 1 if rows else first

    def bodies(self, table: str, where: str = "TRUE") -> list[str]:
        """Newest first, as the pools are listed."""
        return [str(row[0]) for row in self.rows(f"SELECT body FROM {table} WHERE {where} ORDER BY oid DESC")]

    def body(self, table: str, oid: int) -> str | None:
        found = self.bodies(table, f"oid = {oid}")
        return found[0] if found else None


class LogDisk:
    """The log and the vote in MariaDB, seen as Raft's disk. Its calls are made under the server's lock."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._doubt = False
        if not store.rows("SELECT log_index FROM logdb LIMIT 1"):
            store.execute(
                "INSERT INTO logdb (log_index, term, sqlcmd, timestamp, fed_index, applied) "
                f"VALUES (0, 0, '', {int(time.time())}, {NO_INDEX}, 1)"
            )
        self._terms: dict[int, int] = {
            int(index): int(term) for index, term in store.rows("SELECT log_index, term FROM logdb")
        }
        self._last = max(self._terms)
        self.applied = applied(store)
        self.term, self.voted_for = read_vote(store)

    def save_vote(self, term: int, voted_for: int) -> None:
        if (term, voted_for) == (self.term, self.voted_for):
            return
        state = body([("TERM", str(term)), ("VOTEDFOR", str(voted_for))])
        text = quote(f"<TEMPLATE>{state}</TEMPLATE>")
        self._store.execute(f"REPLACE INTO system_attributes (name, body) VALUES ('RAFT_STATE', {text})")
        self.term, self.voted_for = term, voted_for

    def last(self) -> tuple[int, int]:
        return self._last, self._terms[self._last]

    def term_at(self, index: int) -> int | None:
        return self._terms.get(index)

    def record(self, index: int) -> Record | None:
        rows = self._store.rows(f"SELECT term, sqlcmd FROM logdb WHERE log_index = {index}")
        return Record(index, int(rows[0][0]), str(rows[0][1])) if rows else None

    def append(self, record: Record) -> None:
        # Replace: a database that failed while it answered may hold a record that Raft was told is not there.
        self._store.execute(
            "REPLACE INTO logdb (log_index, term, sqlcmd, timestamp, fed_index, applied) "
            f"VALUES ({record.index}, {record.term}, {quote(record.sql)}, {int(time.time())}, {NO_INDEX}, 0)"
        )
        self._terms[record.index] = record.term
        self._last = record.index

    def cut(self, index: int) -> None:
        self._store.execute(f"DELETE FROM logdb WHERE log_index >= {index}")
        for gone in range(index, self._last + 1):
            self._terms.pop(gone, None)
        self._last = max(self._terms)

    def apply(self, record: Record) -> str:
        """Carry out a committed record, once even across a crash; the answer is what the database said against it."""
        # Not the leader's record that took its place meanwhile: that one is never applied, and the log must say so.
        done = f"UPDATE logdb SET applied = 1 WHERE log_index = {record.index} AND term = {record.term}"
        refused = ""
        # After a failure of the database the record may have been carried out although no answer came.
        if not (self._doubt and applied(self._store) >= record.index):
            self._doubt = True
            try:
                self._store.execute(record.sql, done)
            except RecordError as error:
                refused = str(error)
                self._store.execute(done)
        self._doubt = False
        self.applied = record.index
        return refused


def applied(store: Store) -> int:
    """The highest applied record, whatever was skipped below it; solo servers show it as COMMIT."""
    rows = store.rows("SELECT MAX(log_index) FROM logdb WHERE applied = 1")
    return int(rows[0][0] or 0)


def read_vote(store: Store) -> tuple[int, int]:
    rows = store.rows("SELECT body FROM system_attributes WHERE name = 'RAFT_STATE'")
    if not rows:
        return 0, -1
    text = str(rows[0][0])
    return _number(text, "TERM", 0), _number(text, "VOTEDFOR", -1)


def _number(text: str, name: str, default: int) -> int:
    start, end = text.find(f"<{name}>"), text.find(f"</{name}>")
    digits = text[start + len(name) + 2 : end].removeprefix("<![CDATA[").removesuffix("]]>") if start >= 0 else ""
    return int(digits) if digits else default
