"""The base that all hosts share: a minimal Debian 12 server with ssh, and this machine's way to its packages."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lab.hosts import layers, state
from lab.hosts.plan import CACHE, USER, LabError
from lab.hosts.run import locked, run, succeeds

SUITE = "bookworm"
PACKAGES = (
    "ca-certificates",
    "dbus",
    "gpgv",
    "iproute2",
    "iputils-ping",
    "libpam-systemd",
    "netbase",
    "openssh-server",
    "procps",
    "python3",
    "python3-apt",
    "sudo",
    "systemd",
    "systemd-sysv",
)
RECIPE = 3  # raise it when build() changes what it makes
SHARE_PACKAGES = ("glusterfs-server",)
# nspawn mounts cgroup v1 for reading only, and a hypervisor shares the processor out among its guests' groups.
CPU_GROUPS = """\
[Unit]
Description=Control groups of the processor for guests
ConditionPathIsMountPoint=/sys/fs/cgroup/cpu
DefaultDependencies=no
Before=sysinit.target

[Service]
Type=oneshot
ExecStart=mount -o remount,bind,rw /sys/fs/cgroup/cpu

[Install]
WantedBy=sysinit.target
"""
# Where apt looks and what it believes; the rest of the machine's configuration is its own business.
CARRIED = re.compile(r"Acquire::((http|https)::.*|ForceIPv[46]|Retries|Check-Valid-Until|Check-Date|Languages.*)$")


@dataclass(frozen=True)
class Apt:
    """What a host needs to install packages as this machine does."""

    sources: tuple[str, ...]
    options: tuple[str, ...]
    names: tuple[str, ...]  # of mirrors and proxies, to be resolved for hosts that have no resolver


def parse_targets(text: str) -> tuple[str, ...]:
    """sources.list lines out of `apt-get indextargets`: Debian's own suites; other vendors' are no part of a host."""
    found: dict[tuple[str, str], list[str]] = {}
    for line in text.splitlines():
        address, suite, component, origin = line.split("|")
        if suite.split("-")[0] != SUITE or origin not in ("Debian", "$(ORIGIN)"):
            continue
        components = found.setdefault((address, suite), [])
        if component not in components:
            components.append(component)
    return tuple(f"deb {address} {suite} {' '.join(parts)}" for (address, suite), parts in sorted(found.items()))


def parse_options(text: str) -> tuple[str, ...]:
    """The lines of `apt-config dump` that hosts take over."""
    kept = []
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if CARRIED.fullmatch(name) and value not in ('"";', ""):
            kept.append(line)
    return tuple(kept)


def names_of(sources: tuple[str, ...], options: tuple[str, ...]) -> tuple[str, ...]:
    addresses = [line.split()[1] for line in sources] + re.findall(r'"(https?://[^"]+)"', "\n".join(options))
    return tuple(sorted({name for address in addresses if (name := urlsplit(address).hostname)}))


def machine_apt() -> Apt:
    sources = parse_targets(
        run(
            [
                "apt-get",
                "indextargets",
                "--format",
                "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)",
                "Created-By: Packages",
            ]
        )
    )
    if not sources:
        raise LabError(
            f"apt here has no source for Debian {SUITE}, which the lab's hosts are made of: add one and update."
        )
    options = parse_options(run(["apt-config", "dump", "Acquire"]))
    return Apt(sources=sources, options=options, names=names_of(sources, options))


def resolve(names: tuple[str, ...]) -> dict[str, str]:
    """Addresses of the package mirrors as this machine sees them; what it cannot resolve is left out."""
    found = {}
    for name in names:
        try:
            found[name] = str(socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])
        except socket.gaierror:
            continue
    return found


def base_key(apt: Apt) -> str:
    text = json.dumps([RECIPE, SUITE, PACKAGES, apt.sources, apt.options])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def base(apt: Apt) -> Path:
    """The root folder of the base, built if it is missing."""
    folder = CACHE / f"base-{base_key(apt)}"
    with locked(CACHE / ".base.lock"):
        if not folder.exists():
            for old in CACHE.glob("base-*"):
                if not state.stacks_on(old):
                    shutil.rmtree(old)
            build(apt, folder)
    return folder / "root"


def share_key(apt: Apt) -> str:
    return hashlib.sha256(json.dumps([base_key(apt), SHARE_PACKAGES]).encode()).hexdigest()[:12]


def share(apt: Apt, names: dict[str, str]) -> Path:
    """The layer that makes a share server of the base. Nobody tests its installation: it is done once, not per host."""
    root = base(apt)
    folder = CACHE / f"share-{share_key(apt)}"
    with locked(CACHE / ".share.lock"):
        if not folder.exists():
            for old in CACHE.glob("share-*"):
                if not state.stacks_on(old):
                    layers.unstack(old)  # of an attempt that broke off
                    shutil.rmtree(old)
            install(root, folder, names)
    return folder / "upper"


def install(base_root: Path, folder: Path, names: dict[str, str]) -> None:
    part = folder.with_suffix(".part")
    root = layers.stack("lab-share", part, (base_root,))
    try:
        # Every host writes its own of both later.
        (root / "etc/hosts").write_text("".join(f"{address} {name}\n" for name, address in names.items()))
        (root / "etc/resolv.conf").write_text("")
        apt_get: list[str | Path] = ["chroot", root, "apt-get", "-qq", "-o", "DPkg::Options::=--force-unsafe-io"]
        command = [*apt_get, "install", "--yes", "--no-install-recommends", *SHARE_PACKAGES]
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
        if not succeeds(command, env=environment):  # lists of a base that is not of today
            run([*apt_get, "update"], env=environment)
            run(command, env=environment)
        run([*apt_get, "clean"])
        run(["chroot", root, "systemctl", "enable", "--quiet", "glusterd.service"])
    finally:
        layers.unstack(part)
    part.rename(folder)


def build(apt: Apt, folder: Path) -> None:
    part = folder.with_suffix(".part")
    if part.exists():
        shutil.rmtree(part)
    part.mkdir(parents=True)
    root = part / "root"
    options = [f"--aptopt={line}" for line in apt.options]
    with tempfile.TemporaryDirectory() as scratch:
        listing = Path(scratch) / "sources.list"
        listing.write_text("".join(f"{line}\n" for line in apt.sources))
        run(
            [
                "mmdebstrap",
                "--mode=root",
                "--variant=minbase",
                "--skip=cleanup/apt/lists",
                "--aptopt=APT::Install-Recommends false",
                # Documentation of a hundred packages is never read on a host that lives an hour.
                "--dpkgopt=path-exclude=/usr/share/doc/*",
                "--dpkgopt=path-exclude=/usr/share/man/*",
                "--dpkgopt=path-exclude=/usr/share/locale/*",
                *options,
                f"--include={','.join(PACKAGES)}",
                SUITE,
                root,
                listing,
            ],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"},
        )
    prepare(root, apt)
    part.rename(folder)


def prepare(root: Path, apt: Apt) -> None:
    """What every host has alike: apt, the user, ssh, the network's service."""
    (root / "etc/apt/sources.list.d/0000sources.list").unlink(missing_ok=True)  # the same, as mmdebstrap names it
    (root / "etc/apt/apt.conf.d/99mmdebstrap").unlink(missing_ok=True)
    (root / "etc/apt/apt.conf.d/90lab").write_text("".join(f"{line}\n" for line in apt.options))
    (root / "etc/apt/sources.list").write_text("".join(f"{line}\n" for line in apt.sources))
    # Lists that look fresh would make cache_valid_time skip an update that a real server needs.
    lists = root / "var/lib/apt/lists"
    for path in (lists, *lists.iterdir()):
        os.utime(path, (946684800, 946684800))
    (root / "var/lib/apt/periodic/update-success-stamp").unlink(missing_ok=True)
    for pattern in ("pkgcache.bin", "srcpkgcache.bin"):
        (root / "var/cache/apt" / pattern).unlink(missing_ok=True)

    run(["chroot", root, "useradd", "--create-home", "--gid", "operator", "--shell", "/bin/bash", USER])
    sudoers = root / "etc/sudoers.d" / USER
    sudoers.write_text(f"{USER} ALL=(ALL) NOPASSWD: ALL\n")
    sudoers.chmod(0o440)
    (root / "home" / USER / ".ssh").mkdir(mode=0o700)
    run(["chroot", root, "chown", f"{USER}:{USER}", f"/home/{USER}/.ssh"])
    for key in (root / "etc/ssh").glob("ssh_host_*"):  # every host makes its own
        key.unlink()
    (root / "etc/ssh/sshd_config.d/lab.conf").write_text(
        # One key is enough for a host that lives an hour, and an RSA one costs seconds to make.
        "PermitRootLogin no\nPasswordAuthentication no\nUseDNS no\nHostKey /etc/ssh/ssh_host_ed25519_key\n"
    )
    (root / "etc/systemd/system/lab-cpu-groups.service").write_text(CPU_GROUPS)
    services = ("systemd-networkd.service", "ssh.service", "lab-cpu-groups.service")
    run(["chroot", root, "systemctl", "enable", "--quiet", *services])
    # Nobody waits for it in a lab, and it delays every boot by its timers.
    run(
        [
            "chroot",
            root,
            "systemctl",
            "mask",
            "--quiet",
            "systemd-networkd-wait-online.service",
            "apt-daily.timer",
            "apt-daily-upgrade.timer",
        ]
    )
    (root / "etc/machine-id").write_text("uninitialized\n")
