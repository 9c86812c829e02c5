# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.nebula.ha.plugins.modules import preflight_facts

from .conftest import Run

PASSWORDS = {"oneadmin_password": "password-of-oneadmin", "db_password": "password-of-the-db"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text('# x\nNAME="Debian"\nID=debian\nVERSION_ID="12"\n')
    return tmp_path


def put(root: Path, name: str, text: str = "") -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def go(run: Run, root: Path, **arguments: Any) -> dict[str, Any]:
    result = run("preflight_facts", root=str(root), **{**PASSWORDS, **arguments})
    assert not result["failed"] and not result["changed"]
    for password in PASSWORDS.values():
        assert password not in str(result)
    return dict(result["facts"])


def test_a_bare_machine(run: Run, root: Path) -> None:
    facts = go(run, root)
    assert (facts["system"], facts["release"], facts["init"]) == ("debian", "12", "")
    assert facts["database"] == {"names": [], "ours": False, "populated": False}
    assert facts["opennebula"]["oneadmin_password_fits"] is None
    assert facts["memory_mb"] > 100 and facts["free_mb"]["/var/lib"] > 0
    assert facts["addresses"] is None or "127.0.0.1" in facts["addresses"]


def test_a_zone_of_ours(run: Run, root: Path) -> None:
    for name in (preflight_facts.DATABASE_MARK, preflight_facts.NEBULA_MARK, "var/lib/mysql/opennebula/zone_pool.ibd"):
        put(root, name)
    for name in ("mysql", "sys", "notes", "performance_schema", "#innodb_redo"):
        put(root, f"var/lib/mysql/{name}/x")
    (root / "run/systemd/system").mkdir(parents=True)
    put(root, "var/lib/one/.one/one_auth", "oneadmin:password-of-oneadmin\n")
    put(root, "etc/one/oned.conf", 'DB = [ BACKEND = "mysql", PASSWD = "another" ]\n')
    facts = go(run, root)
    assert facts["init"] == "systemd"
    assert facts["database"] == {"names": ["notes", "opennebula"], "ours": True, "populated": True}
    nebula = facts["opennebula"]
    assert (nebula["ours"], nebula["oneadmin_password_fits"], nebula["db_password_fits"]) == (True, True, False)
    assert go(run, root, database="other")["database"]["populated"] is False
    assert go(run, root, oneadmin_password=None)["opennebula"]["oneadmin_password_fits"] is None


def test_a_zone_on_sqlite(run: Run, root: Path) -> None:
    put(root, "var/lib/one/one.db", "x")
    put(root, "etc/one/oned.conf", "this is = [ no oned.conf")
    facts = go(run, root)
    assert facts["opennebula"]["sqlite"] is True and facts["opennebula"]["db_password_fits"] is None


def test_a_folder_of_packages(run: Run, root: Path) -> None:
    put(root, "repo/Packages", "Package: opennebula\nVersion: 6.10.5-1+standin1\n")
    assert go(run, root, source=str(root / "repo"))["source_is_standin"] is True
    put(root, "repo/Packages", "Package: opennebula\nVersion: 6.10.5-1\nDescription: no standin\n")
    assert go(run, root, source=str(root / "repo"))["source_is_standin"] is False
    assert go(run, root, source="upstream")["source_is_standin"] is False


def test_installed_packages_are_facts_and_others_are_not(
    run: Run, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "dpkg-query"
    lines = ("ii  opennebula 6.10.5-1", "rc  mariadb-server 1:10.11.6", "ii  tzdata 2024a")
    program.write_text("#!/bin/sh\nprintf '%s\\n' " + " ".join(f"'{line}'" for line in lines) + "\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run("preflight_facts", root=str(root))
    assert result["ansible_facts"]["packages"] == {
        "opennebula": [{"name": "opennebula", "version": "6.10.5-1"}],
        "tzdata": [{"name": "tzdata", "version": "2024a"}],
    }
    assert result["facts"]["opennebula"]["version"] == "6.10.5-1"
