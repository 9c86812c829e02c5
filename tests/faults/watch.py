"""Something of a machine looked at again and again from within, whatever became of its link: each look with its time.

The machines are containers of this one: their clock is ours, and a program started in a machine's namespaces needs no
network. It is no member of the machine's control group, so a frozen machine does not freeze it.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from lab.hosts import cgroups
from lab.hosts.plan import Host
from tests.faults.verdict import Look

LONGEST = 240.0
# What every program begins with: `look` ends when its standard input does, and in any case.
LOOKS = """
import json, select, sys, time
def looks(look, every, longest):
    end = time.monotonic() + longest
    while time.monotonic() < end:
        began = time.time()
        print(json.dumps({"at": began, "saw": look()}), flush=True)
        if select.select([sys.stdin], [], [], max(0.01, began + every - time.time()))[0]:
            return
"""
# The state of units by name; nothing where systemd does not say it, as in a frozen machine.
UNITS = """
import subprocess
def look():
    command = ["systemctl", "show", "--property", "Id,ActiveState", *sys.argv[1:]]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=2, check=True).stdout
    except subprocess.SubprocessError:
        return None
    blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in told.strip().split("\\n\\n")]
    return {block["Id"]: block["ActiveState"] for block in blocks}
"""
# What the agent of this machine answers to its balancers: status and body, or why it gave none.
ANSWER = """
import http.client
def look():
    connection = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=1)
    try:
        connection.request("GET", sys.argv[3])
        response = connection.getresponse()
        return [response.status, response.read().decode()]
    except OSError as error:
        return [0, str(error)]
    finally:
        connection.close()
"""
# What HAProxy holds of the servers of its backends.
SERVERS = """
import csv, io, socket
def look():
    with socket.socket(socket.AF_UNIX) as wire:
        wire.settimeout(1)
        try:
            wire.connect(sys.argv[1])
            wire.sendall(b"show stat -1 4 -1\\n")
            told = b"".join(iter(lambda: wire.recv(65536), b"")).decode()
        except OSError:
            return None
    rows = csv.DictReader(io.StringIO(told.lstrip("# ")))
    return {row["pxname"] + "/" + row["svname"]: row["status"] for row in rows}
"""


def first_process(host: Host) -> int:
    """Give the process that is the machine's first: whoever enters its namespaces follows it."""
    for pid in cgroups.groups().pids(host):
        # A process may end while we look.
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{pid}/status").read_text()
            inner = next(line.split() for line in status.splitlines() if line.startswith("NSpid:"))
            if len(inner) > 2 and inner[-1] == "1":
                return pid
    raise AssertionError(f"{host.name} has no first process: it does not run")


def inside(host: Host, *command: str) -> list[str]:
    """Give the command that runs this one in the machine, as root."""
    spaces = ("--mount", "--uts", "--ipc", "--net", "--pid")
    return ["nsenter", "--target", str(first_process(host)), *spaces, *command]


class Watch:
    """The looks so far."""

    def __init__(self) -> None:
        """Start with none."""
        self._looks: list[Look] = []

    def add(self, look: Look) -> None:
        """Keep one more."""
        self._looks.append(look)

    @property
    def looks(self) -> list[Look]:
        """All looks so far, the oldest first."""
        return list(self._looks)


@contextlib.contextmanager
def watch(host: Host, program: str, *arguments: str, every: float) -> Iterator[Watch]:
    """Look from within the machine while the block runs; the program has ended when the block has."""
    text = f"{LOOKS}{program}\nlooks(look, {every}, {LONGEST})\n"
    command = inside(host, "python3", "-c", text, *arguments)
    seen = Watch()

    def read(lines: IO[str]) -> None:
        for line in lines:
            told = json.loads(line)
            seen.add(Look(told["at"], told["saw"]))

    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/") as process,
        ThreadPoolExecutor(1) as pool,
    ):
        assert process.stdin and process.stdout
        reading = pool.submit(read, process.stdout)
        try:
            yield seen
        finally:
            with contextlib.suppress(BrokenPipeError):  # it ended with its machine
                process.stdin.close()
            try:
                process.wait(10)
            finally:
                process.kill()
        reading.result()


@contextlib.contextmanager
def asking(question: Callable[[], Any], every: float) -> Iterator[Watch]:
    """Ask from here while the block runs."""
    seen, stop = Watch(), threading.Event()

    def ask() -> None:
        while not stop.is_set():
            began = time.time()
            seen.add(Look(began, question()))
            stop.wait(max(0.01, began + every - time.time()))

    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(ask)
        try:
            yield seen
        finally:
            stop.set()
        under_way.result()
