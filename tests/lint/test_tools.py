# SPDX-License-Identifier: Apache-2.0
"""The repository's own tools: what they count, refuse and write."""

from __future__ import annotations

import hashlib
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tools import bench, build, fetch_collections, role_docs, test


@pytest.mark.parametrize(
    ("text", "ok", "passed", "failed"),
    [
        ("...\n12 passed in 0.31s\n", True, 12, 0),
        ("=== \x1b[31m1 failed\x1b[0m, \x1b[32m3 passed\x1b[0m, 2 skipped in 65.20s (0:01:05) ===", False, 3, 1),
        ("  │ 4 passed in 1.0s\n  │ 5 passed, 1 warning in 2.00s\n", True, 9, 0),
        ("2 passed, 1 error in 3s", False, 2, 1),
        ("Success: no issues found", True, 1, 0),
        ("it broke", False, 0, 1),
        ("12 passed in 0.31s\nthen the step broke", False, 12, 1),
    ],
)
def test_what_a_step_counts(text: str, ok: bool, passed: int, failed: int) -> None:
    assert test.counted(text, ok) == test.Outcome(passed, failed)


def test_a_failed_step_fails_the_run_and_the_others_still_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = [
        test.Step("first", [sys.executable, "-c", "raise SystemExit('no such thing')"]),
        test.Step("second", [sys.executable, "-c", "print('3 passed in 1.0s')"]),
    ]
    monkeypatch.setattr(test, "OUTPUT", tmp_path)
    monkeypatch.setattr(test, "chosen", lambda names: steps)
    assert test.main(["lint"]) == 1
    shown = capsys.readouterr().out
    assert "no such thing" in shown
    assert shown.endswith("failed: first\n3 passed, 1 failed\n")
    steps.pop(0)
    assert test.main(["lint"]) == 0
    assert capsys.readouterr().out.endswith("3 passed, 0 failed\n")


def test_what_measures_runs_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    script = (
        "import sys, time; log = open(sys.argv[1], 'a', 1); print(0, file=log); time.sleep(1); print(1, file=log)"
    )
    command = [sys.executable, "-c", script, str(log)]
    monkeypatch.setattr(test, "OUTPUT", tmp_path)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    measures = [test.Step(name, command, alone=True) for name in ("e", "f")]
    # One more of those that wait than there are processors.
    waits = [test.Step(name, command, waits=True) for name in ("c", "d", "x")]
    others = [test.Step(name, command) for name in ("a", "b")]
    assert "".join(test.run_all([*measures, *waits, *others])) == "abcdxef"
    assert "".join(log.read_text().split()) == "0011" + "000111" + "01" + "01"


def test_a_scenario_with_machines_runs_alone() -> None:
    steps = [step for step in (*test.molecule(), *test.slow()) if step.name.startswith("molecule-")]
    alone = {step.name: (step.alone, step.waits) for step in steps}
    assert {name for name, (by_itself, _) in alone.items() if not by_itself} == {"molecule-preflight"}
    assert {name for name, (_, waits) in alone.items() if waits} == {"molecule-preflight"}


def test_an_unknown_step_is_refused() -> None:
    with pytest.raises(SystemExit, match="no suite or step named linnt"):
        test.chosen(["linnt"])


def test_the_scenario_that_leaves_the_snapshot_comes_first() -> None:
    names = [step.name for step in test.molecule()]
    assert names[:1] == ["molecule-default"]


def test_a_wheel_with_another_hash_is_removed(tmp_path: Path) -> None:
    wheel = {"name": "ansible", "version": "1.0", "python": "3.12", "sha256": hashlib.sha256(b"right").hexdigest()}
    path = tmp_path / "ansible-1.0-py3-none-any.whl"
    path.write_bytes(b"right")
    assert fetch_collections.download(wheel, tmp_path) == path
    path.write_bytes(b"wrong")
    with pytest.raises(SystemExit, match="run make tools again"):
        fetch_collections.download(wheel, tmp_path)
    assert not path.exists()


def test_only_the_collections_asked_for_are_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "wheel.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("a/b", "a/bc", "x/y"):
            archive.writestr(f"ansible_collections/{name}/MANIFEST.json", "{}")
    fetch_collections.unpack(path, ["a.b"], tmp_path / "out")
    found = sorted(str(item.relative_to(tmp_path / "out")) for item in (tmp_path / "out").rglob("*.json"))
    assert found == ["ansible_collections/a/b/MANIFEST.json"]
    with pytest.raises(SystemExit, match="does not carry the collection missing"):
        fetch_collections.unpack(path, ["missing.one"], tmp_path / "out")


def test_private_files_in_the_artefact_are_refused(tmp_path: Path) -> None:
    for name, good in (
        ("plugins/x.py", True),
        ("lab/x.py", False),
        ("inventories/mine/group_vars/all/vault.yml", False),
    ):
        file = tmp_path / "file"
        file.touch()
        with tarfile.open(tmp_path / "c.tar.gz", "w:gz") as archive:
            archive.add(file, name)
        if good:
            assert build.check_contents(tmp_path / "c.tar.gz") == 1
        else:
            with pytest.raises(SystemExit, match="build_ignore"):
                build.check_contents(tmp_path / "c.tar.gz")


@pytest.fixture
def role(tmp_path: Path) -> Path:
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "argument_specs.yml").write_text(
        "argument_specs: {main: {options: {x_a: {description: Use C(a|b)., default: ''}, x_b: {description: B}}}}"
    )
    return tmp_path


def test_the_table_of_variables(role: Path) -> None:
    rows: list[str] = role_docs.table(role).splitlines()[2:]
    assert rows == ['| `x_a` | `""` | Use `a\\|b`. |', "| `x_b` | - | B |"]


@pytest.mark.parametrize(
    ("readme", "kept"),
    [("# x\n", "# x\n"), ("# x\n\n## Variables\n\nold\n\n## Example\n\ntext\n", "\n## Example\n\ntext\n")],
)
def test_the_readme_keeps_everything_but_the_table(role: Path, readme: str, kept: str) -> None:
    once: Any = role_docs.rendered(readme, role)
    assert role_docs.table(role) in once
    assert kept in once
    assert "old" not in once
    assert role_docs.rendered(once, role) == once


def test_the_drill_is_told_fault_by_fault_with_what_never_ended_as_the_largest() -> None:
    trial = {"profile": "fast", "fault": "link cut", "timer": 2.0, "failing": 3.0, "read_gap": 0.4, "collided": False}
    trial |= {"skipped": 0, "missing": 0, "acknowledged": 100}
    trials = [
        trial,
        {**trial, "failing": 5.0, "skipped": 2},
        {**trial, "failing": None, "collided": True, "missing": 1},
    ]
    heads, cut, killed = bench.told([*trials, {**trial, "fault": "oned killed"}])
    assert heads.split()[:2] == ["PROFILE", "FAULT"]
    assert " ".join(cut.split()) == "fast link cut 3 3.00/5.00/never 1.50/2.50/never 0.40 1 2 1 of 300"
    assert " ".join(killed.split()) == "fast oned killed 1 3.00/3.00/3.00 1.50/1.50/1.50 0.40 0 0 0 of 100"
