"""oned's documents as the JSON that the recorded services make of them. Pure."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

Json = dict[str, "Json"] | list["Json"] | str | None


def tree(document: str) -> dict[str, Json]:
    root = ElementTree.fromstring(document)
    return {root.tag: _value(root)}


def _value(element: ElementTree.Element) -> Json:
    if len(element) == 0:
        return element.text or {}
    found: dict[str, Json] = {}
    for child in element:
        value, before = _value(child), found.get(child.tag)
        if child.tag not in found:
            found[child.tag] = value
        elif isinstance(before, list):
            before.append(value)
        else:
            found[child.tag] = [before, value]
    return found


def short(value: Json) -> str:
    return json.dumps(value, separators=(",", ":"))


def pretty(value: Json) -> str:
    """Indented; an empty object ends on a line of its own."""
    return re.sub(r"^( *)(.*)\{\}(,?)$", r"\1\2{\n\1}\3", json.dumps(value, indent=2), flags=re.MULTILINE)
