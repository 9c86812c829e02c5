# SPDX-License-Identifier: Apache-2.0
"""The service: its threads, its file, its words to systemd."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
import traceback
from typing import Any

from zone.client import CredentialsError, read_session

from .board import Board
from .config import Config, ConfigError, parse
from .database import DatabaseProbe
from .disk import DiskProbe
from .front import Front
from .leads import LeadsFile
from .loops import Loop
from .oned import OnedProbe
from .pages import Pages
from .peers import PeerProbe

# How often the file and systemd are told, and how long the first answers may take before systemd is told all the same.
BEAT = 0.2
READY_SECONDS = 3.0
ALIVE_SECONDS = 2.0
EX_TEMPFAIL = 75
EX_SOFTWARE = 70
EX_CONFIG = 78


class Systemd:
    """Datagrams to the socket that systemd names, if there is one."""

    def __init__(self) -> None:
        self._place = os.environ.get("NOTIFY_SOCKET", "")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)

    def tell(self, *words: str) -> None:
        """What cannot be told now is told again soon."""
        if self._place:
            place = "\0" + self._place[1:] if self._place.startswith("@") else self._place
            try:
                self._socket.sendto("\n".join(words).encode(), place)
            except OSError:
                return


def log(text: str) -> None:
    """A line for the journal."""
    print(text, file=sys.stderr, flush=True)


def _end_with_it(what: Any) -> None:
    """A probe that ended would leave an answer that never ages out of sight: systemd starts all of it again."""
    traceback.print_exception(what.exc_type, what.exc_value, what.exc_traceback)
    os._exit(EX_SOFTWARE)


class Service:
    """All of it."""

    def __init__(self, config: Config, session: str) -> None:
        now = time.monotonic()
        self._config = config
        self._board = board = Board(config, now)
        self._pages = Pages(board)
        self._leads = LeadsFile(config.leads_file, now)
        self._oned = OnedProbe(board, session, self._changed)
        every = config.intervals
        # The own state is looked at more often while nobody leads, and the peers' as well
        self._own_loop = Loop("oned", self._oned, lambda now: every.hurry if board.hurry(now) else every.oned)
        self._peer_loops = [
            Loop(
                f"peer {peer.name}",
                PeerProbe(board, place, self._own_loop.soon),
                lambda now: every.hurry if board.hurry(now) else every.peers,
            )
            for place, peer in enumerate(config.peers)
        ]
        self._loops = [
            self._own_loop,
            *self._peer_loops,
            Loop("database", DatabaseProbe(board), lambda _now: every.database),
            Loop("disk", DiskProbe(board), lambda _now: every.disk),
        ]
        self._systemd = Systemd()
        self._began = now
        self._ready = False
        self._alive_due = 0.0
        self._standing = ""
        self._front = Front((config.address, config.port), config.allowed, self._pages, self._beat, BEAT)

    def _changed(self) -> None:
        """The own server is something else than before: what the others are now shows whether it counts."""
        for loop in self._peer_loops:
            loop.soon()

    def run(self) -> None:
        """Without end."""
        threading.excepthook = _end_with_it
        for loop in self._loops:
            loop.start()
        self._front.serve()

    def _beat(self) -> None:
        now = time.monotonic()
        if not self._ready:
            if now - self._began < READY_SECONDS and not all(loop.asked.is_set() for loop in self._loops):
                return
            self._ready = True
            self._systemd.tell("READY=1")
        self._pages.sample(now)
        leading = self._pages.leading(now)
        changed = self._leads.follow(leading, now, self._config.limits)
        if changed or leading.standing.value != self._standing:
            self._standing = leading.standing.value
            log(leading.reason)
            self._systemd.tell(f"STATUS={leading.reason}")
        if now >= self._alive_due:
            self._alive_due = now + ALIVE_SECONDS
            self._systemd.tell("WATCHDOG=1")
            refused = self._oned.refused_since
            if refused is not None and now - refused > self._config.timeouts.refused:
                # systemd hands the credential out at the start only.
                log("oned refuses oneadmin's credential: starting again with the file as it is now")
                os._exit(EX_TEMPFAIL)


def main(arguments: list[str]) -> int:
    """Run with the configuration named; 78 when it cannot be used."""
    if len(arguments) != 1:
        log("usage: python3 -I <folder> CONFIG.json")
        return EX_CONFIG
    signal.signal(signal.SIGTERM, lambda _number, _frame: os._exit(0))
    credential = os.path.join(os.environ.get("CREDENTIALS_DIRECTORY", "/var/lib/one/.one"), "one_auth")
    try:
        with open(arguments[0], encoding="utf-8") as handle:
            config = parse(handle.read(), credential)
        session = read_session(config.session_file)
    except (ConfigError, CredentialsError, OSError, UnicodeDecodeError) as error:
        log(f"{arguments[0]}: {error}")
        return EX_CONFIG
    try:
        service = Service(config, session)
    except OSError as error:
        log(f"{config.address} port {config.port}: {error.strerror or error}")
        return EX_CONFIG
    service.run()
    return 0
