# SPDX-License-Identifier: Apache-2.0
"""What the agent answers, made of what lies on the board: no page asks anybody anything."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Callable

from zone.judge import Verdict, judge
from zone.leadership import NEVER, Leadership, leadership, read_refusal, write_refusal
from zone.model import AgentStatus, Answer, ExpectedServer, MachineFacts, ServerState, status_dict
from zone.problems import CODES

from .board import Board

JSON = "application/json"
PROMETHEUS = "text/plain; version=0.0.4"
# A verdict is made again after that long. What was answered between one and two of these before shows what stood still.
VERDICT_AGE = 0.5
SAMPLE_AGE = 3.0

Page = tuple[int, str, bytes]


def _json(status: int, value: Mapping[str, Any]) -> Page:
    return status, JSON, json.dumps(value).encode("ascii") + b"\n"


def _age(now: float, moment: float) -> float | None:
    return None if moment == NEVER else round(max(now - moment, 0.0), 3)


class Pages:
    """The pages by path."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._expected = [
            ExpectedServer(item.name, item.endpoint) for item in sorted([board.own, *board.views], key=lambda o: o.name)
        ]
        self._made: tuple[float, Verdict] | None = None
        # When sampled, and what was answered: the newer, and the one before.
        self._samples: list[tuple[float, list[Answer]]] = []
        self._routes: dict[str, Callable[[float], Page]] = {
            "/leader": self._leader,
            "/server": self._server,
            "/status": self._status,
            "/health": self._health,
            "/metrics": self._metrics,
        }

    def __call__(self, path: str) -> Page:
        """The page at this path."""
        make = self._routes.get(path.partition("?")[0])
        if make is None:
            return _json(404, {"reason": f"there are {', '.join(self._routes)}"})
        return make(time.monotonic())

    def leading(self, now: float) -> Leadership:
        """What this server is to its zone."""
        board = self._board
        return leadership(board.own, board.views, board.members(), now, board.limits)

    def _refusal(self, leading: Leadership, now: float) -> str:
        board = self._board
        database, disk = board.database, board.disk
        room = None if disk.free is None or disk.total is None else (disk.free, disk.total)
        return write_refusal(leading, database.fault, database.written, room, disk.seen, now, board.limits)

    def _word(self, refusal: str, now: float) -> Page:
        own = self._board.own
        raft = own.raft
        told = {
            "name": own.name,
            "state": None if raft is None else raft.state.name.lower(),
            "term": None if raft is None else raft.term,
            "age": _age(now, own.seen),
        }
        return _json(503, {"reason": refusal, **told}) if refusal else _json(200, told)

    def _leader(self, now: float) -> Page:
        return self._word(self._refusal(self.leading(now), now), now)

    def _server(self, now: float) -> Page:
        board = self._board
        refusal = read_refusal(board.own, board.reads.seen, board.views, board.members(), now, board.limits)
        return self._word(refusal, now)

    def answer(self) -> Answer:
        """What the own oned answered; a state that the newest question did not get is not its state any more."""
        own, reads = self._board.own, self._board.reads
        if own.failure is not None or own.raft is None:
            return Answer(own.endpoint, failure=own.failure)
        return Answer(own.endpoint, own.raft, reads.zone, reads.version)

    def machine(self) -> MachineFacts:
        """What only this machine knows."""
        board = self._board
        database, disk = board.database, board.disk
        return MachineFacts(database.state, database.detail, disk.free, disk.total, board.log, board.credentials)

    def sample(self, now: float) -> None:
        """Remember what was answered, to be compared with what is answered later."""
        if not self._samples or now - self._samples[0][0] >= SAMPLE_AGE:
            self._samples = [(now, self._answers()), *self._samples[:1]]

    def _answers(self) -> list[Answer]:
        return [self.answer(), *(peer.answer for peer in self._board.peers)]

    def _status(self, now: float) -> Page:
        age = max(now - self._board.own_asked, 0.0)
        return _json(200, status_dict(AgentStatus(self._board.own.name, age, self.answer(), self.machine())))

    def verdict(self, now: float) -> tuple[float, Verdict]:
        """The verdict over all agents' words, and when it was made."""
        if self._made is None or now - self._made[0] > VERDICT_AGE:
            machines = {peer.view.endpoint: peer.machine for peer in self._board.peers if peer.machine is not None}
            machines[self._board.own.endpoint] = self.machine()
            earlier = self._samples[-1][1] if len(self._samples) > 1 else []
            self._made = now, judge(self._answers(), self._expected, earlier=earlier, machines=machines)
        return self._made

    def _health(self, now: float) -> Page:
        made, verdict = self.verdict(now)
        return _json(200, {**verdict.as_dict(), "age": _age(now, made)})

    def _metrics(self, now: float) -> Page:
        return 200, PROMETHEUS, "".join(f"{line}\n" for line in self._lines(now)).encode("utf-8")

    def _lines(self, now: float) -> list[str]:
        board = self._board
        raft = board.own.raft if board.own.failure is None else None
        leading = self.leading(now)
        verdict = self.verdict(now)[1]
        leader = next((item for item in verdict.servers if item.name == verdict.leader), None)
        lines: list[str] = []

        def gauge(name: str, text: str, *values: tuple[str, float | int | bool | None]) -> None:
            lines.append(f"# HELP nebula_{name} {text}")
            lines.append(f"# TYPE nebula_{name} gauge")
            for labels, value in values:
                if value is not None:
                    lines.append(f"nebula_{name}{labels} {float(value):.10g}")

        gauge("leader", "1 if this server leads and a majority confirmed it lately.", ("", leading.leads))
        gauge("writes", "1 if writes may be led to this server.", ("", not self._refusal(leading, now)))
        gauge(
            "reads",
            "1 if reads may be led to this server.",
            ("", self._server(now)[0] == 200),
        )
        gauge("oned_up", "1 if oned told its state when it was last asked.", ("", raft is not None))
        states = [
            (f'{{state="{state.name.lower()}"}}', raft is not None and raft.state is state) for state in ServerState
        ]
        gauge("state", "1 at the state of this server in Raft.", *states)
        gauge("term", "Term of this server.", ("", None if raft is None else raft.term))
        gauge("log_index", "Newest record of this server's log.", ("", None if raft is None else raft.log_index))
        gauge(
            "commit_index",
            "Newest record that this server knows to be committed.",
            ("", None if raft is None else raft.commit),
        )
        lag = None if raft is None or leader is None or leader.index is None else max(leader.index - raft.log_index, 0)
        gauge("lag_records", "Records that this server is behind the leader.", ("", lag))
        seen = sum(1 for view in board.views if view.within(now, board.limits.majority))
        gauge("peers_seen", "Other servers whose state was seen lately.", ("", seen))
        gauge("peers", "Other servers of the inventory.", ("", len(board.peers)))
        ages = [
            ("oned", board.own.seen),
            ("zone", board.reads.seen),
            ("database", board.database.written),
            ("disk", board.disk.seen),
        ]
        gauge(
            "probe_age_seconds",
            "How old the last good answer is.",
            *((f'{{probe="{name}"}}', _age(now, moment)) for name, moment in ages),
            *((f'{{probe="peer",peer="{_label(peer.view.name)}"}}', _age(now, peer.heard)) for peer in board.peers),
        )
        gauge("database_ok", "1 if the database took the last write.", ("", not board.database.fault))
        gauge(
            "disk_free_bytes",
            "Room on the fullest disk.",
            ("", board.disk.free),
        )
        gauge("disk_size_bytes", "Size of that disk.", ("", board.disk.total))
        log = board.log
        if log is not None:
            gauge("log_oldest_index", "Oldest record in the log's table.", ("", log.oldest))
            gauge("log_applied_index", "Newest applied record in the log's table.", ("", log.applied))
            gauge("log_swept_index", "Up to there the log was looked at for skipped records.", ("", board.swept))
            gauge("skipped_records", "Records that this server skipped: it differs.", ("", log.skipped_count))
        gauge("zone_healthy", "1 if the verdict over the zone is healthy.", ("", verdict.healthy))
        gauge("quorum", "Servers that are a majority.", ("", verdict.quorum))
        counts = dict.fromkeys(CODES, 0)
        for problem in verdict.problems:
            counts[problem.code] += 1
        gauge(
            "problems",
            "Problems of the zone by code.",
            *((f'{{code="{code}"}}', count) for code, count in counts.items()),
        )
        gauge("oned_requests", "Questions to oned since the agent started.", ("", board.requests))
        return lines


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
