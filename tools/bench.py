"""The figures of the README: a cloud from a clean clone, a second run, what users feel of faults and of changes.

    python tools/bench.py [ROUNDS]
    python tools/bench.py drill         only the leader's faults

A round clones this checkout's last commit and starts with no base image and no package of ours; the caches of apt and
pip are the machine's own. The lab must not exist: it is made and destroyed in every round.

The leader's faults are tried as DRILL_PROFILES says (tests/faults/drill.py). Their bars are the scenario's own; a
broken one makes this fail once all figures are told. Every trial's figures are in tests/output/bench-drill.json.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
COLOR = re.compile(r"\x1b\[[\d;]*m")
FIGURE = re.compile(r"[a-z][^│\n]*\b(?:back after|writes acknowledged|requests, ).*")
# `default` leaves the snapshot from which the others start.
SCENARIOS = ("default", "faults", "grow")
# As molecule leaves the cloud first: each further one is a run of site.yml.
PROFILES = "default:10,fast:10,upstream:3"
OUTPUT = ROOT / "tests" / "output"


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


def spread(values: Sequence[float | None]) -> str:
    """Smallest, middle and largest; what never ended is larger than all."""
    numbers = sorted(float("inf") if value is None else value for value in values)
    shown = [numbers[0], statistics.median(numbers), numbers[-1]]
    return "/".join("never" if number == float("inf") else f"{number:.2f}" for number in shown)


def told(records: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Lines of a table: a row for each profile and fault."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for record in records:
        groups.setdefault((record["profile"], record["fault"]), []).append(record)
    heads = ["PROFILE", "FAULT", "TRIALS", "OUTAGE S", "OF THE TIMER", "NO READ FOR S", "COLLIDED", "SKIPPED", "LOST"]
    rows = [heads]
    for (profile, fault), trials in groups.items():
        ratios = [None if one["failing"] is None else one["failing"] / one["timer"] for one in trials]
        rows.append(
            [
                profile,
                fault,
                str(len(trials)),
                spread([one["failing"] for one in trials]),
                spread(ratios),
                f"{max(one['read_gap'] for one in trials):.2f}",
                str(sum(one["collided"] for one in trials)),
                str(sum(one["skipped"] for one in trials)),
                f"{sum(one['missing'] for one in trials)} of {sum(one['acknowledged'] for one in trials)}",
            ]
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def drill() -> bool:
    """The leader's faults, many times; whether every bar held."""
    environment = {**os.environ, "DRILL_PROFILES": os.environ.get("DRILL_PROFILES", PROFILES), "COLUMNS": "200"}
    lines = OUTPUT / "drill.jsonl"
    lines.unlink(missing_ok=True)
    steps = [sys.executable, "tools/test.py", "molecule-drill"]
    held = subprocess.run(steps, cwd=ROOT, env=environment, check=False).returncode == 0
    if not lines.exists():
        sys.exit("There was no trial: tests/output/molecule-drill.log says why.")
    records = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    (OUTPUT / "bench-drill.json").write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")
    print("\nThe leader is lost: smallest/median/largest\n" + "\n".join(told(records)), flush=True)
    return held


def everything(rounds: int) -> None:
    """The figures of all but the drill, a line each."""
    first, again = zip(*(lab_round() for _ in range(rounds)), strict=True)
    print(line("make lab, clean clone", list(first)), flush=True)
    print(line("make lab, everything there", list(again)), flush=True)
    wide = {**os.environ, "COLUMNS": "200"}  # molecule breaks lines where its terminal ends
    steps = [sys.executable, "tools/test.py", *(f"molecule-{name}" for name in SCENARIOS)]
    print(f"{'the scenarios ' + ', '.join(SCENARIOS):<42} {timed(steps, ROOT, wide):6.0f} s")
    for name in SCENARIOS[1:]:
        log = OUTPUT / f"molecule-{name}.log"
        figures = FIGURE.findall(COLOR.sub("", log.read_text(encoding="utf-8")))
        if not figures:
            sys.exit(f"{log} holds no figure: see there why the scenario printed none.")
        print("\n".join(figures))


def main(arguments: Sequence[str]) -> int:
    """Measure and tell."""
    if list(arguments) != ["drill"]:
        everything(int(arguments[0]) if arguments else 3)
    return 0 if drill() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
