"""What the database of a server really holds, asked past oned, as root by the socket."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from testinfra.host import Host

# Tables and rows that are each server's own; everything else must be equal on all.
OWN = {
    "logdb": "times, purge and the applied mark are each server's own; the log itself is compared by LOG",
    "system_attributes": "the server's own vote and term; RAFT_STATE is in here",
    "host_monitoring": "figures of nodes, which whoever leads writes past the log",
    "vm_monitoring": "figures of their virtual machines, likewise",
}
LOG = "SELECT log_index, term, MD5(sqlcmd), fed_index FROM logdb WHERE log_index >= 0 ORDER BY log_index"


def query(host: Host, statement: str, database: str = "opennebula") -> list[list[str]]:
    """Give the rows of a statement."""
    text = host.check_output("mariadb --batch --skip-column-names %s --execute %s", database, statement)
    return [line.split("\t") for line in text.splitlines()]


def documents(host: Host, prefix: str) -> list[str]:
    """Give the names of the documents that begin so, one per row that there is."""
    return [row[0] for row in query(host, f"SELECT name FROM document_pool WHERE name LIKE '{prefix}%'")]


def contents(host: Host) -> dict[str, str]:
    """Give a digest per table, and one of the log: equal on all servers of a healthy idle zone."""
    options = ["single-transaction", "skip-comments", "skip-extended-insert", "no-create-info"]
    options += ["order-by-primary", "hex-blob"]
    options += [f"ignore-table=opennebula.{table}" for table in OWN]
    dump = host.check_output(f"mariadb-dump --{' --'.join(options)} opennebula")
    rows: dict[str, list[str]] = {row[0]: [] for row in query(host, "SHOW TABLES") if row[0] not in OWN}
    for table, row in re.findall(r"^INSERT INTO `(\w+)` (.*)$", dump, re.MULTILINE):
        rows[table].append(row)
    rows["logdb"] = ["\t".join(row) for row in query(host, LOG)]
    return {table: hashlib.sha256("\n".join(lines).encode()).hexdigest() for table, lines in rows.items()}


def unapplied(host: Host) -> list[str]:
    """Give log indexes below the applied ones that were never applied: a server that silently differs."""
    statement = (
        "SELECT log_index FROM logdb WHERE log_index > 0 AND applied = '0' "
        "AND log_index < (SELECT MAX(log_index) FROM logdb WHERE applied = '1')"
    )
    return [row[0] for row in query(host, statement)]


def differing(held: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Give the tables that are not equal everywhere."""
    tables = {table for tables in held.values() for table in tables}
    return sorted(table for table in tables if len({tables.get(table) for tables in held.values()}) > 1)
