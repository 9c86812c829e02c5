"""python -m tests.contract: drive a zone through the recorded situations and compare. Status 0: as recorded."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab.hosts import checks, state
from lab.hosts import machines as hosts
from lab.hosts.inventory import read_lab
from lab.hosts.plan import Lab, LabError
from lab.standin.packages import VERSION, BuildError, build_all, modes

from . import http_situations, listed
from .driver import REAL, STANDIN, DriverError, Machine, Timers, each, hand_out, machines
from .masks import ADDRESSES, HEADERS, IDENTIFIERS, MASKS, REPEATED
from .node import NAME, UNREACHABLE, Node
from .plan import SITUATIONS, Runner, SituationError
from .recording import Recording, load

INVENTORY = Path(__file__).parent / "inventory"
COMMON = ("opennebula-common-onecfg", "opennebula-common")
FRONT_END = (*COMMON, "opennebula-rubygems", "opennebula-libs", "opennebula-tools", "opennebula")
NODE = (*COMMON, "opennebula-node-kvm")


def say(line: str = "") -> None:
    print(line, flush=True)


def debs(lab: Lab, source: str) -> tuple[list[str], str, Timers]:
    """The packages there are, what they are, and how long their warm-up is."""
    if source == "standin":
        built = [deb.name for deb in build_all(lab.repository)]
        return built, f"the stand-in {VERSION}", STANDIN
    found = []
    for name in dict.fromkeys((*FRONT_END, *NODE, *http_situations.PACKAGES)):
        paths = sorted(Path(source).glob(f"{name}_*.deb"))
        if len(paths) != 1:
            raise LabError(f"{source} holds {len(paths)} packages {name}, not one: give a folder with one release.")
        found += paths
    if any("standin" in path.name for path in found):
        raise LabError(f"{source} holds the stand-in: leave --source out for it.")
    main = next(path.name for path in found if path.name.startswith("opennebula_"))
    return hand_out(lab, found), f"{main} of {source}", REAL


def of(names: Sequence[str], files: Sequence[str]) -> list[str]:
    """The files that hold these packages."""
    return [file for file in files if file.partition("_")[0] in names]


def lab_node(lab: Lab, timers: Timers) -> Node:
    host = next(host for host in lab.hosts if host.name == NAME)
    nobody = str(lab.subnet.network_address + 99)
    return Node(Machine(lab, host, 0, timers, ""), {NAME: str(host.address), UNREACHABLE: nobody})


def report(recordings: Mapping[str, Recording], differences: Mapping[str, Sequence[str]]) -> bool:
    """Every recording is compared or listed; says how many, and whether all is well."""
    reasons: Counter[str] = Counter()
    lost, both = [], []
    for name, recording in recordings.items():
        why = listed.reason(recording.method, name)
        if why is not None:
            reasons[why] += 1
        if why is None and name not in differences:
            lost.append(name)
        if why is not None and name in differences:
            both.append(name)
    wrong = sorted(name for name, found in differences.items() if found)
    say(f"{len(recordings)} recordings: {len(differences)} compared, {len(differences) - len(wrong)} of them equal")
    for why, count in reasons.most_common():
        say(f"  {count:4} listed: {why}")
    say(f"masked: {len(MASKS)} kinds of values")
    for mask in MASKS:
        say(f"       {mask.path}: {mask.reason}")
    for rule in (ADDRESSES, IDENTIFIERS, HEADERS, REPEATED):
        say(f"       {rule}")
    for name in wrong:
        say(f"DIFFERS {name}: {'; '.join(differences[name])}")
    for name in lost:
        say(f"NEITHER compared nor listed: {name}")
    for name in both:
        say(f"BOTH compared and listed: {name}")
    return not (wrong or lost or both)


def wrongly_installed(machine: Machine) -> list[str]:
    """Where owners and modes on a machine are not those that the packages declare."""
    home = "/var/lib/one"
    want = {mode.path: f"{mode.mode:o} {mode.owner}" for package in FRONT_END for mode in modes(package)}
    want |= {f"{home}/.one/one_auth": "600 oneadmin:oneadmin", f"{home}/.ssh/id_rsa": "600 oneadmin:oneadmin"}
    shown = machine.run(f"stat -c '%n %a %U:%G' {' '.join(want)}").decode()
    have = dict(line.split(" ", 1) for line in shown.splitlines())
    return [f"{path} is {have.get(path)}, not {mode}" for path, mode in want.items() if have.get(path) != mode]


def report_sent(sent: Mapping[str, Sequence[str]]) -> bool:
    """What servers send each other; an answer does not show it."""
    wrong = [name for name, found in sent.items() if found]
    say(f"{len(sent)} requests between servers compared, {len(sent) - len(wrong)} of them equal")
    for name in wrong:
        say(f"DIFFERS sent {name}: {'; '.join(sent[name])}")
    return not wrong


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.contract", description=__doc__)
    default = os.environ.get("ONE_SOURCE", "standin")
    parser.add_argument("--source", default=default, help="standin, or a folder of OpenNebula's packages (ONE_SOURCE)")
    parser.add_argument("--inventory", type=Path, default=INVENTORY)
    parser.add_argument("--only", type=int, metavar="N", help="stop after N situations; the result is red")
    parser.add_argument("--web", action="store_true", help="the web services alone; the result is red")
    parser.add_argument("--quick", action="store_true", help="without the half minutes until a cache is asked again")
    parser.add_argument("--keep", action="store_true", help="take the machines as they are, and leave them")
    chosen = parser.parse_args(arguments)
    started = time.monotonic()
    recordings = load()
    try:
        checks.check_root()
        lab = read_lab(chosen.inventory)
        state.belongs_here(lab.name)
        if not chosen.keep:  # machines that an earlier run kept may hold other packages
            hosts.destroy(lab.name)
        checks.check_machine(lab)
        hosts.create(lab, chosen.inventory)
        try:
            wrong: list[str] = []
            files, what, timers = debs(lab, chosen.source)
            zone, node = machines(lab, timers), lab_node(lab, timers)
            say(f"installing {what} on {', '.join(machine.address for machine in zone)} and {NAME}")
            with ThreadPoolExecutor() as pool:
                prepared = pool.submit(node.install, of(NODE, files))
                each(zone, "install", of(FRONT_END, files))
                prepared.result()
            node.welcome(zone[0])
            if chosen.source == "standin":
                each(zone, "warm_up")
                for line in (wrong := wrongly_installed(zone[0])):
                    say(f"DIFFERS installed: {line}")
            say(f"{time.monotonic() - started:5.0f} s  installed")
            runner = Runner(zone, recordings, timers, say, str(lab.gateway), node)
            complete = not wrong
            for title, situation in SITUATIONS[: 0 if chosen.web else chosen.only]:
                say(f"{time.monotonic() - started:5.0f} s  {title}")
                try:
                    situation(runner)
                except (SituationError, DriverError) as error:
                    complete = False
                    say(f"  LOST the situation '{title}': {error}")
                    break
            good = report(recordings, runner.differences) and report_sent(runner.sent)
            if chosen.only is None:
                good = http_situations.run(zone, of(http_situations.PACKAGES, files), say, chosen.quick) and good
        finally:
            if not chosen.keep:
                hosts.destroy(lab.name)
    except (LabError, BuildError, DriverError) as error:
        print(error, file=sys.stderr)
        return 1
    verdict = "the zone answers as recorded" if good and complete else "RED"
    say(f"{time.monotonic() - started:5.0f} s  {verdict}: {what}")
    return 0 if good and complete else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
