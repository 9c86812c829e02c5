# SPDX-License-Identifier: Apache-2.0
"""Many worlds, judged and compared with the oracle.

python -m tests.simulator [ZONES]          prints what was found per code
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ansible_collections.nebula.ha.plugins.module_utils.zone.judge import Verdict, judge

from .answers import Asked, ask
from .oracle import ZONE_WIDE, Truth, consult
from .world import World, make

Judge = Callable[..., Verdict]


@dataclass(frozen=True)
class Case:
    """A world with all that is compared, so that several judges can be put to it."""

    world: World
    asked: Asked
    truth: Truth


@dataclass
class Score:
    """What was reported of what had to be, by code."""

    zones: int = 0
    states: Counter[str] = field(default_factory=Counter)
    had_to: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    undecided: Counter[str] = field(default_factory=Counter)
    mistakes: list[str] = field(default_factory=list)

    def recall(self, code: str) -> float:
        return self.right[code] / self.had_to[code]

    def precision(self, code: str) -> float:
        return self.right[code] / (self.right[code] + self.wrong[code])


def case(seed: int) -> Case:
    world = make(seed)
    return Case(world, ask(world), consult(world))


def verdict_on(item: Case, by: Judge) -> Verdict:
    asked = item.asked
    return by(asked.answers, asked.expected, earlier=asked.earlier, machines=asked.machines)


def reported(verdict: Verdict) -> set[tuple[str, str]]:
    return {(problem.code, "" if problem.code in ZONE_WIDE else str(problem.server)) for problem in verdict.problems}


def faults(item: Case, verdict: Verdict) -> list[str]:
    """What is wrong with a verdict whatever its list of problems says."""
    truth, state = item.truth, verdict.state.value
    found = []
    if verdict.healthy and not truth.commits:
        found.append("healthy, and a majority could not commit")
    if truth.decidable and truth.open and verdict.serving and not truth.commits:
        found.append("serving, and no write would commit")
    fatal = {code for code, _name in truth.must | truth.may} & FATAL
    if truth.decidable and truth.commits and not fatal and not verdict.serving:
        found.append("not serving, and writes commit")
    weights = {problem.severity.value for problem in verdict.problems}
    wanted = (
        "no_service" if "fatal" in weights or not verdict.serving else "degraded" if "warning" in weights else "healthy"
    )
    if state != wanted or verdict.healthy != (state == "healthy"):
        found.append(f"{state} where its problems say {wanted}")
    return found


FATAL = {"no_zone", "zone_disabled", "no_quorum", "no_leader", "leader_unable"}


def differences(item: Case, verdict: Verdict) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """What is missing in the report, and what should not be there."""
    if not item.truth.decidable:
        return set(), set()
    told = reported(verdict)
    return item.truth.must - told, told - item.truth.must - item.truth.may


def run(cases: Iterable[Case], by: Judge = judge) -> Score:
    score = Score()
    for item in cases:
        verdict = verdict_on(item, by)
        score.zones += 1
        score.states[verdict.state.value] += 1
        missing, false = differences(item, verdict)
        mistakes = faults(item, verdict) + [f"missing {found}" for found in sorted(missing)]
        mistakes += [f"false {found}" for found in sorted(false)]
        if mistakes:
            score.mistakes.append(f"seed {item.world.seed} ({', '.join(item.world.faults)}): {'; '.join(mistakes)}")
        if not item.truth.decidable:
            score.states["undecidable"] += 1
            continue
        score.had_to.update(code for code, _name in item.truth.must)
        score.right.update(code for code, _name in item.truth.must - missing)
        score.wrong.update(code for code, _name in false)
        score.undecided.update(code for code, _name in item.truth.may)
    return score


def caught(cases: Iterable[Case], by: Judge) -> bool:
    """Whether a judge is shown to be wrong."""
    for item in cases:
        verdict = verdict_on(item, by)
        if faults(item, verdict) or any(differences(item, verdict)):
            return True
    return False
