# SPDX-License-Identifier: Apache-2.0
"""Zones whose truth is known, what their servers would answer, and an oracle that reads the truth alone."""

from __future__ import annotations

import sys
from pathlib import Path

# pytest finds the collection by itself; run alone, this package has to.
COLLECTIONS = str(Path(__file__).resolve().parents[2] / ".cache" / "collections")
if COLLECTIONS not in sys.path:
    sys.path.insert(0, COLLECTIONS)
