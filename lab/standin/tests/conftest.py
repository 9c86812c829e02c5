"""What the tests with a real MariaDB share."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.standin.tests import zone
from lab.standin.tests.zone import NUMBERS, Database, Oned, copy_database, leader_of, server_text, wait_for


@pytest.fixture(scope="session")
def maria() -> Iterator[zone.Database]:
    if shutil.which("mariadb-install-db") is None:
        pytest.fail("mariadb-install-db is not on this machine: install Debian's mariadb-server (make tools does)")
    # Not pytest's own folder: the path of a Unix socket must be short. In memory where there is some: the tests are not
    # about the disk, and others may keep it busy.
    memory = Path("/dev/shm")  # noqa: S108
    where = memory if memory.is_dir() and shutil.disk_usage(memory).free > 2**29 else None
    with tempfile.TemporaryDirectory(prefix="standin-", dir=where) as root, zone.database(Path(root)) as found:
        yield found


@pytest.fixture
def solo(maria: Database, tmp_path: Path) -> Iterator[Oned]:
    server = Oned(tmp_path, f"solo{next(NUMBERS)}", maria)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def trio(maria: Database, tmp_path: Path) -> Iterator[list[Oned]]:
    """Three servers, bootstrapped as the roles do it: one solo, all added, its database copied."""
    number = next(NUMBERS)
    servers = [Oned(tmp_path, f"z{number}s{rank}", maria, (600 + 400 * rank, 100, 300)) for rank in range(3)]
    servers[0].start()
    for server in servers:
        assert servers[0].call("one.zone.addserver", 0, server_text(server)) == [True, 0, 0]
    assert servers[0].stop() == 0
    for rank, server in enumerate(servers):
        if rank:
            copy_database(maria, servers[0], server)
        server.configure(rank)
        server.spawn()
    for server in servers:
        server.ready()
    wait_for("a leader", lambda: leader_of(servers))
    yield servers
    for server in servers:
        server.kill()
