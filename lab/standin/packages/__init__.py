"""Builds the stand-in's Debian packages: recorded names, paths, owners and modes; our own, small content."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

VERSION = "6.10.5-1+standin1"
HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
LIBRARY = "usr/lib/one/standin"
# Equal sources must give equal packages whatever the clock says; SOURCE_DATE_EPOCH overrides.
EPOCH = 1795132800

DESCRIPTION = """\
OpenNebula stand-in (test double, NOT OpenNebula): {summary}
 A test double of the package of the same name in OpenNebula 6.10.5, written for the
 tests of the Ansible collection nebula.ha. It contains nothing of OpenNebula and
 manages no virtual machines. Never install it on a machine that matters.
"""
README = """\
{name} {version}: a stand-in, not OpenNebula.

This package is a test double of {name} 6.10.5: {summary}.
It exists so that the Ansible collection nebula.ha can be tried where OpenNebula's packages cannot be reached.
"""


class BuildError(Exception):
    """A sentence for the person who builds."""


@dataclass(frozen=True)
class Mode:
    """Mode and owner of one path, as installed."""

    mode: int
    owner: str
    path: str


@dataclass(frozen=True)
class Package:
    """One package: what the control file says, and which Python folders it carries."""

    name: str
    summary: str
    depends: tuple[str, ...] = ()
    siblings: tuple[str, ...] = ()
    python: dict[str, str] = field(default_factory=dict)

    def control(self) -> str:
        needs = [f"{sibling} (= {VERSION})" for sibling in self.siblings] + list(self.depends)
        lines = [f"Package: {self.name}", f"Version: {VERSION}", "Architecture: all", "Section: misc"]
        lines += ["Priority: optional", "Maintainer: Nebula HA contributors <nebula-ha@invalid>"]
        if needs:
            lines.append("Depends: " + ", ".join(needs))
        return "\n".join(lines) + "\nDescription: " + DESCRIPTION.format(summary=self.summary)


def packages() -> list[Package]:
    """The packages of packages.toml."""
    table = tomllib.loads((HERE / "packages.toml").read_text())
    return [
        Package(
            name,
            row["summary"],
            tuple(row.get("depends", ())),
            tuple(row.get("siblings", ())),
            dict(row.get("python", {})),
        )
        for name, row in table.items()
    ]


def modes(package: str) -> list[Mode]:
    """What modes.tsv says of one package."""
    rows = [line.split("\t") for line in (HERE / "modes.tsv").read_text().splitlines() if not line.startswith("#")][1:]
    return [Mode(int(row[1], 8), row[2], row[3]) for row in rows if row[0] == package]


def stage(package: Package, tree: Path) -> None:
    """Lay out one package's files under tree, with the modes they are installed with."""
    payload = HERE / "payload" / package.name
    tree.mkdir()
    if payload.exists():
        shutil.copytree(payload, tree, ignore=shutil.ignore_patterns("DEBIAN", "__pycache__"), dirs_exist_ok=True)
    for source, name in package.python.items():
        if not (ROOT / source / "__init__.py").is_file():
            raise BuildError(f"{package.name}: {source}/__init__.py is missing; build from a complete checkout")
        ignored = shutil.ignore_patterns("__pycache__", "tests", "*.md", "*.pyc")
        shutil.copytree(ROOT / source, tree / LIBRARY / name, ignore=ignored)
    readme = tree / "usr/share/doc" / package.name / "README.stand-in"
    readme.parent.mkdir(parents=True, exist_ok=True)
    readme.write_text(README.format(name=package.name, version=VERSION, summary=package.summary))
    for path in sorted(tree.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    tree.chmod(0o755)
    for entry in modes(package.name):
        path = tree / entry.path.lstrip("/")
        if not path.exists():
            path.mkdir(parents=True)
        path.chmod(entry.mode)


def postinst(package: Package) -> str:
    """The script after unpacking: owners that exist only once oneadmin does, then what is the package's own."""
    scripts = HERE / "payload" / package.name / "DEBIAN"
    lines = ["#!/bin/sh", "set -e", 'if [ "$1" != configure ]; then', "    exit 0", "fi"]
    head, tail = scripts / "postinst.head", scripts / "postinst.tail"
    lines += head.read_text().splitlines() if head.exists() else []
    for entry in modes(package.name):
        if entry.owner != "root:root":
            # A configuration file's owner may have been removed by its administrator, the file too.
            lines += [f"if [ -e {entry.path} ]; then", f"    chown {entry.owner} {entry.path}"]
            lines += [f"    chmod {entry.mode:o} {entry.path}", "fi"]
    lines += tail.read_text().splitlines() if tail.exists() else []
    return "\n".join(lines) + "\n"


def build(package: Package, folder: Path) -> Path:
    """Build one package into folder and return its path."""
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", EPOCH))
    target = folder / f"{package.name}_{VERSION}_all.deb"
    with tempfile.TemporaryDirectory() as temporary:
        tree = Path(temporary) / "tree"
        stage(package, tree)
        control = tree / "DEBIAN"
        control.mkdir(mode=0o755)
        (control / "control").write_text(package.control())
        (control / "postinst").write_text(postinst(package))
        for script in ("prerm", "postrm"):
            source = HERE / "payload" / package.name / "DEBIAN" / script
            if source.exists():
                shutil.copyfile(source, control / script)
        conffiles = sorted(f"/{path.relative_to(tree)}" for path in (tree / "etc").rglob("*") if path.is_file())
        if conffiles:
            (control / "conffiles").write_text("\n".join(conffiles) + "\n")
        for path in control.iterdir():
            path.chmod(0o755 if path.name in {"postinst", "prerm", "postrm"} else 0o644)
        for path in sorted(tree.rglob("*"), reverse=True):
            os.utime(path, (epoch, epoch))
        os.utime(tree, (epoch, epoch))
        done = subprocess.run(
            ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z6", "--build", str(tree), str(target)],
            env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch), "LC_ALL": "C"},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise BuildError(f"{package.name}: dpkg-deb failed: {done.stderr.strip()}")
    return target


def build_all(folder: Path) -> list[Path]:
    """Build every package into folder."""
    if shutil.which("dpkg-deb") is None:
        raise BuildError("dpkg-deb is not installed; the stand-in is built on Debian or Ubuntu (package dpkg)")
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(max_workers=4) as pool:
        return list(pool.map(lambda package: build(package, folder), packages()))
