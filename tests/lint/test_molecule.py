# SPDX-License-Identifier: Apache-2.0
"""A mistyped folder in a test sequence is "no tests found" and success for molecule: here it is a failure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = sorted(path.parent for path in ROOT.glob("molecule/*/molecule.yml"))


def settings(scenario: Path) -> dict[str, Any]:
    path = scenario / "molecule.yml"
    return (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.exists() else {}


def steps(scenario: Path) -> list[str]:
    sequence: list[str] = settings(scenario).get("scenario", {}).get("test_sequence", [])
    return sequence


def missing(scenario: Path, step: str) -> str | None:
    """What a step of the sequence names and the scenario does not hold."""
    action, _, argument = step.partition(" ")
    if action == "verify":
        folder = scenario / (argument or "tests")
        return None if list(folder.glob("**/test_*.py")) else f"{step}: no test_*.py under {folder}"
    if action == "side_effect" and not (scenario / "side_effect.yml").exists():
        return f"{step}: without {scenario}/side_effect.yml molecule skips all side effects and succeeds"
    if action in {"converge", "side_effect", "prepare"}:
        named = settings(scenario).get("ansible", {}).get("playbooks", {}).get(action)
        playbook = scenario / (argument or named or f"{action}.yml")
        return None if playbook.exists() else f"{step}: no playbook {playbook}"
    return None


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.name)
def test_every_step_of_a_scenario_finds_its_files(scenario: Path) -> None:
    assert steps(scenario), f"{scenario.name} has no test_sequence of its own"
    assert [fault for step in steps(scenario) if (fault := missing(scenario, step))] == []


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.name)
def test_every_folder_of_tests_is_in_the_sequence(scenario: Path) -> None:
    named = {step.partition(" ")[2] or "tests" for step in steps(scenario) if step.startswith("verify")}
    held = {path.relative_to(scenario).parts[0] for path in scenario.rglob("test_*.py")}
    assert held <= named


def test_a_missing_folder_is_seen(tmp_path: Path) -> None:
    assert "no test_*.py" in (missing(tmp_path, "verify after_kill") or "")
    (tmp_path / "after_kill").mkdir()
    assert missing(tmp_path, "verify after_kill")
    (tmp_path / "after_kill" / "test_zone.py").touch()
    assert missing(tmp_path, "verify after_kill") is None
    (tmp_path / "cut.yml").touch()
    assert "skips" in (missing(tmp_path, "side_effect cut.yml") or "")
    (tmp_path / "side_effect.yml").touch()
    assert missing(tmp_path, "side_effect cut.yml") is None
    assert missing(tmp_path, "side_effect mend.yml")
    assert missing(tmp_path, "destroy") is None
    assert missing(tmp_path, "converge")
    (tmp_path / "molecule.yml").write_text("ansible: {playbooks: {converge: cut.yml}}")
    assert missing(tmp_path, "converge") is None
