# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judgement of a zone's health. Pure: what the servers answered in, a verdict out.

Who leads: the server in state LEADER that a majority of the zone's servers, itself included, follows in its own term.
A leader that was cut off keeps its state, so its word alone counts for nothing. For one election timeout after a cut
its followers still count as such in every answer: what is judged is a zone that had that time.

What answers alone cannot show is left to a second look (`earlier`) and to what the machines know (`machines`); where
these are not given nothing is concluded from them.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .model import (
    Answer,
    DatabaseState,
    ExpectedServer,
    Failure,
    FailureKind,
    MachineFacts,
    RaftStatus,
    ServerState,
    Zone,
    ZoneServer,
    endpoint_key,
)
from .problems import CODES, Problem, Severity, in_order, problem

__all__ = ("CODES", "DEFAULT_MAX_LAG", "Health", "Problem", "ServerHealth", "Severity", "Verdict", "authority", "judge")

# Records that a follower may be behind in one look: what is in flight is no lag.
DEFAULT_MAX_LAG = 100
# Indexes of skipped records that a sentence names.
NAMED_RECORDS = 5

Key = tuple[str, str, int, str]


class Health(str, enum.Enum):
    """The verdict in one word."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    NO_SERVICE = "no_service"


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
    """The answer whose zone document counts: the newest leader's, else that of the longest log, else the first.

    A machine that was only installed has a zone without servers, which counts for nothing beside another.
    """
    ranked = []
    for answer in answers:
        raft, document = answer.raft, answer.zone
        if raft is not None and document is not None:
            leads = raft.state is ServerState.LEADER
            term = raft.term if leads else raft.log_term
            ranked.append(((bool(document.servers), leads, term, raft.log_index), answer))
    return max(ranked, key=lambda item: item[0])[1] if ranked else None


def judge(
    answers: Sequence[Answer],
    expected: Sequence[ExpectedServer] = (),
    max_lag: int = DEFAULT_MAX_LAG,
    earlier: Sequence[Answer] = (),
    machines: Mapping[str, MachineFacts] | None = None,
) -> Verdict:
    """The verdict over what each endpoint answered, against the servers that the inventory expects (if it says).

    `earlier`: what the same endpoints answered a second or more before (those that were asked twice); without it a
    candidate is reported at first sight, and no index can be seen to stand still.
    `machines`: what machines know of themselves, by endpoint, from the agents that answered; empty when none was asked
    or none is there yet.
    """
    facts = {endpoint_key(endpoint): found for endpoint, found in (machines or {}).items()}
    source = authority(answers)
    if source is None or source.zone is None:
        return _no_zone(answers, expected, facts)
    return _Judgement(source, source.zone, answers, expected, max_lag, earlier, facts).verdict()


@dataclass(frozen=True)
class _Member:
    """An entry of the zone with what its endpoint answered."""

    server: ZoneServer
    answer: Answer
    before: RaftStatus | None
    machine: MachineFacts | None

    @property
    def name(self) -> str:
        return self.server.name

    @property
    def key(self) -> Key:
        return endpoint_key(self.server.endpoint)

    @property
    def raft(self) -> RaftStatus | None:
        return self.answer.raft

    @property
    def state(self) -> ServerState | None:
        return None if self.answer.raft is None else self.answer.raft.state

    @property
    def term(self) -> int:
        return -1 if self.answer.raft is None else self.answer.raft.term

    @property
    def index(self) -> int | None:
        """Its last record, as its oned or else its machine says."""
        if self.answer.raft is not None:
            return self.answer.raft.log_index
        return None if self.machine is None or self.machine.log is None else self.machine.log.newest

    @property
    def writable(self) -> bool:
        """Whether its database takes writes, as far as is known."""
        return self.machine is None or self.machine.writable

    @property
    def recorded(self) -> bool:
        """Whether it is known to hold records of the zone's log, or to write for itself."""
        if self.machine is not None and self.machine.log is not None and self.machine.log.newest > 0:
            return True
        raft = self.answer.raft
        if raft is None:
            return False
        if raft.state is ServerState.SOLO:
            # Raft's term and commit outlive the time as a member.
            return raft.term > 0 or raft.commit > 0
        return raft.state is ServerState.LEADER or raft.log_index > 0

    @property
    def copies_the_zone(self) -> bool:
        """Whether it runs solo with a document that lists others."""
        document = self.answer.zone
        return self.state is ServerState.SOLO and document is not None and len(document.servers) > 1

    @property
    def unclear(self) -> bool:
        """Whether it may hold records that nothing shows; where no oned was started yet, none listens."""
        failure = self.answer.failure
        refused = failure is not None and failure.kind is FailureKind.REFUSED
        return self.index is None and not refused


class _Judgement:
    def __init__(
        self,
        source: Answer,
        zone: Zone,
        answers: Sequence[Answer],
        expected: Sequence[ExpectedServer],
        max_lag: int,
        earlier: Sequence[Answer],
        machines: Mapping[Key, MachineFacts],
    ) -> None:
        self.source = source
        self.zone = zone
        self.by_endpoint = {endpoint_key(answer.endpoint): answer for answer in answers}
        self.expected = expected
        self.max_lag = max_lag
        self.before = {endpoint_key(answer.endpoint): answer.raft for answer in earlier}
        self.machines = machines
        self.members = [self._member(server) for server in zone.servers]
        # A server entered twice answers for both entries, but it is one server.
        distinct: dict[Key, _Member] = {}
        for member in self.members:
            distinct.setdefault(member.key, member)
        self.distinct = list(distinct.values())
        self.quorum = len(zone.servers) // 2 + 1
        self.answering = sum(1 for member in self.distinct if member.raft is not None)
        self.claimants = sorted(
            (member for member in self.distinct if member.state is ServerState.LEADER),
            key=lambda member: member.term,
            reverse=True,
        )
        self.leader = next((item for item in self.claimants if self._followers(item.term) >= self.quorum), None)
        self.top = self.leader or next(iter(self.claimants), None)
        self.following = 0 if self.top is None else self._followers(self.top.term)
        self.only = next(iter(self.distinct), None)
        self.able = True
        self.problems: list[Problem] = []

    def _member(self, server: ZoneServer) -> _Member:
        key = endpoint_key(server.endpoint)
        return _Member(server, self._answer(server.endpoint), self.before.get(key), self.machines.get(key))

    def _answer(self, endpoint: str) -> Answer:
        known = self.by_endpoint.get(endpoint_key(endpoint))
        if known is not None:
            return known
        return Answer(endpoint, failure=Failure(FailureKind.UNREACHABLE, "it was not asked"))

    def _followers(self, term: int) -> int:
        """A leader of the term and those that follow in it; a second leader of one term follows nobody."""
        states = [member.state for member in self.distinct if member.term == term]
        return states.count(ServerState.FOLLOWER) + (ServerState.LEADER in states)

    def _add(self, code: str, server: str | None, sentence: str, step: int = 0, **values: object) -> None:
        self.problems.append(problem(code, server, sentence, step, zone=self.zone.id, **values))

    def verdict(self) -> Verdict:
        solo = self._judge_solo() if len(self.distinct) <= 1 else None
        if solo is None:
            self._judge_quorum()
            self._judge_claimants()
            if self.leader is not None:
                self._judge_storing(self.leader)
        else:
            self._judge_solo_machine(self.machines.get(endpoint_key(solo.endpoint)))
        self._judge_entries()
        for member in self.distinct:
            if self.leader is not None and member.index is not None:
                self._judge_pace(member, self.leader, member.index)
            self._judge_server(member)
            self._judge_machine(member)
        self._judge_versions()
        self._judge_credentials()
        self._judge_expected()
        if not self.zone.enabled:
            self._add("zone_disabled", None, f"The zone {self.zone.name} is disabled: it refuses every write.")
        return self._conclude(solo)

    def _judge_solo(self) -> Answer | None:
        """A zone of one: the answer of the server that serves it alone, or None if Raft has to elect it."""
        answer = self.source if self.only is None else self.only.answer
        name = self._only_name()
        self._add(
            "single",
            name,
            f"The zone {self.zone.name} has a single server: when {name} stops, the service stops.",
        )
        return answer if answer.raft is not None and answer.raft.state is ServerState.SOLO else None

    def _judge_solo_machine(self, machine: MachineFacts | None) -> None:
        if machine is None:
            return
        self._judge_able(self._only_name(), machine)
        if self.only is None:
            self.problems += _machine_problems(self._only_name(), machine)

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
            )
        if self.leader is not None or (self.claimants and self.answering < self.quorum):
            return
        if self.top is not None:
            self._add(
                "no_leader",
                self.top.name,
                (
                    f"No server leads: {self.top.name} says it does in term {self.top.term}, but {self.following} "
                    f"of {total} servers are with it and a majority is {self.quorum}."
                ),
                1,
            )
        else:
            sentence = (
                f"No server leads: none of the {self.answering} of {total} servers that answer is in state leader."
            )
            # No server of the list says that it leads; one that was deleted from it may lead on.
            for answer in self.by_endpoint.values():
                if answer.raft is not None and answer.raft.state is ServerState.LEADER:
                    name = self._name_of(answer)
                    sentence = (
                        f"No server of the zone leads, but {name} ({answer.endpoint}), "
                        f"which the zone does not list, says that it leads in term {answer.raft.term}."
                    )
                    self._add("no_leader", None, sentence, 2, name=name)
                    return
            self._add("no_leader", None, sentence)

    def _judge_claimants(self) -> None:
        top = self.top
        for member in self.claimants:
            if top is None or member is top:
                continue
            if member.term == top.term:
                sentence = f"{top.server.name} and {member.server.name} both say that they lead in term {top.term}."
                step = 1
            else:
                newer = "leads" if self.leader is not None else "says the same"
                sentence = (
                    f"{member.server.name} still says that it leads, in term {member.term}; it is stale: "
                    f"{top.server.name} {newer} in term {top.term}."
                )
                step = 0
            self._add("two_leaders", member.server.name, sentence, step)

    def _judge_able(self, name: str, machine: MachineFacts) -> None:
        """Whether the server that takes writes can store them."""
        if machine.writable:
            return
        self.able = False
        self._add(
            "leader_unable",
            name,
            f"{name} leads, and its own database {_database(machine)}: no write can commit.",
            0 if len(self.distinct) > 1 else 1,
        )

    def _judge_storing(self, leader: _Member) -> None:
        """Whether a majority stores what the leader writes."""
        if leader.machine is not None:
            self._judge_able(leader.name, leader.machine)
        failing = [
            member
            for member in self.distinct
            if member.state is ServerState.FOLLOWER
            and member.term == leader.term
            and (not member.writable or self._out_of_window(member, leader))
        ]
        storing = self.following - len(failing)
        if self.able and storing < self.quorum:
            names = _listed([member.name for member in failing])
            self.able = False
            self._add(
                "no_quorum",
                None,
                f"Only {storing} of {len(self.zone.servers)} servers store what {leader.name} writes, "
                f"a majority is {self.quorum}: {names} {_plural(failing, 'does', 'do')} not.",
                1,
                servers=names,
            )

    @staticmethod
    def _stands_still(member: _Member, leader: _Member) -> bool:
        """Whether it was behind in the first look, and has not moved since, while the leader has."""
        then, now, before, raft = leader.before, leader.raft, member.before, member.raft
        if then is None or now is None or before is None or raft is None:
            return False
        # Both looks fell into one reign.
        states = (then.state, before.state, raft.state)
        if states != (ServerState.LEADER, ServerState.FOLLOWER, ServerState.FOLLOWER):
            return False
        if len({then.term, now.term, before.term, raft.term}) > 1:
            return False
        return before.log_index == raft.log_index < then.log_index < now.log_index

    def _out_of_window(self, member: _Member, leader: _Member) -> bool:
        """Whether the leader no longer has what it needs next; its pace tells, where the leader's log is not known."""
        if member is leader or member.index is None or member.state is ServerState.SOLO:
            return False
        if leader.machine is not None and leader.machine.log is not None:
            return member.index < leader.machine.log.oldest
        return member.writable and self._stands_still(member, leader)

    def _judge_entries(self) -> None:
        total = len(self.zone.servers)
        seen: dict[Key, ZoneServer] = {}
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
                )
        if total and total % 2 == 0:
            self._add(
                "even_servers",
                None,
                f"The zone has {total} servers: it bears no more failures than one of {total - 1}.",
            )

    def _judge_server(self, member: _Member) -> None:
        name, answer, raft = member.name, member.answer, member.raft
        if raft is None:
            self._judge_silent(name, answer)
            return
        if answer.zone is None:
            self._add("no_document", name, f"{name} gives its state, and cannot read the zone's document.")
        if raft.state is ServerState.SOLO:
            if len(self.distinct) > 1:
                self._judge_alone(member)
            return
        if raft.server_id != member.server.id:
            self._add(
                "wrong_server_id",
                name,
                f"{name} believes that it is server {raft.server_id}, the zone lists it as server {member.server.id}.",
                id=member.server.id,
            )
        twins = [
            other.name
            for other in self.distinct
            if other is not member and other.raft is not None and other.raft.server_id == raft.server_id
        ]
        if twins:
            self._add(
                "duplicate_server_id",
                name,
                f"{name} believes that it is server {raft.server_id}, and so does {', '.join(twins)}.",
            )
        # An election takes a moment; one look alone cannot tell how long it has lasted.
        if raft.state is ServerState.CANDIDATE and (
            member.before is None or member.before.state is ServerState.CANDIDATE
        ):
            self._add("candidate", name, f"{name} asks for votes (term {raft.term}) and follows nobody.")

    def _judge_pace(self, member: _Member, leader: _Member, index: int) -> None:
        newest = leader.index or 0
        still = self._stands_still(member, leader)
        if self._out_of_window(member, leader):
            log = None if leader.machine is None else leader.machine.log
            why = (
                f"stands still at index {index} while the leader's moves"
                if log is None
                else f"ends at index {index}, the leader's log begins at {log.oldest}"
            )
            self._add("out_of_window", member.name, f"The log of {member.name} {why}: it cannot catch up.")
        elif member.state is ServerState.FOLLOWER and (newest - index > self.max_lag or still):
            self._add(
                "lagging",
                member.name,
                f"{member.name} is {_counted(newest - index, 'record')} behind the leader "
                f"(index {index}, the leader has {newest})" + (" and stands still." if still else "."),
            )

    def _judge_machine(self, member: _Member) -> None:
        name, machine = member.name, member.machine
        if machine is None:
            # Where no agent answers there is none yet, or none was asked.
            if self.machines and member.raft is not None:
                self._add("agent_silent", name, f"The health agent of {name} does not answer, though its oned does.")
            return
        self.problems += _machine_problems(name, machine)
        log = machine.log
        if log is not None and log.skipped_count > 0:
            named = [str(index) for index in log.skipped[:NAMED_RECORDS]]
            more = ", ..." if log.skipped_count > len(named) else ""
            self._add(
                "record_skipped",
                name,
                f"{name} never applied {_counted(log.skipped_count, 'record')} of its log "
                f"(index {', '.join(named)}{more}): its data is not the zone's.",
                1 if member is self.leader else 0,
            )

    def _judge_credentials(self) -> None:
        known: dict[str, list[_Member]] = {}
        for member in self.distinct:
            if member.machine is not None and member.machine.credentials is not None:
                known.setdefault(member.machine.credentials, []).append(member)
        common = max(known.values(), key=lambda members: (len(members), self.leader in members), default=[])
        for members in known.values():
            if members is common:
                continue
            for member in members:
                self._add(
                    "credentials_differ",
                    member.name,
                    f"The credentials on {member.name} are not those on {_listed([item.name for item in common])}.",
                )

    def _judge_silent(self, name: str, answer: Answer) -> None:
        failure = answer.failure
        if failure is not None and failure.kind is FailureKind.CREDENTIALS:
            self._add(
                "credentials_refused",
                name,
                f"{name} ({answer.endpoint}) refuses the credentials that the others accept.",
            )
            return
        why = "it gave no state" if failure is None else failure.detail
        sentence, step = f"{name} ({answer.endpoint}) does not answer: {why}.", 0
        if failure is not None and failure.kind.answered:
            sentence, step = f"{name} ({answer.endpoint}) answers, but not with its state: {why}.", 2
        elif failure is not None and failure.kind is FailureKind.REFUSED:
            step = 1
        self._add("server_unreachable", name, sentence, step)

    def _judge_alone(self, member: _Member) -> None:
        """A bootstrap that was broken off may go on; with a record anywhere it may not."""
        name = member.name
        others = [other for other in self.distinct if other is not member]
        sentence = f"{name} runs solo though the zone has {_counted(len(others), 'other server')}"
        # Two copies of the zone that run solo: each writes for itself. A new machine's own zone is no copy.
        copies = [item for item in self.distinct if item.copies_the_zone]
        holding = [other.name for other in others if other.recorded or (member in copies and other in copies)]
        unknown = [other.name for other in others if other.unclear]
        if self.leader is not None:
            self._add("diverged", name, f"{sentence}: what it writes diverges from them.")
        elif member.recorded or holding:
            why = f"{_listed(holding)} {_plural(holding, 'holds', 'hold')} records" if holding else "it was one of them"
            self._add("diverged", name, f"{sentence}, and {why}: no other server gets what it writes.", 1)
        elif unknown:
            names = _listed(unknown)
            self._add(
                "solo_with_others",
                name,
                f"{sentence}, and {names} {_plural(unknown, 'does', 'do')} not say whether it holds records.",
                servers=names,
            )
        else:
            self._add("unfinished_bootstrap", name, f"{sentence}, and none of them shows a record.")

    def _judge_versions(self) -> None:
        versions: dict[str, list[str]] = {}
        for member in self.distinct:
            if member.answer.version:
                versions.setdefault(member.answer.version, []).append(member.server.name)
        leader_version = None if self.leader is None else self.leader.answer.version
        common = leader_version or max(versions, key=lambda item: len(versions[item]), default="")
        for version, names in versions.items():
            if version == common:
                continue
            for name in names:
                self._add(
                    "version_differs",
                    name,
                    f"{name} runs OpenNebula {version}; on {', '.join(versions[common])} it is {common}.",
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
                    id=member.server.id,
                )
        for key, item in wanted.items():
            if key in present:
                continue
            answer = self.by_endpoint.get(key)
            raft = None if answer is None else answer.raft
            sentence = f"The inventory has {item.name} ({item.endpoint}), the zone {self.zone.name} has no such server."
            step = 0
            if raft is not None and raft.state is not ServerState.SOLO:
                sentence = sentence[:-1] + (f", and yet it runs as {raft.state.name.lower()} in term {raft.term}.")
                step = 1
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
        problems = in_order(self.problems)
        serving = (self.leader is not None or solo is not None) and self.zone.enabled and self.able
        state = _state(problems, serving)
        serves = solo if solo is not None else None if self.leader is None else self.leader.answer
        raft = None if serves is None else serves.raft
        leader_name = leader_endpoint = None
        leader_id: int | None = None
        if self.leader is not None:
            leader_name, leader_id = self.leader.server.name, self.leader.server.id
            leader_endpoint = self.leader.server.endpoint
        elif solo is not None:
            leader_name, leader_endpoint = self._only_name(), solo.endpoint
            leader_id = None if self.only is None else self.only.server.id
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

    def _only_name(self) -> str:
        return self._name_of(self.source) if self.only is None else self.only.name

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


def _plural(names: Sequence[object], one: str, several: str) -> str:
    return one if len(names) == 1 else several


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _database(machine: MachineFacts) -> str:
    what = "does not answer" if machine.database is DatabaseState.DEAD else "takes no writes"
    return f"{what} ({machine.database_detail})" if machine.database_detail else what


def _machine_problems(name: str, machine: MachineFacts) -> list[Problem]:
    """What is wrong with a machine, whatever the zone is like."""
    found = []
    if not machine.writable:
        found.append(problem("database_dead", name, f"The database of {name} {_database(machine)}."))
    if machine.disk_full:
        left = (machine.disk_free or 0) / 2**20
        found.append(problem("disk_full", name, f"The disk of {name} is full: {left:.1f} MiB are left."))
    return found


def _state(problems: Sequence[Problem], serving: bool) -> Health:
    """What is fatal keeps writes from being served, and nothing else does."""
    if not serving:
        return Health.NO_SERVICE
    return Health.DEGRADED if any(item.severity is Severity.WARNING for item in problems) else Health.HEALTHY


def _no_zone(
    answers: Sequence[Answer], expected: Sequence[ExpectedServer], machines: Mapping[Key, MachineFacts]
) -> Verdict:
    """Nobody gave the zone's document: all that can be said is how each failed, and what the machines know."""
    names = {endpoint_key(item.endpoint): item.name for item in expected}
    problems = []
    rows = []
    for answer in answers:
        key = endpoint_key(answer.endpoint)
        name = names.get(key, key[1])
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
        if key in machines:
            problems += _machine_problems(name, machines[key])
        if raft is not None:
            continue
        if failure is not None and failure.kind is FailureKind.CREDENTIALS:
            sentence = f"{name} ({answer.endpoint}) refuses the credentials of this machine."
            problems.append(problem("credentials_refused", name, sentence, 1))
        else:
            why = "it gave no state" if failure is None else failure.detail
            sentence = f"{name} ({answer.endpoint}) does not answer: {why}."
            problems.append(problem("server_unreachable", name, sentence, 3))
    asked = (
        f"No server gave the zone's document ({len(answers)} asked)."
        if answers
        else "No server was asked: neither an endpoint nor an expected server was given."
    )
    ordered = in_order([*problems, problem("no_zone", None, asked)])
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
        quorum=len(expected) // 2 + 1,
        answering=sum(1 for answer in answers if answer.raft is not None),
        following=0,
        servers=tuple(rows),
        problems=ordered,
    )
