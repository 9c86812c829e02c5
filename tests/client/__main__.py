"""Run the client outside: `python -m tests.client --help`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.client.run import Client, Plan


def main() -> int:
    """Read the arguments, run to the end, and say where the log is."""
    parser = argparse.ArgumentParser(prog="python -m tests.client", description=__doc__)
    parser.add_argument("--server", required=True, metavar="URL", help="endpoint of the API")
    parser.add_argument("--auth-file", type=Path, required=True, help="file with user:password (never an argument)")
    parser.add_argument("--prefix", required=True, help="what the names of this run's documents begin with")
    parser.add_argument("--log", type=Path, required=True, help="JSON lines, one per call; must not exist yet")
    parser.add_argument("--seconds", type=float, default=120.0, help="end after this many seconds at the latest")
    parser.add_argument("--stop-file", type=Path, help="file that will hold the epoch second at which to end")
    parser.add_argument("--read-server", default="", metavar="URL", help="endpoint to read from, if it is another")
    parser.add_argument("--interval", type=float, default=0.2, help="seconds between two writes")
    parser.add_argument("--read-interval", type=float, default=0.0, help="seconds between two reads; 0: as writes")
    parser.add_argument("--web", default="", metavar="URL", help="address of the web interface, to log in there too")
    parser.add_argument("--ca", default="", help="file with the certificate that vouches for https")
    options = parser.parse_args()
    plan = Plan(
        server=options.server,
        session=options.auth_file.read_text().strip(),
        prefix=options.prefix,
        interval=options.interval,
        seconds=options.seconds,
        stop_file=options.stop_file,
        web=options.web,
        ca=options.ca,
        read_server=options.read_server,
        read_interval=options.read_interval,
    )
    # "x": names are unique within a run only, so two runs must never share a log.
    with options.log.open("x") as log:
        Client(plan, log).run()
    return 0


sys.exit(main())
