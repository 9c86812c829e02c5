# SPDX-License-Identifier: Apache-2.0
"""Codes of a zone's judgement: documentation and judge say the same."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from plugins.module_utils.zone.problems import CODES
from tools import role_docs

ROOT = Path(__file__).resolve().parents[2]


def test_the_document_has_the_table_of_the_judge() -> None:
    text = role_docs.HEALTH.read_text(encoding="utf-8")
    assert text == role_docs.health(text), "docs/health.md: run make docs"


def test_a_table_that_drifted_is_seen() -> None:
    text = role_docs.HEALTH.read_text(encoding="utf-8")
    for code in CODES:
        assert f"| `{code}` |" in text
    changed = text.replace("| `candidate` | warning |", "| `candidate` | fatal |")
    assert changed != text == role_docs.health(changed)


def test_the_module_names_every_code() -> None:
    source = (ROOT / "plugins" / "modules" / "zone_health.py").read_text(encoding="utf-8")
    (returned,) = re.findall(r'RETURN = r"""\n(.*?)"""', source, re.DOTALL)
    described = yaml.safe_load(returned)["problems"]["contains"]["code"]["description"]
    assert described == f"One of {', '.join(CODES)}."
