# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import stat
from pathlib import Path

from .conftest import Run


def test_the_file_is_edited_once_and_keeps_its_mode(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "sunstone-server.conf"
    path.write_text("# mine\n:sessions: memory\n")
    path.chmod(0o640)
    result = run("service_conf", path=str(path), settings={"sessions": "memcache", "port": 9869})
    assert (result["failed"], result["changed"]) == (False, True), result
    assert result["changes"] == ["sessions: memory -> memcache", "port: added 9869"]
    assert path.read_text() == "# mine\n:sessions: memcache\n:port: 9869\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert not run("service_conf", path=str(path), settings={"sessions": "memcache"})["changed"]


def test_check_mode_predicts_and_writes_nothing(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.conf"
    predicted = run("service_conf", path=str(path), settings={"port": 1}, check=True)
    assert (predicted["failed"], predicted["changed"], predicted["diff"]["after"]) == (False, True, ":port: 1\n")
    assert "does not exist yet" in str(predicted["warnings"])
    assert not path.exists()
    path.write_text(":port: 2\n")
    assert run("service_conf", path=str(path), settings={"port": 1}, check=True)["changed"]
    assert path.read_text() == ":port: 2\n"


def test_without_the_file_it_says_what_to_do(run: Run, tmp_path: Path) -> None:
    result = run("service_conf", path=str(tmp_path / "x.conf"), settings={"port": 1})
    assert result["failed"]
    assert "install OpenNebula first" in result["msg"]


def test_a_refusal_names_the_file(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.conf"
    path.write_text(":log:\n  :level: 3\n")
    result = run("service_conf", path=str(path), settings={"log": 1})
    assert result["failed"]
    assert result["msg"] == f"{path}: log: line 1 holds more than a single value; change it by hand."
