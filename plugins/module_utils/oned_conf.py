# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The structure of oned.conf, and edits that touch nothing but what they are asked to. Pure.

The text is never rendered anew: it is read into spans, and an edit replaces the characters of one span. So whatever is
not edited (comments, also inside vectors; order; spelling; content of other releases) stays byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Callable

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_\-./]*")
_BARE = re.compile(r"-?[0-9]+")
_SECRET = re.compile(r"PASSW|SECRET|TOKEN", re.IGNORECASE)
# What oned falls back to when an attribute of RAFT is left out is far from what it ships.
RAFT_KEYS = (
    "LIMIT_PURGE",
    "LOG_RETENTION",
    "LOG_PURGE_TIMEOUT",
    "ELECTION_TIMEOUT_MS",
    "BROADCAST_TIMEOUT_MS",
    "XMLRPC_TIMEOUT_MS",
)
MYSQL_KEYS = ("SERVER", "USER", "PASSWD", "DB_NAME")
MASK = "********"


class ConfError(ValueError):
    """A text that is not oned.conf's syntax, or an edit that cannot be made. Never quotes the text: it has secrets."""


@dataclass(frozen=True)
class Item:
    """KEY = VALUE inside a vector."""

    key: str
    value: str
    quoted: bool
    start: int
    value_start: int
    end: int


@dataclass(frozen=True)
class Entry:
    """NAME = value, or NAME = [ items ]."""

    name: str
    start: int
    value_start: int
    end: int
    line: int
    value: str | None
    quoted: bool
    items: tuple[Item, ...]

    @property
    def is_vector(self) -> bool:
        return self.value is None

    def get(self, key: str) -> str | None:
        """The value of a key in the vector; the key's case does not matter, as in oned."""
        found = self.find(key)
        return found[0].value if found else None

    def find(self, key: str) -> tuple[Item, ...]:
        """All items of a key."""
        return tuple(item for item in self.items if item.key.upper() == key.upper())


@dataclass(frozen=True)
class Section:
    """A repeated section addressed by a key, or a repeated scalar addressed by its value."""

    name: str
    key: Mapping[str, str]
    values: Mapping[str, str | None]
    value: str | None
    present: bool


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def fail(self, what: str, at: int | None = None) -> ConfError:
        position = self.position if at is None else at
        return ConfError(f"line {self.text.count(chr(10), 0, position) + 1}: {what}")

    def peek(self) -> str:
        return self.text[self.position : self.position + 1]

    def skip(self, newlines: bool = True) -> None:
        """Over blanks and comments."""
        blanks = " \t\r\f\v\n" if newlines else " \t\r\f\v"
        while self.position < len(self.text):
            char = self.text[self.position]
            if char in blanks:
                self.position += 1
            elif char == "#":
                end = self.text.find("\n", self.position)
                self.position = len(self.text) if end < 0 else end
            else:
                return

    def name(self, what: str) -> str:
        match = _NAME.match(self.text, self.position)
        if not match:
            raise self.fail(f"{what} was expected")
        self.position = match.end()
        return match.group()

    def equals(self, name: str) -> None:
        self.skip(newlines=False)
        if self.peek() != "=":
            raise self.fail(f"'=' was expected after {name}")
        self.position += 1
        self.skip(newlines=False)

    def quoted(self, name: str) -> str:
        start = self.position
        self.position += 1
        out = []
        while True:
            char = self.peek()
            if not char:
                raise self.fail(f"the quote that opens the value of {name} is never closed", start)
            if char == "\\" and self.text[self.position + 1 : self.position + 2] in ('"', "\\"):
                out.append(self.text[self.position + 1])
                self.position += 2
                continue
            self.position += 1
            if char == '"':
                return "".join(out)
            out.append(char)

    def bare(self, name: str, stops: str) -> str:
        start = self.position
        while self.position < len(self.text):
            char = self.text[self.position]
            if char in stops or (char == "#" and (self.position == start or self.text[self.position - 1] in " \t")):
                break
            self.position += 1
        value = self.text[start : self.position].rstrip()
        self.position = start + len(value)
        if not value:
            raise self.fail(f"{name} has no value")
        if '"' in value:
            raise self.fail(f"the value of {name} has a quote in its middle", start)
        return value


def parse(text: str) -> tuple[Entry, ...]:
    """The entries of a configuration; ConfError names the line of what is wrong."""
    reader = _Reader(text)
    entries: list[Entry] = []
    while True:
        reader.skip()
        if reader.position >= len(text):
            return tuple(entries)
        entries.append(_entry(reader))


def _entry(reader: _Reader) -> Entry:
    start = reader.position
    line = reader.text.count("\n", 0, start) + 1
    name = reader.name("an attribute's name")
    reader.equals(name)
    value_start = reader.position
    value: str | None = None
    quoted = False
    items: tuple[Item, ...] = ()
    # oned's own files open a vector on the line after '=' too
    ahead = reader.position
    reader.skip()
    if reader.peek() == "[":
        value_start = reader.position
        items = _items(reader, name)
    else:
        reader.position = ahead
        quoted = reader.peek() == '"'
        value = reader.quoted(name) if quoted else reader.bare(name, "\n")
    entry = Entry(name, start, value_start, reader.position, line, value, quoted, items)
    reader.skip(newlines=False)
    if reader.peek() not in ("", "\n"):
        raise reader.fail(f"something follows the value of {name}")
    return entry


def _items(reader: _Reader, name: str) -> tuple[Item, ...]:
    opening = reader.position
    reader.position += 1
    items: list[Item] = []
    while True:
        reader.skip()
        if reader.peek() == "]" and not items:
            break
        if not reader.peek():
            raise reader.fail(f"the bracket that opens {name} is never closed", opening)
        start = reader.position
        key = reader.name(f"a key of {name}")
        reader.equals(f"{name}/{key}")
        reader.skip()
        value_start = reader.position
        quoted = reader.peek() == '"'
        value = reader.quoted(f"{name}/{key}") if quoted else reader.bare(f"{name}/{key}", ",]\n")
        items.append(Item(key, value, quoted, start, value_start, reader.position))
        reader.skip()
        if reader.peek() == "]":
            break
        if not reader.peek():
            raise reader.fail(f"the bracket that opens {name} is never closed", opening)
        if reader.peek() != ",":
            raise reader.fail(f"',' or ']' was expected after {name}/{key}")
        reader.position += 1
    reader.position += 1
    return tuple(items)


def render(text: str, entries: Sequence[Entry]) -> str:
    """The text put together again from what lies in the spans and between them: equal to what was read."""
    out = []
    position = 0
    for entry in entries:
        out += [text[position : entry.start], text[entry.start : entry.end]]
        position = entry.end
    return "".join([*out, text[position:]])


def plain(value: Any) -> str:
    """A value as oned.conf holds it; ConfError when it cannot."""
    if isinstance(value, bool):
        return "YES" if value else "NO"
    if isinstance(value, (dict, list, tuple)) or value is None:
        raise ConfError(f"a {type(value).__name__} cannot be a value of oned.conf; give a string or a number")
    text = str(value)
    for char, word in (('"', "a double quote"), ("\\", "a backslash"), ("\n", "a line break"), ("\r", "a line break")):
        if char in text:
            raise ConfError(f"a value of oned.conf cannot hold {word}; choose another")
    if any(ord(char) < 32 and char != "\t" for char in text):
        raise ConfError("a value of oned.conf cannot hold a control character; choose another")
    return text


def _same(old: str | None, new: str) -> bool:
    """oned reads its YES and NO in any case."""
    return old == new or (new in ("YES", "NO") and (old or "").upper() == new)


def _spell(value: str, quoted: bool) -> str:
    return f'"{value}"' if quoted or not _BARE.fullmatch(value) else value


def set_value(text: str, name: str, value: str | None) -> str:
    """NAME = value; None removes it, whatever it holds."""
    found = [entry for entry in parse(text) if entry.name.upper() == name.upper()]
    if len(found) > 1:
        raise ConfError(f"{name} occurs {len(found)} times; address one of them in 'sections'")
    if value is None:
        return _remove_entry(text, found[0]) if found else text
    if found and found[0].is_vector:
        raise ConfError(f"{name} is a vector; give it as keys and values")
    if not found:
        return _append(text, f"{name} = {_spell(value, False)}\n", name)
    entry = found[0]
    if _same(entry.value, value):
        return text
    return text[: entry.value_start] + _spell(value, entry.quoted) + text[entry.end :]


def set_keys(text: str, name: str, values: Mapping[str, str | None], key: Mapping[str, str] | None = None) -> str:
    """Merge keys into the vector NAME (that carries `key`, when there are several); None removes a key."""
    entry = _vector(text, name, key or {})
    if entry is None:
        wanted: dict[str, str] = dict(key or {})
        wanted.update({item: value for item, value in values.items() if value is not None})
        if not wanted:
            return text
        lines = ",\n".join(
            f"    {item} = {_spell(value, False)}" for item, value in wanted.items() if value is not None
        )
        return _append(text, f"{name} = [\n{lines}\n]\n", name)
    for item_key, value in values.items():
        entry = _vector(text, name, key or {})
        if entry is None:
            raise ConfError(f"the edit of {name} would change the key that addresses it")
        text = _set_item(text, entry, item_key, value)
    return text


def _vector(text: str, name: str, key: Mapping[str, str]) -> Entry | None:
    found = [
        entry
        for entry in parse(text)
        if entry.name.upper() == name.upper() and all(entry.get(item) == value for item, value in key.items())
    ]
    if len(found) > 1:
        which = f" with {', '.join(f'{item} = {value}' for item, value in key.items())}" if key else ""
        lines = ", ".join(str(entry.line) for entry in found)
        raise ConfError(f"{name}{which} occurs {len(found)} times (lines {lines}); address one by a key in 'sections'")
    if found and not found[0].is_vector:
        raise ConfError(f"{name} (line {found[0].line}) is a single value; give it no keys")
    return found[0] if found else None


def _set_item(text: str, entry: Entry, key: str, value: str | None) -> str:
    found = entry.find(key)
    if len(found) > 1:
        raise ConfError(f"{entry.name} (line {entry.line}) has the key {key} {len(found)} times; remove one by hand")
    if value is None:
        return _remove_item(text, entry, found[0]) if found else text
    if found:
        item = found[0]
        if _same(item.value, value):
            return text
        return text[: item.value_start] + _spell(value, item.quoted) + text[item.end :]
    spelled = f"{key} = {_spell(value, False)}"
    if not entry.items:
        inside = entry.value_start + 1
        return text[:inside] + f" {spelled} " + text[inside:]
    last = entry.items[-1]
    line_start = text.rfind("\n", 0, last.start) + 1
    indent = text[line_start : last.start]
    gap = f"\n{indent}" if not indent.strip() else " "
    return text[: last.end] + "," + _after_comment(text, last, gap, spelled)


def _after_comment(text: str, last: Item, gap: str, spelled: str) -> str:
    """The new item and the rest: below a comment that belongs to the last one, if its line has one."""
    rest = text[last.end :]
    comment = re.match(r"[ \t]*#[^\n]*", rest)
    if comment and gap.startswith("\n"):
        return comment.group() + gap + spelled + rest[comment.end() :]
    if comment:
        # One line, then a comment: a new item behind the '#' would be none.
        return f" {spelled}" + rest
    return gap + spelled + rest


def _remove_item(text: str, entry: Entry, item: Item) -> str:
    position = entry.items.index(item)
    last = position == len(entry.items) - 1
    start, end = item.start, item.end
    if not last:
        comma = _comma(text, item.end, entry.items[position + 1].start)
        if text[item.end : comma].strip():
            # A comment stands before the comma: it stays.
            return text[:start] + text[end:comma] + text[comma + 1 :]
        end = comma + 1
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", end)
    alone = not text[line_start:start].strip() and line_end >= 0 and not text[end:line_end].strip()
    if alone and line_start > entry.value_start:
        start, end = line_start, line_end + 1
    elif not last:
        while end < len(text) and text[end] in " \t":
            end += 1
    text = text[:start] + text[end:]
    if last and position:
        previous = entry.items[position - 1]
        comma = _comma(text, previous.end, start)
        text = text[:comma] + text[comma + 1 :]
    return text


def _comma(text: str, start: int, end: int) -> int:
    """Where the comma between two items is: not one in a comment."""
    reader = _Reader(text)
    reader.position = start
    reader.skip()
    if reader.position >= end or reader.peek() != ",":
        raise reader.fail("',' was expected")
    return reader.position


def _remove_entry(text: str, entry: Entry) -> str:
    line_start = text.rfind("\n", 0, entry.start) + 1
    line_end = text.find("\n", entry.end)
    line_end = len(text) if line_end < 0 else line_end + 1
    if not text[line_start : entry.start].strip() and not text[entry.end : line_end].strip():
        return text[:line_start] + text[line_end:]
    return text[: entry.start] + text[entry.end :]


def _append(text: str, new: str, name: str) -> str:
    """Below the last entry of the same name, so that sections of a kind stay together; else at the end."""
    same = [entry for entry in parse(text) if entry.name.upper() == name.upper()]
    if same:
        line_end = text.find("\n", same[-1].end)
        if line_end >= 0:
            return text[: line_end + 1] + new + text[line_end + 1 :]
    if text and not text.endswith("\n"):
        text += "\n"
    return text + new


def edit_section(text: str, section: Section) -> str:
    """Make one section present or absent."""
    if section.value is not None:
        return _edit_repeated(text, section.name, section.value, section.present)
    if not section.present:
        entry = _vector(text, section.name, section.key)
        return text if entry is None else _remove_entry(text, entry)
    return set_keys(text, section.name, section.values, section.key)


def _edit_repeated(text: str, name: str, value: str, present: bool) -> str:
    found = [entry for entry in parse(text) if entry.name.upper() == name.upper() and entry.value == value]
    if present:
        return text if found else _append(text, f'{name} = "{value}"\n', name)
    for entry in reversed(found):
        text = _remove_entry(text, entry)
    return text


def edit(text: str, settings: Mapping[str, Any], sections: Sequence[Section] = ()) -> str:
    """All edits, one after the other; the result reads back as asked or this raises ConfError."""
    new = text
    for name, wanted in settings.items():
        _check_name(name)
        if isinstance(wanted, Mapping):
            values = {}
            for key, value in wanted.items():
                _check_name(str(key))
                values[str(key)] = _plain_or_none(f"{name}/{key}", value)
            new = set_keys(new, name, values)
        else:
            new = set_value(new, name, _plain_or_none(name, wanted))
    for section in sections:
        new = edit_section(new, section)
    parse(new)
    return new


def _plain_or_none(where: str, value: Any) -> str | None:
    try:
        return None if value is None else plain(value)
    except ConfError as error:
        raise ConfError(f"{where}: {error}") from None


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfError(f"'{name}' is no name of an attribute; use letters, digits and _")


def section_from(given: Mapping[str, Any]) -> Section:
    """A Section from a module's parameters."""
    name = str(given["name"])
    _check_name(name)
    key = {}
    for item, value in (given.get("key") or {}).items():
        _check_name(str(item))
        key[str(item)] = plain(value)
    values = {}
    for item, value in (given.get("values") or {}).items():
        _check_name(str(item))
        values[str(item)] = _plain_or_none(f"{name}/{item}", value)
    single = given.get("value")
    if (single is None) == (not key):
        raise ConfError(f"the section {name} needs either 'key' (a vector) or 'value' (a repeated value)")
    if single is not None and values:
        raise ConfError(f"the section {name} is addressed by 'value', so it can have no 'values'")
    clash = [item for item in values if item.upper() in {other.upper() for other in key}]
    if clash:
        raise ConfError(f"the section {name} has {', '.join(clash)} in both 'key' and 'values'; keep it in 'key'")
    present = given.get("state", "present") == "present"
    return Section(name, key, values, None if single is None else plain(single), present)


def faults(text: str) -> list[str]:
    """What oned would accept and then do wrong."""
    found = []
    for entry in parse(text):
        name = entry.name.upper()
        if name == "RAFT" and entry.is_vector:
            missing = [key for key in RAFT_KEYS if entry.get(key) is None]
            if missing:
                found.append(
                    f"RAFT (line {entry.line}) lacks {', '.join(missing)}: oned would take values far from the shipped "
                    "ones for them; set all six"
                )
        if name == "DB" and entry.is_vector and (entry.get("BACKEND") or "").lower() == "mysql":
            missing = [key for key in MYSQL_KEYS if entry.get(key) is None]
            if missing:
                found.append(f"DB (line {entry.line}) has BACKEND mysql and lacks {', '.join(missing)}; set them too")
    return found


def changes(before: str, after: str) -> list[str]:
    """What differs between two texts, one line per value; secrets stay hidden."""
    old, new = _flat(before), _flat(after)
    lines = []
    for path in sorted(set(old) | set(new)):
        if old.get(path) == new.get(path):
            continue
        hidden = bool(_SECRET.search(path))
        show: Callable[[str], str] = (lambda _value: MASK) if hidden else (lambda value: value)
        if path not in old:
            lines.append(f"{path}: added {show(new[path])}")
        elif path not in new:
            lines.append(f"{path}: removed {show(old[path])}")
        else:
            lines.append(f"{path}: {show(old[path])} -> {show(new[path])}")
    return lines


def _flat(text: str) -> dict[str, str]:
    entries = parse(text)
    names = [entry.name.upper() for entry in entries]
    flat: dict[str, str] = {}
    for entry in entries:
        path = entry.name.upper()
        if not entry.is_vector:
            repeated = names.count(path) > 1
            flat[f"{path}[{entry.value}]" if repeated else path] = entry.value or ""
            continue
        if names.count(path) > 1:
            path += f"[{entry.get('NAME') or (entry.items[0].value if entry.items else '')}]"
        for item in entry.items:
            flat[f"{path}/{item.key.upper()}"] = item.value
    return flat


def masked(text: str, changed: bool = False) -> str:
    """The text with its secrets hidden; `changed` marks that they differ from those of the other text."""
    out = []
    position = 0
    for entry in parse(text):
        spans = [(item.key, item.value_start, item.end) for item in entry.items]
        if not entry.is_vector:
            spans = [(entry.name, entry.value_start, entry.end)]
        for key, start, end in spans:
            if _SECRET.search(key):
                out += [text[position:start], f'"{MASK}{" (changed)" if changed else ""}"']
                position = end
    return "".join([*out, text[position:]])


def secrets(text: str) -> list[str]:
    """The secret values, in their order."""
    found = []
    for entry in parse(text):
        if not entry.is_vector:
            if _SECRET.search(entry.name):
                found.append(entry.value or "")
            continue
        found += [item.value for item in entry.items if _SECRET.search(item.key)]
    return found


def secret_values(settings: Mapping[str, Any]) -> list[Any]:
    """The secrets that settings carry."""
    found: list[Any] = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found += [item for key, item in value.items() if _SECRET.search(str(key))]
        elif _SECRET.search(str(name)):
            found.append(value)
    return found
