"""The lab's verbs as a person types them, and all that a lab of these tests can leave on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from lab.hosts.plan import STATE
from lab.hosts.state import CHECKOUT

NAME = "labtest"
SUBNET = os.environ.get("LAB_SELFTEST_SUBNET", "10.213.92.0/24")
PREFIX = SUBNET.rsplit(".", 1)[0]
FOLDER = STATE / NAME

MARKS = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="machines are made by root only"),
]


def lab(verb: str, inventory: Path, *words: str, source: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key not in ("ONE_SOURCE", "LAB_SUBNET")}
    if source is not None:
        environment["ONE_SOURCE"] = str(source)
    command = [sys.executable, "-m", "lab.hosts", verb, "--inventory", str(inventory), *words]
    return subprocess.run(
        command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False, timeout=600
    )


def done(verb: str, inventory: Path, *words: str, source: Path | None = None) -> str:
    result = lab(verb, inventory, *words, source=source)
    assert result.returncode == 0, f"{verb}: {result.stderr}"
    return result.stdout


def refused(verb: str, inventory: Path, *words: str, source: Path | None = None) -> str:
    result = lab(verb, inventory, *words, source=source)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr


def on(inventory: Path, host: str, command: str) -> str:
    return done("shell", inventory, host, "--", command).strip()


def answers(address: str) -> bool:
    """Traffic, not a flag: sshd says its first line within a second."""
    with contextlib.suppress(OSError), socket.create_connection((address, 22), timeout=1) as connection:
        return connection.recv(4) == b"SSH-"
    return False


def wait(condition: Callable[[], bool], seconds: float = 15) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return condition()


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


Footprint = dict[str, set[str]]


def commands(*marks: str) -> set[str]:
    """Processes whose command line or control group holds one of MARKS."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            text = line + (folder / "cgroup").read_text()
            if line and any(
                mark in text for mark in marks
            ):  # without a line it is dead, only its parent must still ask
                found.add(f"{line} {folder}")
    return found


def inside(host: str) -> set[str]:
    """Processes of a machine, whichever of the two ways its control group was made."""
    return commands(f"nebula-lab/{NAME}/{host}", f"nebula-lab-{NAME}-{host}.service")


def ours(items: Iterable[str]) -> set[str]:
    """Those of this lab: other labs come and go on this machine as they like."""
    return {item for item in items if any(own in item for own in (f"/{NAME}", f"-{NAME}", f"_{NAME}", f"{PREFIX}."))}


def footprint() -> Footprint:
    """All that this lab can leave on this machine, by kind."""
    routes = json.loads(output("ip", "-j", "-4", "route", "show", "table", "all"))
    return {
        "mounts": ours(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()),
        "links": ours(str(link["ifname"]) for link in json.loads(output("ip", "-j", "link"))),
        "routes": ours(f"{route.get('type', 'unicast')} {route['dst']} {route.get('dev', '-')}" for route in routes),
        "nft tables": ours(output("nft", "list", "tables").splitlines()),
        "cgroups": ours(path for path, _, _ in os.walk("/sys/fs/cgroup") if "nebula-lab" in path),
        "processes": commands(f"nebula-lab/{NAME}", f"nebula-lab-{NAME}-"),
        "ssh masters": {line for line in commands(f"{FOLDER}/ssh") if line.startswith("ssh: ")},
        "folders": ours(str(path) for path in STATE.glob("*")),
    }


def left(before: Footprint, after: Footprint) -> Footprint:
    """What is there after and was not before."""
    return {kind: items for kind in after if (items := after[kind] - before[kind])}


def clear(inventory: Path) -> None:
    """The lab and its snapshots away."""
    done("destroy", inventory)
    for name in done("snapshots", inventory).split():
        done("forget", inventory, name)


def write_inventory(folder: Path, hosts: dict[str, dict[str, int]]) -> Path:
    """An inventory of this lab: hosts by group, each with its number in the subnet."""
    (folder / "group_vars/all").mkdir(parents=True)
    (folder / "group_vars/all/lab.yml").write_text(f"lab_name: {NAME}\nlab_subnet: {SUBNET}\n")
    tree = {
        group: {"hosts": {name: {"ansible_host": f"{PREFIX}.{number}"} for name, number in members.items()}}
        for group, members in hosts.items()
    }
    (folder / "hosts.yml").write_text(json.dumps(tree))
    return folder
