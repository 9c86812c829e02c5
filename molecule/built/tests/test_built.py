"""What is in the tarball is enough: `nebula.ha.site` finds nothing to change on the zone that the checkout made."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.drift.play import Run
from tests.zone import ask


@pytest.fixture(scope="module")
def second(site: Callable[[], Run]) -> Run:
    """A run of the installed collection over the zone."""
    return site()


def test_the_tarball_holds_what_a_user_runs_and_nothing_of_ours(installed: Path) -> None:
    """No lab, no tests, no secrets."""
    files = json.loads((installed / "ansible_collections/nebula/ha/FILES.json").read_text())["files"]
    names = {entry["name"] for entry in files}
    assert {"playbooks/site.yml", "playbooks/preflight.yml", "playbooks/health.yml", "inventories/example"} <= names
    assert not {name.split("/")[0] for name in names} & {"lab", "molecule", "tests", "tools", ".cache", ".venv"}
    assert not {name for name in names if Path(name).name in ("vault.yml", ".vault-password")}


def test_the_built_collection_finds_nothing_to_change(second: Run, endpoints: Mapping[str, str]) -> None:
    """On every front-end."""
    second.must_succeed()
    assert {name: second.changed[name] for name in endpoints} == dict.fromkeys(endpoints, 0), second.changes


def test_the_zone_is_whole(second: Run, endpoints: Mapping[str, str], session: str) -> None:
    """And none the worse for it."""
    assert ask.wait_until_whole(list(endpoints.values()), session, 30) == []
