"""One control group per machine, whatever this machine's PID 1 is: two ways to the same five verbs."""

from __future__ import annotations

import os
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from lab.hosts.plan import Host, LabError
from lab.hosts.run import run, succeeds, wait_for

# nspawn and the systemd inside need the tracking ones; freezer is for freeze, pids and memory bound a runaway host,
# cpu and cpuacct are what a hypervisor shares out among its guests.
V1 = ("name=systemd", "freezer", "pids", "memory", "cpu", "cpuacct")
# The lab's weight against one busy process of this machine: a real oned whose drivers start too slowly gives up.
CPU_SHARES = 8192
# What a server has and a container has not: FUSE mounts the share, tun gives guests a network. Never /dev/kvm: how
# guests run here is for the product to find out.
DEVICES = {"/dev/fuse": "fuse", "/dev/net/tun": "tun"}  # with the kernel module that brings each


def mounted(mountinfo: str) -> dict[str, Path]:
    """Hierarchies by name out of /proc/self/mountinfo; cgroup v2's name is the empty one."""
    found: dict[str, Path] = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        where = Path(before.split(" ")[4])
        if kind == "cgroup2":
            found.setdefault("", where)
        elif kind == "cgroup":
            for name in options.split(","):
                if name in V1:
                    found.setdefault(name, where)
    return found


def processes(folder: Path) -> list[int]:
    pids: list[int] = []
    for group, _, _ in os.walk(folder):  # it passes over groups that vanish meanwhile, which rglob does not
        try:
            pids += [int(pid) for pid in Path(group, "cgroup.procs").read_text().split()]
        except OSError:  # the group went away while we read, or is a threaded one
            continue
    return pids


def remove(folder: Path) -> None:
    """A group and the groups below it: they can only be removed from the leaves."""
    if not folder.exists():
        return
    for path, _, _ in os.walk(folder, topdown=False):
        group = Path(path)
        wait_for(lambda group=group: _gone(group), 10, f"The control group {group} still has processes.")  # type: ignore[misc]


def _made(group: Path) -> bool:
    """Another host's clear() may remove an empty parent between our making it and our making the group in it."""
    try:
        group.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError:
        return False
    return True


def _gone(group: Path) -> bool:
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def nspawn(host: Host, repository: Path) -> list[str]:
    return [
        "systemd-nspawn",
        "--quiet",
        "--boot",
        f"--directory={host.root}",
        f"--machine={host.machine}",
        f"--hostname={host.name}",
        "--keep-unit",
        "--console=pipe",
        "--link-journal=no",
        "--resolv-conf=off",
        "--timezone=off",
        # The hosts live as long as this machine runs: waiting for its disk at every write proves nothing here.
        "--suppress-sync=yes",
        f"--bind-ro={repository}:/srv/one-repo",
        *(f"--bind={device}" for device in DEVICES),
        *([f"--bind={host.disk}:/srv/disk"] if host.disk.is_dir() else []),
    ]


class Groups(ABC):
    """Runs a machine inside a control group of its own."""

    @abstractmethod
    def launch(self, host: Host, command: list[str]) -> None: ...

    @abstractmethod
    def folders(self, host: Host) -> list[Path]:
        """The groups of a host that exist, the one that can freeze and kill first."""

    @abstractmethod
    def clear(self, host: Host) -> None:
        """Remove what a dead machine left."""

    def pids(self, host: Host) -> list[int]:
        return sorted({pid for folder in self.folders(host) for pid in processes(folder)})

    def running(self, host: Host) -> bool:
        return bool(self.pids(host))

    def kill(self, host: Host) -> None:
        """Like a power cut: all processes at once."""
        for folder in self.folders(host):
            end = folder / "cgroup.kill"
            if end.exists():
                end.write_text("1\n")
        frozen = self.freezer(host)
        if frozen is not None and frozen.name == "freezer.state":
            frozen.write_text("FROZEN\n")  # nobody forks while we go through the list
        for pid in self.pids(host):
            _signal(pid, signal.SIGKILL)
        self.freeze(host, thaw=True)  # v1: a frozen process dies only when thawed
        wait_for(
            lambda: not self.running(host), 15, f"{host.name} did not die within 15 s of being killed.", every=0.02
        )

    def halt(self, host: Host, seconds: float = 90) -> None:
        """Like its power button: systemd inside stops everything in order."""
        for pid in self.pids(host):
            if _command(pid) == "systemd-nspawn":
                _signal(pid, signal.SIGTERM)  # nspawn passes it on as the halt signal of systemd
        wait_for(lambda: not self.running(host), seconds, f"{host.name} did not shut down within {seconds:.0f} s.")

    def freezer(self, host: Host) -> Path | None:
        for folder in self.folders(host):
            for name in ("freezer.state", "cgroup.freeze"):
                if (folder / name).exists():
                    return folder / name
        return None

    def freeze(self, host: Host, *, thaw: bool = False) -> None:
        handle = self.freezer(host)
        if handle is None:
            if thaw:
                return
            raise LabError(f"{host.name} cannot be frozen: this kernel has no freezer for its control group.")
        if handle.name == "freezer.state":
            handle.write_text("THAWED\n" if thaw else "FROZEN\n")
        else:
            handle.write_text("0\n" if thaw else "1\n")
        wait_for(
            lambda: self.frozen(host) != thaw,
            10,
            f"{host.name} did not {'thaw' if thaw else 'freeze'} within 10 s.",
            every=0.02,
        )

    def frozen(self, host: Host) -> bool:
        """Whether its time stands still; the kernel may never say so while a thread waits for a frozen FUSE mount."""
        handle = self.freezer(host)
        if handle is None:
            return False
        if handle.name == "freezer.state":
            state = handle.read_text().strip()
            return state == "FROZEN" or (state == "FREEZING" and not self._runs(host))
        if "frozen 1" in (handle.parent / "cgroup.events").read_text():
            return True
        return handle.read_text().strip() == "1" and not self._runs(host)

    def _runs(self, host: Host) -> bool:
        """Whether a thread of it is on a processor or wants to be; one that is to freeze is never let back to sleep."""
        stats = (stat for pid in self.pids(host) for stat in Path(f"/proc/{pid}/task").glob("*/stat"))
        return any(_state(stat) == "R" for stat in stats)


class OwnGroups(Groups):
    """PID 1 is not systemd: we make the groups ourselves, in every hierarchy there is."""

    def __init__(self) -> None:
        self.hierarchies = mounted(Path("/proc/self/mountinfo").read_text())
        if not self.hierarchies:
            raise LabError(
                "This machine has no control groups mounted under /sys/fs/cgroup: the lab's hosts need them."
            )

    def _all(self, host: Host) -> list[Path]:
        order = sorted(self.hierarchies, key=lambda name: (name != "freezer", name != ""))
        trees = dict.fromkeys(self.hierarchies[name] for name in order)  # cpu and cpuacct are often one
        return [tree / "nebula-lab" / host.lab / host.name for tree in trees]

    def folders(self, host: Host) -> list[Path]:
        return [folder for folder in self._all(host) if folder.exists()]

    def launch(self, host: Host, command: list[str]) -> None:
        groups = self._all(host)
        for group in groups:
            wait_for(lambda group=group: _made(group), 5, f"{group} cannot be made.", every=0)  # type: ignore[misc]
        if "cpu" in self.hierarchies:
            (self.hierarchies["cpu"] / "nebula-lab" / "cpu.shares").write_text(f"{CPU_SHARES}\n")
        # The shell enters every group before it becomes nspawn, so that no process of the machine is ever outside.
        enter = 'n=$1; shift; while [ "$n" -gt 0 ]; do echo $$ > "$1/cgroup.procs"; shift; n=$((n-1)); done; exec "$@"'
        arguments: Sequence[str | Path] = [
            "/bin/sh",
            "-ec",
            enter,
            "sh",
            str(len(groups)),
            *groups,
            *command,
            "--register=no",
        ]
        with (host.folder / "console.log").open("wb") as console:
            subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True
            )

    def clear(self, host: Host) -> None:
        for folder in self._all(host):
            remove(folder)
            for parent in (folder.parent, folder.parent.parent):
                if parent.exists():
                    _gone(parent)  # stays while another host or lab has groups there


class Units(Groups):
    """PID 1 is systemd: a transient unit per machine, its control group delegated to the machine's own systemd."""

    def _unit(self, host: Host) -> str:
        return f"nebula-lab-{host.machine}.service"

    def folders(self, host: Host) -> list[Path]:
        group = run(["systemctl", "show", "--property=ControlGroup", "--value", self._unit(host)]).strip()
        if not group:
            return []
        hierarchies = mounted(Path("/proc/self/mountinfo").read_text())
        order = sorted(hierarchies, key=lambda name: (name != "freezer", name != ""))
        return [found for name in order if (found := hierarchies[name] / group.lstrip("/")).exists()]

    def launch(self, host: Host, command: list[str]) -> None:
        self.clear(host)
        run(
            [
                "systemd-run",
                "--quiet",
                f"--unit={self._unit(host)}",
                "--property=Delegate=yes",
                "--property=KillMode=mixed",
                "--property=TasksMax=8192",
                "--collect",
                f"--property=StandardOutput=truncate:{host.folder / 'console.log'}",
                f"--property=StandardError=truncate:{host.folder / 'console.log'}",
                *command,
                "--register=no",
            ]
        )

    def clear(self, host: Host) -> None:
        if succeeds(["systemctl", "is-failed", "--quiet", self._unit(host)]):
            run(["systemctl", "reset-failed", self._unit(host)])


def groups() -> Groups:
    return Units() if Path("/run/systemd/system").exists() else OwnGroups()


def _state(stat: Path) -> str:
    try:
        return stat.read_text().rpartition(")")[2].split()[0]  # a command's name may hold anything
    except OSError:
        return ""


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
