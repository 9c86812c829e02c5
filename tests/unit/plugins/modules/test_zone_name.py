# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ..module_utils.zone.servers import free_port
from .conftest import Run
from .oned import SESSION, Oned


@pytest.fixture
def auth(tmp_path: Path) -> str:
    path = tmp_path / "one_auth"
    path.write_text(SESSION + "\n")
    return str(path)


def go(run: Run, port: int, auth: str, **arguments: Any) -> dict[str, Any]:
    return run("zone_name", host="127.0.0.1", port=port, auth_file=auth, timeout=1, **arguments)


def test_a_zone_that_has_the_name_is_left_alone(run: Run, auth: str) -> None:
    with Oned() as oned:
        result = go(run, oned.port, auth, name="OpenNebula")
        assert (result["failed"], result["changed"]) == (False, False), result
        assert oned.calls == ["zone.info"]


def test_check_mode_shows_both_names_and_renames_nothing(run: Run, auth: str) -> None:
    with Oned() as oned:
        result = go(run, oned.port, auth, name="Lisbon", check=True)
        assert result["changed"]
        assert result["diff"] == {"before": "OpenNebula\n", "after": "Lisbon\n"}
        assert oned.calls == ["zone.info"]


def test_another_name_is_a_rename(run: Run, auth: str) -> None:
    with Oned() as oned:
        oned.trouble["zone.rename"] = "lose"
        result = go(run, oned.port, auth, name="Lisbon")
        assert oned.calls == ["zone.info", "zone.rename"]
        assert result["failed"], "nobody said that it was applied"
        assert "cannot be named Lisbon" in result["msg"]


def test_an_oned_that_is_down_is_a_sentence(run: Run, auth: str) -> None:
    result = go(run, free_port(), auth, name="Lisbon")
    assert result["failed"]
    assert "connection refused" in result["msg"]
    assert "health.yml" in result["msg"]


def test_without_credentials_it_says_which_file_is_missing(run: Run, tmp_path: Path) -> None:
    result = go(run, free_port(), str(tmp_path / "none"), name="Lisbon")
    assert result["failed"]
    assert str(tmp_path / "none") in result["msg"]
