# SPDX-License-Identifier: Apache-2.0
"""Plugins: license, documentation that ansible-doc reads, the oldest Python, imports as ARCHITECTURE.md says."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = sorted(path for path in (ROOT / "plugins").rglob("*.py") if path.name != "__init__.py")
DOCUMENTED = {"modules": "module", "filter": "filter", "callback": "callback", "lookup": "lookup", "test": "test"}
HEADER = (
    "# Copyright: Nebula HA contributors",
    "# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)",
    "# SPDX-License-Identifier: GPL-3.0-or-later",
)
PURE = ("module_utils",)
# What pure code of the controller may use: netaddr is in requirements.in, ansible-core brings cryptography along.
CONTROLLER = {"netaddr", "cryptography"}
MAJOR, MINOR = yaml.safe_load((ROOT / "versions.yml").read_text())["python_target"].split(".")
RELATIVE = [str(path.relative_to(ROOT)) for path in PLUGINS]


@pytest.mark.parametrize("name", RELATIVE)
def test_the_license_is_named_at_the_top(name: str) -> None:
    top = (ROOT / name).read_text(encoding="utf-8").splitlines()[:8]
    assert [line for line in HEADER if line not in top] == []


@pytest.mark.parametrize("name", RELATIVE)
def test_the_oldest_python_can_read_it(name: str) -> None:
    ast.parse((ROOT / name).read_text(encoding="utf-8"), feature_version=(int(MAJOR), int(MINOR)))


def imported(source: str) -> set[str]:
    """Top-level names of the absolute imports of a file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("name", [name for name in RELATIVE if name.split("/")[1] in PURE])
def test_shared_code_knows_nothing_of_ansible(name: str) -> None:
    foreign = imported((ROOT / name).read_text(encoding="utf-8")) - set(sys.stdlib_module_names) - CONTROLLER
    assert foreign == set(), f"{name} is pure: standard library (and what every controller has) only"


def test_a_foreign_import_is_seen() -> None:
    assert imported("import os\nfrom ansible.errors import X\nfrom . import model\n") == {"os", "ansible"}


def documentation(kind: str, names: list[str]) -> dict[str, Any]:
    command = [str(Path(sys.executable).with_name("ansible-doc")), "--json", "--type", kind, *names]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    documented: dict[str, Any] = json.loads(done.stdout)
    return documented


def plugin_names(folder: str) -> list[str]:
    """Plugins of a folder; a filter may be documented in a YAML file named after it."""
    files = [
        path
        for path in (ROOT / "plugins" / folder).glob("*.*")
        if path.stem != "__init__" and path.suffix in {".py", ".yml"}
    ]
    documented = {path.stem for path in files if path.suffix == ".yml"}
    named = {
        path.stem for path in files if path.suffix == ".py" and "DOCUMENTATION = " in path.read_text(encoding="utf-8")
    }
    return sorted(f"nebula.ha.{name}" for name in documented | named)


@pytest.mark.parametrize(
    ("folder", "kind"), [(folder, kind) for folder, kind in DOCUMENTED.items() if (ROOT / "plugins" / folder).is_dir()]
)
def test_ansible_doc_reads_every_plugin(folder: str, kind: str) -> None:
    names = plugin_names(folder)
    assert names, f"no plugin in plugins/{folder} is documented"
    documented = documentation(kind, names)
    assert sorted(documented) == names
    for name, entry in documented.items():
        assert entry["doc"]["short_description"], name
        assert entry["doc"]["author"], name
        assert entry["doc"].get("version_added"), name


def test_every_module_is_documented_with_examples_and_results() -> None:
    modules = [f"nebula.ha.{path.stem}" for path in (ROOT / "plugins" / "modules").glob("*.py")]
    for name, entry in documentation("module", sorted(modules)).items():
        assert entry["examples"], f"{name} has no EXAMPLES"
        assert entry["return"], f"{name} has no RETURN"
        assert {"check_mode", "diff_mode"} <= set(entry["doc"].get("attributes", {})), (
            f"{name} does not say how it behaves in check mode"
        )


def test_every_module_that_calls_the_zone_is_in_the_action_group() -> None:
    """module_defaults then say once how to reach the zone."""
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    (group,) = runtime["action_groups"].values()
    modules = list((ROOT / "plugins" / "modules").glob("*.py"))
    callers = {path.stem for path in modules if "nebula.ha.connection" in path.read_text(encoding="utf-8")}
    assert callers
    listed = {name.removeprefix("nebula.ha.") for name in group}
    assert callers <= listed <= {path.stem for path in modules}
