# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of OpenNebula's Ruby services (Sunstone, OneFlow, OneGate), and edits of single values in it. Pure.

It is YAML whose keys are Ruby symbols (`:port: 9869`). Only the characters of a value that changes are replaced:
comments, order and everything unknown stay byte for byte.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, List, Mapping, Optional, Union

Scalar = Union[str, int, bool]

_ENTRY = re.compile(r":(?P<name>[A-Za-z_][A-Za-z0-9_]*):(?=\s|$)[ \t]*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_COMMENT = re.compile(r"(?:^|[ \t]+)#.*$")
_NUMBER = re.compile(r"0|-?[1-9][0-9]*")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./:-]*(?<!:)")
_DOUBLE = re.compile(r'"(?P<text>[^"\\]*)"(?P<rest>.*)')
_SINGLE = re.compile(r"'(?P<text>(?:[^']|'')*)'(?P<rest>.*)")
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_RESERVED = (*_WORDS, "y", "n", "null")


class ServiceConfError(ValueError):
    """A text that cannot be edited here, or a value that it cannot hold."""


@dataclass(frozen=True)
class Entry:
    """`:name: value` at the left margin; where the value's characters are, and what they mean."""

    name: str
    line: int
    start: int
    end: int
    spelled: str
    value: Optional[Scalar]
    simple: bool


def parse(text: str) -> List[Entry]:
    """The entries at the left margin; what is indented, or a list, belongs to the one above."""
    entries: List[Entry] = []
    position = 0
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        match = _ENTRY.match(line)
        if match:
            content = line.rstrip("\r\n")
            entries.append(_entry(match["name"], number, position + match.end(), content[match.end() :]))
        elif entries and line.strip() and not line.lstrip().startswith("#"):
            if line[0] not in " \t-":
                raise ServiceConfError(f"line {number}: ':name: value' was expected")
            entries[-1] = replace(entries[-1], value=None, simple=False)
        position += len(line)
    return entries


def _entry(name: str, line: int, start: int, rest: str) -> Entry:
    for quoted in (_SINGLE, _DOUBLE):
        match = quoted.fullmatch(rest)
        if match and not _COMMENT.sub("", match["rest"]).strip():
            value = match["text"].replace("''", "'") if quoted is _SINGLE else match["text"]
            end = match.start("rest")
            return Entry(name, line, start, start + end, rest[:end], value, True)
    spelled = _COMMENT.sub("", rest).rstrip()
    simple = not spelled or spelled[0] not in "\"'|>{[&*!%@`?-" or bool(_NUMBER.fullmatch(spelled))
    return Entry(name, line, start, start + len(spelled), spelled, _read(spelled), simple)


def _read(spelled: str) -> Optional[Scalar]:
    """What Ruby reads there; none where it takes more than this to tell, and then the value is spelled anew."""
    if _NUMBER.fullmatch(spelled):
        return int(spelled)
    if spelled.lower() in _WORDS:
        return _WORDS[spelled.lower()]
    return spelled if _PLAIN.fullmatch(spelled) and spelled.lower() not in _RESERVED else None


def spell(value: Any) -> str:
    """A value as YAML writes it, so that Ruby reads the same type."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str):
        raise ServiceConfError(f"a {type(value).__name__} cannot be set here; give a text, a whole number or a boolean")
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise ServiceConfError("a value cannot hold a line break or another control character")
    if _PLAIN.fullmatch(value) and value.lower() not in _RESERVED:
        return value
    return "'" + value.replace("'", "''") + "'"


def edit(text: str, settings: Mapping[str, Any]) -> str:
    """Every `name` with its value; what is not there yet comes last."""
    for name, value in settings.items():
        if not _NAME.fullmatch(name):
            raise ServiceConfError(f"'{name}' is no name of a setting; use letters, digits and _, without colons")
        try:
            text = _set(text, name, value)
        except ServiceConfError as error:
            raise ServiceConfError(f"{name}: {error}") from None
    return text


def _set(text: str, name: str, value: Any) -> str:
    spelled = spell(value)
    found = [entry for entry in parse(text) if entry.name == name]
    if len(found) > 1:
        lines = ", ".join(str(entry.line) for entry in found)
        raise ServiceConfError(f"it occurs {len(found)} times (lines {lines}); leave one of them")
    if not found:
        return text + ("\n" if text and not text.endswith("\n") else "") + f":{name}: {spelled}\n"
    entry = found[0]
    if not entry.simple:
        raise ServiceConfError(f"line {entry.line} holds more than a single value; change it by hand")
    if type(entry.value) is type(value) and entry.value == value:
        return text
    before = "" if text[entry.start - 1] in " \t" else " "
    behind = " " if text[entry.end : entry.end + 1] == "#" else ""
    return text[: entry.start] + before + spelled + behind + text[entry.end :]


def changes(before: str, after: str) -> List[str]:
    """What differs between two texts, one line per setting."""
    old, new = ({entry.name: entry.spelled for entry in parse(text)} for text in (before, after))
    return [
        f"{name}: {old[name] or 'nothing'} -> {value}" if name in old else f"{name}: added {value}"
        for name, value in new.items()
        if old.get(name) != value
    ]
