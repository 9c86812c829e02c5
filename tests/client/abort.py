"""Clients that give up in masses, each in the rudest way that TCP has: bounded in count, time and number at once.

python -m tests.client.abort --url https://ADDRESS:PORT/RPC2 --ca FILE    what it does is in KINDS
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse
import xmlrpc.client
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.client.rpc import must_be_next_door

MOST = 5000
LONGEST = 60.0
AT_ONCE = 40
PATIENCE = 5.0  # for a connection, and for TLS
LATE = 0.02  # after which a call has been passed on
# With this a socket that is closed sends a reset instead of a farewell
LINGER_NOT = struct.pack("ii", 1, 0)


class Target:
    """Where to go, and the harmless call that is broken off there: it needs no session and changes nothing."""

    def __init__(self, url: str, ca: str = "") -> None:
        """Refuse an address that is not of a lab of this machine."""
        parts = urllib.parse.urlsplit(url)
        self.host, self.port = parts.hostname or "", parts.port or 443
        must_be_next_door(self.host)
        self._context = ssl.create_default_context(cafile=ca) if parts.scheme == "https" else None
        body = xmlrpc.client.dumps(("one.zone.info",), "system.methodExist").encode()
        head = f"POST {parts.path or '/'} HTTP/1.1\r\nHost: {self.host}\r\nContent-Type: text/xml\r\n"
        self.call = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    @contextlib.contextmanager
    def connected(self) -> Iterator[socket.socket]:
        """A connection that ends with a reset."""
        with socket.create_connection((self.host, self.port), PATIENCE) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
            yield connection

    @contextlib.contextmanager
    def greeted(self) -> Iterator[socket.socket]:
        """The same, with TLS where there is TLS."""
        with self.connected() as connection:
            if self._context is None:
                yield connection
                return
            with self._context.wrap_socket(connection, server_hostname=self.host) as secure:
                yield secure


def connect(target: Target) -> None:
    """Reset what has just been made."""
    with target.connected():
        pass


def handshake(target: Target) -> None:
    """Reset right after TLS."""
    with target.greeted():
        pass


def half(target: Target) -> None:
    """Reset in the middle of the headers."""
    with target.greeted() as connection:
        connection.sendall(target.call[:30])


def headers(target: Target) -> None:
    """Reset in the middle of the body."""
    with target.greeted() as connection:
        connection.sendall(target.call[:-20])


def whole(target: Target) -> None:
    """Reset right behind a whole call."""
    with target.greeted() as connection:
        connection.sendall(target.call)


def late(target: Target) -> None:
    """Reset while a whole call is being passed on or answered."""
    with target.greeted() as connection:
        connection.sendall(target.call)
        time.sleep(LATE)


KINDS: dict[str, Callable[[Target], None]] = {
    kind.__name__: kind for kind in (connect, handshake, half, headers, whole, late)
}


def abort(
    url: str, ca: str = "", count: int = 600, seconds: float = 20.0, kinds: Sequence[str] = tuple(KINDS)
) -> Counter[str]:
    """Break off so many, or as many as the time allows; gives how many of each kind, and `refused` connections."""
    if not 0 < count <= MOST or not 0 < seconds <= LONGEST:
        raise ValueError(f"{count} aborts in {seconds:g} s: up to {MOST} in {LONGEST:g} s may be made")
    target = Target(url, ca)
    end = time.monotonic() + seconds
    turns = itertools.islice(itertools.cycle(kinds), count)
    told: Counter[str] = Counter()
    lock = threading.Lock()

    def work() -> None:
        while time.monotonic() < end:
            with lock:
                kind = next(turns, None)
            if kind is None:
                return
            try:
                KINDS[kind](target)
            except OSError:
                kind = "refused"
            with lock:
                told[kind] += 1

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for future in [pool.submit(work) for _ in range(AT_ONCE)]:
            future.result()
    return told


def main() -> int:
    """Read the arguments, do it, and say what was done."""
    parser = argparse.ArgumentParser(prog="python -m tests.client.abort", description=__doc__)
    parser.add_argument("--url", required=True, help="endpoint of the API, at a lab's address")
    parser.add_argument("--ca", default="", help="file with the certificate that vouches for https")
    parser.add_argument("--count", type=int, default=600, help=f"how many, at most {MOST}")
    parser.add_argument("--seconds", type=float, default=20.0, help=f"end after this time, at most {LONGEST:g}")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="which ways, in turn")
    options = parser.parse_args()
    print(dict(abort(options.url, options.ca, options.count, options.seconds, options.kinds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
