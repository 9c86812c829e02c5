"""`--check --diff` on machines that have nothing yet."""

from __future__ import annotations

from pathlib import Path

import pytest
from testinfra.host import Host

from tests.drift.machine import differences, fingerprint
from tests.drift.play import Run, run


@pytest.fixture(scope="module")
def before(frontends: dict[str, Host]) -> dict[str, dict[str, str]]:
    """The bare machines."""
    return {name: fingerprint(host) for name, host in frontends.items()}


@pytest.fixture(scope="module")
def predicted(inventory: Path, before: object) -> Run:
    """What the first run would do."""
    return run("playbooks/site.yml", inventory, "--check", "--diff")


def test_it_does_not_fail(predicted: Run) -> None:
    """Whoever looks before they leap must be able to."""
    predicted.must_succeed()


def test_it_predicts_the_deployment_of_every_host(predicted: Run, frontends: dict[str, Host]) -> None:
    """Database and OpenNebula are announced, and files are shown with their diffs."""
    for name in frontends:
        words = " ".join(f"{change.task} {change.action} {change.message}" for change in predicted.of(name))
        assert predicted.changed[name] > 5
        for topic in ("mariadb", "opennebula"):
            assert topic in words.lower(), f"nothing about {topic} is predicted for {name}"
        assert any(change.diffs for change in predicted.of(name))


def test_it_touches_nothing(predicted: Run, before: dict[str, dict[str, str]], frontends: dict[str, Host]) -> None:
    """A prediction is not a deed."""
    for name, host in frontends.items():
        assert differences(before[name], fingerprint(host)) == {}
