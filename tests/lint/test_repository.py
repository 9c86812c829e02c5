# SPDX-License-Identifier: Apache-2.0
"""Rules for every file of the repository, and for what the built collection holds."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
LISTING = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
TRACKED = [name for name in LISTING.split("\0") if name and (ROOT / name).is_file()]
TEXT = [name for name in TRACKED if not name.startswith(("tests/contract/recordings/", "LICENSE"))]
ADDRESS = re.compile(r"https?://([A-Za-z0-9.-]+)")
# Names that may stand in a file. A mirror or registry is the business of the machine, never of the repository.
KNOWN = {
    "downloads.opennebula.io",  # where upstream publishes its packages
    "docs.opennebula.io",
    "opennebula.io",
    "github.com",
    "docs.ansible.com",
    "galaxy.ansible.com",
    "www.gnu.org",
    "www.apache.org",
    "www.w3.org",  # XML name spaces
    "semver.org",
    "keepachangelog.com",
    "img.shields.io",
}
# A machine of a lab or of an example: a host name without a dot, a loopback or documentation name, an address
MADE_UP = re.compile(r"^([a-z0-9-]*|.*\.(example|test|invalid|example\.(com|org|net)|lan)|localhost|[\d.]+)$")
REFUSED = {
    "ignore_errors: true": re.compile(r"ignore_errors:[ \t]*(true|yes)", re.IGNORECASE),
    "|| true": re.compile(r"\|\| true\b"),
    "except Exception": re.compile(r"^[ \t]*except Exception\b", re.MULTILINE),
    # A question to a person is none
    "a fixed wait": re.compile(r"\bansible\.builtin\.pause:(?!\s+prompt:)"),
}


def read(name: str) -> str:
    return (ROOT / name).read_bytes().decode("utf-8", errors="replace")


def strangers(text: str) -> list[str]:
    return sorted(
        {host for host in ADDRESS.findall(text) if host.lower() not in KNOWN and not MADE_UP.match(host.lower())}
    )


def test_no_file_names_a_mirror() -> None:
    assert {name: found for name in TEXT if (found := strangers(read(name)))} == {}


def test_a_mirror_is_seen() -> None:
    assert strangers("see http" + "://mirror.corp.internal/debian and http://ob1:2633/RPC2") == ["mirror.corp.internal"]


@pytest.mark.parametrize("what", REFUSED)
def test_no_file_silences_a_failure(what: str) -> None:
    own = str(Path(__file__).relative_to(ROOT))
    code = [
        name
        for name in TEXT
        if name != own and (name.endswith((".py", ".yml", ".sh", ".mk", ".j2")) or "." not in name)
    ]
    # A test of the callback lets a task fail on purpose
    allowed = {"tests/unit/plugins/callback/test_phases.py"} if what.startswith("ignore") else set()
    assert [name for name in code if name not in allowed and REFUSED[what].search(read(name))] == []


def test_playbooks_hold_roles_only() -> None:
    for path in sorted((ROOT / "playbooks").glob("*.yml")):
        for play in yaml.safe_load(path.read_text(encoding="utf-8")):
            if not any(key.endswith("import_playbook") for key in play):
                assert play.get("name"), path.name
                assert "roles" in play, f"{path.name}: the play {play['name']} has no roles"
                assert not {"tasks", "pre_tasks", "post_tasks"} & set(play), f"{path.name}: {play['name']}"
                # What remove.yml says about a cloud, handlers have to know too
                assert set(play.get("vars", {})) <= {"one_leaving"}, f"{path.name}: {play['name']}"


def test_no_group_vars_beside_the_playbooks() -> None:
    assert not [name for name in TRACKED if name.startswith(("playbooks/group_vars", "playbooks/host_vars"))]


def test_no_secret_is_tracked() -> None:
    assert not [name for name in TRACKED if Path(name).name in {"vault.yml", ".vault-password"}]
