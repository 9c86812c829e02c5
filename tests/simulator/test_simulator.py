# SPDX-License-Identifier: Apache-2.0
"""The judge against an oracle that knows the truth about ten thousand zones. SIMULATOR_ZONES=100000 for more."""

from __future__ import annotations

import ast
import os
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.nebula.ha.plugins.module_utils.zone.judge import judge
from ansible_collections.nebula.ha.plugins.module_utils.zone.problems import CODES

from . import mutants, oracle, world
from .run import Case, Score, case, caught, differences, faults, run, verdict_on

ZONES = int(os.environ.get("SIMULATOR_ZONES", "10000"))
FIRST = int(os.environ.get("SIMULATOR_SEED", "0"))
# In ten thousand zones.
EACH = 200


@pytest.fixture(scope="module")
def score() -> Score:
    return run(case(seed) for seed in range(FIRST, FIRST + ZONES))


def test_the_judge_says_what_the_truth_is(score: Score) -> None:
    assert score.zones == ZONES >= 10_000
    assert score.mistakes == []


@pytest.mark.parametrize("code", CODES)
def test_every_code_was_put_to_the_test(score: Score, code: str) -> None:
    assert score.had_to[code] >= EACH
    assert (score.recall(code), score.precision(code)) == (1.0, 1.0)


def test_worlds_are_of_every_kind(score: Score) -> None:
    for state in ("healthy", "degraded", "no_service"):
        assert score.states[state] >= score.zones / 20
    # What cannot be decided stays the exception.
    assert score.states["undecidable"] <= score.zones / 50
    assert all(score.undecided[code] < score.had_to[code] for code in CODES)


def test_a_seed_is_a_world() -> None:
    assert case(17) == case(17)
    assert case(17) != case(18)


@pytest.mark.parametrize("module", [oracle, world])
def test_the_oracle_sees_no_answer_and_no_judgement(module: object) -> None:
    tree = ast.parse(Path(str(module.__file__)).read_text())  # type: ignore[attr-defined]
    names = {
        alias.name.rpartition(".")[2]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in (*node.names, ast.alias(str(getattr(node, "module", ""))))
    }
    assert not names & {"answers", "Answer", "Asked", "judge", "problems", "client", "run"}


def a_case(state: str) -> Case:
    return next(item for item in map(case, range(500)) if verdict_on(item, judge).state.value == state)


def test_a_mistake_is_seen() -> None:
    """A judge that is silent, one that invents, one that is too hopeful: each is caught."""
    item = a_case("degraded")
    verdict = verdict_on(item, judge)
    assert not faults(item, verdict)
    silent = replace(verdict, problems=())
    assert differences(item, silent)[0] == item.truth.must
    other = a_case("no_service")
    invented = replace(verdict, problems=verdict_on(other, judge).problems)
    assert any(differences(item, invented))
    hopeful = replace(verdict_on(other, judge), state=verdict_on(a_case("healthy"), judge).state)
    assert any("healthy" in fault for fault in faults(other, hopeful))
    assert caught([item], lambda *_arguments, **_named: silent)
    assert not caught([item, other], judge)


SOURCE = """
def lower(a: int, b: int = 1) -> int:
    if a < b and not a == 7:
        return a
    log(a)
    return b
"""


def test_mutants_of_every_kind_are_made() -> None:
    made = {name: ast.unparse(tree) for name, tree in mutants.mutants(SOURCE)}
    assert len(set(made.values())) == len(made) and ast.unparse(ast.parse(SOURCE)) not in made.values()
    for name in (
        "lower: a < b -> a <= b",
        "lower: a < b -> a >= b",
        "lower: a < b and (not a == 7) -> a < b or not a == 7",
        "lower: a < b and (not a == 7) -> a < b",
        "lower: not a == 7 -> a == 7",
        "lower: 7 -> 8",
        "lower: 1 -> 0",
        "lower: if a < b and (not a == 7): -> if True:",
        "lower: if a < b and (not a == 7): -> if False:",
        "lower: return a -> return None",
        "lower: log(a) -> pass",
    ):
        assert name in made


def test_a_mutant_is_caught_by_a_test_or_by_a_zone() -> None:
    source = mutants.SOURCE.read_text(encoding="utf-8")
    sound = mutants.built(ast.parse(source))
    blind = mutants.built(ast.parse(source.replace("if len(self.distinct) > 1:", "if False:")))
    cases = [case(seed) for seed in range(200)]
    tests = mutants.calls()
    assert len(tests) > 100
    assert not mutants.fails(sound, tests, cases)
    assert mutants.fails(blind, [], cases)
    assert mutants.fails(blind, tests, [])
    assert mutants.breaks(ast.parse("judge = nothing"), [], [])
