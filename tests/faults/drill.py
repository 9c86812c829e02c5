"""A drill: the leader is struck under a client outside, healed, and everything that was promised is looked at."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.client import rpc, trial
from tests.client.abort import abort
from tests.client.calls import Call
from tests.client.judge import Fault
from tests.drift.play import ROOT, run
from tests.faults import verdict
from tests.faults.site import Site, term
from tests.faults.strikes import Strike, cut_link, freeze_machine, freeze_unit, kill_machine, kill_unit, stop_unit
from tests.faults.verdict import Look, none_runs
from tests.faults.watch import ANSWER, SERVERS, UNITS, asking, watch
from tests.zone import ask, database
from tests.zone.raft import FOLLOWER, Server, leader

KILLED = "oned killed"
STOPPED = "oned stopped"
CUT = "link cut"
FROZEN = "machine frozen"
# Beside the four that are promised: oned alone frozen, and a power cut while other clients give up in masses.
HUNG = "oned frozen"
ABORTS = "machine killed under aborts"
FAULTS = (FROZEN, CUT, STOPPED, KILLED, ABORTS)

ONED = "opennebula"
LOG = "/var/log/one/oned.log"
SERVICES = ("opennebula-flow.service", "opennebula-gate.service", "opennebula-hem.service", "opennebula-showback.timer")
BALANCERS_SOCKET = "/run/haproxy/admin.sock"
HOOK, HOOKS_LOG = "/usr/local/bin/drill-hook", "/var/lib/one/drill-hook.log"

WHOLE_WITHIN = 90.0
# A server that has just started asks for no votes yet: with one among the survivors its timer is not what counts.
WARMED_UP = 18.0
SERVICES_WITHIN = 15.0
STAYS_STRUCK = 8.0  # at least, before it is healed
FOLLOWS_WITHIN = 30.0
AFTERWARDS = 5.0  # the client goes on for so long once the struck leader follows again
HOOK_WITHIN = 30.0
MONITORED_WITHIN = 300.0
ABORTS_PER_SECOND = 60


@dataclasses.dataclass(frozen=True)
class Case:
    """One trial of one fault with one profile of timers."""

    profile: str
    fault: str
    number: int
    thorough: bool = False  # it also looks at what takes minutes: a hook, and the nodes

    def __str__(self) -> str:
        """Give it as a word for a list of tests."""
        return f"{self.profile}-{self.fault.replace(' ', '-')}-{self.number + 1}"


def cases(profiles: str, trials: int, faults: Sequence[str] = FAULTS) -> list[Case]:
    """Read `fast:10,upstream:3`; a profile without a number has so many trials. The thorough one is the very first."""
    found: list[Case] = []
    for word in profiles.split(","):
        name, _, count = word.strip().partition(":")
        found += [Case(name, fault, number) for number in range(int(count or trials)) for fault in faults]
    first = next((case for case in found if case.fault == KILLED), None)
    return [dataclasses.replace(case, thorough=case is first) for case in found]


def chosen(environment: Mapping[str, str] = os.environ) -> list[Case]:
    """Give the trials that the environment asks for; where it says nothing, one of each fault, profile `fast`."""
    faults = tuple(filter(None, environment.get("DRILL_FAULTS", "").split(","))) or FAULTS
    unknown = set(faults) - {*FAULTS, HUNG}
    if unknown:
        raise ValueError(f"DRILL_FAULTS names {', '.join(sorted(unknown))}: choose from {', '.join((*FAULTS, HUNG))}")
    return cases(environment.get("DRILL_PROFILES", "fast"), int(environment.get("DRILL_TRIALS", "1")), faults)


@dataclasses.dataclass(frozen=True)
class Before:
    """The cloud before the fault."""

    servers: Mapping[str, Server | None]
    leading: str
    timers: Mapping[str, float]
    processes: Mapping[str, str]
    lines: Mapping[str, int]  # of oned's log
    measured: Mapping[str, int]


@dataclasses.dataclass
class Trial:
    """A fault, what the client and the watches saw of it, and the cloud before, during and after."""

    case: Case
    before: Before
    struck: str
    proof: str
    calls: list[Call]
    prefix: str
    fault: Fault
    healed: float
    followed: float | None  # seconds from healing until the struck server followed
    elected: tuple[str, float] | None
    during: Mapping[str, Server | None]
    after: Mapping[str, Server | None]
    holders: tuple[list[str], list[str]]  # while struck, and afterwards
    units: Mapping[str, list[Look]]
    units_after: Mapping[str, Mapping[str, str]]
    balanced: list[Look]
    agent: list[Look]
    lost: Mapping[str, int]
    processes: Mapping[str, str]
    held: Mapping[str, list[str]]
    unapplied: Mapping[str, list[str]]
    said: Mapping[str, Any]  # what each server's agent says of its own log
    named: Mapping[str, set[str]]  # whom each agent's judgement names for skipped records
    aborted: Counter[str]
    ran: list[float]  # when the hook ran with the new leader
    measured: Mapping[str, int]
    wrong: list[str]
    differing: list[str]

    @property
    def survivors(self) -> list[str]:
        """Name the servers that were not struck."""
        return [name for name in self.before.timers if name != self.struck]

    @property
    def reached(self) -> list[str]:
        """Name the machines that the others reached throughout; one that is cut off, frozen or dead is none."""
        return [*self.survivors, *([self.struck] if self.case.fault in (KILLED, STOPPED, HUNG) else [])]

    @property
    def timer(self) -> float:
        """Give the lowest election timeout among those that could be elected."""
        return min(self.before.timers[name] for name in self.survivors)


class Drill:
    """Trials in one cloud, one after the other."""

    def __init__(self, site: Site, inventory: Path, auth_file: Path, variables: Mapping[str, Any], write: Any) -> None:
        """Take the cloud as it is: with the profile that its inventory says."""
        self._site, self._inventory, self._auth_file, self._write = site, inventory, auth_file, write
        self._profile = str(variables["one_timing"])
        self._health_port = int(variables["one_health_port"])
        self._read_port = int(variables["one_api_read_port"])

    def switch(self, profile: str) -> None:
        """Give the cloud another profile, as a user does; its front-ends take it over one after the other."""
        if profile != self._profile:
            run("playbooks/site.yml", self._inventory, "--extra-vars", f"one_timing={profile}").must_succeed()
            self._profile = profile

    def strike(self, fault: str, name: str) -> Strike:
        """Prepare the fault."""
        host, machine = self._site.lab.host(name), self._site.machines[name]
        ways: dict[str, Callable[[], Strike]] = {
            KILLED: lambda: kill_unit(machine, ONED),
            STOPPED: lambda: stop_unit(machine, ONED, wait=False),
            CUT: lambda: cut_link(host),
            FROZEN: lambda: freeze_machine(host),
            HUNG: lambda: freeze_unit(machine, ONED),
            ABORTS: lambda: kill_machine(self._site.lab, host),
        }
        return ways[fault]()

    def trial(self, case: Case, folder: Path) -> Trial:
        """Run one: whole before, struck under the client, healed, and whole again."""
        site = self._site
        before = self._look_before()
        struck, prefix = before.leading, f"drill-{case}-{time.time_ns()}-"
        survivors = {name: endpoint for name, endpoint in site.endpoints.items() if name != struck}
        balancer = site.lab.host(site.active())
        address = str(site.lab.host(struck).address)
        asked = trial.Asked(
            site.cloud.api,
            self._auth_file,
            ca=site.cloud.ca,
            read_server=f"{site.cloud.web}:{self._read_port}/RPC2",
            interval=0.1,
            read_interval=0.2,
        )
        with contextlib.ExitStack() as stack:
            units = {
                name: stack.enter_context(watch(site.lab.host(name), UNITS, *SERVICES, every=0.5))
                for name in site.endpoints
            }
            balanced = stack.enter_context(watch(balancer, SERVERS, BALANCERS_SOCKET, every=0.1))
            question = (address, str(self._health_port), "/leader")
            agent = stack.enter_context(watch(site.lab.host(struck), ANSWER, *question, every=0.1))
            states = stack.enter_context(asking(lambda: ask.raft_states(survivors, site.session), 0.25))
            if case.thorough:
                stack.enter_context(self._hook(struck))
            client = stack.enter_context(trial.client(folder, prefix, asked))
            if case.thorough:
                assert ask.wait_for(lambda: self._ran(struck), bool, HOOK_WITHIN), "the hook does not even run before"
            strike = self.strike(case.fault, struck)
            storm: Counter[str] = Counter()
            if case.fault == ABORTS:
                stack.enter_context(self._aborts(storm))
            try:
                ordered = time.time()
                strike.do()
                fault = Fault(ordered, time.time())
                proof = strike.prove()
                seen = ask.wait_for(lambda: verdict.elected(states.looks, term(before.servers)), bool, WHOLE_WITHIN)
                assert seen, f"no survivor leads within {WHOLE_WITHIN:g} s"
                self._wait_for_services(case, struck, seen, units)
                time.sleep(max(0.0, fault.hit + STAYS_STRUCK - time.time()))  # the bar is a time, not a condition
                during, holding = site.servers(but=struck), site.holders()
            finally:
                strike.heal()
            healed = time.time()
            follows = ask.wait_for(lambda: self._follows(struck, seen[0]), bool, FOLLOWS_WITHIN)
            followed = time.time() - healed if follows else None
            if case.thorough:
                ask.wait_for(lambda: [at for at in self._ran(seen[0]) if at >= seen[1]], bool, HOOK_WITHIN)
            end = time.time() + AFTERWARDS
            client.stop_at(end)
            calls = client.ended(AFTERWARDS + trial.SLACK)
            ran = self._ran(seen[0]) if case.thorough else []
        servers = ask.wait_for(
            site.servers, lambda found: all(found.values()) and leader(found) is not None, WHOLE_WITHIN
        )
        leading = leader(servers)
        assert leading, servers
        # An idle zone does not tell a server that is behind what it missed: the next write does.
        self._write(site.endpoints[leading], "settle")
        wrong = site.wrong(WHOLE_WITHIN)
        after = site.servers()
        unapplied = {name: database.unapplied(host) for name, host in self._frontends().items()}
        skipping = {name for name, records in unapplied.items() if records}
        named = ask.wait_for(self._named, lambda found: all(names == skipping for names in found.values()), 10)
        result = Trial(
            case=case,
            before=before,
            struck=struck,
            proof=proof,
            calls=calls,
            prefix=prefix,
            fault=fault,
            healed=healed,
            followed=followed,
            elected=seen,
            during=during,
            after=after,
            holders=(holding, site.holders()),
            units={name: found.looks for name, found in units.items()},
            units_after=self._units(),
            balanced=balanced.looks,
            agent=agent.looks,
            lost=self._lost(before),
            processes=self._processes(),
            held={name: database.documents(host, prefix) for name, host in self._frontends().items()},
            unapplied=unapplied,
            said={name: self._told(name, "/status")["machine"]["log"] for name in site.endpoints},
            named=named,
            aborted=Counter(storm),
            ran=ran,
            measured=self._measured(leading, seen[1]) if case.thorough else {},
            wrong=wrong,
            differing=[],
        )
        for name in skipping - {leading}:
            self.rebuild(name, leading)
        result.wrong += site.wrong(WHOLE_WITHIN)
        contents = ask.wait_for(
            lambda: {name: database.contents(host) for name, host in self._frontends().items()},
            lambda found: not database.differing(found),
            20,
        )
        result.differing = database.differing(contents)
        return result

    def rebuild(self, name: str, source: str) -> None:
        """Give a server that differs the leader's database, by hand: stop, a fresh dump, start."""
        machine = self._site.machines[name]
        machine.check_output("systemctl stop %s", ONED)
        clone = [
            "ansible",
            name,
            f"--inventory={self._inventory}",
            "--become",
            "--module-name=nebula.ha.database_clone",
        ]
        done = subprocess.run(
            [*clone, f"--args=source={source}"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{name} has no copy of {source}'s database: {done.stdout[-2000:]}{done.stderr}"
        machine.check_output("systemctl start %s", ONED)
        endpoint = self._site.endpoints[source]
        server = ask.wait_for(lambda: self._site.servers()[name], bool, FOLLOWS_WITHIN)
        assert server, f"{name} does not answer after it was rebuilt"
        ask.ask(endpoint, self._site.session, "one.zone.resetserver", 0, server.server_id)
        self._write(endpoint, "rebuilt")

    def _look_before(self) -> Before:
        site = self._site
        assert site.wrong(WHOLE_WITHIN) == [], "the zone was not whole before the fault"
        ages = ask.wait_for(self._ages, lambda found: min(found.values()) > WARMED_UP, 2 * WARMED_UP)
        assert min(ages.values()) > WARMED_UP, ages
        servers = site.servers()
        leading = leader(servers)
        assert leading, servers
        conf = {name: host.file("/etc/one/oned.conf").content_string for name, host in self._frontends().items()}
        return Before(
            servers=servers,
            leading=leading,
            timers={name: verdict.election_timeout(text) for name, text in conf.items()},
            processes=self._processes(),
            lines={name: int(host.check_output(f"wc -l < {LOG}")) for name, host in self._frontends().items()},
            measured=ask.measured(site.endpoints[leading], site.session),
        )

    def _frontends(self) -> dict[str, Any]:
        return {name: self._site.machines[name] for name in self._site.endpoints}

    def _ages(self) -> dict[str, float]:
        """Give the seconds since each oned was started."""
        command = f"ps --quick-pid $(systemctl show --property MainPID --value {ONED}) --format etimes="
        return {name: float(host.check_output(command)) for name, host in self._frontends().items()}

    def _processes(self) -> dict[str, str]:
        command = f"systemctl show --property MainPID,NRestarts {ONED}"
        return {name: host.check_output(command) for name, host in self._frontends().items()}

    def _units(self) -> dict[str, dict[str, str]]:
        """Give the state of the leader's services on every front-end."""
        command = f"systemctl show --property ActiveState --value {' '.join(SERVICES)}"
        told = {name: host.check_output(command).split() for name, host in self._frontends().items()}
        return {name: dict(zip(SERVICES, found, strict=True)) for name, found in told.items()}

    def _lost(self, before: Before) -> dict[str, int]:
        """Count the elections that each survivor says in its log that it lost."""
        found = {}
        for name, host in self._frontends().items():
            if name != before.leading:
                told = host.check_output(f"tail --lines=+{before.lines[name] + 1} {LOG}")
                found[name] = told.count(verdict.LOST)
        return found

    def _follows(self, name: str, new: str) -> bool:
        """Whether a server follows, in the term of the one that was elected."""
        servers = self._site.servers()
        one, other = servers[name], servers[new]
        return bool(one and other and one.state == FOLLOWER and one.term == other.term)

    def _wait_for_services(self, case: Case, struck: str, seen: tuple[str, float], units: Mapping[str, Any]) -> None:
        """Return once all run where they should and nowhere else, or when the time for that is over."""
        silent = [name for name in units if name != seen[0] and (name != struck or case.fault not in (FROZEN, ABORTS))]

        def settled() -> bool:
            last = {name: found.looks[-1].saw if found.looks else None for name, found in units.items()}
            return verdict.all_run(last[seen[0]]) and all(none_runs(last[name]) for name in silent)

        ask.wait_for(settled, bool, seen[1] + SERVICES_WITHIN + 1 - time.time())

    def _told(self, name: str, path: str) -> Any:
        """Ask an agent from the lab's bridge, which is among the sources that the cloud trusts."""
        url = f"http://{self._site.lab.host(name).address}:{self._health_port}{path}"
        return json.loads(rpc.request("GET", url, 3).body)

    def _named(self) -> dict[str, set[str]]:
        """Name, by agent, the servers that its judgement accuses of a skipped record."""
        return {
            name: {
                problem["server"]
                for problem in self._told(name, "/health")["problems"]
                if problem["code"] == "record_skipped"
            }
            for name in self._site.endpoints
        }

    @contextlib.contextmanager
    def _hook(self, leading: str) -> Iterator[None]:
        """Make a hook while this server leads, and leave nothing of it."""
        for host in self._frontends().values():
            script = f"#!/bin/sh\ndate +%s.%N >> {HOOKS_LOG}\n"
            host.check_output(f"rm -f {HOOKS_LOG}; printf %%s %s > {HOOK}; chmod 755 {HOOK}", script)
        template = f'NAME = "drill"\nTYPE = "api"\nCALL = "one.document.allocate"\nCOMMAND = "{HOOK}"\nREMOTE = "NO"\n'
        site = self._site
        try:
            hook = ask.ask(site.endpoints[leading], site.session, "one.hook.allocate", template)
            try:
                yield
            finally:
                gone = rpc.call(site.cloud.api, "one.hook.delete", (site.session, hook), 5, site.cloud.ca)
            assert gone.outcome == "acknowledged", gone.reason
        finally:
            for host in self._frontends().values():
                host.check_output(f"rm -f {HOOKS_LOG} {HOOK}")

    def _ran(self, name: str) -> list[float]:
        """Give the times at which the hook ran on a machine."""
        return [float(line) for line in self._frontends()[name].run(f"cat {HOOKS_LOG}").stdout.split()]

    def _measured(self, leading: str, since: float) -> dict[str, int]:
        """Wait until every node was measured since then."""
        site = self._site
        return ask.wait_for(
            lambda: ask.measured(site.endpoints[leading], site.session),
            lambda found: min(found.values()) > since,
            since + MONITORED_WITHIN - time.time(),
        )

    @contextlib.contextmanager
    def _aborts(self, told: Counter[str]) -> Iterator[None]:
        """Give up in masses at the floating address while the block runs, a second's worth at a time."""
        stop = threading.Event()

        def storm() -> None:
            while not stop.is_set():
                began = time.monotonic()
                told.update(abort(self._site.cloud.api, self._site.cloud.ca, ABORTS_PER_SECOND, 5))
                stop.wait(max(0.0, began + 1 - time.monotonic()))

        with ThreadPoolExecutor(1) as pool:
            under_way = pool.submit(storm)
            try:
                yield
            finally:
                stop.set()
            under_way.result()
