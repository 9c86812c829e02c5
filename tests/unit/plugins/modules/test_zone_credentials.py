# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import getpass
import stat
from pathlib import Path
from typing import Any

import pytest

from .conftest import Run

SECRET = "0123456789abcdef" * 4


@pytest.fixture
def homes(tmp_path: Path) -> tuple[Path, Path]:
    """Two homes of oneadmin: one that has been used, one fresh."""
    source, target = tmp_path / "source", tmp_path / "target"
    for home in (source, target):
        (home / ".ssh").mkdir(parents=True)
    (source / ".one").mkdir()
    for name, mode in ((".one/one_auth", 0o600), (".one/one_key", 0o600), (".one/sunstone_auth", 0o644)):
        (source / name).write_text(f"{name} {SECRET}\n")
        (source / name).chmod(mode)
    (source / ".ssh" / "id_rsa").write_text("source's own\n")
    (target / ".ssh" / "id_rsa").write_text("target's own\n")
    return source, target


def read(run: Run, home: Path) -> dict[str, Any]:
    result = run("zone_credentials", home=str(home))
    assert (result["failed"], result["changed"]) == (False, False), result
    files: dict[str, Any] = result["files"]
    return files


def write(run: Run, home: Path, files: dict[str, Any], **more: Any) -> dict[str, Any]:
    return run("zone_credentials", home=str(home), files=files, owner=getpass.getuser(), **more)


def test_the_files_arrive_with_their_modes_and_nothing_else_is_touched(run: Run, homes: tuple[Path, Path]) -> None:
    source, target = homes
    result = write(run, target, read(run, source))
    assert (result["failed"], result["changed"]) == (False, True), result
    assert result["written"] == [".one/one_auth", ".one/one_key", ".one/sunstone_auth"]
    for name in result["written"]:
        assert (target / name).read_bytes() == (source / name).read_bytes()
        assert stat.S_IMODE((target / name).stat().st_mode) == stat.S_IMODE((source / name).stat().st_mode)
    assert stat.S_IMODE((target / ".one").stat().st_mode) == 0o700
    assert (target / ".ssh" / "id_rsa").read_text() == "target's own\n"
    assert not write(run, target, read(run, source))["changed"]


def test_another_mode_is_mended(run: Run, homes: tuple[Path, Path]) -> None:
    source, target = homes
    write(run, target, read(run, source))
    (target / ".one" / "one_key").chmod(0o644)
    assert write(run, target, read(run, source))["written"] == [".one/one_key"]
    assert stat.S_IMODE((target / ".one" / "one_key").stat().st_mode) == 0o600


def test_check_mode_names_the_files_and_writes_none(run: Run, homes: tuple[Path, Path]) -> None:
    source, target = homes
    result = write(run, target, read(run, source), check=True)
    assert result["changed"]
    assert result["diff"]["after"] == ".one/one_auth\n.one/one_key\n.one/sunstone_auth\n"
    assert not (target / ".one").exists()


def test_no_secret_is_in_what_writing_returns(run: Run, homes: tuple[Path, Path]) -> None:
    source, target = homes
    assert SECRET not in str(write(run, target, read(run, source)))


@pytest.mark.parametrize("name", ["../etc/passwd", ".one/../../etc/passwd", "etc/passwd", ".one/", ".ssh/id_rsa"])
def test_a_name_outside_the_folder_is_refused(run: Run, homes: tuple[Path, Path], name: str) -> None:
    result = write(run, homes[1], {name: {"content": "", "mode": "0600"}})
    assert result["failed"]
    assert "is no file below" in result["msg"]
    assert [path.name for path in homes[1].iterdir()] == [".ssh"]


def test_content_that_is_no_content_is_refused(run: Run, homes: tuple[Path, Path]) -> None:
    result = write(run, homes[1], {".one/one_key": {"content": "not base64!", "mode": "0600"}})
    assert result["failed"]
    assert "no content and mode" in result["msg"]


def test_without_the_user_it_says_what_to_do(run: Run, homes: tuple[Path, Path]) -> None:
    result = run("zone_credentials", home=str(homes[1]), files={}, owner="nobody-of-this-name")
    assert result["failed"]
    assert "install OpenNebula first" in result["msg"]


def test_only_the_files_that_are_named_travel(run: Run, homes: tuple[Path, Path]) -> None:
    result = run("zone_credentials", home=str(homes[0]), names=[".one/one_key"])
    assert list(result["files"]) == [".one/one_key"]


def test_a_named_file_that_is_not_there_is_a_failure(run: Run, homes: tuple[Path, Path]) -> None:
    result = run("zone_credentials", home=str(homes[0]), names=[".one/one_key", ".one/oneflow_auth"])
    assert result["failed"]
    assert result["msg"].startswith(f".one/oneflow_auth is not in {homes[0]}: ")
