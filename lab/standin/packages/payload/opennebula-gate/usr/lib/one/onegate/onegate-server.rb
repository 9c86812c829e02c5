#!/usr/bin/python3 -IB
"""Stand-in: starts the double of OneGate under the recorded name."""

import sys

sys.path.insert(0, "/usr/lib/one/standin")

from standin_web.cloud import gate  # noqa: E402 (the path above comes first)
from standin_web.web import run  # noqa: E402

sys.exit(run("onegate", gate))
