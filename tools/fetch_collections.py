"""The collections this one needs, for machines without Galaxy: unpacked from the PyPI wheel that carries them.

The wheel holds 600 MB for other people; only the needed folders are unpacked, and this checkout is linked beside them.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent


def download(wheel: dict[str, Any], folder: Path) -> Path:
    """The wheel, from the package index or from an earlier run; its hash is checked every time."""
    path = folder / f"{wheel['name']}-{wheel['version']}-py3-none-any.whl"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--only-binary=:all:"]
        command += ["--python-version", wheel["python"], "--dest", str(folder), f"{wheel['name']}=={wheel['version']}"]
        subprocess.run(command, check=True)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != wheel["sha256"]:
        path.unlink()
        sys.exit(
            f"{path.name} has the hash {found}, not the one in versions.yml. It was removed: run make tools again."
        )
    return path


def unpack(wheel: Path, names: list[str], target: Path) -> None:
    """Only the folders of these collections."""
    wanted = tuple(f"ansible_collections/{name.replace('.', '/')}/" for name in names)
    with zipfile.ZipFile(wheel) as archive:
        members = [member for member in archive.namelist() if member.startswith(wanted)]
        archive.extractall(target, members)
    for name, folder in zip(names, wanted, strict=True):
        if not (target / folder / "MANIFEST.json").exists():
            sys.exit(f"{wheel.name} does not carry the collection {name}: correct the list in versions.yml.")


def main(target: Path) -> None:
    versions = yaml.safe_load((ROOT / "versions.yml").read_text(encoding="utf-8"))
    wheel = versions["collections_wheel"]
    path = download(wheel, ROOT / ".cache" / "wheels")
    new = target.with_name(f"{target.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    unpack(path, [*versions["collections"], *wheel["also"]], new)
    own = new / "ansible_collections" / "nebula" / "ha"
    own.parent.mkdir(parents=True)
    own.symlink_to("../../../..")
    shutil.rmtree(target, ignore_errors=True)  # the link is removed, not what it points to
    new.rename(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
