"""python -m lab.up --inventory DIR: a healthy cloud on this machine, or a sentence that says why not."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import share, source
from lab.hosts import checks, machines, snapshots, state
from lab.hosts.inventory import read_lab
from lab.hosts.plan import SHARE, Host, Lab, LabError

NAME_WIDTH = 44  # as plugins/callback/phases.py, whose lines follow


@dataclass(frozen=True)
class Phase:
    name: str
    act: Callable[[], str | None]  # its result in a few words; None where the phase prints its own


def heading(number: int, total: int, name: str) -> str:
    return f"[{number}/{total}] {name} ".ljust(NAME_WIDTH, ".")


def perform(phases: Sequence[Phase], clock: Callable[[], float] = time.monotonic) -> None:
    for number, phase in enumerate(phases, 1):
        print(heading(number, len(phases), phase.name), end=" ", flush=True)
        begun = clock()
        try:
            result = phase.act()
        except LabError:
            print("failed", flush=True)
            raise
        if result is not None:
            print(f"{clock() - begun:6.1f} s  {result}", flush=True)


def playbook(inventory: Path, name: str, *, quiet: bool) -> None:
    """Run a playbook of this checkout with the inventory's own vault password."""
    environment = {**os.environ, "ANSIBLE_CONFIG": str(state.CHECKOUT / "ansible.cfg")}
    password = inventory / ".vault-password"
    if password.exists():
        environment["ANSIBLE_VAULT_PASSWORD_FILE"] = str(password.resolve())
    command = [
        str(Path(sys.executable).parent / "ansible-playbook"),
        f"--inventory={inventory.resolve()}",
        str(state.CHECKOUT / f"playbooks/{name}.yml"),
    ]
    done = subprocess.run(command, cwd=state.CHECKOUT, env=environment, capture_output=quiet, text=True, check=False)
    if done.returncode != 0:
        if quiet:
            print(f"\n{done.stdout}{done.stderr}", file=sys.stderr)
        raise LabError(f"playbooks/{name}.yml ended with {done.returncode}: what it says above names the cause.")


def packages(lab: Lab, choice: source.Choice) -> str:
    source.publish(lab, choice)
    found = list(lab.repository.glob("*.deb"))
    return f"{len(found)} packages in {lab.repository}" if found else f"the hosts fetch them from {choice.origin}"


def hosts(lab: Lab, inventory: Path) -> str:
    missing = [host for host in lab.hosts if state.record(host) is None]
    machines.create(lab, inventory)
    return f"{len(missing)} made, {len(lab.hosts)} answer ssh"


def secrets(inventory: Path) -> str:
    if all((inventory / path).exists() for path in snapshots.SECRETS):
        return f"kept as they are in {inventory / snapshots.SECRETS[0]}"
    playbook(inventory, "secrets", quiet=True)
    return f"written to {inventory / snapshots.SECRETS[0]}"


def cloud(inventory: Path) -> None:
    print(flush=True)
    playbook(inventory, "site", quiet=False)


def kinds(lab: Lab) -> dict[str, list[Host]]:
    """The hosts by what they are: a line for those that are in the same groups."""
    found: dict[str, list[Host]] = {}
    for host in lab.hosts:
        found.setdefault(", ".join(sorted(host.groups - {"all", "ungrouped"})) or "others", []).append(host)
    return found


def first_screen(lab: Lab, choice: source.Choice) -> str:
    rows = [(kind, ", ".join(f"{host.name} {host.address}" for host in hosts)) for kind, hosts in kinds(lab).items()]
    if lab.floating is not None:
        rows.append(("floating address", str(lab.floating)))
    width = max(len(kind) for kind, _ in rows)
    return (
        f"The lab {lab.name} in {lab.subnet}\n"
        + "".join(f"  {kind.ljust(width)}  {text}\n" for kind, text in rows)
        + f"Which OpenNebula: {choice.sentence()}\n"
    )


def last_screen(lab: Lab, choice: source.Choice, seconds: float) -> str:
    return (
        f"\nWhich OpenNebula: {choice.sentence()}\n"
        f"This took {int(seconds // 60)} min {int(seconds % 60)} s. What you can type next:\n"
        f"  make lab-shell HOST={lab.hosts[0].name}    a shell there; `sudo -u oneadmin onezone show 0` asks the zone\n"
        "  make lab-status           how the hosts are\n"
        "  make lab                  do what is missing\n"
        "  make lab-destroy          remove it all\n"
    )


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m lab.up", description="A healthy cloud on this machine.")
    parser.add_argument("--inventory", type=Path, required=True)
    inventory = parser.parse_args(arguments).inventory
    begun = time.monotonic()
    checks.check_root()
    lab = read_lab(inventory)
    state.belongs_here(lab.name)
    checks.check_machine(lab)
    machines.lay(lab, inventory)
    choice = source.settle(lab, lab.source)
    print(first_screen(lab, choice), flush=True)
    perform(
        [
            Phase("The packages", lambda: packages(lab, choice)),
            *([Phase("The share", lambda: share.provide(lab, inventory))] if lab.of(SHARE) else []),
            Phase("The machines", lambda: hosts(lab, inventory)),
            Phase("The secrets", lambda: secrets(inventory)),
            Phase("The cloud", lambda: cloud(inventory)),
        ]
    )
    print(last_screen(lab, choice, time.monotonic() - begun), end="", flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except LabError as wrong:
        print(wrong, file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit("Interrupted: run it again to do what is missing, or make lab-destroy to remove what is there.")
