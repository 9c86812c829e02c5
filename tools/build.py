"""Builds the collection, installs it from the file into a scratch folder, and lets its playbooks be parsed by name.

Dependencies come from .cache/collections, so that it works without Galaxy.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEPENDENCIES = ROOT / ".cache" / "collections"
PLAYBOOKS = ("nebula.ha.preflight", "nebula.ha.site", "nebula.ha.health", "nebula.ha.secrets")
# What a user of the collection must not receive
PRIVATE = ("lab/", "molecule/", "tests/", "tools/", "inventories/lab/", "requirements-dev", "requirements.in", ".")


def run(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def build(target: Path) -> Path:
    """The tarball of what git knows: a checkout may hold anything besides."""
    tracked = run(["git", "ls-files", "-z"], ROOT).split("\0")
    copy = target / "source"
    for name in filter(None, tracked):
        source, destination = ROOT / name, copy / name
        if source.exists() or source.is_symlink():
            destination.parent.mkdir(parents=True, exist_ok=True)
            if source.is_symlink():
                destination.symlink_to(source.readlink())
            else:
                destination.write_bytes(source.read_bytes())
                destination.chmod(source.stat().st_mode)
    run(["ansible-galaxy", "collection", "build", "--output-path", str(target)], copy)
    (tarball,) = target.glob("nebula-ha-*.tar.gz")
    return tarball


def check_contents(tarball: Path) -> int:
    with tarfile.open(tarball) as archive:
        names = [member.name for member in archive if member.isfile() or member.issym()]
    unwanted = [name for name in names if name.startswith(PRIVATE) or name.endswith(("vault.yml", ".pyc"))]
    if unwanted:
        sys.exit(f"The built collection holds what build_ignore in galaxy.yml should keep out: {', '.join(unwanted)}.")
    return len(names)


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="nebula-build-") as folder:
        scratch = Path(folder)
        tarball = build(scratch)
        files = check_contents(tarball)
        collections = scratch / "collections"
        # From a folder without our ansible.cfg, as a user does
        empty = scratch / "empty"
        empty.mkdir()
        (empty / "ansible.cfg").touch()
        environment = {
            "ANSIBLE_CONFIG": str(empty / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": f"{collections}:{dependencies(scratch)}",
        }
        install = [
            "ansible-galaxy",
            "collection",
            "install",
            "--offline",
            "--no-deps",
            "--collections-path",
            str(collections),
        ]
        run([*install, str(tarball)], empty, environment)
        for playbook in PLAYBOOKS:
            run(["ansible-playbook", "--inventory", "ob1,", "--syntax-check", playbook], empty, environment)
        (ROOT / tarball.name).write_bytes(tarball.read_bytes())
        print(f"{tarball.name}: {files} files, installed; {', '.join(PLAYBOOKS)} parse from it")
    return 0


def dependencies(scratch: Path) -> Path:
    """The collections this one depends on, without the link to this checkout, which would hide the built one."""
    tree = scratch / "dependencies" / "ansible_collections"
    tree.mkdir(parents=True)
    for namespace in (DEPENDENCIES / "ansible_collections").iterdir():
        if namespace.name != "nebula":
            (tree / namespace.name).symlink_to(namespace)
    return tree.parent


if __name__ == "__main__":
    sys.exit(main())
