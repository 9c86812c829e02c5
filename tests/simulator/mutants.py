# SPDX-License-Identifier: Apache-2.0
"""Breaks the judge in every small way and demands that its tests notice.

    python -m tests.simulator.mutants [--list]

A mutant is the judge with one comparison, condition, constant, operator, statement or returned value changed. Each is
put to the judge's own tests and to zones of the simulator, in this process. At least LEAST of them have to be caught;
those that no answer can tell from the judge stand in EQUIVALENT, each with the reason.
"""

from __future__ import annotations

import ast
import copy
import functools
import itertools
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.nebula.ha.plugins.module_utils.zone import judge as judge_module

from tests.unit.plugins.module_utils.zone import test_judge

from .run import Case, case, caught

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "unit" / "fixtures"
SOURCE = Path(str(judge_module.__file__))
LEAST = 0.95
# Seeds of the zones; and tests of the judge that the zones make unnecessary, or that do not call it.
ZONES = range(200_000, 202_500)
SKIPPED = {
    "test_never_healthy_without_a_leader_that_a_majority_follows",
    "test_every_code_has_a_situation",
    "test_every_code_in_the_source_is_declared",
    "test_the_order_of_the_answers_does_not_matter",
}

TYPES = "tells the type checker what always holds"
BOTH = "a leader has both, and without one there is neither"
# What makes no difference: which mutant, and why.
EQUIVALENT: dict[str, str] = {
    "judge: source is None or source.zone is None -> source is None": TYPES,
    "_Member: True -> False": "nobody outside sees one, nobody inside assigns to it",
    "_Member.term: 1 -> 2": "no term is below 0",
    "_Member.term: 1 -> 0": "nobody leads in term 0",
    "_Judgement.verdict: self.leader is not None and member.index is not None -> self.leader is not None": (
        "_out_of_window asks again, and a server without an index follows nobody"
    ),
    "_Judgement._judge_claimants: top is None or member is top -> member is top": TYPES,
    "_Judgement._stands_still: then is None or now is None or before is None or (raft is None)"
    " -> then is None or before is None or raft is None": TYPES,
    "_Judgement._stands_still: then is None or now is None or before is None or (raft is None)"
    " -> then is None or now is None or before is None": TYPES,
    "_Judgement._judge_pace: leader.index or 0 -> leader.index": TYPES,
    "_Judgement._judge_pace: 0 -> 1": TYPES,
    "_Judgement._judge_pace: 0 -> -1": TYPES,
    "_Judgement._sentence: raft is None or leader_name is None -> raft is None and leader_name is None": BOTH,
    "_Judgement._sentence: raft is None or leader_name is None -> leader_name is None": BOTH,
    "_Judgement._sentence: raft is None or leader_name is None -> raft is None": BOTH,
    "_machine_problems: machine.disk_free or 0 -> machine.disk_free": TYPES,
    "_machine_problems: 0 -> 1": TYPES,
    "_Judgement._out_of_window: member is leader or member.index is None or member.state is ServerState.SOLO"
    " -> member is leader or member.state is ServerState.SOLO": "whoever calls it has asked",
}

# How a judge that is broken shows it, beside wrong verdicts.
BROKEN = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    RuntimeError,
    StopIteration,
    TypeError,
    ValueError,
    pytest.fail.Exception,
)

OPPOSITE: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.FloorDiv,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}


def variants(node: ast.AST) -> Iterator[ast.AST]:
    """A node in every other form."""
    yield from of_expressions(node)
    yield from of_statements(node)


def of_expressions(node: ast.AST) -> Iterator[ast.AST]:
    """Comparisons and operators turned round, conditions dropped, constants shifted."""
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            for other in OPPOSITE[type(operator)]:
                changed = copy.deepcopy(node)
                changed.ops[place] = other()  # type: ignore[call-overload]
                yield changed
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(OPPOSITE[type(node.op)][0](), node.values)  # type: ignore[arg-type]
        for place in range(len(node.values)):
            rest = node.values[:place] + node.values[place + 1 :]
            yield rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
    elif isinstance(node, ast.BinOp) and type(node.op) in OPPOSITE:
        yield ast.BinOp(node.left, OPPOSITE[type(node.op)][0](), node.right)  # type: ignore[arg-type]
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node.operand
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield ast.Constant(not node.value)
        elif isinstance(node.value, int):
            yield ast.Constant(node.value + 1)
            yield ast.Constant(node.value - 1)


def of_statements(node: ast.AST) -> Iterator[ast.AST]:
    """Conditions that always or never hold, statements left out, values not returned."""
    if isinstance(node, ast.If | ast.IfExp):
        for value in (True, False):
            changed = copy.copy(node)
            changed.test = ast.Constant(value)
            yield changed
    elif isinstance(node, ast.comprehension):
        for place in range(len(node.ifs)):
            yield ast.comprehension(node.target, node.iter, node.ifs[:place] + node.ifs[place + 1 :], node.is_async)
    elif isinstance(node, ast.Return) and node.value is not None:
        # None is as good as False; constants and comparisons have mutants of their own.
        if not isinstance(node.value, ast.Constant):
            yield ast.Return(ast.Constant(None))
    elif isinstance(node, ast.AugAssign | ast.Continue | ast.Return) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    ):
        yield ast.Pass()


class _Swap(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> Any:
        return self.new if node is self.old else self.generic_visit(node)


def places(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Every node that may be changed, with the function that it is in; annotations are no code."""

    def walk(node: ast.AST, inside: str) -> Iterator[tuple[str, ast.AST]]:
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if not isinstance(child, ast.AST):
                    continue
                named = isinstance(child, ast.FunctionDef | ast.ClassDef)
                where = f"{inside}.{child.name}".lstrip(".") if named else inside  # type: ignore[attr-defined]
                yield where, child
                yield from walk(child, where)

    yield from walk(tree, "")


def short(node: ast.AST) -> str:
    """A node in a line: of what has a body only the head."""
    return ast.unparse(node).splitlines()[0]


def mutants(source: str) -> Iterator[tuple[str, ast.Module]]:
    """Every mutant with its name; equal names are numbered."""
    tree = ast.parse(source)
    seen: dict[str, int] = {}
    for where, node in places(tree):
        for other in variants(node):
            name = f"{where}: {short(node)} -> {short(other)}"
            seen[name] = seen.get(name, 0) + 1
            if seen[name] > 1:
                name += f" #{seen[name]}"
            # Shared nodes are put in place, compiled, and never changed.
            changed = _Swap(node, other).visit(_with_own_lists(tree, node))
            yield name, ast.fix_missing_locations(changed)


def _with_own_lists(tree: ast.Module, node: ast.AST) -> ast.Module:
    """A copy of the tree in which `node` is still itself."""
    return copy.deepcopy(tree, {id(node): node})


def built(tree: ast.Module, name: str = "judge_mutant") -> types.ModuleType:
    """The module of a tree, as a neighbour of the real judge."""
    package = judge_module.__name__.rpartition(".")[0]
    module = types.ModuleType(f"{package}.{name}")
    module.__package__ = package
    # Dataclasses look their module up.
    sys.modules[module.__name__] = module
    exec(compile(tree, f"<{name}>", "exec"), module.__dict__)  # noqa: S102 -- that is what a mutant is for
    return module


def calls() -> list[Callable[[], None]]:
    """The judge's tests, one by one with their parameters."""
    found: list[Callable[[], None]] = []
    for name, function in vars(test_judge).items():
        if not name.startswith("test_") or name in SKIPPED:
            continue
        marks = [mark for mark in getattr(function, "pytestmark", []) if mark.name == "parametrize"]
        choices = [list(_choices(*mark.args)) for mark in marks]
        for chosen in itertools.product(*choices):
            given = {key: value for part in chosen for key, value in part.items()}
            if "fixtures" in function.__code__.co_varnames[: function.__code__.co_argcount]:
                given["fixtures"] = FIXTURES
            found.append(functools.partial(function, **given))
    return found


def _choices(names: Any, values: Any) -> Iterator[dict[str, Any]]:
    several = [part.strip() for part in names.split(",")] if isinstance(names, str) else list(names)
    for value in values:
        yield dict(zip(several, value, strict=True)) if len(several) > 1 else {several[0]: value}


def fails(module: types.ModuleType, tests: list[Callable[[], None]], cases: list[Case]) -> bool:
    """Whether a judge is caught: by a test, by a zone, or because it breaks."""
    vars(test_judge).update(judge=module.judge, authority=module.authority)
    try:
        for test in tests:
            test()
        return caught(cases, module.judge)
    except BROKEN:
        return True
    finally:
        vars(test_judge).update(judge=judge_module.judge, authority=judge_module.authority)


def breaks(tree: ast.Module, tests: list[Callable[[], None]], cases: list[Case]) -> bool:
    """Whether a mutant is caught, or does not even load."""
    try:
        module = built(tree)
    except BROKEN:
        return True
    return fails(module, tests, cases)


def main(show: bool) -> int:
    source = SOURCE.read_text(encoding="utf-8")
    start = time.monotonic()
    tests = calls()
    cases = [case(seed) for seed in ZONES]
    if fails(judge_module, tests, cases):
        sys.exit("The judge itself fails its tests: run pytest first.")
    print(f"{len(tests)} tests, {len(cases)} zones, {time.monotonic() - start:.0f} s to make them", flush=True)
    total = 0
    survivors: list[str] = []
    known = set()
    for name, tree in mutants(source):
        known.add(name)
        if name in EQUIVALENT:
            continue
        total += 1
        if not breaks(tree, tests, cases):
            survivors.append(name)
            if show:
                print(f"survives: {name}", flush=True)
    gone = sorted(set(EQUIVALENT) - known)
    part = 1 - len(survivors) / total
    print("\n".join(f"survives: {name}" for name in survivors if not show))
    print("\n".join(f"no such mutant any more, take it out of EQUIVALENT: {name}" for name in gone))
    print(
        f"{total - len(survivors)} of {total} mutants caught ({part:.1%}, at least {LEAST:.0%}), "
        f"{len(EQUIVALENT)} equivalent, in {time.monotonic() - start:.0f} s"
    )
    return int(part < LEAST or bool(gone))


if __name__ == "__main__":
    sys.exit(main("--list" in sys.argv))
