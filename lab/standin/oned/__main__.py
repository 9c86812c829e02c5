"""oned -f [-c FILE]: runs in the foreground. ONE_LOCATION moves every path below one folder, as with the real one."""

from __future__ import annotations

import argparse
import functools
import os
import secrets
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from . import STANDIN, VERSION, api, cloud, conf
from .log import Log
from .server import Server
from .store import RecordError, Store, StoreError
from .web import Web

FAILED = 255
WARMUP_MS = 15000
MONITOR_MS = 60000


class StartError(Exception):
    """oned cannot start; the message says why and what to do."""


@dataclass(frozen=True)
class Paths:
    conf: Path
    var: Path
    log: Path
    lock: Path

    @classmethod
    def of(cls, location: str | None) -> Paths:
        if location:
            root = Path(location)
            return cls(root / "etc/oned.conf", root / "var", root / "var/oned.log", root / "var/.lock")
        etc, var = Path("/etc/one"), Path("/var")
        return cls(etc / "oned.conf", var / "lib/one", var / "log/one/oned.log", var / "lock/one/one")

    @property
    def auth(self) -> Path:
        return Path(os.environ.get("ONE_AUTH") or self.var / ".one/one_auth")

    @property
    def credentials(self) -> Path:
        return self.var / ".one"


def read_auth(path: Path) -> tuple[str, str]:
    try:
        name, colon, password = path.read_text().strip().partition(":")
    except OSError as error:
        text = f"{path} cannot be read ({error.strerror}): write NAME:PASSWORD of the zone's first user to it"
        raise StartError(text) from error
    if not (name and colon and password):
        raise StartError(f"{path} does not hold NAME:PASSWORD of the zone's first user")
    return name, password


def write_new(path: Path, text: str) -> str:
    """Write a secret unless it is there; either way the answer is what is there."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text + "\n")
    except FileExistsError:
        return path.read_text().strip()
    return text


def first_contents(store: Store, paths: Paths, configuration: conf.Conf) -> None:
    """Idempotent: tables and contents come in one transaction, credentials that exist are used."""
    if not store.create_tables():
        return
    name, password = read_auth(paths.auth)
    server = write_new(paths.credentials / "sunstone_auth", f"serveradmin:{secrets.token_hex(32)}")
    for other in ("oneflow_auth", "onegate_auth"):
        write_new(paths.credentials / other, server)
    users = api.bootstrap(name, password, server.partition(":")[2], int(time.time()))
    store.execute(*users, *cloud.bootstrap(name, functools.partial(conf.driver, configuration)))


def take_lock(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        pid = path.read_text().strip()
        command = Path(f"/proc/{pid}/cmdline")
        if pid.isdigit() and int(pid) != os.getpid() and command.exists() and b"oned" in command.read_bytes():
            raise StartError(f"{path} says that oned runs already (process {pid}): stop it first")
    path.write_text(f"{os.getpid()}\n")


def notify(state: str) -> None:
    """Tell systemd, if it started us."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)


def serve(configuration: conf.Conf, paths: Paths, log: Log) -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    secret = ":".join(read_auth(paths.auth))
    one_key = write_new(paths.credentials / "one_key", secrets.token_hex(32))
    store = Store(configuration)
    first_contents(store, paths, configuration)
    warmup = int(os.environ.get("STANDIN_WARMUP_MS") or WARMUP_MS) / 1000
    look = int(os.environ.get("STANDIN_MONITOR_MS") or MONITOR_MS) / 1000
    server = Server(configuration, store, log, secret, one_key, paths.var / "remotes/hooks", warmup, look)
    address = (configuration.single("LISTEN_ADDRESS", ""), int(configuration.single("PORT", "2633")))
    at_once, waiting = (int(configuration.single(name, "15")) for name in ("MAX_CONN", "MAX_CONN_BACKLOG"))
    with Web(address, server.answer, at_once, waiting) as web:
        server.start()
        threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.2}, name="web", daemon=True).start()
        notify("READY=1")
        stop.wait()
        notify("STOPPING=1")
        log.write("ONE", "I", "Stopping")
        server.stop()
        web.shutdown()


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="oned", description="A test double, not OpenNebula.")
    parser.add_argument("-f", action="store_true", help="run in the foreground (the stand-in always does)")
    parser.add_argument("-c", metavar="FILE", help="oned.conf to read")
    parser.add_argument("-v", action="store_true", help="print the version")
    options = parser.parse_args(argv)
    if options.v:
        print(f"oned {VERSION} stand-in {STANDIN}: a test double of Nebula HA, not OpenNebula")
        return 0
    paths = Paths.of(os.environ.get("ONE_LOCATION"))
    log = None
    try:
        file = Path(options.c) if options.c else paths.conf
        configuration = conf.parse(file.read_text())
        zone, level = configuration.number("FEDERATION", "ZONE_ID", 0), configuration.number("LOG", "DEBUG_LEVEL", 3)
        log = Log(paths.log, zone, level)
        take_lock(paths.lock)
        log.write("ONE", "I", f"Starting OpenNebula {VERSION} stand-in {STANDIN}, a test double")
        try:
            serve(configuration, paths, log)
        finally:
            paths.lock.unlink(missing_ok=True)
            log.write("ONE", "I", "Ended")
    except (OSError, ValueError, conf.ConfError, StartError, StoreError, RecordError) as error:
        print(f"oned: {error}", file=sys.stderr)
        if log is not None:
            log.write("ONE", "E", f"Not started: {error}")
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
