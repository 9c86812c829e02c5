"""Masses of clients give up while the zone elects again and again: `python -m tests.balancer.failover FOLDER`.

In a network of its own, which whoever calls has made, with the front-ends' rule against resets in it or not. Prints how
many calls reached each oned, and whether it ended.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

from tests.balancer.conftest import ADDRESS, balanced
from tests.client.abort import abort

LEADS, ELECTS = 0.4, 0.3
AT_ONCE = 6


def main(folder: Path, port: int, aborts: int, seconds: float) -> None:
    """Elections, clients that wait for their answers, and clients that do not, until these have done enough."""
    with balanced(folder, oned_port=port) as balancer:
        for server in balancer.zone:
            server.oned.pause = 0.05
        over = threading.Event()

        def elect() -> None:
            turn = 0
            while not over.wait(LEADS):
                turn += 1
                balancer.zone.lead()
                over.wait(ELECTS)
                balancer.zone.lead(f"fe{turn % 3 + 1}")

        def call() -> None:
            while not over.is_set():
                balancer.ask("api", "stays")

        threads = [threading.Thread(target=elect), *(threading.Thread(target=call) for _ in range(AT_ONCE))]
        for thread in threads:
            thread.start()
        try:
            told = abort(f"https://{ADDRESS}:{balancer.ports['api']}/RPC2", str(folder / "one.pem"), aborts, seconds)
        finally:
            over.set()
            for thread in threads:
                thread.join()
        zone = {server.name: [len(server.oned.received), server.oned.ended] for server in balancer.zone}
        print(json.dumps({"aborted": sum(told.values()), "zone": zone}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), aborts=2000, seconds=20)
