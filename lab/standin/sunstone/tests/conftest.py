"""What the tests share: one oned, one memcached, Sunstone with either kind of session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.standin.sunstone.web import Log

from .services import Cache, Oned


@pytest.fixture(autouse=True)
def location(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the services find their files."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "var/.one").mkdir(parents=True)
    monkeypatch.setenv("ONE_LOCATION", str(tmp_path))
    return tmp_path


@pytest.fixture
def log(location: Path) -> Log:
    return Log("sunstone.log")


@pytest.fixture
def oned() -> Iterator[Oned]:
    found = Oned()
    yield found
    found.stop()


@pytest.fixture
def cache() -> Iterator[Cache]:
    found = Cache()
    found.start()
    yield found
    found.stop()
