# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from ..module_utils.zone.servers import free_port
from .conftest import Run
from .oned import SESSION, Oned


@pytest.fixture
def auth(tmp_path: Path) -> str:
    path = tmp_path / "one_auth"
    path.write_text(SESSION + "\n")
    return str(path)


def test_a_zone_is_renamed_once(run: Run, auth: str) -> None:
    with Oned() as oned:
        arguments = {"host": "127.0.0.1", "port": oned.port, "auth_file": auth, "name": "Lisbon"}
        predicted = run("zone_name", check=True, **arguments)
        assert (predicted["changed"], oned.zone_name) == (True, "OpenNebula")
        result = run("zone_name", **arguments)
        assert (result["changed"], result["name"], oned.zone_name) == (True, "OpenNebula", "Lisbon")
        assert result["diff"] == predicted["diff"] == {"before": "OpenNebula\n", "after": "Lisbon\n"}
        assert run("zone_name", **arguments)["changed"] is False
        assert oned.calls.count("rename") == 1


def test_what_goes_wrong_is_said(run: Run, auth: str, tmp_path: Path) -> None:
    arguments = {"host": "127.0.0.1", "auth_file": auth, "name": "Lisbon"}
    with Oned(trouble={"rename": "oned cluster in election mode"}) as oned:
        assert "election mode" in run("zone_name", port=oned.port, **arguments)["msg"]
    assert "connection refused" in run("zone_name", port=free_port(), **arguments)["msg"]
    assert "does not exist" in run("zone_name", **{**arguments, "auth_file": str(tmp_path / "no")})["msg"]
