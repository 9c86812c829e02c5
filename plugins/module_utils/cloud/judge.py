# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judgement of a whole cloud. Pure: the inventory, the zone's verdict and the machines' answers in, a verdict out.

Fatal is what keeps users out: no zone that commits, nobody at the address, a web interface in which nobody can log in.
A fault that follows from another one about the same machine is not told twice.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..zone import judge as zone_judge
from ..zone.judge import Health, Severity
from ..zone.model import HostState
from .model import Cloud, Machine

DAY = 86400
CERTIFICATE_SOON = 7 * DAY
CERTIFICATE_AGING = 30 * DAY
# A share with less than this part of it free is full: images are large.
SHARE_FULL = 0.05

# Every code: how much it weighs, and what it says of a machine in a few words. The order is the order of a report.
CODES: dict[str, tuple[Severity, str]] = {
    "zone_unknown": (Severity.FATAL, "did not say how the zone is"),
    "no_holder": (Severity.FATAL, "does not hold the address"),
    "holder_down": (Severity.FATAL, "holds the address, HAProxy does not answer"),
    "certificate_expired": (Severity.FATAL, "certificate has expired"),
    "certificate_untrusted": (Severity.FATAL, "is refused the certificate"),
    "backend_down": (Severity.FATAL, "has no server to send to"),
    "api_closed": (Severity.FATAL, "sends no call to the leader"),
    "api_double": (Severity.FATAL, "hears of two leaders, sends calls to neither"),
    "caches_dead": (Severity.FATAL, "no cache answers"),
    "web_unreachable": (Severity.FATAL, "does not reach the web address"),
    "web_login_refused": (Severity.FATAL, "cannot log in"),
    "web_session_lost": (Severity.FATAL, "is logged out at once"),
    "two_holders": (Severity.WARNING, "holds the address beside another"),
    "machine_unreachable": (Severity.WARNING, "not reachable"),
    "machine_unknown": (Severity.WARNING, "could not be looked at"),
    "balancer_down": (Severity.WARNING, "HAProxy does not answer"),
    "keepalived_down": (Severity.WARNING, "keepalived does not run"),
    "api_misled": (Severity.WARNING, "sends calls to another than the leader"),
    "standby_closed": (Severity.WARNING, "would send no call to the leader"),
    "service_closed": (Severity.WARNING, "does not lead to the leader's services"),
    "server_down": (Severity.WARNING, "is down at the balancers"),
    "server_drained": (Severity.WARNING, "is taken out at the balancers"),
    "certificate_unknown": (Severity.WARNING, "certificate cannot be read"),
    "certificate_names": (Severity.WARNING, "certificate is for other names"),
    "certificate_ending": (Severity.WARNING, "certificate ends within a week"),
    "web_down": (Severity.WARNING, "Sunstone does not answer"),
    "web_unsteady": (Severity.WARNING, "cannot log in from here"),
    "web_without_cache": (Severity.WARNING, "reaches no cache"),
    "web_without_zone": (Severity.WARNING, "reaches no oned"),
    "cache_dead": (Severity.WARNING, "memcached does not answer"),
    "share_silent": (Severity.WARNING, "share does not answer"),
    "share_missing": (Severity.WARNING, "share is not mounted"),
    "share_strange": (Severity.WARNING, "share is not the cloud's"),
    "share_unwritable": (Severity.WARNING, "share cannot be written"),
    "share_full": (Severity.WARNING, "share is full"),
    "node_missing": (Severity.WARNING, "no host of the zone"),
    "node_error": (Severity.WARNING, "ERROR in the zone"),
    "node_unmonitored": (Severity.WARNING, "not MONITORED"),
    "hypervisor_down": (Severity.WARNING, "libvirt does not answer"),
    "services_missing": (Severity.WARNING, "leads without its services"),
    "services_elsewhere": (Severity.WARNING, "runs the leader's services"),
    "certificate_aging": (Severity.ADVICE, "certificate ends within a month"),
    "web_logout_failed": (Severity.ADVICE, "log-out fails"),
    "host_unknown": (Severity.ADVICE, "not in the inventory"),
}

# With one of these a machine does nothing for a part that it carries.
DEAD = {
    "holder_down": "balancers",
    "balancer_down": "balancers",
    "web_down": "sunstones",
    "cache_dead": "caches",
    "server_unreachable": "frontends",
    "credentials_refused": "frontends",
    "node_missing": "nodes",
    "node_error": "nodes",
    "hypervisor_down": "nodes",
}

# What is no news of a machine that has one of the causes.
UNREACHABLE = frozenset({"machine_unreachable"})
CONSEQUENCES: dict[str, frozenset[str]] = {
    "server_unreachable": UNREACHABLE,
    "agent_silent": UNREACHABLE,
    "node_error": UNREACHABLE,
    "node_unmonitored": UNREACHABLE,
    "node_missing": UNREACHABLE,
    "server_down": frozenset({"machine_unreachable", "web_down", "server_unreachable"}),
    "web_unsteady": frozenset({"server_unreachable"}),
}

# Which part of a machine the balancers' checks of a backend speak of.
BACKENDS = {"web": "sunstones", **dict.fromkeys(("api", "api_read", "flow", "gate"), "frontends")}
# Behind these is the leader alone: one server is up, and the others are as they should be when they are down.
LEADERS = ("api", "flow", "gate")

# The step at which the login through the address failed, and what that is.
LOGIN_CODES = {
    "connect": "web_unreachable",
    "trust": "certificate_untrusted",
    "login": "web_login_refused",
    "page": "web_session_lost",
    "logout": "web_logout_failed",
}
LOGIN_STEPS = {
    "connect": "See who holds the address and whether HAProxy runs there: systemctl status keepalived haproxy",
    "trust": "Compare the certificate at the address with the CA that users trust; run site.yml to put it right.",
    "login": "Read /var/log/one/sunstone.error on the web machines, and whether they reach oned.",
    "page": "Sessions are lost: see the caches and the way from the web machines to them.",
    "logout": "Read /var/log/one/sunstone.error on the web machines.",
}


@dataclass(frozen=True)
class Problem:
    """Something to mend: a stable code, the machine and the part of it, a sentence, and what to do next."""

    code: str
    machine: str | None
    part: str | None
    sentence: str
    next_step: str

    @property
    def severity(self) -> Severity:
        """What it does to the verdict."""
        return CODES[self.code][0] if self.code in CODES else zone_judge.CODES[self.code]

    @property
    def brief(self) -> str:
        """What it says of the machine, in a few words."""
        return CODES[self.code][1] if self.code in CODES else self.code.replace("_", " ")

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "code": self.code,
            "severity": self.severity.value,
            "machine": self.machine,
            "part": self.part,
            "sentence": self.sentence,
            "next_step": self.next_step,
        }


@dataclass(frozen=True)
class Part:
    """One thing that a machine carries: healthy, degraded, down or unknown, and what it does."""

    part: str
    state: str
    does: str
    marked: bool  # it leads, or holds the address

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"part": self.part, "state": self.state, "does": self.does, "marked": self.marked}


@dataclass(frozen=True)
class MachineHealth:
    """One machine in the verdict; `does` is what it does, or what is wrong with it."""

    name: str
    address: str
    state: str
    does: str
    parts: tuple[Part, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.name,
            "address": self.address,
            "state": self.state,
            "does": self.does,
            "parts": [part.as_dict() for part in self.parts],
        }


@dataclass(frozen=True)
class Verdict:
    """The truth about a cloud, as far as the answers tell it."""

    state: Health
    sentence: str
    name: str
    web: str | None
    api: str | None
    reads: str | None
    flow: str | None
    gate: str | None
    address: str | None
    host: str | None
    leader: str | None
    holder: str | None
    share: str
    ports: Mapping[str, int]
    package: str | None
    at: float
    asked: int
    answered: int
    machines: tuple[MachineHealth, ...]
    zone: Mapping[str, Any] | None
    problems: tuple[Problem, ...]

    def codes(self) -> tuple[str, ...]:
        """The problems' codes, each once, in the order of the report."""
        return tuple(dict.fromkeys(problem.code for problem in self.problems))

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "healthy": self.state is Health.HEALTHY,
            "state": self.state.value,
            "sentence": self.sentence,
            "name": self.name,
            "web": self.web,
            "api": self.api,
            "reads": self.reads,
            "flow": self.flow,
            "gate": self.gate,
            "address": self.address,
            "host": self.host,
            "leader": self.leader,
            "holder": self.holder,
            "share": self.share,
            "ports": dict(self.ports),
            "package": self.package,
            "at": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self.at)),
            "asked": self.asked,
            "answered": self.answered,
            "machines": [machine.as_dict() for machine in self.machines],
            "zone": self.zone,
            "problems": [problem.as_dict() for problem in self.problems],
            "codes": list(self.codes()),
        }


def best_zone(verdicts: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Of several front-ends' verdicts the one that rests on the most answers: who is cut off sees few."""
    known = [verdict for verdict in verdicts if "sentence" in verdict]
    return max(known, key=lambda verdict: (bool(verdict["serving"]), int(verdict["answering"])), default=None)


def judge(
    cloud: Cloud, machines: Sequence[Machine], zone: Mapping[str, Any] | None, now: float, zone_failure: str = ""
) -> Verdict:
    """The verdict over what every machine answered.

    `zone` is the zone's own verdict, or `zone_failure` says why there is none; `now` is in seconds of the epoch.
    """
    return _Judgement(cloud, machines, zone, now, zone_failure).verdict()


class _Judgement:
    def __init__(
        self,
        cloud: Cloud,
        machines: Sequence[Machine],
        zone: Mapping[str, Any] | None,
        now: float,
        zone_failure: str,
    ) -> None:
        self.cloud = cloud
        self.zone_failure = zone_failure.rstrip(".")
        self.machines = machines
        self.zone = zone
        self.now = now
        self.by_name = {machine.name: machine for machine in machines}
        self.problems: list[Problem] = []
        self.balancers = self._of("balancers")
        leader = None if zone is None else zone.get("leader")
        self.leader: str | None = None if leader is None else str(leader["name"])
        self.address = cloud.floating_address or (self.balancers[0].address if len(self.balancers) == 1 else None)
        self.holders = self._holders()
        self.hosts = self._hosts()

    def _of(self, part: str) -> list[Machine]:
        return [machine for machine in self.machines if part in machine.parts]

    def _holders(self) -> list[Machine]:
        """Who carries the floating address; without one the only balancer stands at its own."""
        if not self.cloud.floating_address:
            return [machine for machine in self.balancers[:1] if machine.answered]
        return [
            machine
            for machine in self.machines
            if self.cloud.floating_address in machine.value("addresses", "addresses", ())
        ]

    def _hosts(self) -> list[Mapping[str, Any]] | None:
        """The zone's hosts as the leader lists them, else as any front-end does; none when nobody gave them."""
        for machine in sorted(self._of("frontends"), key=lambda machine: machine.name != self.leader):
            found = machine.value("hosts", "hosts")
            if found is not None:
                return list(found)
        return None

    def _add(self, code: str, machine: Machine | None, part: str | None, sentence: str, next_step: str) -> None:
        self.problems.append(Problem(code, None if machine is None else machine.name, part, sentence, next_step))

    def verdict(self) -> Verdict:
        self._judge_zone()
        for machine in self.machines:
            self._judge_reach(machine)
        if self.balancers:
            self._judge_holders()
        for machine in self.balancers:
            self._judge_balancer(machine)
            self._judge_certificate(machine)
        self._judge_servers()
        self._judge_caches()
        for machine in self._of("sunstones"):
            self._judge_web(machine)
        self._judge_login()
        for machine in self.machines:
            self._judge_share(machine)
        for machine in self._of("nodes"):
            self._judge_node(machine)
        self._judge_strange_hosts()
        for machine in self._of("frontends"):
            self._judge_services(machine)
        return self._conclude()

    # -- the zone and the machines ------------------------------------------------------------------------------------

    def _judge_zone(self) -> None:
        if self.zone is None:
            asked = [machine for machine in self._of("frontends") if machine.asked]
            if asked:
                names = ", ".join(machine.name for machine in asked)
                self._add(
                    "zone_unknown",
                    None,
                    "frontends",
                    f"No front-end could say how the zone is ({names} asked)"
                    + (f": {self.zone_failure}." if self.zone_failure else "."),
                    "See whether the front-ends can be reached over ssh and hold /var/lib/one/.one/one_auth.",
                )
            return
        for problem in self.zone["problems"]:
            known = self.by_name.get(problem["server"] or "")
            self._add(problem["code"], known, "frontends", problem["sentence"], problem["next_step"])

    def _judge_reach(self, machine: Machine) -> None:
        if not machine.asked or machine.failure is None:
            return
        if machine.reached:
            self._add(
                "machine_unknown",
                machine,
                None,
                f"{machine.name} could not be looked at: {machine.failure}.",
                f"Mend that, and look again: health.yml --limit {machine.name}",
            )
        else:
            self._add(
                "machine_unreachable",
                machine,
                None,
                f"{machine.name} ({machine.address}) cannot be reached over ssh: {machine.failure}.",
                "See whether it has power and network; when it is back, run site.yml.",
            )

    # -- the way in ---------------------------------------------------------------------------------------------------

    def _judge_holders(self) -> None:
        address = self.cloud.floating_address
        if not address:
            return
        if len(self.holders) > 1:
            for machine in self.holders:
                others = " and ".join(other.name for other in self.holders if other is not machine)
                self._add(
                    "two_holders",
                    machine,
                    "balancers",
                    f"{machine.name} holds {address}, and so does {others}: which of them a user reaches is chance.",
                    f"See whether keepalived runs on {machine.name} and hears the other: systemctl status keepalived",
                )
        # One that was not asked, or did not answer, may hold it: then the login through the address tells.
        if not self.holders and all(machine.look("addresses") is not None for machine in self.balancers):
            names = ", ".join(machine.name for machine in self.balancers)
            self._add(
                "no_holder",
                None,
                "balancers",
                f"Nobody holds {address}: users reach neither web nor API.",
                f"Start keepalived on {names}: systemctl restart keepalived",
            )

    def _judge_balancer(self, machine: Machine) -> None:
        look = machine.look("haproxy")
        if look is not None and look.failure is not None:
            holds = machine in self.holders
            self._add(
                "holder_down" if holds else "balancer_down",
                machine,
                "balancers",
                f"HAProxy on {machine.name} does not answer: {look.failure}"
                + (f", and {machine.name} holds {self.address}." if holds else "."),
                f"On {machine.name}: systemctl status haproxy",
            )
        state = machine.value("units", "units", {}).get("keepalived")
        if state is not None and state != "active":
            self._add(
                "keepalived_down",
                machine,
                "balancers",
                f"keepalived on {machine.name} is {state}: it would not take {self.address} over.",
                f"On {machine.name}: systemctl restart keepalived",
            )

    def _judge_certificate(self, machine: Machine) -> None:
        look = machine.look("certificate")
        if look is None:
            return
        if look.failure is not None:
            self._add(
                "certificate_unknown",
                machine,
                "balancers",
                f"The certificate on {machine.name} cannot be read: {look.failure}.",
                "Run site.yml: it writes the certificate.",
            )
            return
        left = float(look.values["not_after"]) - self.now
        days = _counted(int(abs(left) // DAY), "day")
        if left <= CERTIFICATE_AGING:
            code = "certificate_aging"
            if left <= CERTIFICATE_SOON:
                code = "certificate_ending" if left > 0 else "certificate_expired"
            said = f"ends in {days}" if left > 0 else "has expired" + (f" {days} ago" if left <= -DAY else "")
            self._add(
                code,
                machine,
                "balancers",
                f"The certificate on {machine.name} {said}.",
                "Run site.yml to have it made anew; a certificate of your own: replace one_certificate first.",
            )
        wanted = self.cloud.service_name or self.address
        if wanted and not names_host(look.values["names"], wanted):
            self._add(
                "certificate_names",
                machine,
                "balancers",
                f"The certificate on {machine.name} is for {', '.join(look.values['names']) or 'nobody'}, "
                f"users come to {wanted}.",
                "Run site.yml; a certificate of your own has to name one_service_name, or the address without one.",
            )

    def _judge_servers(self) -> None:
        """What the balancers' checks say of the servers behind them: each server once, the holder's view first."""
        told: dict[tuple[str, str, bool], list[tuple[str, Mapping[str, Any]]]] = {}
        for machine in sorted(self.balancers, key=lambda machine: machine not in self.holders):
            servers = machine.value("haproxy", "servers", ())
            for server in servers:
                backend, state = str(server["backend"]), server["state"]
                if state != "up" and not (state == "down" and backend in LEADERS):
                    key = (BACKENDS.get(backend, backend), str(server["server"]), state != "down")
                    told.setdefault(key, []).append((machine.name, server))
            if machine in self.holders:
                self._judge_backends(machine, servers)
            self._judge_leaders(machine, servers)
        for (part, name, drained), said in told.items():
            names = list(dict.fromkeys(who for who, _ in said))
            backends = _listed(list(dict.fromkeys(str(server["backend"]) for _, server in said)))
            says = f"{' and '.join(names)} {'says' if len(names) == 1 else 'say'}"
            check = next((f" ({server['check']})" for _, server in said if server.get("check") and not drained), "")
            step = f"See what {name} says to the check of {backends}."
            if part == "frontends":
                step = f"On {name}: systemctl status nebula-health-agent opennebula"
            self._add(
                "server_drained" if drained else "server_down",
                self.by_name.get(name),
                part if part in BACKENDS.values() else None,
                f"{name} is {'taken out of' if drained else 'down in'} {backends}, {says}{check}.",
                f"When the work on {name} is done, put it back: run site.yml." if drained else step,
            )

    def _judge_backends(self, machine: Machine, servers: Sequence[Mapping[str, Any]]) -> None:
        """What nobody is left to serve. The leader's is judged by who leads, where that is known."""
        backends: dict[str, list[str]] = {}
        for server in servers:
            backends.setdefault(str(server["backend"]), []).append(str(server["state"]))
        for backend, states in backends.items():
            if "up" not in states and (self.zone is None or backend not in LEADERS):
                self._add(
                    "backend_down",
                    machine,
                    "balancers",
                    f"{machine.name} has no server for {backend}: {_counted(len(states), 'server')}, none of them up.",
                    "Mend one of them; which and why is said below.",
                )

    def _judge_leaders(self, machine: Machine, servers: Sequence[Mapping[str, Any]]) -> None:
        """Whom a balancer takes for the leader, against who is: in a zone without one it has to be nobody."""
        for names, backends in _leading(servers).items():
            if len(names) < 2 and (self.leader is None or names == (self.leader,)):
                continue
            ways = _listed(backends)
            holds = machine in self.holders
            if not names:
                code, agents = "api_closed" if holds else "standby_closed", str(self.leader)
                said = f"sends no call to {self.leader}, which leads: no server is up in {ways}"
            elif len(names) > 1:
                code, agents = "api_double" if holds else "standby_closed", _listed(names)
                said = f"sends no call of {ways} on: the agents of {agents} all say that they lead"
            else:
                code, agents = "api_misled", names[0]
                said = f"sends the calls of {ways} to {names[0]}, but {self.leader} leads"
            self._add(
                code if "api" in backends else "service_closed",
                machine,
                "balancers",
                f"{machine.name} {said}.",
                f"If it lasts longer than an election, ask on {agents}: systemctl status nebula-health-agent",
            )

    # -- the web tier -------------------------------------------------------------------------------------------------

    def _judge_caches(self) -> None:
        caches = self._of("caches")
        dead = []
        for machine in caches:
            look = machine.look("cache")
            if look is not None and look.failure is not None:
                self._add(
                    "cache_dead",
                    machine,
                    "caches",
                    f"memcached on {machine.name} does not answer: {look.failure}; its sessions are lost.",
                    f"On {machine.name}: systemctl status memcached",
                )
            if (look is not None and look.failure is not None) or (machine.asked and not machine.reached):
                dead.append(machine.name)
        if caches and len(dead) == len(caches):
            self._add(
                "caches_dead",
                None,
                "caches",
                f"No cache answers ({', '.join(dead)}): nobody can log in to the web interface.",
                "Start memcached on one of them: systemctl start memcached",
            )

    def _judge_web(self, machine: Machine) -> None:
        web, cache, zone = machine.look("web"), machine.look("web_cache"), machine.look("web_zone")
        if web is not None and web.failure is not None:
            self._add(
                "web_down",
                machine,
                "sunstones",
                f"Sunstone on {machine.name} does not serve its login page: {web.failure}.",
                f"On {machine.name}: systemctl status opennebula-sunstone, /var/log/one/sunstone.error",
            )
        if cache is not None and cache.failure is not None:
            self._add(
                "web_without_cache",
                machine,
                "sunstones",
                f"{machine.name} reaches no cache through its loopback proxy: {cache.failure}.",
                f"See the caches, and on {machine.name} its loopback proxy.",
            )
        if zone is not None and zone.failure is not None:
            self._add(
                "web_without_zone",
                machine,
                "sunstones",
                f"{machine.name} reaches no oned through its loopback proxy: {zone.failure}.",
                f"See the front-ends, and on {machine.name} its loopback proxy.",
            )

    def _judge_login(self) -> None:
        """The real login through the address, by every front-end: each may land on another web machine."""
        tried = [machine for machine in self._of("frontends") if machine.look("login") is not None]
        looks = [(machine, look) for machine in tried if (look := machine.look("login")) is not None]
        failed = [(machine, look) for machine, look in looks if look.failure is not None]
        for number, (machine, look) in enumerate(failed):
            step = str(look.values.get("step", "connect"))
            if len(failed) == len(looks) and number == 0:
                self._add(
                    LOGIN_CODES[step],
                    None,
                    "sunstones",
                    f"A login through {self._web()} fails ({machine.name} tried): {look.failure}.",
                    LOGIN_STEPS[step],
                )
            elif len(failed) < len(looks):
                others = ", ".join(other.name for other, found in looks if found.failure is None)
                self._add(
                    "web_unsteady",
                    machine,
                    "frontends",
                    f"A login through {self._web()} fails from {machine.name} and works from {others}: {look.failure}.",
                    LOGIN_STEPS[step],
                )

    # -- the share, nodes, services of the leader ---------------------------------------------------------------------

    def _judge_share(self, machine: Machine) -> None:
        look = machine.look("share")
        if look is None:
            return
        path = look.values.get("path")
        where = f"{path} on {machine.name}"
        if look.failure is not None:
            self._add(
                "share_silent",
                machine,
                None,
                f"The share on {machine.name} does not answer: {look.failure}.",
                "See whether the share's servers answer; what waits on it goes on when they do.",
            )
        elif not look.values["mounted"]:
            self._add(
                "share_missing",
                machine,
                None,
                f"{where} is not mounted: images written there would stay on {machine.name} alone.",
                f"Mount it: site.yml --limit {machine.name}, or mount {path}",
            )
        elif look.values["sentinel"] != look.values["wanted"]:
            says = look.values["sentinel"]
            self._add(
                "share_strange",
                machine,
                None,
                f"{where} is mounted from {look.values.get('source')}, but its {look.values.get('sentinel_name')} "
                + (
                    f"says '{says}', not '{look.values['wanted']}'."
                    if says
                    else "is missing: another share, or an empty one."
                ),
                "Compare one_datastore_source on all machines; run site.yml when it is the right one.",
            )
        else:
            self._judge_space(machine, look.values, where)

    def _judge_space(self, machine: Machine, values: Mapping[str, Any], where: str) -> None:
        size, free = int(values["size"]), int(values["free"])
        if not values["writable"]:
            self._add(
                "share_unwritable",
                machine,
                None,
                f"oneadmin cannot write to {where}: {values.get('reason')}.",
                "Give user and group 9869 the share's top folder; see whether it is exported read-only.",
            )
        if size and free < size * SHARE_FULL:
            self._add(
                "share_full",
                machine,
                None,
                f"{where} is full: {_bytes(free)} of {_bytes(size)} free.",
                "Delete images that are not needed, or grow the share.",
            )

    def _host_of(self, machine: Machine) -> Mapping[str, Any] | None:
        return next((host for host in self.hosts or () if host["name"] in (machine.name, machine.address)), None)

    def _judge_node(self, machine: Machine) -> None:
        look = machine.look("libvirt")
        if look is not None and look.failure is not None:
            self._add(
                "hypervisor_down",
                machine,
                "nodes",
                f"libvirt on {machine.name} does not answer: {look.failure}.",
                f"On {machine.name}: systemctl status libvirtd",
            )
        if self.hosts is None:
            return
        host = self._host_of(machine)
        if host is None:
            self._add(
                "node_missing",
                machine,
                "nodes",
                f"{machine.name} is no host of the zone: no VM is placed on it.",
                "Run site.yml: it registers the host.",
            )
            return
        state = HostState[host["state"]]
        if state.failed:
            why = str(host.get("error") or "").strip() or "oned gave no reason"
            self._add(
                "node_error",
                machine,
                "nodes",
                f"The zone reports {machine.name} as {state.name}: {why.rstrip('.')}.",
                f"Try as oneadmin on the leader: ssh {host['name']} virsh -c qemu:///system list",
            )
        elif not state.monitored:
            self._add(
                "node_unmonitored",
                machine,
                "nodes",
                f"{machine.name} is {state.name} in the zone: no VM is placed on it.",
                f"onehost enable {host['id']}"
                if state.disabled
                else f"Wait for its first monitoring, about 10 s; then: onehost show {host['id']}",
            )

    def _judge_strange_hosts(self) -> None:
        ours = {value for machine in self._of("nodes") for value in (machine.name, machine.address)}
        for host in self.hosts or ():
            if host["name"] not in ours:
                self._add(
                    "host_unknown",
                    None,
                    "nodes",
                    f"The zone has the host {host['name']} ({host['state']}), which the inventory does not have.",
                    f"Add it to the group 'nodes', or remove it: onehost delete {host['id']}",
                )

    def _judge_services(self, machine: Machine) -> None:
        services = machine.value("services", "services", {})
        if self.leader is None or not services:
            return
        running = [name for name, found in services.items() if found["runs"] or found["serves"]]
        silent = [name for name, found in services.items() if not found["serves"]]
        if machine.name == self.leader and silent:
            self._add(
                "services_missing",
                machine,
                "frontends",
                f"{machine.name} leads, but {_listed(silent)} {_are(silent)} missing there.",
                f"On {machine.name}: systemctl status nebula-leader-services "
                + " ".join(services[name]["unit"] for name in silent),
            )
        if machine.name != self.leader and running:
            self._add(
                "services_elsewhere",
                machine,
                "frontends",
                f"{machine.name} does not lead, but {_listed(running)} {_are(running)} running there: "
                f"{self.leader} leads.",
                f"On {machine.name}: systemctl status nebula-health-agent nebula-leader-services.timer; "
                "run site.yml when one of them does not run.",
            )

    # -- the verdict --------------------------------------------------------------------------------------------------

    def _host_name(self) -> str | None:
        return (self.cloud.service_name or self.address) if self.balancers else None

    def _web(self) -> str | None:
        sunstones = self._of("sunstones")
        if not sunstones:
            return None
        name = self._host_name()
        if name is None:
            return _url("http", sunstones[0].address, self.cloud.sunstone_port, 80)
        return _url("https", name, self.cloud.web_port, 443)

    def _api(self) -> str | None:
        name = self._host_name()
        if name is not None:
            return _url("https", name, self.cloud.api_port, 443) + "RPC2"
        leader = self.by_name.get(self.leader or "") or next(iter(self._of("frontends")), None)
        return None if leader is None else _url("http", leader.address, self.cloud.rpc_port, 80) + "RPC2"

    def _way(self, scheme: str, port: int, path: str = "") -> str | None:
        """What is reached at the balancers only."""
        name = self._host_name()
        return None if name is None else _url(scheme, name, port, 443 if scheme == "https" else 80) + path

    def _conclude(self) -> Verdict:
        problems = _in_order(_without_consequences(self.problems))
        weights = {problem.severity for problem in problems}
        state = Health.DEGRADED if Severity.WARNING in weights else Health.HEALTHY
        if Severity.FATAL in weights:
            state = Health.NO_SERVICE
        machines = tuple(self._machine(machine, problems) for machine in self.machines)
        return Verdict(
            state=state,
            sentence=self._sentence(state, problems),
            name=self.cloud.name,
            web=self._web(),
            api=self._api(),
            reads=self._way("https", self.cloud.api_read_port, "RPC2"),
            flow=self._way("https", self.cloud.flow_port),
            gate=self._way("http", self.cloud.gate_port),
            address=self.address if self.balancers else None,
            host=self._host_name(),
            leader=self.leader,
            holder=self.holders[0].name if len(self.holders) == 1 else None,
            share=self.cloud.share,
            ports={
                "oned": self.cloud.rpc_port,
                "sunstone": self.cloud.sunstone_port,
                "memcached": self.cloud.memcached_port,
            },
            package=next((p for m in self._of("frontends") if (p := m.value("package", "version"))), None),
            at=self.now,
            asked=sum(machine.asked for machine in self.machines),
            answered=sum(machine.answered for machine in self.machines),
            machines=machines,
            zone=self.zone,
            problems=problems,
        )

    def _sentence(self, state: Health, problems: Sequence[Problem]) -> str:
        word = {Health.HEALTHY: "is healthy", Health.DEGRADED: "is degraded", Health.NO_SERVICE: "gives no service"}
        head = f"Cloud {self.cloud.name} {word[state]}"
        facts = [_counted(len(self.machines), "machine")]
        if self.zone is not None and self.leader is not None:
            facts.append(f"{self.leader} leads {self.zone['following']} of {len(self.zone['servers'])} servers")
        if self.cloud.floating_address and len(self.holders) == 1:
            facts.append(f"{self.holders[0].name} holds {self.address}")
        weight = [problem for problem in problems if problem.severity is not Severity.ADVICE]
        text = f"{head}: {', '.join(facts)}."
        if weight:
            text = " ".join([text, *dict.fromkeys(problem.sentence for problem in weight[:2])])
        if len(weight) > 2:
            text += f" ({_counted(len(weight) - 2, 'more problem')})"
        asked = sum(machine.asked for machine in self.machines)
        if asked < len(self.machines):
            text += f" Only {asked} of {len(self.machines)} machines were asked, the verdict is about those."
        return text

    def _machine(self, machine: Machine, problems: Sequence[Problem]) -> MachineHealth:
        own = [problem for problem in problems if problem.machine == machine.name]
        parts = tuple(self._part(machine, part, own) for part in machine.parts)
        state = _worst([part.state for part in parts])
        serious = [problem for problem in own if problem.severity is not Severity.ADVICE]
        does = dict.fromkeys(problem.brief for problem in serious) or dict.fromkeys(part.does for part in parts)
        return MachineHealth(machine.name, machine.address, state, ", ".join(item for item in does if item), parts)

    def _part(self, machine: Machine, part: str, own: Sequence[Problem]) -> Part:
        serious = [
            problem for problem in own if problem.severity is not Severity.ADVICE and problem.part in (None, part)
        ]
        marked = (part == "balancers" and machine in self.holders and bool(self.cloud.floating_address)) or (
            part == "frontends" and machine.name == self.leader
        )
        if not machine.asked:
            return Part(part, "unknown", "not asked", marked)
        if serious:
            dead = any(DEAD.get(problem.code) == part for problem in serious) or not machine.reached
            return Part(part, "down" if dead else "degraded", serious[0].brief, marked)
        return Part(part, "healthy", self._does(machine, part), marked)

    def _does(self, machine: Machine, part: str) -> str:
        if part == "balancers":
            servers = machine.value("haproxy", "servers", ())
            place = "holds the address" if machine in self.holders else "stands by"
            # The leader's ways count as one server that is up: the one that leads
            up = [server["state"] == "up" for server in servers if server["backend"] not in LEADERS]
            leading = _leading(servers)
            if leading:
                up.append(all(len(names) == 1 and self.leader in (None, names[0]) for names in leading))
            return f"{place}, {sum(up)} of {len(up)} up" if up else place
        if part == "frontends":
            servers = [] if self.zone is None else self.zone["servers"]
            state = next((server["state"] for server in servers if server["name"] == machine.name), "")
            return {"leader": "leads", "follower": "follows", "solo": "serves alone"}.get(state, state)
        if part == "nodes":
            host = self._host_of(machine)
            return "runs libvirt" if host is None else f"{host['state']}, {_counted(len(host['vms']), 'VM')}"
        return {"sunstones": "serves the web", "caches": "keeps sessions"}[part]


def _leading(servers: Sequence[Mapping[str, Any]]) -> dict[tuple[str, ...], list[str]]:
    """The backends of the leader by those servers that are up in them: one entry, as long as they agree."""
    up: dict[str, list[str]] = {}
    for server in servers:
        if server["backend"] in LEADERS:
            names = up.setdefault(str(server["backend"]), [])
            if server["state"] == "up":
                names.append(str(server["server"]))
    found: dict[tuple[str, ...], list[str]] = {}
    for backend, names in up.items():
        found.setdefault(tuple(names), []).append(backend)
    return found


def names_host(names: Sequence[str], wanted: str) -> bool:
    """Whether a certificate's names cover a name, by itself or with a star for its first label."""
    wanted = wanted.lower()
    return bool({wanted, f"*.{wanted.partition('.')[2]}"} & {name.lower() for name in names})


def _url(scheme: str, host: str, port: int, usual: int) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"{scheme}://{name}/" if port == usual else f"{scheme}://{name}:{port}/"


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _bytes(number: int) -> str:
    value = float(number)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:.3g} TiB"


def _worst(states: Sequence[str]) -> str:
    """A machine is down when everything that it carries is, and degraded when something is."""
    kinds = set(states)
    if len(kinds) == 1:
        return states[0]
    return "degraded" if kinds & {"down", "degraded"} else "healthy"


def _without_consequences(problems: Sequence[Problem]) -> list[Problem]:
    had: dict[str | None, set[str]] = {}
    for problem in problems:
        had.setdefault(problem.machine, set()).add(problem.code)
    return [
        problem
        for problem in problems
        if problem.machine is None or not had[problem.machine] & CONSEQUENCES.get(problem.code, frozenset())
    ]


def _in_order(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    weights = list(Severity)
    order = {code: number for number, code in enumerate([*zone_judge.CODES, *CODES])}
    return tuple(sorted(problems, key=lambda problem: (weights.index(problem.severity), order[problem.code])))
