"""The machines of this scenario stand in an inventory of their own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def inventory() -> Path:
    """inventories/compact with what a lab adds to it."""
    return Path(__file__).resolve().parent / "inventory"
