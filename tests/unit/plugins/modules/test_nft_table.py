# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .conftest import Run

TABLE = "nebula_ha_unit_test"
RULES = """
table inet {table} {{
    chain input {{
        ip saddr {{ 192.0.2.1, 198.51.100.0/24 }} tcp dport 2633 accept
        tcp dport {port} counter reject with tcp reset
    }}
}}
"""


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that stands for nft: it lists what was loaded into a folder, which is a network namespace's own."""
    program = tmp_path / "nft"
    program.write_text(
        "#!/bin/sh\n"
        f'cd "${{NAMESPACE:-{tmp_path}/here}}" || exit 9\n'
        'case "$*" in\n'
        '"--stateless list table inet one") cat one ;;\n'
        '"--check --file "*) grep -q broken "$3" && echo "syntax error" >&2 && exit 1; exit 0 ;;\n'
        '"--file "*) grep -q forbidden "$2" && echo "not permitted" >&2 && exit 1; tr a-z A-Z < "$2" > one ;;\n'
        "*) exit 8 ;;\n"
        "esac\n"
    )
    program.chmod(0o755)
    unshare = tmp_path / "unshare"
    unshare.write_text(
        f'#!/bin/sh\n[ "$1 $2" = "--net --" ] || exit 7\nshift 2\nNAMESPACE={tmp_path}/apart exec "$@"\n'
    )
    unshare.chmod(0o755)
    for name in ("here", "apart"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


def made(run: Run, folder: Path, rules: str = "rules\n", **more: Any) -> dict[str, Any]:
    return run("nft_table", name="one", path=str(folder / "etc" / "one.nft"), rules=rules, **more)


def test_files_are_written_once(run: Run, kernel: Path) -> None:
    unit, conf = kernel / "etc" / "one.service", kernel / "etc" / "other.d" / "one.conf"
    files = {str(unit): "[Unit]\n", str(conf): "[Service]\n"}
    path = kernel / "etc" / "one.nft"
    result = made(run, kernel, unit_files=files)
    assert (result["failed"], result["changed"]) == (False, True), result
    assert result["written"] == [str(path), *files]
    assert [path.read_text(), unit.read_text(), conf.read_text()] == ["rules\n", "[Unit]\n", "[Service]\n"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in (path, unit, conf)} == {0o644}
    again = made(run, kernel, unit_files=files)
    assert (again["changed"], again["written"], again["diff"]) == (False, [], [])
    unit.chmod(0o600)
    conf.write_text("edited\n")
    mended = made(run, kernel, unit_files=files)
    assert mended["written"] == [str(unit), str(conf)]
    assert [(one["before"], one["after"]) for one in mended["diff"]] == [
        ("[Unit]\n", "[Unit]\n"),
        ("edited\n", "[Service]\n"),
    ]
    assert not made(run, kernel, unit_files=files)["changed"]


def test_check_mode_says_it_and_writes_nothing(run: Run, kernel: Path) -> None:
    (kernel / "here" / "one").write_text("RULES\n")
    result = made(run, kernel, check=True)
    assert (result["changed"], result["current"]) == (True, True)
    assert result["diff"][0]["after"] == "rules\n"
    assert not (kernel / "etc").exists()


def test_the_kernel_has_what_the_rules_say(run: Run, kernel: Path) -> None:
    assert made(run, kernel)["current"] is False  # no table
    (kernel / "here" / "one").write_text("RULES\n")
    assert made(run, kernel)["current"] is True
    # The file is as it was, and the kernel not.
    for edited in ("RULE\n", "RULES\nMORE\n", ""):
        (kernel / "here" / "one").write_text(edited)
        found = made(run, kernel)
        assert (found["changed"], found["current"]) == (False, False)


def test_rules_that_nft_refuses_are_not_written(run: Run, kernel: Path) -> None:
    result = made(run, kernel, "broken\n")
    assert result["failed"] and "table one: syntax error" in result["msg"]
    assert not (kernel / "etc").exists()


def test_a_machine_without_namespaces(run: Run, kernel: Path) -> None:
    (kernel / "here" / "one").write_text("RULES\n")
    result = made(run, kernel, "forbidden\n")
    assert result["failed"] and "not permitted; try 'unshare" in result["msg"]


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nft"), reason="wants root and nftables")
def test_the_real_kernel(run: Run, tmp_path: Path) -> None:
    """The table stands in this machine's own namespace for a moment; no hook leads to its chain."""

    def load(port: int) -> None:
        text = f"table inet {TABLE}\ndelete table inet {TABLE}\n" + RULES.format(table=TABLE, port=port)
        subprocess.run(["nft", "--file", "-"], input=text, text=True, check=True)

    def current() -> bool:
        rules = RULES.format(table=TABLE, port=1)
        result = run("nft_table", name=TABLE, path=str(tmp_path / "rules.nft"), rules=rules)
        assert not result["failed"], result
        return bool(result["current"])

    assert not current()
    try:
        load(1)
        assert current()
        load(2)
        assert not current()
    finally:
        subprocess.run(["nft", "delete", "table", "inet", TABLE], check=True)
