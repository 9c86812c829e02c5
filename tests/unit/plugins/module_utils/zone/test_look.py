# SPDX-License-Identifier: Apache-2.0
"""Looks at a zone: oned and agents under one timeout, and a second sample of those that answered."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.nebula.ha.plugins.module_utils.zone import client
from ansible_collections.nebula.ha.plugins.module_utils.zone.client import ask_agent, look, look_again
from ansible_collections.nebula.ha.plugins.module_utils.zone.model import (
    AgentStatus,
    DatabaseState,
    FailureKind,
    MachineFacts,
    status_dict,
)

from .servers import Fake, black_hole, counting_hole, free_port
from .test_client import SESSION, oned
from .zones import down


def status(machine: MachineFacts | None = None, age: float = 0.1) -> str:
    return json.dumps(status_dict(AgentStatus("fe1", age, down(0), machine or MachineFacts())))


def agent(host: str, port: int, text: str, code: int = 200) -> Fake:
    return Fake(lambda body: (code, text) if body == "GET /status" else (404, ""), host, port)


def test_agents_are_asked_beside_their_oned() -> None:
    port = free_port()
    dead = MachineFacts(database=DatabaseState.DEAD)
    urls: list[str] = []
    with (
        oned(0, 3, urls) as one,
        oned(1, 2, urls, host="127.0.0.2") as two,
        oned(2, 2, urls, host="127.0.0.3") as three,
    ):
        urls += [one.url, two.url, three.url]
        with agent("127.0.0.1", port, status()), agent("127.0.0.2", port, status(dead)):
            found = look([one.url], SESSION, 3.0, agent_port=port)
            unasked = look([one.url], SESSION, 3.0)
    assert found.machines == {one.url: MachineFacts(), two.url: dead}
    assert [answer.failure for answer in found.answers] == [None] * 3
    assert unasked.machines == {}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (status(), 403),
        (status(age=client.AGENT_MAX_AGE + 1), 200),
        ("<html>", 200),
        ('{"name": "fe1"}', 200),
        ("[]", 200),
        (status()[:-20], 200),
    ],
)
def test_what_is_no_status_is_no_answer(text: str, code: int) -> None:
    with agent("127.0.0.1", 0, text, code) as server:
        assert ask_agent("127.0.0.1", server.port, 2.0) is None
    with agent("127.0.0.1", 0, status(age=client.AGENT_MAX_AGE - 1)) as server:
        assert ask_agent("127.0.0.1", server.port, 2.0) is not None


def test_an_agent_that_is_not_there() -> None:
    assert ask_agent("127.0.0.1", free_port(), 1.0) is None
    assert ask_agent("", free_port(), 1.0) is None
    assert ask_agent("no-such-host.invalid", 1, 1.0) is None
    with black_hole() as url:
        start = time.monotonic()
        assert ask_agent("127.0.0.1", int(url.split(":")[2].split("/")[0]), 0.3) is None
        assert 0.2 < time.monotonic() - start < 1.0


@contextlib.contextmanager
def hung(host: str, agent_port: int) -> Iterator[tuple[str, Callable[[], tuple[int, int]]]]:
    """A machine on which oned and agent take connections and say nothing, and how often each was asked."""
    with counting_hole(host) as (url, oned_asked), counting_hole(host, agent_port) as (_url, agent_asked):
        yield url, lambda: (oned_asked(), agent_asked())


@pytest.mark.parametrize("agents", [False, True])
def test_two_black_holes_of_five_cost_one_timeout_with_a_second_sample(agents: bool) -> None:
    port = free_port()
    urls: list[str] = []
    with (
        oned(0, 3, urls) as one,
        oned(1, 2, urls, host="127.0.0.2") as two,
        oned(2, 2, urls, host="127.0.0.3") as three,
        hung("127.0.0.4", port) as (four, asked_four),
        hung("127.0.0.5", port) as (five, asked_five),
        agent("127.0.0.1", port, status()),
    ):
        urls += [one.url, two.url, three.url, four, five]
        start = time.monotonic()
        first = look([four, one.url], SESSION, 1.0, agent_port=port if agents else 0)
        again = look_again(first, SESSION, 1.0)
        took = time.monotonic() - start
        # Three questions a look to each that answers, one in all to each that does not.
        assert [len(server.bodies) for server in (one, two, three)] == [6, 6, 6]
        assert asked_four() == asked_five() == (1, int(agents))
    assert 0.9 < took < 2.0
    assert [answer.endpoint for answer in again.answers] == [answer.endpoint for answer in first.answers]
    assert {answer.endpoint for answer in again.earlier} == {one.url, two.url, three.url}
    silent = {answer.endpoint for answer in again.answers if answer.failure}
    assert silent == {four, five}
    assert again.machines == first.machines == ({one.url: MachineFacts()} if agents else {})


def test_a_second_sample_keeps_its_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "SAMPLE_GAP", 0.4)
    times: list[float] = []

    def raft(body: str) -> None:
        if "raftstatus" in body:
            times.append(time.monotonic())

    urls: list[str] = []
    with oned(0, 3, urls, before=raft) as one:
        urls += [one.url]
        look_again(look([one.url], SESSION, 3.0), SESSION, 3.0)
    assert len(times) == 2 and 0.35 < times[1] - times[0] < 1.5


def test_who_answers_only_once_keeps_that_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "SAMPLE_GAP", 0.0)
    urls: list[str] = []
    slow = [False]

    def tired(_body: str) -> None:
        time.sleep(9 * slow[0])

    with oned(0, 3, urls) as one, oned(1, 2, urls, before=tired) as two:
        urls += [one.url, two.url]
        first = look(urls, SESSION, 2.0)
        slow[0] = True
        start = time.monotonic()
        again = look_again(first, SESSION, 2.0)
        assert time.monotonic() - first.started < 3.5 and time.monotonic() - start > 1.0
        # Where no time is left nobody is asked.
        assert look_again(replace(first, started=first.started - 10), SESSION, 2.0).earlier == ()
        assert len(one.bodies) == 6
    assert again.answers[1] == first.answers[1] and again.answers[1].raft is not None
    assert [answer.endpoint for answer in again.earlier] == [one.url]


def test_who_died_in_between_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "SAMPLE_GAP", 0.0)
    urls: list[str] = []
    with oned(0, 3, urls) as one:
        with oned(1, 2, urls) as two:
            urls += [one.url, two.url]
            first = look(urls, SESSION, 3.0)
        again = look_again(first, SESSION, 3.0)
    failure = again.answers[1].failure
    assert failure is not None and failure.kind is FailureKind.REFUSED


def test_where_nobody_answered_nobody_is_asked_again() -> None:
    first = look([f"http://127.0.0.1:{free_port()}/RPC2"], SESSION, 1.0)
    start = time.monotonic()
    assert look_again(first, SESSION, 1.0) is first
    assert time.monotonic() - start < 0.1


def test_an_agent_is_asked_by_get_alone() -> None:
    seen: list[Any] = []

    def handler(body: str) -> tuple[int, str]:
        seen.append(body)
        return 200, status()

    with Fake(handler) as server:
        found = ask_agent("127.0.0.1", server.port, 1.0)
    assert found is not None and found.name == "fe1"
    assert seen == ["GET /status"]
