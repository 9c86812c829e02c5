"""What the tests with a real MariaDB share."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.standin.tests import zone


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
