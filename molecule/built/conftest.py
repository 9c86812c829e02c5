"""The collection, built and installed once for all tests of this scenario."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.drift.play import ROOT, Run, run


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collections folder with the built nebula.ha and the locked dependencies, and without this checkout."""
    folder = tmp_path_factory.mktemp("built")
    galaxy = ["ansible-galaxy", "collection"]
    subprocess.run([*galaxy, "build", f"--output-path={folder}"], cwd=ROOT, check=True, capture_output=True)
    tarball = next(folder.glob("nebula-ha-*.tar.gz"))
    tree = folder / "collections"
    # The dependencies are at hand, not at Galaxy.
    command = [*galaxy, "install", "--force", "--offline", "--no-deps", f"--collections-path={tree}", str(tarball)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    for path in (ROOT / ".cache" / "collections" / "ansible_collections").iterdir():
        if path.is_dir() and path.name != "nebula":
            (tree / "ansible_collections" / path.name).symlink_to(path)
    return tree


@pytest.fixture(scope="session")
def site(installed: Path, inventory: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """Run the installed collection over the zone, from an empty folder."""
    empty = tmp_path_factory.mktemp("empty")

    def run_site(*options: str) -> Run:
        return run("nebula.ha.site", inventory, *options, cwd=empty, env={"ANSIBLE_COLLECTIONS_PATH": str(installed)})

    return run_site
