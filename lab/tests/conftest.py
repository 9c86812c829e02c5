from __future__ import annotations

from pathlib import Path

import pytest

from lab.tests.verbs import Footprint, clear, footprint, output


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "lab: makes machines, so it needs root and what lab/bootstrap installs")


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one small package, to be published to the hosts."""
    tree = tmp_path_factory.mktemp("tree")
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN/control").write_text(
        "Package: lab-probe\nVersion: 1.0\nArchitecture: all\nMaintainer: lab <lab@localhost>\nDescription: a probe\n"
    )
    folder = tmp_path_factory.mktemp("packages")
    output("dpkg-deb", "--root-owner-group", "--build", str(tree), str(folder / "lab-probe_1.0_all.deb"))
    return folder


@pytest.fixture(scope="module")
def before(inventory: Path) -> Footprint:
    """What was there before the module's machines; `inventory` is the module's own."""
    clear(inventory)  # of a run that was broken off
    return footprint()
