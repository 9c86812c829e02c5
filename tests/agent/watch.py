# SPDX-License-Identifier: Apache-2.0
"""Asks an agent all the time, in a process of its own: python -m tests.agent.watch PORT PID

Ends when its input does, and prints what each answer took as a list of [path, seconds, seconds without waiting]. The
second leaves out how long the agent's threads and this process stood in line for a processor, which is no fault of the
agent's: whatever else it may wait for stays in it.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import time
from pathlib import Path

PATHS = ("/leader", "/server", "/leader", "/server", "/status", "/health", "/metrics")
PAUSE = 0.03
OWN = os.getpid()


def stood_in_line(pid: int) -> float:
    tasks = list(Path(f"/proc/{pid}/task").iterdir())
    return sum(int((task / "schedstat").read_text().split()[1]) for task in tasks) / 1e9


def ask(port: int, path: str) -> None:
    with socket.create_connection(("127.0.0.1", port), 10) as line:
        line.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        while line.recv(65536):
            pass


def main(port: int, pid: int) -> None:
    taken: list[tuple[str, float, float]] = []
    while not select.select([sys.stdin], [], [], PAUSE)[0]:
        path = PATHS[len(taken) % len(PATHS)]
        waited = stood_in_line(pid) + stood_in_line(OWN)
        started = time.monotonic()
        ask(port, path)
        seconds = time.monotonic() - started
        waited = stood_in_line(pid) + stood_in_line(OWN) - waited
        taken.append((path, round(seconds, 4), round(max(seconds - waited, 0.0), 4)))
    print(json.dumps(taken))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
