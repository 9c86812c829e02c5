"""Which OpenNebula the lab installs, and the package repository that its hosts find at /srv/one-repo.

ONE_SOURCE says it: upstream, the URL of an apt repository, a folder of .deb files, or standin. The choice stays until
the lab is destroyed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from lab.hosts.plan import CACHE, Lab, LabError
from lab.hosts.run import locked, run
from lab.hosts.state import CHECKOUT, write

ON_HOST = "/srv/one-repo"
PROBE_SECONDS = 5.0


@dataclass(frozen=True)
class Choice:
    kind: str  # upstream, url, folder or standin
    origin: str  # where this machine has it from
    one_source: str  # what the hosts' inventory says

    def sentence(self) -> str:
        return {
            "upstream": f"OpenNebula from its own repository, {self.origin}",
            "url": f"OpenNebula from the repository {self.origin}",
            "folder": f"OpenNebula from the packages in {self.origin}",
            "standin": "the STAND-IN, a test double and NOT OpenNebula, built from lab/standin",
        }[self.kind]


def wanted_choice(wanted: str, upstream: str) -> Choice:
    """What a value of ONE_SOURCE means."""
    if wanted == "upstream":
        return Choice("upstream", upstream, "upstream")
    if wanted == "standin":
        return Choice("standin", "lab/standin", ON_HOST)
    if wanted.startswith(("http://", "https://")):
        return Choice("url", wanted, wanted)
    folder = Path(wanted).expanduser()
    if not folder.is_absolute():
        raise LabError(
            f"ONE_SOURCE is {wanted!r}: say upstream, standin, the URL of an apt repository or an absolute folder."
        )
    if not list(folder.glob("*.deb")):
        raise LabError(f"ONE_SOURCE is {wanted}, where there is no .deb file: give the folder that holds the packages.")
    return Choice("folder", str(folder), ON_HOST)


def choose(wanted: str, stored: Choice | None, upstream: str, reachable: Callable[[], bool]) -> Choice:
    """What the lab stands with, else what is WANTED, else upstream where it can be reached, else the stand-in."""
    if stored is not None:
        if wanted and (asked := wanted_choice(wanted, upstream)) != stored:
            raise LabError(
                f"This lab stands with {stored.sentence()}, and ONE_SOURCE now asks for {asked.sentence()}: "
                "unset ONE_SOURCE, or destroy the lab first."
            )
        return stored
    if wanted:
        return wanted_choice(wanted, upstream)
    return wanted_choice("upstream" if reachable() else "standin", upstream)


def upstream_addresses() -> tuple[str, str]:
    """Upstream's repository and its key, from the one place that says so."""
    defaults = yaml.safe_load((CHECKOUT / "roles/repository/defaults/main.yml").read_text())
    return str(defaults["repository_upstream_url"]), str(defaults["repository_upstream_key"])


def answers(url: str, seconds: float = PROBE_SECONDS) -> bool:
    """Whether URL can be fetched from here; a resolver that does not answer counts as no after SECONDS."""
    found: list[bool] = []

    def ask() -> None:
        with contextlib.suppress(urllib.error.URLError, OSError, ValueError):
            request = urllib.request.Request(url, method="HEAD")  # noqa: S310 - the scheme is checked where it is chosen
            with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310
                found.append(answer.status == 200)

    thread = threading.Thread(target=ask, daemon=True)  # a name look-up knows no timeout: it is left behind
    thread.start()
    thread.join(seconds)
    return bool(found and found[0])


def stored(lab: Lab) -> Choice | None:
    path = lab.folder / "source"
    if not path.exists():
        return None
    return Choice(**json.loads(path.read_text()))


def settle(lab: Lab, wanted: str) -> Choice:
    """Choose, and write the choice down; the lab's folder is there."""
    upstream, key = upstream_addresses()
    choice = choose(wanted, stored(lab), upstream, lambda: answers(key))
    write(lab.folder / "source", asdict(choice))
    return choice


def publish(lab: Lab, choice: Choice) -> None:
    """Make the hosts' repository, if this choice has one and it is not there yet."""
    if choice.kind == "folder":
        publish_folder(Path(choice.origin), lab.repository, origin="OpenNebula")
    elif choice.kind == "standin":
        with locked(CACHE / ".standin.lock"):  # nobody may replace what we copy
            publish_folder(standin(), lab.repository, origin="OpenNebula stand-in (test double, NOT OpenNebula)")


def fingerprint(paths: Iterable[Path], base: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(paths):
        found.update(f"{path.relative_to(base)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def standin() -> Path:
    """The stand-in's packages, built when its sources changed."""
    base = CHECKOUT / "lab/standin"
    sources = [
        path
        for path in base.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and "tests" not in path.relative_to(base).parts
    ]
    folder = CACHE / f"standin-{fingerprint(sources, base)[:12]}"
    if not folder.exists():
        for old in CACHE.glob("standin-*"):
            shutil.rmtree(old)
        part = folder.with_suffix(".part")
        part.mkdir(parents=True)
        run([sys.executable, "-m", "lab.standin.packages", part], cwd=CHECKOUT)
        part.rename(folder)
    return folder


def publish_folder(packages: Path, target: Path, origin: str) -> None:
    """A flat apt repository of PACKAGES in TARGET, signed with a key that lives only as long as this takes.

    TARGET itself stays: running hosts have it bound.
    """
    debs = sorted(packages.glob("*.deb"))
    stamp = target / ".published"
    mark = fingerprint(debs, packages)
    if stamp.exists() and stamp.read_text() == mark:
        return
    for old in target.iterdir():
        old.unlink()
    for deb in debs:
        shutil.copyfile(deb, target / deb.name)
    # apt-ftparchive names files as it is told them: run inside, so that the paths are the repository's.
    (target / "Packages").write_text(run(["apt-ftparchive", "packages", "."], cwd=target))
    release = run(
        [
            "apt-ftparchive",
            *("-o", f"APT::FTPArchive::Release::Origin={origin}"),
            *("-o", f"APT::FTPArchive::Release::Label={origin}"),
            *("release", "."),
        ],
        cwd=target,
    )
    (target / "Release").write_text(release)
    sign(target)
    for path in target.iterdir():
        path.chmod(0o644)  # apt reads it as its own user
    stamp.write_text(mark)


def sign(target: Path) -> None:
    with tempfile.TemporaryDirectory() as home:
        gpg = ["gpg", "--homedir", home, "--batch", "--quiet", "--no-tty"]
        try:
            run(
                [
                    *gpg,
                    "--passphrase",
                    "",
                    "--quick-generate-key",
                    "Nebula lab <lab@localhost>",
                    "ed25519",
                    "sign",
                    "never",
                ]
            )
            run([*gpg, "--clearsign", "--output", target / "InRelease", target / "Release"])
            (target / "key.asc").write_text(run([*gpg, "--armor", "--export"]))
        finally:
            run(["gpgconf", "--homedir", home, "--kill", "all"])  # its agent would outlive the key
