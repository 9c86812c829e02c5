#!/usr/bin/python3 -IB
"""Stand-in: a placeholder for the hook execution manager, under its recorded name; it says so and waits to be stopped."""

import signal

print("stand-in: a placeholder for the hook execution manager, it does nothing", flush=True)
signal.sigwait({signal.SIGTERM, signal.SIGINT})
