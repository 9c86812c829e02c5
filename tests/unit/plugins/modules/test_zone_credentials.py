# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import getpass
import stat
from pathlib import Path
from typing import Any

import pytest

from .conftest import Run


@pytest.fixture
def homes(tmp_path: Path) -> tuple[Path, Path]:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one / ".one", one / ".ssh", other):
        folder.mkdir(parents=True)
    for name, text, mode in ((".one/one_auth", "oneadmin:x", 0o600), (".ssh/id_rsa", "key", 0o400)):
        (one / name).write_text(text)
        (one / name).chmod(mode)
    (one / ".ssh/known_hosts").write_text("mine")
    (one / ".one/link").symlink_to("/etc/passwd")
    return one, other


def give(run: Run, home: Path, files: Any, **arguments: Any) -> dict[str, Any]:
    return run("zone_credentials", home=str(home), files=files, owner=getpass.getuser(), **arguments)


def test_files_travel_once_with_their_modes(run: Run, homes: tuple[Path, Path]) -> None:
    one, other = homes
    files = run("zone_credentials", home=str(one))["files"]
    assert set(files) == {".one/one_auth", ".ssh/id_rsa"}
    assert give(run, other, files, check=True)["written"] == [".one/one_auth", ".ssh/id_rsa"]
    assert list(other.iterdir()) == []
    result = give(run, other, files)
    assert result["changed"] and result["written"] == [".one/one_auth", ".ssh/id_rsa"]
    assert (other / ".ssh/id_rsa").read_text() == "key"
    assert stat.S_IMODE((other / ".ssh/id_rsa").stat().st_mode) == 0o400
    assert stat.S_IMODE((other / ".ssh").stat().st_mode) == 0o700
    assert give(run, other, files)["changed"] is False
    (other / ".one/one_auth").chmod(0o644)
    assert give(run, other, files)["written"] == [".one/one_auth"]
    assert stat.S_IMODE((other / ".one/one_auth").stat().st_mode) == 0o600


def test_nothing_of_the_content_is_in_the_result(run: Run, homes: tuple[Path, Path]) -> None:
    one, other = homes
    files = run("zone_credentials", home=str(one))["files"]
    result = str(give(run, other, files))
    assert base64.b64encode(b"oneadmin:x").decode() not in result


@pytest.mark.parametrize("name", ["../x", ".one/../../x", "/etc/passwd", ".one/", ".bashrc", ".one/a/b"])
def test_only_files_of_the_two_folders_are_written(run: Run, homes: tuple[Path, Path], name: str) -> None:
    result = give(run, homes[1], {name: {"content": "eA==", "mode": "0600"}})
    assert result["failed"] and "is no file below .one or .ssh" in result["msg"]
    assert list(homes[1].iterdir()) == []


@pytest.mark.parametrize(
    "wanted", [{}, {"content": "eA=="}, {"content": "?", "mode": "0600"}, {"content": "eA==", "mode": "9"}]
)
def test_what_the_module_never_returned(run: Run, homes: tuple[Path, Path], wanted: dict[str, str]) -> None:
    assert "has no content and mode" in give(run, homes[1], {".one/x": wanted})["msg"]


def test_no_such_user(run: Run, homes: tuple[Path, Path]) -> None:
    result = run("zone_credentials", home=str(homes[1]), files={}, owner="nobody-of-that-name")
    assert "There is no user nobody-of-that-name" in result["msg"]
