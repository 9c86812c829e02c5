"""A host's root: layers that are only read, and one of its own on top."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from lab.hosts.plan import Host, LabError
from lab.hosts.run import run


def overlay_options(layers: Sequence[Path], upper: Path, work: Path) -> str:
    """LAYERS from the newest to the base; overlayfs wants them in this order, parted by colons."""
    for path in (*layers, upper, work):
        if set(str(path)) & set(",:\\"):
            raise LabError(f"overlayfs cannot take the folder {path}: its name holds a comma, a colon or a backslash.")
    options = f"lowerdir={':'.join(map(str, layers))},upperdir={upper},workdir={work}"
    if len(options) >= os.sysconf("SC_PAGE_SIZE"):
        raise LabError(
            f"{len(layers)} layers of snapshots are more than one mount can name: make the snapshot from a fresh lab."
        )
    return options


def mount(host: Host, layers: Sequence[Path]) -> None:
    for layer in layers:
        if not layer.is_dir():
            raise LabError(f"{host.name} stands on {layer}, which is gone: destroy the lab and create it anew.")
    stack(f"lab-{host.machine}", host.folder, layers)


def unmount(host: Host) -> None:
    unstack(host.folder)


def stack(name: str, folder: Path, layers: Sequence[Path]) -> Path:
    """FOLDER/root: what LAYERS hold, with changes kept in FOLDER/upper."""
    root, upper, work = folder / "root", folder / "upper", folder / "work"
    if not os.path.ismount(root):
        for path in (root, upper, work):
            path.mkdir(parents=True, exist_ok=True)
        upper.chmod(0o755)  # it becomes the /
        run(["mount", "-t", "overlay", name, "-o", overlay_options(layers, upper, work), root])
    return root


def unstack(folder: Path) -> None:
    if os.path.ismount(folder / "root"):
        run(["umount", folder / "root"])


def freeze_upper(host: Host, layer: Path) -> None:
    """The host's own layer becomes LAYER; the host gets an empty one. Only while it is unmounted."""
    layer.parent.mkdir(parents=True, exist_ok=True)
    # mv, for where it must copy to another filesystem it keeps owners, whiteouts and overlayfs' own attributes.
    run(["mv", "--no-target-directory", host.folder / "upper", layer])
    shutil.rmtree(host.folder / "work")
