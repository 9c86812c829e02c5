# SPDX-License-Identifier: Apache-2.0
"""Prints what the judge reported of what it had to."""

from __future__ import annotations

import sys
import time

from ansible_collections.nebula.ha.plugins.module_utils.zone.problems import CODES

from .run import case, run

start = time.monotonic()
score = run(case(seed) for seed in range(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
print(f"{score.zones} zones in {time.monotonic() - start:.1f} s: {dict(score.states)}")
print(f"{'code':<22}{'had to':>8}{'right':>8}{'wrong':>8}{'undecided':>11}")
for code in CODES:
    print(f"{code:<22}{score.had_to[code]:>8}{score.right[code]:>8}{score.wrong[code]:>8}{score.undecided[code]:>11}")
print("\n".join(score.mistakes[:20]))
sys.exit(bool(score.mistakes))
