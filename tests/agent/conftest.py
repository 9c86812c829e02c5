# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.standin.tests.zone import Database


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Database]]:
    """Two, so that one can be stopped while another server's goes on."""
    folders = [tmp_path_factory.mktemp(f"maria{number}") for number in range(2)]
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(Database, folders))
    yield found
    for database in found:
        database.stop()


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a name that is a database's, too."""
    return tmp_path_factory.mktemp("agents")
