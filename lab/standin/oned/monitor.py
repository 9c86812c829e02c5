"""The leader's eye on the nodes: when each is looked at, and what becomes of it in the zone."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from .api import Refused
from .cloud import DISABLED, ERROR, INIT, MONITORED, OFFLINE, Host
from .log import Log
from .probe import ProbeError, Report
from .store import RecordError, StoreError
from .template import merge

DRIVERS = ("kvm", "qemu")
KEPT = 360
IDLE_S = 3600.0


@dataclass(frozen=True)
class Times:
    """In seconds, as recorded: a node is lost when it was silent for `lost`, tried again `retry` after an error, and
    its document renewed every `renew`; in between only what was measured moves, and that is no record of the zone."""

    look: float
    lost: float
    retry: float
    renew: float

    @classmethod
    def of(cls, look: float) -> Times:
        return cls(look, 3 * look, 3.25 * look, 10 * look)


class Zone(Protocol):
    def leading(self) -> int | None:
        """The term in which this server leads."""

    def hosts(self) -> list[Host]: ...
    def change_host(self, oid: int, change: Callable[[Host], Host | None]) -> None:
        """Keep what change makes of the host as it is then; None leaves it alone."""


@dataclass
class _Watch:
    due: float
    heard: float
    renewed: float
    busy: bool = False


def _in_thread(look: Callable[[], None]) -> None:
    threading.Thread(target=look, name="look", daemon=True).start()


class Monitor:
    """Every look has a thread of its own: one silent node must not hide the others."""

    def __init__(
        self,
        zone: Zone,
        log: Log,
        ask: Callable[[str], Report],
        times: Times,
        now: Callable[[], float] = time.monotonic,
        begin: Callable[[Callable[[], None]], None] = _in_thread,
    ) -> None:
        self._zone, self._log, self._ask, self._times, self._now, self._begin = zone, log, ask, times, now, begin
        self._term: int | None = None
        self._watches: dict[int, _Watch] = {}
        self._measured: dict[int, deque[str]] = {}
        self._wake = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="monitor", daemon=True).start()

    def wake(self) -> None:
        """Hosts, or who leads, may have changed."""
        self._wake.set()

    def measured(self, oid: int) -> list[str]:
        return list(self._measured.get(oid, ()))

    def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                wait = self.round()
            except StoreError as error:
                self._log.write("InM", "E", f"The hosts cannot be read: {error}")
                wait = 1.0
            self._wake.wait(wait)

    def round(self) -> float:
        """Start the looks whose time has come; answers the seconds until the next one's."""
        now, term = self._now(), self._zone.leading()
        if term != self._term:
            self._term, self._watches = term, {}
        if term is None:
            return IDLE_S
        hosts = {host.oid: host for host in self._zone.hosts()}
        for gone in set(self._measured) - set(hosts):
            self._measured.pop(gone)
        watched = [oid for oid, host in hosts.items() if host.im_mad in DRIVERS and host.state != OFFLINE]
        new = _Watch(now, now, now - self._times.renew)
        self._watches = {oid: self._watches.get(oid) or replace(new) for oid in watched}
        for oid, watch in self._watches.items():
            if watch.due <= now and not watch.busy:
                watch.busy = True
                self._begin(partial(self._look, hosts[oid], watch))
        return min((watch.due - now for watch in self._watches.values() if not watch.busy), default=IDLE_S)

    def _look(self, host: Host, watch: _Watch) -> None:
        try:
            try:
                report = self._ask(host.name)
            except ProbeError as error:
                self._silent(host, watch, str(error))
            else:
                self._heard(host, watch, report)
        except (Refused, StoreError, RecordError) as error:
            self._log.write("InM", "W", f"What was found on host {host.name} ({host.oid}) is not kept: {error}")
        finally:
            watch.busy = False
            self._wake.set()

    def _heard(self, host: Host, watch: _Watch, report: Report) -> None:
        now = self._now()
        watch.heard, watch.due = now, now + self._times.look
        self._measured.setdefault(host.oid, deque(maxlen=KEPT)).append(report.measured(host.oid, int(time.time())))
        stale = now - watch.renewed >= self._times.renew

        def change(known: Host) -> Host | None:
            if known.state == OFFLINE or (known.state in {MONITORED, DISABLED} and not stale):
                return None
            return report.into(known)

        self._zone.change_host(host.oid, change)
        if stale:
            watch.renewed = now

    def _silent(self, host: Host, watch: _Watch, why: str) -> None:
        now = self._now()
        if host.state not in {INIT, ERROR} and now - watch.heard < self._times.lost:
            watch.due = now + self._times.look
            return
        watch.due = now + self._times.retry
        self._log.write("InM", "E", f"Host {host.name} ({host.oid}) cannot be monitored: {why}")
        text = f"{time.strftime('%a %b %d %H:%M:%S %Y')} : Error monitoring Host {host.name} ({host.oid}): "

        def change(known: Host) -> Host | None:
            if known.state in {ERROR, DISABLED, OFFLINE}:
                return None
            return replace(known, state=ERROR, template=merge(known.template, [("ERROR", text)]))

        self._zone.change_host(host.oid, change)
