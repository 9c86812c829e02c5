#!/usr/bin/python3 -IBS
# SPDX-License-Identifier: Apache-2.0
"""OneFlow, OneGate, hooks and showback run where the health agent says that this server leads, and nowhere else.

Run whenever the agent's word changes, and every few seconds in case one was missed. It never waits for a unit: one that
does not stop must not hold up the others, nor oned.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

# It learns which hooks there are when it starts, and only on the leader.
HOOKS = "opennebula-hem.service"
STARTED = ("opennebula-flow.service", "opennebula-gate.service", HOOKS, "opennebula-showback.timer")
# The timer starts this one; here it is only ended where it does not belong.
STOPPED = (*STARTED, "opennebula-showback.service")
RUNS = frozenset({"active", "activating", "reloading"})
# The agent may write its word anew while the units are looked at.
ROUNDS = 5
SECONDS = 10


class Unit(NamedTuple):
    """How systemd sees a unit."""

    load: str
    active: str


class Order(NamedTuple):
    """What systemd is told about a unit."""

    verb: str
    unit: str


class SystemctlError(Exception):
    """What systemctl did not do, in a sentence."""


def plan(term: str | None, units: Mapping[str, Unit], hooks_term: str | None) -> list[Order]:
    """What is left to do; no term: this server does not lead. `hooks_term` is the one for which HEM was started."""
    if term is None:
        return [Order("stop", name) for name in STOPPED if name in units and units[name].active in RUNS]
    orders = []
    for name in STARTED:
        # A package that is not installed, and a unit that somebody masked.
        if name not in units or units[name].load != "loaded":
            continue
        if units[name].active not in RUNS:
            orders.append(Order("start", name))
        elif name == HOOKS and hooks_term != term:
            orders.append(Order("restart", name))
    return orders


def parse_units(text: str) -> dict[str, Unit]:
    """Units by name, from `systemctl show --property=Id,LoadState,ActiveState`."""
    units = {}
    for block in text.strip().split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        units[values["Id"]] = Unit(values["LoadState"], values["ActiveState"])
    return units


def read(path: str) -> str | None:
    """A line that may not be there; whatever else hinders is an error, and no answer."""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None


def write(path: str, text: str) -> None:
    """Whole or not at all."""
    new = Path(f"{path}.new")
    new.write_text(f"{text}\n", encoding="utf-8")
    new.replace(path)


def systemctl(*arguments: str) -> str:
    """What systemctl prints."""
    command = ["systemctl", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise SystemctlError(f"{' '.join(command)} gave no answer within {SECONDS} s") from None
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise SystemctlError(f"{' '.join(command)}: {said[-1]}")
    return done.stdout


def reconcile(term: str | None, memory: str) -> list[str]:
    """One round: look, compare, tell systemd. What is refused for one unit holds up no other, and is returned."""
    units = parse_units(systemctl("show", "--property=Id,LoadState,ActiveState", *STOPPED))
    refused = []
    for order in plan(term, units, read(memory)):
        try:
            systemctl("--no-block", order.verb, order.unit)
        except SystemctlError as error:
            refused.append(str(error))
            continue
        why = "this server does not lead" if term is None else f"this server leads in term {term}"
        print(f"<5>{order.verb} {order.unit}: {why}", flush=True)
        if order.unit == HOOKS and term is not None:
            write(memory, term)
    return refused


def main(arguments: list[str]) -> int:
    """Until the agent's word is the one that was acted upon."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("leads", help="the agent's file, there while this server leads; it holds the term")
    parser.add_argument("memory", help="where to keep the term for which the hook manager was started")
    options = parser.parse_args(arguments)
    refused: list[str] = []
    try:
        for _ in range(ROUNDS):
            term = read(options.leads)
            refused = reconcile(term, options.memory)
            if read(options.leads) == term:
                break
    except (SystemctlError, OSError) as error:
        refused = [str(error)]
    for sentence in refused:
        print(f"<3>{sentence}", file=sys.stderr)
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
