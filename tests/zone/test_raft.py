"""The second opinion sees what is wrong with a zone."""

from __future__ import annotations

import dataclasses

import pytest

from tests.zone.raft import Server, leader, parse, problems

ENDPOINTS = [f"http://10.0.0.{number}:2633/RPC2" for number in (1, 2, 3)]
IDS = {endpoint: number for number, endpoint in enumerate(ENDPOINTS)}


def zone(**changes: dict[str, object] | None) -> dict[str, Server | None]:
    """Give a healthy zone led by the first, with changes by letter: a, b, c; None is a server that is away."""
    result: dict[str, Server | None] = {}
    for number, (letter, endpoint) in enumerate(zip("abc", ENDPOINTS, strict=True)):
        change = changes.get(letter, {})
        whole = Server(server_id=number, state=2 if number else 3, term=4, index=9, commit=9, ids=IDS)
        result[endpoint] = None if change is None else dataclasses.replace(whole, **change)  # type: ignore[arg-type]
    return result


def test_a_healthy_zone_has_no_problem_and_one_leader() -> None:
    """Three that agree."""
    assert problems(zone()) == []
    assert leader(zone()) == ENDPOINTS[0]


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"b": None}, "does not answer"),
        ({"a": {"state": 2}}, "no single leader"),
        ({"b": {"state": 3}}, "no single leader"),
        ({"c": {"state": 1}}, "not leader or follower"),
        ({"c": {"term": 5}}, "differ in term"),
        ({"c": {"index": 8}}, "differ in index"),
        ({"c": {"commit": 8}}, "differ in commit"),
        ({"c": {"server_id": 1}}, "runs as server 1"),
        ({"b": {"ids": {ENDPOINTS[0]: 0}}}, "knows the endpoints"),
        ({"b": {"ids": {**IDS, ENDPOINTS[2]: 0}}}, "two servers of one id"),
    ],
)
def test_each_defect_is_named(broken: dict[str, dict[str, object] | None], words: str) -> None:
    """One defect, one sentence."""
    assert any(words in problem for problem in problems(zone(**broken)))


def test_a_leader_of_an_old_term_or_without_a_majority_leads_nothing() -> None:
    """There is no leader lease: the state alone says nothing."""
    assert leader(zone(b={"state": 3, "term": 5})) == ENDPOINTS[1]
    assert leader(zone(b=None, c=None)) is None


def test_answers_are_read_with_and_without_cdata() -> None:
    """Both forms occur."""
    numbers = {"SERVER_ID": 1, "STATE": 2, "TERM": 4, "COMMIT": 9, "LOG_INDEX": 9}
    raft = f"<RAFT>{''.join(f'<{tag}>{number}</{tag}>' for tag, number in numbers.items())}</RAFT>"
    pool = "".join(
        f"<SERVER><ENDPOINT><![CDATA[{endpoint}]]></ENDPOINT><ID><![CDATA[{number}]]></ID></SERVER>"
        for endpoint, number in IDS.items()
    )
    assert parse(raft, f"<ZONE><SERVER_POOL>{pool}</SERVER_POOL></ZONE>") == zone()[ENDPOINTS[1]]
