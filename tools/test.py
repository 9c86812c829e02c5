"""Runs the checks and tests in order, each with its time, and ends with one line: how many passed, how many failed.

    python tools/test.py SUITE...        the suites are the keys of SUITES; a step can be named too

Every step runs, so that one run shows every fault. Those that compute run side by side, then those that mostly wait;
the others each alone, as they measure. A step's output is in tests/output/NAME.log; a failed step's is printed too.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "tests" / "output"
COLOR = re.compile(r"\x1b\[[\d;]*m")
WORD = r"(?:passed|failed|errors?|skipped|deselected|xfailed|xpassed|warnings?)"
SUMMARY = re.compile(rf"((?:\d+ {WORD}(?:, )?)+) in [\d.]+s")


@dataclass(frozen=True)
class Step:
    name: str
    command: list[str]
    alone: bool = False  # it has machines, and bounds in seconds
    waits: bool = False  # it waits more than it works, as its machines or programs do


@dataclass(frozen=True)
class Outcome:
    passed: int
    failed: int


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def pytest(*paths: str) -> list[str]:
    return python("-m", "pytest", "-q", "--color=no", "-p", "no:cacheprovider", *paths)


def lint() -> Iterator[Step]:
    yield Step("yamllint", ["yamllint", "--strict", "."])
    yield Step("ruff", ["ruff", "check", "."])
    yield Step(
        "mypy",
        ["mypy", *existing("lab", "tools", "tests", "plugins/module_utils", "roles/health_agent/files/health_agent")],
    )
    yield Step("ansible-lint", ["ansible-lint", "--nocolor", "--parseable"])
    yield Step("own-checks", pytest("tests/lint"))
    yield Step("changelog", ["antsibull-changelog", "lint"])
    yield Step("build", python("tools/build.py"))


def unit() -> Iterator[Step]:
    folders = ("unit", "client", "contract", "drift", "faults", "simulator", "zone")
    yield Step("agent", pytest("tests/agent"), waits=True)
    yield Step("balancer", pytest("tests/balancer"), waits=True)
    yield Step("unit", pytest(*existing(*(f"tests/{name}" for name in folders))))


def standin() -> Iterator[Step]:
    yield Step("standin", pytest("lab/standin"))


def lab() -> Iterator[Step]:
    yield Step("lab", pytest("lab/tests"), waits=True)


def contract() -> Iterator[Step]:
    yield Step("contract", python("-m", "tests.contract", "--quick"), waits=True)


# Scenarios without machines.
BARE = {"preflight"}
# Minutes each: for make test-all.
SLOW = {"built", "compact", "grow"}


def scenarios(names: Iterable[str]) -> Iterator[Step]:
    # The scenario `default` leaves the snapshot that the others start from
    for scenario in sorted(names, key=lambda name: (name != "default", name)):
        command = ["molecule", "test", "--scenario-name", scenario]
        yield Step(f"molecule-{scenario}", command, alone=scenario not in BARE, waits=scenario in BARE)


def every_scenario() -> set[str]:
    return {path.parent.name for path in ROOT.glob("molecule/*/molecule.yml")}


def molecule() -> Iterator[Step]:
    yield from scenarios(every_scenario() - SLOW)


def slow() -> Iterator[Step]:
    yield Step("mutants", python("-m", "tests.simulator.mutants"))
    yield Step("contract-whole", python("-m", "tests.contract"), alone=True)
    yield from scenarios(every_scenario() & SLOW)


SUITES = {
    "lint": lint,
    "unit": unit,
    "standin": standin,
    "lab": lab,
    "contract": contract,
    "molecule": molecule,
    "slow": slow,
}


def existing(*paths: str) -> list[str]:
    return [path for path in paths if (ROOT / path).exists()]


def counted(text: str, ok: bool) -> Outcome:
    """What pytest counted in this step; a step without pytest counts as one."""
    passed = failed = 0
    for line in SUMMARY.findall(COLOR.sub("", text)):
        for number, word in re.findall(r"(\d+) (passed|failed|errors?)\b", line):
            if word == "passed":
                passed += int(number)
            else:
                failed += int(number)
    if ok:
        return Outcome(max(passed, 1), failed)
    return Outcome(passed, max(failed, 1))


def run(step: Step) -> Outcome:
    log = OUTPUT / f"{step.name}.log"
    start = time.monotonic()
    with log.open("w", encoding="utf-8") as stream:
        status = subprocess.run(step.command, cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT, check=False).returncode
    seconds = time.monotonic() - start
    text = log.read_text(encoding="utf-8", errors="replace")
    told = f"failed ({seconds:.1f} s, exit status {status})\n{text}" if status else f"ok ({seconds:.1f} s)"
    print(f"{step.name} {told}", flush=True)
    return counted(text, status == 0)


def run_all(steps: list[Step]) -> dict[str, Outcome]:
    """Every outcome by name: first the steps that bear company, as many at once as there are processors."""
    companies = [[step for step in steps if not step.alone and step.waits == waits] for waits in (False, True)]
    outcomes: dict[str, Outcome] = {}
    # Who waits leaves room for one more.
    for together, more in zip(companies, (0, 1), strict=True):
        with ThreadPoolExecutor((os.cpu_count() or 1) + more) as lanes:
            outcomes |= dict(zip((step.name for step in together), lanes.map(run, together), strict=True))
    return outcomes | {step.name: run(step) for step in steps if step.alone}


def chosen(names: list[str]) -> list[Step]:
    every = {name: list(suite()) for name, suite in SUITES.items()}
    by_name = {step.name: [step] for steps in every.values() for step in steps}
    unknown = [name for name in names if name not in every and name not in by_name]
    if unknown:
        sys.exit(f"There is no suite or step named {', '.join(unknown)}: choose from {', '.join([*every, *by_name])}.")
    return [step for name in names for step in every.get(name) or by_name[name]]


def main(names: list[str]) -> int:
    OUTPUT.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("ANSIBLE_CONFIG", str(ROOT / "ansible.cfg"))
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    start = time.monotonic()
    results = run_all(chosen(names))
    passed = sum(result.passed for result in results.values())
    failed = sum(result.failed for result in results.values())
    print(f"\n{time.monotonic() - start:.0f} s; output in tests/output/")
    for name in (name for name, result in results.items() if result.failed):
        print(f"failed: {name}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
