"""The figures of the README: a cloud from a clean clone, a second run, what users feel of faults and of changes.

    python tools/bench.py [ROUNDS]

A round clones this checkout's last commit and starts with no base image and no package of ours; the caches of apt and
pip are the machine's own. The lab must not exist: it is made and destroyed in every round.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COLOR = re.compile(r"\x1b\[[\d;]*m")
FIGURE = re.compile(r"[a-z][^│\n]*\b(?:back after|writes acknowledged|requests, ).*")
# `default` leaves the snapshot from which the others start.
SCENARIOS = ("default", "faults", "grow")


def timed(command: list[str], cwd: Path, environment: dict[str, str]) -> float:
    """Seconds that a command takes; one that fails ends the measurement."""
    start = time.monotonic()
    done = subprocess.run(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    seconds = time.monotonic() - start
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed after {seconds:.0f} s, so there is no figure:\n{done.stdout}")
    return seconds


def lab_round() -> tuple[float, float]:
    """Seconds of `make lab` from a clean clone, and of a second one."""
    with tempfile.TemporaryDirectory(prefix="nebula-bench-") as scratch:
        clone = Path(scratch) / "clone"
        environment = {**os.environ, "NEBULA_LAB_CACHE": f"{scratch}/cache"}
        timed(["git", "clone", "--quiet", str(ROOT), str(clone)], ROOT, environment)
        try:
            return timed(["make", "lab"], clone, environment), timed(["make", "lab"], clone, environment)
        finally:
            timed(["make", "lab-destroy"], clone, environment)


def line(what: str, seconds: list[float]) -> str:
    """A row: median, and what it is the median of."""
    return f"{what:<42} {statistics.median(seconds):6.0f} s  (of {', '.join(f'{one:.0f}' for one in seconds)})"


def main(rounds: int) -> int:
    """Measure, and print one line a figure."""
    first, again = zip(*(lab_round() for _ in range(rounds)), strict=True)
    print(line("make lab, clean clone", list(first)), flush=True)
    print(line("make lab, everything there", list(again)), flush=True)
    wide = {**os.environ, "COLUMNS": "200"}  # molecule breaks lines where its terminal ends
    steps = [sys.executable, "tools/test.py", *(f"molecule-{name}" for name in SCENARIOS)]
    print(f"{'the scenarios ' + ', '.join(SCENARIOS):<42} {timed(steps, ROOT, wide):6.0f} s")
    for name in SCENARIOS[1:]:
        log = ROOT / f"tests/output/molecule-{name}.log"
        figures = FIGURE.findall(COLOR.sub("", log.read_text(encoding="utf-8")))
        if not figures:
            sys.exit(f"{log} holds no figure: see there why the scenario printed none.")
        print("\n".join(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
