# SPDX-License-Identifier: Apache-2.0
"""What runs where the leader is: the decision, and the program against a systemctl that notes what it is told."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from roles.leader_services.files.leader_services import HOOKS, RUNS, STARTED, STOPPED, Order, Unit, parse_units, plan

PROGRAM = Path(__file__).resolve().parents[3] / "roles" / "leader_services" / "files" / "leader_services.py"
FLOW, GATE, _, TIMER = STARTED
SHOWBACK = STOPPED[-1]

# What systemd answers: a unit per line, "name load active"; and what it is told, a line per call.
SYSTEMCTL = """#!/bin/sh
set -eu
folder=$(dirname "$0")
if [ "$1" = show ]; then
    while read -r name load active; do
        printf 'Id=%s\\nLoadState=%s\\nActiveState=%s\\n\\n' "$name" "$load" "$active"
    done < "$folder/units"
    exit 0
fi
echo "$*" >> "$folder/told"
if grep -qxF -- "$3" "$folder/refuses"; then echo "Failed to $2 $3: no" >&2; exit 1; fi
if [ -e "$folder/then" ]; then . "$folder/then"; rm "$folder/then"; fi
"""


def units(*names: str, active: str = "active", others: str = "inactive") -> dict[str, Unit]:
    return {name: Unit("loaded", active if name in names else others) for name in STOPPED}


@pytest.mark.parametrize("active", ["inactive", "failed", "deactivating"])
def test_a_leader_starts_what_does_not_run(active: str) -> None:
    assert plan("7", units(others=active), None) == [Order("start", name) for name in STARTED]


@pytest.mark.parametrize("active", sorted(RUNS))
def test_a_leader_leaves_alone_what_runs(active: str) -> None:
    assert plan("7", units(*STARTED, active=active), "7") == []


@pytest.mark.parametrize("known", [None, "6", ""])
def test_hooks_are_learnt_anew_in_every_term(known: str | None) -> None:
    assert plan("7", units(*STARTED), known) == [Order("restart", HOOKS)]


def test_hooks_that_do_not_run_are_only_started() -> None:
    assert plan("7", units(FLOW, GATE, TIMER), "6") == [Order("start", HOOKS)]


@pytest.mark.parametrize("active", sorted(RUNS))
def test_elsewhere_whatever_runs_is_stopped(active: str) -> None:
    assert plan(None, units(*STOPPED, active=active), "7") == [Order("stop", name) for name in STOPPED]


def test_elsewhere_nothing_else_is_touched() -> None:
    assert plan(None, units(others="inactive") | {FLOW: Unit("loaded", "failed")}, None) == []
    assert plan(None, units(others="deactivating"), None) == []


def test_what_is_not_installed_or_masked_is_not_started_and_yet_stopped() -> None:
    found = units() | {FLOW: Unit("not-found", "inactive"), GATE: Unit("masked", "inactive")}
    assert plan("7", found, None) == [Order("start", HOOKS), Order("start", TIMER)]
    found[GATE] = Unit("masked", "active")
    assert plan(None, found, None) == [Order("stop", GATE)]


def test_the_calculation_is_the_timers_to_start() -> None:
    assert [order.unit for order in plan("7", units(), None)].count(SHOWBACK) == 0


def test_an_empty_term_is_a_term() -> None:
    """The file's presence is what the units' condition sees."""
    assert plan("", units(), None) == [Order("start", name) for name in STARTED]


def test_units_are_read() -> None:
    text = (
        "Id=a.service\nLoadState=loaded\nActiveState=active\n\nId=b.timer\nLoadState=not-found\nActiveState=inactive\n"
    )
    assert parse_units(text) == {"a.service": Unit("loaded", "active"), "b.timer": Unit("not-found", "inactive")}


class Machine:
    """A folder that stands for a machine: its units, the agent's word, what is remembered, and what systemd is told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.leads, self.memory = folder / "leads", folder / "hooks-term"
        (folder / "systemctl").write_text(SYSTEMCTL)
        (folder / "systemctl").chmod(0o755)
        for name in ("refuses", "told"):
            (folder / name).touch()
        self.has(units())

    def has(self, found: Mapping[str, Unit]) -> None:
        lines = [f"{name} {unit.load} {unit.active}\n" for name, unit in found.items()]
        (self.folder / "units").write_text("".join(lines))

    def run(self) -> subprocess.CompletedProcess[str]:
        (self.folder / "told").write_text("")
        environment = {**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}"}
        command = [str(PROGRAM), str(self.leads), str(self.memory)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=20)

    def told(self) -> list[str]:
        return (self.folder / "told").read_text().splitlines()


def orders(verb: str, *names: str) -> list[str]:
    return [f"--no-block {verb} {name}" for name in names]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_term_from_its_begin_to_the_next(machine: Machine) -> None:
    machine.leads.write_text("7\n")
    assert machine.run().returncode == 0
    assert machine.told() == orders("start", *STARTED)
    assert machine.memory.read_text() == "7\n"
    machine.has(units(*STARTED))
    assert machine.run().stdout == ""
    assert machine.told() == []
    machine.leads.write_text("9\n")
    assert "<5>restart opennebula-hem.service: this server leads in term 9" in machine.run().stdout
    assert machine.told() == orders("restart", HOOKS)
    assert machine.memory.read_text() == "9\n"
    machine.leads.unlink()
    assert "<5>stop opennebula-flow.service: this server does not lead" in machine.run().stdout
    assert machine.told() == orders("stop", *STARTED)


def test_what_one_unit_refuses_holds_up_no_other(machine: Machine) -> None:
    (machine.folder / "refuses").write_text(f"{FLOW}\n{HOOKS}\n")
    machine.leads.write_text("7\n")
    done = machine.run()
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"<3>systemctl --no-block start {name}: Failed to start {name}: no" for name in (FLOW, HOOKS)
    ]
    assert machine.told() == orders("start", *STARTED)
    assert not machine.memory.exists(), "hooks that were not started are not known"


@pytest.mark.parametrize("led", [True, False])
def test_a_word_that_changes_meanwhile_is_acted_upon(machine: Machine, led: bool) -> None:
    """While the first orders are given the file goes, or comes."""
    if led:
        machine.leads.write_text("7\n")
    machine.has(units(*((SHOWBACK,) if led else STOPPED)))
    change = f"rm {machine.leads}" if led else f"echo 7 > {machine.leads}; sed -i s/active$/inactive/ $folder/units"
    (machine.folder / "then").write_text(change)
    assert machine.run().returncode == 0
    first = orders("start", *STARTED) if led else orders("stop", *STOPPED)
    second = orders("stop", SHOWBACK) if led else orders("start", *STARTED)
    assert machine.told() == first + second


def test_a_file_that_cannot_be_read_is_no_answer(machine: Machine) -> None:
    """Nothing is stopped because of it."""
    machine.has(units(*STARTED))
    machine.leads.mkdir()
    done = machine.run()
    assert (done.returncode, machine.told()) == (1, [])
    assert "Is a directory" in done.stderr


def test_a_systemd_that_does_not_answer_is_an_error(machine: Machine) -> None:
    (machine.folder / "systemctl").write_text("#!/bin/sh\necho 'Failed to connect to bus' >&2; exit 1\n")
    done = machine.run()
    assert done.returncode == 1
    assert done.stderr.startswith("<3>systemctl show ")
    assert done.stderr.endswith("Failed to connect to bus\n")
