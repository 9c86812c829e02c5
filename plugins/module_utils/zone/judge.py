# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judgement of a zone's health. Pure: what the servers answered in, a verdict out.

Who leads: the server in state LEADER that a majority of the zone's servers, itself included, follows in its own term.
A leader that was cut off keeps its state, so its word alone counts for nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .model import (
    Answer,
    ExpectedServer,
    Failure,
    FailureKind,
    RaftStatus,
    ServerState,
    Zone,
    ZoneServer,
    endpoint_key,
)

# Records that a follower may be behind in one look: what is in flight is no lag.
DEFAULT_MAX_LAG = 100


class Health(str, enum.Enum):
    """The verdict in one word."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    NO_SERVICE = "no_service"


class Severity(str, enum.Enum):
    """What a problem does to the verdict."""

    FATAL = "fatal"
    WARNING = "warning"
    ADVICE = "advice"


# Every code, and how much it weighs. The order is the order of a report.
CODES: dict[str, Severity] = {
    "no_zone": Severity.FATAL,
    "zone_disabled": Severity.FATAL,
    "no_quorum": Severity.FATAL,
    "no_leader": Severity.FATAL,
    "two_leaders": Severity.WARNING,
    "solo_with_others": Severity.WARNING,
    "duplicate_server_id": Severity.WARNING,
    "wrong_server_id": Severity.WARNING,
    "duplicate_entry": Severity.WARNING,
    "server_unreachable": Severity.WARNING,
    "credentials_refused": Severity.WARNING,
    "candidate": Severity.WARNING,
    "lagging": Severity.WARNING,
    "version_differs": Severity.WARNING,
    "server_missing": Severity.WARNING,
    "endpoint_unknown": Severity.WARNING,
    "single": Severity.WARNING,
    "even_servers": Severity.ADVICE,
}


@dataclass(frozen=True)
class Problem:
    """Something to mend: a stable code, the server it is about, a sentence, and what to do next."""

    code: str
    server: str | None
    sentence: str
    next_step: str

    @property
    def severity(self) -> Severity:
        """What it does to the verdict."""
        return CODES[self.code]

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "code": self.code,
            "severity": self.severity.value,
            "server": self.server,
            "sentence": self.sentence,
            "next_step": self.next_step,
        }


@dataclass(frozen=True)
class ServerHealth:
    """One server in the verdict; `state` is 'error' when it gave none."""

    name: str
    id: int | None
    endpoint: str
    in_zone: bool
    state: str
    term: int | None
    index: int | None
    commit: int | None
    lag: int | None
    version: str | None
    failure: str | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.name,
            "id": self.id,
            "endpoint": self.endpoint,
            "in_zone": self.in_zone,
            "state": self.state,
            "term": self.term,
            "index": self.index,
            "commit": self.commit,
            "lag": self.lag,
            "version": self.version,
            "failure": self.failure,
        }


@dataclass(frozen=True)
class Verdict:
    """The truth about a zone, as far as the answers tell it."""

    state: Health
    sentence: str
    serving: bool
    zone_id: int | None
    zone_name: str | None
    leader: str | None
    leader_id: int | None
    leader_endpoint: str | None
    term: int | None
    index: int | None
    quorum: int
    answering: int
    following: int
    servers: tuple[ServerHealth, ...]
    problems: tuple[Problem, ...]

    @property
    def healthy(self) -> bool:
        """Nothing to mend (advice aside)."""
        return self.state is Health.HEALTHY

    def codes(self) -> tuple[str, ...]:
        """The problems' codes, each once, in the order of the report."""
        return tuple(dict.fromkeys(problem.code for problem in self.problems))

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "healthy": self.healthy,
            "state": self.state.value,
            "sentence": self.sentence,
            "serving": self.serving,
            "zone_id": self.zone_id,
            "zone_name": self.zone_name,
            "leader": None
            if self.leader is None
            else {"name": self.leader, "id": self.leader_id, "endpoint": self.leader_endpoint},
            "term": self.term,
            "index": self.index,
            "quorum": self.quorum,
            "answering": self.answering,
            "following": self.following,
            "servers": [server.as_dict() for server in self.servers],
            "problems": [problem.as_dict() for problem in self.problems],
            "codes": list(self.codes()),
        }


def authority(answers: Sequence[Answer]) -> Answer | None:
    """The answer whose zone document counts: the newest leader's, else that of the longest log, else the first."""
    best: Answer | None = None
    best_rank: tuple[bool, int, int] = (False, 0, 0)
    for answer in answers:
        if answer.zone is None or answer.raft is None:
            continue
        raft = answer.raft
        leads = raft.state is ServerState.LEADER
        rank = (leads, raft.term if leads else raft.log_term, raft.log_index)
        if best is None or rank > best_rank:
            best, best_rank = answer, rank
    return best


def judge(
    answers: Sequence[Answer],
    expected: Sequence[ExpectedServer] = (),
    max_lag: int = DEFAULT_MAX_LAG,
) -> Verdict:
    """The verdict over what each endpoint answered, against the servers that the inventory expects (if it says)."""
    source = authority(answers)
    if source is None or source.zone is None:
        return _no_zone(answers, expected)
    return _Judgement(source, source.zone, answers, expected, max_lag).verdict()


@dataclass(frozen=True)
class _Member:
    """An entry of the zone with what its endpoint answered."""

    server: ZoneServer
    answer: Answer

    @property
    def raft(self) -> RaftStatus | None:
        return self.answer.raft

    @property
    def state(self) -> ServerState | None:
        return None if self.answer.raft is None else self.answer.raft.state

    @property
    def term(self) -> int:
        return -1 if self.answer.raft is None else self.answer.raft.term


class _Judgement:
    def __init__(
        self,
        source: Answer,
        zone: Zone,
        answers: Sequence[Answer],
        expected: Sequence[ExpectedServer],
        max_lag: int,
    ) -> None:
        self.source = source
        self.zone = zone
        self.by_endpoint = {endpoint_key(answer.endpoint): answer for answer in answers}
        self.expected = expected
        self.max_lag = max_lag
        self.members = [_Member(server, self._answer(server.endpoint)) for server in zone.servers]
        # A server entered twice answers for both entries, but it is one server.
        distinct: dict[tuple[str, str, int, str], _Member] = {}
        for member in self.members:
            distinct.setdefault(endpoint_key(member.server.endpoint), member)
        self.distinct = list(distinct.values())
        self.quorum = len(zone.servers) // 2 + 1
        self.answering = sum(1 for member in self.distinct if member.raft is not None)
        self.claimants = sorted(
            (member for member in self.distinct if member.state is ServerState.LEADER),
            key=lambda member: member.term,
            reverse=True,
        )
        self.leader = next((item for item in self.claimants if self._followers(item.term) >= self.quorum), None)
        top = self.leader or (self.claimants[0] if self.claimants else None)
        self.following = 0 if top is None else self._followers(top.term)
        self.problems: list[Problem] = []

    def _answer(self, endpoint: str) -> Answer:
        known = self.by_endpoint.get(endpoint_key(endpoint))
        if known is not None:
            return known
        return Answer(endpoint, failure=Failure(FailureKind.UNREACHABLE, "it was not asked"))

    def _followers(self, term: int) -> int:
        """A leader of the term and those that follow in it; a second leader of one term follows nobody."""
        states = [member.state for member in self.distinct if member.term == term]
        return states.count(ServerState.FOLLOWER) + (ServerState.LEADER in states)

    def _add(self, code: str, server: str | None, sentence: str, next_step: str) -> None:
        self.problems.append(Problem(code, server, sentence, next_step))

    def verdict(self) -> Verdict:
        solo = self._judge_solo() if len(self.distinct) <= 1 else None
        if solo is None:
            self._judge_quorum()
            self._judge_claimants()
        self._judge_entries()
        for member in self.distinct:
            self._judge_server(member)
        self._judge_versions()
        self._judge_expected()
        if not self.zone.enabled:
            self._add(
                "zone_disabled",
                None,
                f"The zone {self.zone.name} is disabled: it refuses every write.",
                f"Enable it: onezone enable {self.zone.id}",
            )
        return self._conclude(solo)

    def _judge_solo(self) -> Answer | None:
        """A zone of one: the answer of the server that serves it alone, or None if Raft has to elect it."""
        answer = self.distinct[0].answer if self.distinct else self.source
        name = self.distinct[0].server.name if self.distinct else self._name_of(self.source)
        self._add(
            "single",
            name,
            f"The zone {self.zone.name} has a single server: when {name} stops, the service stops.",
            "Add two more front-ends to the inventory's group 'frontends' and run site.yml.",
        )
        if answer.raft is not None and answer.raft.state is ServerState.SOLO:
            return answer
        return None

    def _judge_quorum(self) -> None:
        total = len(self.zone.servers)
        if self.answering < self.quorum:
            self._add(
                "no_quorum",
                None,
                (
                    f"Only {self.answering} of {total} servers gave their state, a majority is {self.quorum}: "
                    "no write can be shown to commit."
                ),
                "Start oned on the servers that do not answer, or mend the network between them.",
            )
        if self.leader is not None or (self.claimants and self.answering < self.quorum):
            return
        if self.claimants:
            top = self.claimants[0]
            self._add(
                "no_leader",
                top.server.name,
                (
                    f"No server leads: {top.server.name} says it does in term {top.term}, but {self.following} "
                    f"of {total} servers are with it and a majority is {self.quorum}."
                ),
                "Wait for one election; if it stays so, compare the servers' terms in /var/log/one/oned.log.",
            )
        else:
            sentence = (
                f"No server leads: none of the {self.answering} of {total} servers that answer is in state leader."
            )
            step = "Wait 15 s after a start plus one election timeout; if it stays so, read /var/log/one/oned.log."
            outsider = self._leading_outsider()
            if outsider is not None and outsider.raft is not None:
                name = self._name_of(outsider)
                sentence = (
                    f"No server of the zone leads, but {name} ({outsider.endpoint}), "
                    f"which the zone does not list, says that it leads in term {outsider.raft.term}."
                )
                step = f"Stop oned on {name}: the others elect a leader among themselves then."
            self._add("no_leader", None, sentence, step)

    def _leading_outsider(self) -> Answer | None:
        """A server that was deleted from the zone and leads on."""
        inside = {endpoint_key(server.endpoint) for server in self.zone.servers}
        for key, answer in self.by_endpoint.items():
            if key not in inside and answer.raft is not None and answer.raft.state is ServerState.LEADER:
                return answer
        return None

    def _judge_claimants(self) -> None:
        if len(self.claimants) < 2:
            return
        top = self.leader or self.claimants[0]
        for member in self.claimants:
            if member is top:
                continue
            if member.term == top.term:
                sentence = f"{top.server.name} and {member.server.name} both say that they lead in term {top.term}."
                step = (
                    f"Stop oned on {member.server.name}, compare SERVER_ID in both oned.conf, "
                    "then rebuild it from the leader."
                )
            else:
                newer = "leads" if self.leader is not None else "says the same"
                sentence = (
                    f"{member.server.name} still says that it leads, in term {member.term}; it is stale: "
                    f"{top.server.name} {newer} in term {top.term}."
                )
                step = (
                    f"Mend the network between {member.server.name} and the others; "
                    "send no traffic to it until it follows."
                )
            self._add("two_leaders", member.server.name, sentence, step)

    def _judge_entries(self) -> None:
        total = len(self.zone.servers)
        seen: dict[tuple[str, str, int, str], ZoneServer] = {}
        for server in self.zone.servers:
            first = seen.setdefault(endpoint_key(server.endpoint), server)
            if first is not server:
                self._add(
                    "duplicate_entry",
                    server.name,
                    (
                        f"The zone lists {server.endpoint} twice, as server {first.id} ({first.name}) and server "
                        f"{server.id} ({server.name}): its majority counts both."
                    ),
                    f"Delete the one whose id is not in its oned.conf: onezone server-del {self.zone.id} ID",
                )
        if total and total % 2 == 0:
            self._add(
                "even_servers",
                None,
                f"The zone has {total} servers: it bears no more failures than one of {total - 1}.",
                "Add a server, or remove one.",
            )

    def _judge_server(self, member: _Member) -> None:
        name, answer, raft = member.server.name, member.answer, member.raft
        if raft is None:
            self._judge_silent(name, answer)
            return
        if raft.state is ServerState.SOLO:
            if len(self.zone.servers) > 1:
                self._judge_alone(member, raft)
            return
        if raft.server_id != member.server.id:
            self._add(
                "wrong_server_id",
                name,
                (
                    f"{name} believes that it is server {raft.server_id}, "
                    f"the zone lists it as server {member.server.id}."
                ),
                (
                    f"Set FEDERATION/SERVER_ID = {member.server.id} in /etc/one/oned.conf of {name} and restart "
                    "oned there."
                ),
            )
        twins = [
            other.server.name
            for other in self.distinct
            if other is not member and other.raft is not None and other.raft.server_id == raft.server_id
        ]
        if twins:
            self._add(
                "duplicate_server_id",
                name,
                f"{name} believes that it is server {raft.server_id}, and so does {', '.join(twins)}.",
                (
                    f"Set FEDERATION/SERVER_ID of each to the id that 'onezone show {self.zone.id}' lists "
                    "for its endpoint."
                ),
            )
        if raft.state is ServerState.CANDIDATE:
            self._add(
                "candidate",
                name,
                f"{name} asks for votes (term {raft.term}) and follows nobody.",
                f"Wait one election; if it stays so, see whether {name} reaches the other servers' port.",
            )
        leader = self.leader.raft if self.leader is not None else None
        if leader is not None and raft.state is ServerState.FOLLOWER:
            lag = leader.log_index - raft.log_index
            if lag > self.max_lag:
                self._add(
                    "lagging",
                    name,
                    (
                        f"{name} is {lag} records behind the leader "
                        f"(index {raft.log_index}, the leader has {leader.log_index})."
                    ),
                    "Look again in a minute; if its index does not move, rebuild it from a fresh dump of the leader.",
                )

    def _judge_silent(self, name: str, answer: Answer) -> None:
        failure = answer.failure
        if failure is not None and failure.kind is FailureKind.CREDENTIALS:
            self._add(
                "credentials_refused",
                name,
                f"{name} ({answer.endpoint}) refuses the credentials that the others accept.",
                f"Copy /var/lib/one/.one from the leader to {name} and restart oned there.",
            )
            return
        why = "it gave no state" if failure is None else failure.detail
        if failure is not None and failure.kind.answered:
            sentence = f"{name} ({answer.endpoint}) answers, but not with its state: {why}."
            step = f"See what listens there; read /var/log/one/oned.log on {name}."
        elif failure is not None and failure.kind is FailureKind.REFUSED:
            sentence = f"{name} ({answer.endpoint}) does not answer: {why}."
            step = f"oned does not run there: systemctl status opennebula on {name}."
        else:
            sentence = f"{name} ({answer.endpoint}) does not answer: {why}."
            step = f"See whether {name} is up and its port reachable, then /var/log/one/oned.log there."
        self._add("server_unreachable", name, sentence, step)

    def _judge_alone(self, member: _Member, raft: RaftStatus) -> None:
        name = member.server.name
        others = _counted(len(self.zone.servers) - 1, "other server")
        if self.leader is not None:
            sentence = f"{name} runs solo though the zone has {others}: what it writes diverges from them."
            step = f"Stop oned on {name} at once and rebuild it from a fresh dump of the leader."
        else:
            sentence = f"{name} runs solo though the zone has {others}, and nobody leads."
            step = (
                f"An unfinished bootstrap: run site.yml again. If the zone was whole before, stop oned on {name} first."
            )
        self._add("solo_with_others", name, sentence, step)

    def _judge_versions(self) -> None:
        versions: dict[str, list[str]] = {}
        for member in self.distinct:
            if member.answer.version:
                versions.setdefault(member.answer.version, []).append(member.server.name)
        if len(versions) < 2:
            return
        leader_version = None if self.leader is None else self.leader.answer.version
        common = leader_version or max(versions, key=lambda item: len(versions[item]))
        for version, names in versions.items():
            if version == common:
                continue
            for name in names:
                self._add(
                    "version_differs",
                    name,
                    f"{name} runs OpenNebula {version}; on {', '.join(versions[common])} it is {common}.",
                    "Finish the upgrade: bring all front-ends to one version.",
                )

    def _judge_expected(self) -> None:
        if not self.expected:
            return
        wanted = {endpoint_key(item.endpoint): item for item in self.expected}
        present = {endpoint_key(server.endpoint) for server in self.zone.servers}
        for member in self.distinct:
            if endpoint_key(member.server.endpoint) not in wanted:
                self._add(
                    "endpoint_unknown",
                    member.server.name,
                    f"The zone has the server {member.server.name} ({member.server.endpoint}), "
                    "which the inventory does not have.",
                    (
                        "Add it to the group 'frontends', or stop its oned and delete it: onezone server-del "
                        f"{self.zone.id} {member.server.id}"
                    ),
                )
        for key, item in wanted.items():
            if key in present:
                continue
            answer = self.by_endpoint.get(key)
            raft = None if answer is None else answer.raft
            sentence = f"The inventory has {item.name} ({item.endpoint}), the zone {self.zone.name} has no such server."
            step = "Run site.yml: it adds the server."
            if raft is not None and raft.state is not ServerState.SOLO:
                sentence = sentence[:-1] + (f", and yet it runs as {raft.state.name.lower()} in term {raft.term}.")
                step = f"Stop oned on {item.name}: a server that is not in the zone disturbs its elections."
            self._add("server_missing", item.name, sentence, step)

    def _name_of(self, answer: Answer) -> str:
        key = endpoint_key(answer.endpoint)
        for item in self.expected:
            if endpoint_key(item.endpoint) == key:
                return item.name
        return key[1]

    def _row(self, name: str, number: int | None, endpoint: str, in_zone: bool, answer: Answer) -> ServerHealth:
        raft = answer.raft
        leader = self.leader.raft if self.leader is not None else None
        lag = None
        if raft is not None and leader is not None and raft.state is not ServerState.SOLO:
            lag = leader.log_index - raft.log_index
        return ServerHealth(
            name=name,
            id=number,
            endpoint=endpoint,
            in_zone=in_zone,
            state="error" if raft is None else raft.state.name.lower(),
            term=None if raft is None else raft.term,
            index=None if raft is None else raft.log_index,
            commit=None if raft is None else raft.commit,
            lag=lag,
            version=answer.version,
            failure=None if answer.failure is None else answer.failure.detail,
        )

    def _rows(self) -> tuple[ServerHealth, ...]:
        rows = [
            self._row(item.server.name, item.server.id, item.server.endpoint, True, item.answer)
            for item in self.members
        ]
        present = {endpoint_key(server.endpoint) for server in self.zone.servers}
        for item in self.expected:
            if endpoint_key(item.endpoint) not in present:
                rows.append(self._row(item.name, None, item.endpoint, False, self._answer(item.endpoint)))
        if not rows:
            rows.append(self._row(self._name_of(self.source), None, self.source.endpoint, False, self.source))
        return tuple(rows)

    def _conclude(self, solo: Answer | None) -> Verdict:
        problems = _in_order(self.problems)
        serving = (self.leader is not None or solo is not None) and self.zone.enabled
        state = _state(problems, serving)
        raft = solo.raft if solo is not None else (self.leader.raft if self.leader is not None else None)
        leader_name = leader_endpoint = None
        leader_id: int | None = None
        if self.leader is not None:
            leader_name, leader_id = self.leader.server.name, self.leader.server.id
            leader_endpoint = self.leader.server.endpoint
        elif solo is not None:
            leader_name, leader_endpoint = self._solo_name(), solo.endpoint
            leader_id = self.distinct[0].server.id if self.distinct else None
        return Verdict(
            state=state,
            sentence=self._sentence(state, problems, raft, solo, leader_name),
            serving=serving,
            zone_id=self.zone.id,
            zone_name=self.zone.name,
            leader=leader_name,
            leader_id=leader_id,
            leader_endpoint=leader_endpoint,
            term=None if raft is None else raft.term,
            index=None if raft is None else raft.log_index,
            quorum=self.quorum,
            answering=self.answering if self.distinct else 1,
            following=1 if solo is not None else self.following,
            servers=self._rows(),
            problems=problems,
        )

    def _solo_name(self) -> str:
        return self.distinct[0].server.name if self.distinct else self._name_of(self.source)

    def _sentence(
        self,
        state: Health,
        problems: tuple[Problem, ...],
        raft: RaftStatus | None,
        solo: Answer | None,
        leader_name: str | None,
    ) -> str:
        if raft is None or leader_name is None:
            who = ""
        elif solo is not None:
            who = f"{leader_name} serves alone"
        else:
            who = (
                f"{leader_name} leads {self.following} of {len(self.zone.servers)} servers in term {raft.term} "
                f"at index {raft.log_index}"
            )
        word = {Health.HEALTHY: "is healthy", Health.DEGRADED: "is degraded", Health.NO_SERVICE: "gives no service"}
        head = f"Zone {self.zone.name} {word[state]}"
        weight = [item for item in problems if item.severity is not Severity.ADVICE]
        reasons = " ".join(item.sentence for item in weight[:2])
        if len(weight) > 2:
            reasons += f" ({_counted(len(weight) - 2, 'more problem')})"
        if not weight:
            return f"{head}: {who}."
        return "{}: {}{}".format(head, who + ". " if who else "", reasons)


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _in_order(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    order = {code: position for position, code in enumerate(CODES)}
    return tuple(sorted(problems, key=lambda problem: order[problem.code]))


def _state(problems: Sequence[Problem], serving: bool) -> Health:
    weights = {problem.severity for problem in problems}
    if not serving or Severity.FATAL in weights:
        return Health.NO_SERVICE
    return Health.DEGRADED if Severity.WARNING in weights else Health.HEALTHY


def _no_zone(answers: Sequence[Answer], expected: Sequence[ExpectedServer]) -> Verdict:
    """Nobody gave the zone's document: all that can be said is how each failed."""
    names = {endpoint_key(item.endpoint): item.name for item in expected}
    problems = []
    rows = []
    for answer in answers:
        name = names.get(endpoint_key(answer.endpoint), endpoint_key(answer.endpoint)[1])
        failure = answer.failure
        raft = answer.raft
        rows.append(
            ServerHealth(
                name=name,
                id=None,
                endpoint=answer.endpoint,
                in_zone=False,
                state="error" if raft is None else raft.state.name.lower(),
                term=None if raft is None else raft.term,
                index=None if raft is None else raft.log_index,
                commit=None if raft is None else raft.commit,
                lag=None,
                version=answer.version,
                failure=None if failure is None else failure.detail,
            )
        )
        if raft is not None:
            continue
        refused = failure is not None and failure.kind is FailureKind.CREDENTIALS
        problems.append(
            Problem(
                "credentials_refused" if refused else "server_unreachable",
                name,
                "{} ({}) {}.".format(
                    name,
                    answer.endpoint,
                    "refuses the credentials of this machine"
                    if refused
                    else (f"does not answer: {'it gave no state' if failure is None else failure.detail}"),
                ),
                "Compare /var/lib/one/.one with the other front-ends."
                if refused
                else f"See 'systemctl status opennebula' and /var/log/one/oned.log on {name}.",
            )
        )
    problems.append(
        Problem(
            "no_zone",
            None,
            (f"No server gave the zone's document ({len(answers)} asked).")
            if answers
            else "No server was asked: neither an endpoint nor an expected server was given.",
            "Start oned on the front-ends, or ask from one of them.",
        )
    )
    ordered = _in_order(problems)
    return Verdict(
        state=Health.NO_SERVICE,
        sentence="The zone gives no service: {}".format(" ".join(item.sentence for item in ordered[:3])),
        serving=False,
        zone_id=None,
        zone_name=None,
        leader=None,
        leader_id=None,
        leader_endpoint=None,
        term=None,
        index=None,
        quorum=(len(expected) or 1) // 2 + 1,
        answering=sum(1 for answer in answers if answer.raft is not None),
        following=0,
        servers=tuple(rows),
        problems=ordered,
    )
