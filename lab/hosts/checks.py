"""Whether this machine can hold the lab; the first reason why not, in one sentence, before anything is changed."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from lab.hosts import network, state
from lab.hosts.cgroups import DEVICES
from lab.hosts.plan import CACHE, SHARE, STATE, Host, Lab, LabError
from lab.hosts.run import succeeds

TOOLS = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "nft": "nftables",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
}
GIB = 1024**3
BASE_GIB = 1.0


@dataclass(frozen=True)
class Need:
    """What a host grows to; measured with the real OpenNebula, and some room."""

    mib: int
    gib: float


NEEDS = {"frontends": Need(600, 1.2), "sunstones": Need(150, 0.7), "nodes": Need(200, 0.7), SHARE: Need(80, 0.3)}
OTHER = Need(50, 0.3)


def check_root() -> None:
    if os.geteuid() != 0:
        raise LabError("The lab makes machines, links and mounts, which only root may: run it as root.")


def need(host: Host) -> Need:
    """That of the largest of its groups."""
    return max((NEEDS[group] for group in host.groups & NEEDS.keys()), key=lambda need: need.mib, default=OTHER)


def memory_available(meminfo: str) -> int:
    """MiB that new processes can have, out of /proc/meminfo."""
    for line in meminfo.splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    return 0


def existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def filesystems() -> set[str]:
    return {line.split()[-1] for line in Path("/proc/filesystems").read_text().splitlines()}


def check_machine(lab: Lab) -> None:
    check_root()
    if not sys.platform.startswith("linux"):
        raise LabError("The lab needs Linux: its machines share this machine's kernel.")
    for tool, package in TOOLS.items():
        if shutil.which(tool) is None:
            raise LabError(f"The command {tool} is missing: run lab/bootstrap, or apt-get install {package}.")
    if "overlay" not in filesystems() and not _loadable("overlay"):
        raise LabError(
            "This machine's kernel has no overlayfs, which the hosts' disks are made of: use one whose kernel has it."
        )
    for device, module in DEVICES.items():
        if not Path(device).exists() and not (_loadable(module) and Path(device).exists()):
            raise LabError(
                f"This machine has no {device}, which its hosts need: use one whose kernel has the module {module}."
            )
    missing = [host for host in lab.hosts if state.record(host) is None]
    if missing:
        needs = [need(host) for host in missing]
        needed = sum(one.gib for one in needs) + (0 if list(CACHE.glob("base-*/root")) else BASE_GIB)
        for path in (existing(STATE), existing(CACHE)):
            free = shutil.disk_usage(path).free / GIB
            if free < needed:
                raise LabError(
                    f"The lab needs {needed:.1f} GiB under {path} and {free:.1f} GiB are free: free some space."
                )
        free_mib = memory_available(Path("/proc/meminfo").read_text())
        needed_mib = sum(one.mib for one in needs)
        if free_mib < needed_mib:
            raise LabError(f"The lab needs {needed_mib} MiB of memory and {free_mib} MiB are free: end something.")
    standing = state.made(lab.name)
    if standing is not None and standing.subnet != lab.subnet:
        raise LabError(
            f"The lab {lab.name} stands in {standing.subnet}, the inventory says {lab.subnet}: destroy it first."
        )
    network.check_kernel(lab)
    network.check_subnet(lab, state.others(lab.name))


def _loadable(module: str) -> bool:
    return shutil.which("modprobe") is not None and succeeds(["modprobe", module])
