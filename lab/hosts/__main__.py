"""python -m lab.hosts VERB --inventory DIR"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from lab import share, source
from lab.hosts import access, checks, machines, network, snapshots, state
from lab.hosts.cgroups import groups
from lab.hosts.inventory import read_lab
from lab.hosts.plan import SHARE, Lab, LabError


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m lab.hosts", description="Machines of a lab, made from an Ansible inventory."
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--inventory", type=Path, required=True, help="folder with hosts.yml and group_vars")
    create = verbs.add_parser("create", parents=[common], help="make what is missing, start all, wait for ssh")
    create.add_argument("--from-snapshot", metavar="NAME", help="boot the hosts as `snapshot NAME` left them")
    snapshot = verbs.add_parser(
        "snapshot", parents=[common], help="stop the hosts, freeze them as NAME, start them again"
    )
    snapshot.add_argument("--stay-down", action="store_true", help="leave the hosts stopped")
    forget = verbs.add_parser("forget", parents=[common], help="remove the snapshot NAME")
    for one in (snapshot, forget):
        one.add_argument("name", metavar="NAME")
    verbs.add_parser("snapshots", parents=[common], help="names of the snapshots that fit this inventory")
    verbs.add_parser("destroy", parents=[common], help="remove all that create made")
    verbs.add_parser("status", parents=[common], help="how every host is")
    for verb, text in (
        ("shell", "a shell on the host, or the command after --"),
        ("kill", "end the machine as a power cut does"),
        ("start", "boot a machine that is off"),
        ("stop", "shut the machine down in order"),
        ("freeze", "stop the machine's time"),
        ("thaw", "let it go on"),
        ("cut", "pull its network cable"),
        ("heal", "plug it in"),
    ):
        one = verbs.add_parser(verb, parents=[common], help=text)
        one.add_argument("host", metavar="HOST")
    end = arguments.index("--") if "--" in arguments else len(arguments)
    chosen = parser.parse_args(arguments[:end])
    chosen.command = arguments[end + 1 :]
    return chosen


def fault(lab: Lab, verb: str, name: str) -> None:
    host = lab.host(name)
    if state.record(host) is None:
        raise LabError(f"{name} is not made yet: run create.")
    ways = groups()
    if verb == "kill":
        machines.power_cut(host)
    elif verb == "start":
        machines.power_on(lab, host)
    elif not ways.running(host):
        raise LabError(f"{name} does not run: start it first.")
    elif verb == "stop":
        ways.halt(host)
        ways.clear(host)
    elif verb in ("freeze", "thaw"):
        ways.freeze(host, thaw=verb == "thaw")
    else:
        network.switch(host, "down" if verb == "cut" else "up")


def status(lab: Lab) -> None:
    ways = groups()
    rows = [("HOST", "ADDRESS", "STATE", "LINK"), *(machines.describe(host, ways) for host in lab.hosts)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def bring_up(lab: Lab, inventory: Path) -> None:
    """The share first: who mounts it at boot finds it."""
    if lab.of(SHARE):
        share.provide(lab, inventory)
    machines.create(lab, inventory)


def main(arguments: list[str]) -> None:
    chosen = parse(arguments)
    checks.check_root()
    lab = read_lab(chosen.inventory)
    state.belongs_here(lab.name)
    if chosen.verb == "create":
        checks.check_machine(lab)
        if chosen.from_snapshot:
            snapshots.restore(lab, chosen.inventory, chosen.from_snapshot)
        machines.lay(lab, chosen.inventory)
        choice = source.settle(lab, lab.source)
        if not chosen.from_snapshot:  # it brings the packages, and their key, that its hosts were made from
            source.publish(lab, choice)
        bring_up(lab, chosen.inventory)
    elif chosen.verb == "destroy":
        machines.destroy(lab.name)
    elif chosen.verb == "snapshot":
        snapshots.take(lab, chosen.inventory, chosen.name)
        if not chosen.stay_down:
            bring_up(lab, chosen.inventory)
    elif chosen.verb == "forget":
        snapshots.forget(lab, chosen.name)
    elif chosen.verb == "snapshots":
        print("".join(f"{name}\n" for name in snapshots.names(lab)), end="")
    elif chosen.verb == "status":
        status(lab)
    elif chosen.verb == "shell":
        command = access.ssh(lab, lab.host(chosen.host), *chosen.command)
        os.execvp(command[0], command)
    else:
        fault(lab, chosen.verb, chosen.host)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except LabError as wrong:
        print(wrong, file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit("Interrupted: run it again to do what is missing, or destroy to remove what is there.")
