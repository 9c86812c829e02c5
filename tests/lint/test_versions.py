# SPDX-License-Identifier: Apache-2.0
"""versions.yml is the one place of versions: what other files repeat is the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]


def load(path: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))
    return loaded


VERSIONS = load("versions.yml")


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def test_galaxy_and_requirements_ask_for_the_same_collections() -> None:
    assert load("galaxy.yml")["dependencies"] == VERSIONS["collections"]
    wanted = [{"name": name, "version": bounds} for name, bounds in VERSIONS["collections"].items()]
    assert load("requirements.yml")["collections"] == wanted


def test_ansible_core() -> None:
    assert load("meta/runtime.yml")["requires_ansible"] == VERSIONS["ansible_core"]
    assert f"ansible-core=={VERSIONS['ansible_core_tested']} " in text("requirements.txt")
    assert f"ansible-core>={VERSIONS['ansible_core_tested']}," in text("requirements.in")


def test_both_locks_hold_the_same_versions() -> None:
    pin = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)
    run, every = dict(pin.findall(text("requirements.txt"))), dict(pin.findall(text("requirements-dev.txt")))
    assert run
    assert {name: every.get(name) for name in run} == run


def test_opennebula() -> None:
    assert load("roles/one/defaults/main.yml")["one_version"] == VERSIONS["opennebula"]
    assert VERSIONS["opennebula"].startswith(f"{VERSIONS['opennebula_series']}.")
    assert VERSIONS["standin"].startswith(f"{VERSIONS['opennebula']}-")
    assert VERSIONS["standin"] in text("ARCHITECTURE.md")


def test_the_tools_know_the_oldest_pythons() -> None:
    old = VERSIONS["python_target"].replace(".", "")
    assert f'target-version = "py{old}"' in text("pyproject.toml")
    assert f'python_version = "{VERSIONS["python_controller"]}"' in text("pyproject.toml")
    major, minor = VERSIONS["python_controller"].split(".")
    assert f"sys.version_info < ({major}, {minor})" in text("tools/bootstrap")


def test_every_collection_asked_for_is_used() -> None:
    used = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("roles", "playbooks", "plugins")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".yml", ".py", ".j2"}
    )
    assert [name for name in VERSIONS["collections"] if f"{name}." not in used] == []
