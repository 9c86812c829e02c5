# SPDX-License-Identifier: Apache-2.0
"""Where the unit tests find the collection and the recordings."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COLLECTIONS = ROOT / ".cache" / "collections"

# `make tools` makes the same link; made here as well, so that pytest alone is enough on a fresh clone.
LINK = COLLECTIONS / "ansible_collections" / "nebula" / "ha"
if not LINK.exists():
    LINK.parent.mkdir(parents=True, exist_ok=True)
    LINK.symlink_to(Path("..") / ".." / ".." / "..")
sys.path.insert(0, str(COLLECTIONS))


@pytest.fixture(scope="session")
def fixtures() -> Path:
    return Path(__file__).resolve().parent / "fixtures"
