#!/usr/bin/python3 -IB
"""Stand-in: starts the double of the hook execution manager under the recorded name."""

import runpy
import sys

sys.path.insert(0, "/usr/lib/one/standin")
runpy.run_module("standin_oned.hem", run_name="__main__", alter_sys=True)
