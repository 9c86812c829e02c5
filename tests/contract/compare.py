"""Compares an answer with a recorded one. Pure; every difference is a sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import zip_longest

from .masks import MASKS, RAFT, RELATIONS, REPEATED_ELEMENTS
from .recording import Answer

_TOKEN = re.compile(r"<!\[CDATA\[(.*?)\]\]>|<([^!>]+)>|([^<]+)", re.DOTALL)
_RECORDED = re.compile(r"10\.98\.0\.([123])(?!\d)|10\.213\.77\.1([123])(?!\d)")
_RECORDED_NAME = re.compile(r"\b(?:ob|fe)([123])\b")


@dataclass(frozen=True)
class Zone:
    """The zone compared: addresses in the recorded order, numbers bound in this situation; exact masks nothing."""

    addresses: tuple[str, ...] = ()
    bound: Mapping[str, str] = field(default_factory=dict)
    exact: bool = False


@dataclass(frozen=True)
class Token:
    """A tag, a text or a CDATA, with the path of elements that it lies in."""

    kind: str
    text: str
    path: str


def tokens(document: str) -> list[Token]:
    """A document as written: an empty element is not <x/>, CDATA is not text, whitespace counts."""
    found: list[Token] = []
    stack: list[str] = []
    counts: list[dict[str, int]] = [{}]
    for match in _TOKEN.finditer(document):
        cdata, tag, text = match.groups()
        if tag is None:
            kind = "cdata" if cdata is not None else "text"
            found.append(Token(kind, cdata if cdata is not None else text, "/".join(stack)))
        elif tag.startswith("/"):
            if stack:
                stack.pop()
                counts.pop()
            found.append(Token("end", tag, "/".join(stack)))
        else:
            number = counts[-1].get(tag, 0) + 1
            counts[-1][tag] = number
            found.append(Token("start", tag, "/".join(stack)))
            # Only repeated elements below a pool need telling apart.
            stack.append(f"{tag}[{number}]" if stack and stack[0].endswith("_POOL") and len(stack) == 1 else tag)
            counts.append({})
    return found


def recorded_to_zone(text: str, zone: Zone) -> str:
    """A recorded text in the zone's addresses, names and bound numbers."""

    def address(match: re.Match[str]) -> str:
        return zone.addresses[int(match.group(1) or match.group(2)) - 1]

    text = _RECORDED.sub(address, text) if zone.addresses else text
    text = _RECORDED_NAME.sub(r"ob\1", text)
    if zone.bound:
        numbers = "|".join(sorted(map(re.escape, zone.bound), key=len, reverse=True))
        text = re.sub(rf"(?<![\w.])({numbers})(?!\w|\.\d)", lambda m: zone.bound[m.group(1)], text)
    return text


def _as_many(want: str, have: str) -> tuple[str, str]:
    """Of what one machine has more of than the other, only the first."""
    for tag in REPEATED_ELEMENTS:
        if want.count(f"<{tag}>") != have.count(f"<{tag}>"):
            several = re.compile(rf"(<{tag}>.*?</{tag}>)(?:<{tag}>.*?</{tag}>)+", re.DOTALL)
            want, have = several.sub(r"\1", want), several.sub(r"\1", have)
    return want, have


def _documents(method: str, want: str, have: str, zone: Zone) -> list[str]:
    if not zone.exact:
        want, have = _as_many(want, have)
    differences = []
    for expected, actual in zip_longest(tokens(want), tokens(have)):
        if expected is None or actual is None:
            one = expected or actual
            what = "is missing" if actual is None else "is too much"
            differences.append(f"{one.path}: <{one.text}> {what}" if one else "")
            break
        if (expected.kind, expected.path) != (actual.kind, actual.path):
            differences.append(f"{expected.path}: {expected.kind} <{expected.text}> is {actual.kind} <{actual.text}>")
            break
        if expected.kind in {"start", "end"}:
            if expected.text != actual.text:
                differences.append(f"{expected.path}: element <{expected.text}> is <{actual.text}>")
                break
            continue
        mask = None if zone.exact else next((m for m in MASKS if m.covers(method, expected.path)), None)
        if mask is not None:
            if re.fullmatch(mask.form, actual.text) is None:
                differences.append(f"{expected.path}: {actual.text!r} has not the form {mask.form}")
        elif recorded_to_zone(expected.text, zone) != actual.text:
            differences.append(f"{expected.path}: {recorded_to_zone(expected.text, zone)!r} is {actual.text!r}")
    return differences


def _relations(want: str, have: str) -> list[str]:
    def numbers(document: str) -> dict[str, int]:
        return {name: int(value) for name, value in re.findall(r"<(\w+)>(-?\d+)</", document)}

    expected, actual = numbers(want), numbers(have)
    differences = []
    for left, right in RELATIONS:
        if not {left, right} <= actual.keys():
            continue
        orders = [(n[left] > n[right]) - (n[left] < n[right]) for n in (expected, actual)]
        if orders[0] != orders[1]:
            signs = {-1: "below", 0: "equal to", 1: "above"}
            differences.append(f"{left} was {signs[orders[0]]} {right} and is {signs[orders[1]]} it")
    if expected.get("STATE") == 3 and actual.get("VOTEDFOR") != actual.get("SERVER_ID"):
        differences.append(f"a leader voted for {actual.get('VOTEDFOR')}, not for itself")
    return differences


def compare(method: str, want: Answer, have: Answer, zone: Zone) -> list[str]:
    """What differs; empty when the zone answers as recorded."""
    if want.failed or have.failed:
        return [] if want.failed == have.failed else [f"{want.failed or 'an answer'} is {have.failed or have}"]
    if want.fault or have.fault:
        return [] if want.fault == have.fault else [f"{want} is {have}"]
    kinds = [tuple(kind for kind, _ in answer.values) for answer in (want, have)]
    if kinds[0] != kinds[1]:
        return [f"values of the types {kinds[0]} are {have}"]
    differences = []
    for position, ((kind, expected), (_, actual)) in enumerate(zip(want.values, have.values, strict=True)):
        if kind == "string" and expected.startswith("<"):
            differences += _documents(method, expected, actual, zone)
            if re.fullmatch(RAFT, method):
                differences += _relations(expected, actual)
        # The flag and the errno are never bound: only texts, ids and terms are.
        elif position in {0, 2} and kind != "string":
            if expected != actual:
                differences.append(f"{'success' if position == 0 else 'errno'} {expected} is {actual}")
        elif recorded_to_zone(expected, zone) != actual:
            differences.append(f"value {position + 1}: {recorded_to_zone(expected, zone)!r} is {actual!r}")
    return differences
