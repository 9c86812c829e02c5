"""Templates: the text or XML a client sends, and the XML that is kept. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree import ElementTree

from .conf import Value

Template = list[tuple[str, Value]]

_PAIR = re.compile(r"\s*([A-Za-z0-9_]+)\s*=\s*")


class TemplateError(Exception):
    """The text is no template."""


def cdata(text: str) -> str:
    return "<![CDATA[" + text.replace("]]>", "]]]]><![CDATA[>") + "]]>"


def element(name: str, value: Value) -> str:
    if isinstance(value, dict):
        inside = "".join(f"<{key}>{cdata(text)}</{key}>" for key, text in sorted(value.items()))
        return f"<{name}>{inside}</{name}>"
    return f"<{name}>{cdata(value)}</{name}>"


def body(template: Iterable[tuple[str, Value]]) -> str:
    """The elements of a template, names in order."""
    return "".join(element(name, value) for name, value in sorted(template, key=lambda item: item[0]))


def parse(text: str) -> Template:
    """A client's template. As with the real one a quote that is never closed is part of the value, not an error."""
    if text.lstrip().startswith("<"):
        return _parse_xml(text)
    found: Template = []
    pos = 0
    while match := _PAIR.match(text, pos):
        pos = match.end()
        if text[pos : pos + 1] == "[":
            vector, pos = _vector(text, pos + 1)
            found.append((match.group(1).upper(), vector))
        else:
            value, pos = _value(text, pos, "\n")
            found.append((match.group(1).upper(), value))
    if text[pos:].strip():
        raise TemplateError(f"syntax error at {text[pos:].strip()[:30]!r}")
    return found


def _value(text: str, pos: int, stops: str) -> tuple[str, int]:
    if text[pos : pos + 1] == '"' and (end := text.find('"', pos + 1)) > 0:
        return text[pos + 1 : end], end + 1
    end = pos
    while end < len(text) and text[end] not in stops:
        end += 1
    return text[pos:end].strip(), end


def _vector(text: str, pos: int) -> tuple[dict[str, str], int]:
    vector: dict[str, str] = {}
    while True:
        while text[pos : pos + 1] in (",", " ", "\t", "\n", "\r"):
            pos += 1
        if text[pos : pos + 1] == "]":
            return vector, pos + 1
        match = _PAIR.match(text, pos)
        if match is None:
            raise TemplateError(f"syntax error at {text[pos:].strip()[:30]!r}")
        vector[match.group(1).upper()], pos = _value(text, match.end(), ",]\n")


def _parse_xml(text: str) -> Template:
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise TemplateError(f"not well-formed XML: {error}") from error
    return of_element(root)


def of_element(root: ElementTree.Element) -> Template:
    return [(child.tag, _leaves(child) if len(child) else child.text or "") for child in root]


def _leaves(root: ElementTree.Element) -> dict[str, str]:
    return {leaf.tag: leaf.text or "" for leaf in root}


def merge(old: Template, new: Template) -> Template:
    """What append does: the names of the new template replace those of the old one."""
    names = {name for name, _ in new}
    return [item for item in old if item[0] not in names] + new
