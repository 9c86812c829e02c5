# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

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
        '"--file "*) grep -q broken "$2" && echo "syntax error" >&2 && exit 1; tr a-z A-Z < "$2" > one ;;\n'
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


def look(run: Run, folder: Path) -> tuple[bool, bool]:
    result = run("nft_table", name="one", file=str(folder / "one.nft"), check=True)
    assert (result["failed"], result["changed"]) == (False, False), result
    return result["loaded"], result["current"]


def test_the_kernel_has_what_the_file_says(run: Run, kernel: Path) -> None:
    (kernel / "one.nft").write_text("rules\n")
    assert look(run, kernel) == (False, False)
    (kernel / "here" / "one").write_text("RULES\n")
    assert look(run, kernel) == (True, True)


def test_another_table_is_seen(run: Run, kernel: Path) -> None:
    (kernel / "one.nft").write_text("rules\n")
    for edited in ("RULE\n", "RULES\nMORE\n", ""):
        (kernel / "here" / "one").write_text(edited)
        assert look(run, kernel) == (True, False)


def test_a_file_that_is_not_there_is_nothing_to_agree_with(run: Run, kernel: Path) -> None:
    (kernel / "here" / "one").write_text("RULES\n")
    assert look(run, kernel) == (True, False)


def test_a_file_that_cannot_be_loaded(run: Run, kernel: Path) -> None:
    (kernel / "here" / "one").write_text("RULES\n")
    (kernel / "one.nft").write_text("broken\n")
    result = run("nft_table", name="one", file=str(kernel / "one.nft"))
    assert result["failed"] and "syntax error; try 'unshare" in result["msg"]


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nft"), reason="wants root and nftables")
def test_the_real_kernel(run: Run, tmp_path: Path) -> None:
    """The table stands in this machine's own namespace for a moment; no hook leads to its chain."""
    file = tmp_path / "rules.nft"

    def load(port: int) -> None:
        text = f"table inet {TABLE}\ndelete table inet {TABLE}\n" + RULES.format(table=TABLE, port=port)
        subprocess.run(["nft", "--file", "-"], input=text, text=True, check=True)

    def current() -> bool:
        result = run("nft_table", name=TABLE, file=str(file))
        assert not result["failed"], result
        return bool(result["current"])

    file.write_text(RULES.format(table=TABLE, port=1))
    assert not current()
    try:
        load(1)
        assert current()
        load(2)
        assert not current()
    finally:
        subprocess.run(["nft", "delete", "table", "inet", TABLE], check=True)
