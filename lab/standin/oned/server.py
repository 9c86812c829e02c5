"""The running server: Raft's events and actions bound to threads, MariaDB and XML-RPC between the servers."""

from __future__ import annotations

import http.client
import queue
import random
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from . import api, cloud, conf, methods, probe, raft, template, wire
from .api import Refused, Zone
from .cloud import Host
from .events import Events, address
from .log import Log
from .monitor import Monitor, Times
from .raft import Answer, AskVote, Note, Record, Replicate, Role, Send, State
from .store import LogDisk, RecordError, Store, StoreError, applied, read_vote

FORWARD_TIMEOUT_S = 10.0
HOOK_WAIT_AT_STOP_S = 10.0
FOLLOWER_LOOKS_S = 0.05


class CallError(Exception):
    """Another server could not be asked."""


def post(endpoint: str, payload: bytes, timeout: float) -> bytes:
    where = urlsplit(endpoint)
    connection = http.client.HTTPConnection(where.hostname or "", where.port or 80, timeout=timeout)
    try:
        connection.request("POST", where.path or "/RPC2", payload, {"Content-Type": "text/xml", "Accept": "*/*"})
        return connection.getresponse().read()
    except (OSError, http.client.HTTPException) as error:
        raise CallError(f"the call to {endpoint} failed: {error or type(error).__name__}") from error
    finally:
        connection.close()


class Worker:
    """A thread that takes one job after the other; a lane with room for one drops what does not fit."""

    def __init__(self, name: str, size: int = 0) -> None:
        self._jobs: queue.Queue[Callable[[], None] | None] = queue.Queue(size)
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def put(self, job: Callable[[], None]) -> None:
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            return

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def end(self) -> None:
        self._jobs.put(None)


class Server:
    """Implements api.Node. Everything of Raft happens under one lock; SQL of the state tables does not."""

    def __init__(
        self,
        configuration: conf.Conf,
        store: Store,
        log: Log,
        secret: str,
        one_key: str,
        hooks: Path,
        warmup: float,
        look: float,
    ) -> None:
        self.store, self._conf, self._log, self._secret, self._one_key = store, configuration, log, secret, one_key
        self._hooks = hooks
        self._events = Events(log, address(configuration))
        self._monitor = Monitor(self, log, probe.ask, Times.of(look))
        self.server_id = configuration.number("FEDERATION", "SERVER_ID", -1)
        self.zone_id = configuration.number("FEDERATION", "ZONE_ID", 0)
        timers = conf.Timers.of(configuration)
        self._rpc_timeout = timers.rpc
        self._cv = threading.Condition(threading.RLock())
        self._writing = threading.Lock()
        self._write_term = -1
        self._stopping = False
        self._hook: threading.Thread | None = None
        self._refused: dict[int, str] = {}
        self._lanes: dict[tuple[int, str], Worker] = {}
        self._endpoints = self._read_zone().endpoints()
        self._raft: raft.Raft | None = None
        if self.server_id >= 0:
            self._disk = LogDisk(store)
            core_timers = raft.Timers(timers.election, timers.broadcast, warmup, FOLLOWER_LOOKS_S)
            self._raft = raft.Raft(
                self.server_id,
                self._endpoints,
                core_timers,
                self._disk,
                time.monotonic(),
                random.random,
                raft.RECORDED,
            )

    @property
    def _core(self) -> raft.Raft:
        if self._raft is None:
            raise RuntimeError("a solo server has no Raft")
        return self._raft

    # Life

    def start(self) -> None:
        self._monitor.start()
        self._events.start()
        if self._raft is None:
            return
        self._log.write("RCM", "I", f"oned started as a follower, server {self.server_id} of {sorted(self._endpoints)}")
        self._start_hook("RAFT_FOLLOWER_HOOK")
        threading.Thread(target=self._tick, name="timer", daemon=True).start()
        threading.Thread(target=self._apply, name="apply", daemon=True).start()

    def stop(self) -> None:
        """A leader gives its role back; writes under way end without a promise."""
        with self._cv:
            led = self._raft is not None and self._raft.state is State.LEADER
            self._stopping = True
            if led:
                self._core.resign(time.monotonic())
                self._dispatch()
            self._cv.notify_all()
            lanes = list(self._lanes.values())
        for lane in lanes:
            lane.end()
        if led and self._hook is not None:
            self._hook.join(HOOK_WAIT_AT_STOP_S)

    def _read_zone(self) -> Zone:
        text = self.store.body("zone_pool", self.zone_id)
        if text is None:
            raise StoreError(f"the database has no zone {self.zone_id}: is FEDERATION/ZONE_ID in oned.conf right?")
        return Zone.read(text)

    def _start_hook(self, name: str) -> None:
        self._hook = threading.Thread(target=self._run_hook, args=(name,), name=name, daemon=True)
        self._hook.start()

    def _run_hook(self, name: str) -> None:
        hook = self._conf.vector(name)
        if "COMMAND" not in hook:
            return
        command = [str(self._hooks / hook["COMMAND"]), *shlex.split(hook.get("ARGUMENTS", ""))]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        except OSError as error:
            self._log.write("HKM", "E", f"Hook: {name}, cannot be run: {error}")
            return
        if done.returncode:
            self._log.write(
                "HKM", "E", f"Hook: {name}, ended with {done.returncode}: {(done.stderr or done.stdout).strip()}"
            )
        else:
            self._log.write("HKM", "I", f"Hook: {name}, ran well")

    # Raft: events in, actions out

    def _tick(self) -> None:
        while True:
            with self._cv:
                while not self._stopping and (wait := self._core.wakeup() - time.monotonic()) > 0:
                    self._cv.wait(min(wait, 60.0))
                if self._stopping:
                    return
                try:
                    self._core.tick(time.monotonic())
                except StoreError as error:
                    self._log.write("RCM", "E", f"The log cannot be kept: {error}")
                    self._cv.wait(1.0)
                self._dispatch()

    def _apply(self) -> None:
        while True:
            with self._cv:
                while not self._stopping and self._disk.applied >= self._core.commit:
                    self._cv.wait()
                if self._stopping:
                    return
            try:
                record = self._disk.record(self._disk.applied + 1)
                if record is None:
                    raise StoreError(f"record {self._disk.applied + 1} is committed but not in logdb")
                self._apply_one(record)
            except StoreError as error:
                self._log.write("DBM", "E", f"A committed record cannot be applied yet: {error}")
                time.sleep(1.0)

    def _apply_one(self, record: Record) -> None:
        refused = self._disk.apply(record)
        zone = self._read_zone() if "zone_pool" in record.sql else None
        if "host_pool" in record.sql:
            self._monitor.wake()
        with self._cv:
            if refused:
                self._log.write("DBM", "E", f"Record {record.index}: {refused}")
                self._refused[record.index] = refused
            if zone is not None and zone.endpoints() != self._endpoints:
                self._endpoints = zone.endpoints()
                self._core.set_members(self._endpoints)
                self._dispatch()
            self._cv.notify_all()

    def _dispatch(self) -> None:
        """Under the lock: hand what Raft wants done to the threads that may wait."""
        for action in self._core.take():
            if isinstance(action, Note):
                self._log.write("RCM", action.severity, action.text)
            elif isinstance(action, Role):
                self._log.write("RCM", "I", f"oned is {'the leader' if action.leader else 'a follower'} of the zone")
                self._start_hook("RAFT_LEADER_HOOK" if action.leader else "RAFT_FOLLOWER_HOOK")
                self._monitor.wake()
            elif isinstance(action, AskVote):
                self._lane(-1, "votes", 0).put(lambda ask=action: self._ask_vote(ask))  # type: ignore[misc]
            elif action.message.heartbeat:
                # A peer that does not answer the last heartbeat gets no second one meanwhile.
                self._lane(action.peer, "heartbeats", 1).put(lambda send=action: self._send(send))  # type: ignore[misc]
            else:
                self._lane(action.peer, "records", 0).put(lambda send=action: self._send(send))  # type: ignore[misc]
        self._cv.notify_all()

    def _lane(self, peer: int, kind: str, size: int) -> Worker:
        if (peer, kind) not in self._lanes:
            self._lanes[peer, kind] = Worker(f"{kind} {peer}", size)
        return self._lanes[peer, kind]

    def _ask(self, peer: int, method: str, params: Sequence[wire.Scalar]) -> Answer:
        endpoint = self._endpoints.get(peer)
        if endpoint is None:
            raise CallError(f"server {peer} is not in the zone any more")
        try:
            values = wire.parse_answer(
                post(endpoint, wire.render_call(method, (self._secret, *params)), self._rpc_timeout)
            )
            if values[0] is True:
                return Answer(True, int(values[1]))
            if values[2] != api.ACTION:
                raise CallError(str(values[1]))
            return Answer(False, int(values[3]), str(values[1]))
        except (ValueError, IndexError, wire.Fault) as error:
            raise CallError(f"server {peer} gave an answer that cannot be read: {error}") from error

    def _ask_vote(self, ask: AskVote) -> None:
        core = self._core
        try:
            answer = self._ask(
                ask.peer, "one.zone.voterequest", (ask.term, self.server_id, wire.I8(ask.log_index), ask.log_term)
            )
        except CallError as failed:
            error = str(failed)
            self._event(lambda now: core.vote_failed(now, ask, error))
        else:
            self._event(lambda now: core.vote_answered(now, ask, answer))

    def _send(self, send: Send) -> None:
        core, message = self._core, send.message
        try:
            answer = self._ask(
                send.peer,
                "one.zone.replicate",
                (
                    message.leader,
                    wire.I8(message.commit),
                    message.term,
                    wire.I8(message.index),
                    message.record_term,
                    wire.I8(message.prev_index),
                    message.prev_term,
                    wire.I8(-1),
                    message.sql,
                ),
            )
        except CallError as failed:
            error = str(failed)
            self._event(lambda now: core.replicate_failed(now, send, error))
        else:
            self._event(lambda now: core.replicate_answered(now, send, answer))

    def _event(self, happen: Callable[[float], None]) -> None:
        with self._cv:
            if self._stopping:
                return
            try:
                happen(time.monotonic())
            except StoreError as error:
                self._log.write("RCM", "E", f"The log cannot be kept: {error}")
            self._dispatch()

    def _asked(self, ask: Callable[[raft.Raft, float], Answer]) -> Answer:
        if self._raft is None:
            raise Refused(api.INTERNAL, "This server is solo")
        with self._cv:
            try:
                return ask(self._raft, time.monotonic())
            except StoreError as error:
                raise Refused(api.INTERNAL, str(error)) from error
            finally:
                self._dispatch()

    # api.Node

    def vote(self, term: int, candidate: int, log_index: int, log_term: int) -> Answer:
        return self._asked(lambda core, now: core.vote(now, term, candidate, log_index, log_term))

    def replicate(self, message: Replicate) -> Answer:
        answer = self._asked(lambda core, now: core.replicate(now, message))
        if answer.ok and message.heartbeat:
            # As recorded: what a heartbeat commits is applied before it is answered, and the next record comes after.
            with self._cv:
                self._cv.wait_for(lambda: self._stopping or self._disk.applied >= self._core.commit, self._rpc_timeout)
        return answer

    def reset_server(self, server: int) -> None:
        if self._raft is not None:
            core = self._raft
            self._event(lambda now: core.reset(now, server))

    def raft_status(self) -> dict[str, int]:
        if self._raft is None:
            term, voted_for = read_vote(self.store)
            shown = {"SERVER_ID": -1, "STATE": 0, "TERM": term, "VOTEDFOR": voted_for, "COMMIT": applied(self.store)}
            return {**shown, "LOG_INDEX": -1, "LOG_TERM": -1}
        with self._cv:
            return self._raft.status()

    def configuration(self) -> str:
        items = conf.running(self._conf, self._one_key)
        inside = "".join(template.element(name, value) for name, value in items)
        return f"<OPENNEBULA_CONFIGURATION>{inside}</OPENNEBULA_CONFIGURATION>"

    def driver(self, kind: str, name: str) -> dict[str, str]:
        return conf.driver(self._conf, kind, name)

    def monitoring(self, host: int) -> list[str]:
        return self._monitor.measured(host)

    def write(self, sql: str, leaving: int | None = None) -> None:
        """One record. Without a majority this waits until there is one, or until this server leads no more."""
        if self._raft is None:
            self.store.execute(sql)
            self._monitor.wake()
            return
        with self._cv:
            self._wait(lambda: True)
            if leaving is not None:
                # Who leaves never gets the record that says so, and does not count from that record on.
                self._raft.set_members(set(self._endpoints) - {leaving})
            try:
                index = self._raft.propose(time.monotonic(), sql)
                self._dispatch()
                self._wait(lambda: self._disk.applied >= index)
            finally:
                if leaving is not None:
                    self._raft.set_members(self._endpoints)
            refused = self._refused.pop(index, "")
        if refused:
            raise Refused(api.INTERNAL, refused)

    def _wait(self, done: Callable[[], bool]) -> None:
        """Under the lock, until done in the term of this write; the recorded error for a lost lead has no text."""
        while True:
            if self._stopping or self._core.state is not State.LEADER or self._disk.term != self._write_term:
                raise Refused(api.INTERNAL, "")
            if done():
                return
            self._cv.wait()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Writes take turns: what one reads to build its records must not change before they are applied."""
        with self._writing:
            if self._raft is not None:
                core = self._raft
                with self._cv:
                    self._write_term = self._disk.term
                    self._wait(lambda: self._disk.applied >= core.ready_index)
            yield

    # monitor.Zone

    def leading(self) -> int | None:
        if self._raft is None:
            return 0
        with self._cv:
            return self._disk.term if self._raft.state is State.LEADER else None

    def hosts(self) -> list[Host]:
        return cloud.hosts(self.store)

    def change_host(self, oid: int, change: Callable[[Host], Host | None]) -> None:
        with self._turn():
            text = self.store.body("host_pool", oid)
            new = change(Host.read(text)) if text is not None else None
            if new is not None:
                self.write(cloud.save_host(new))

    # Calls of clients

    def answer(self, payload: bytes) -> bytes:
        try:
            return self._answer(payload)
        except wire.Fault as fault:
            return wire.render_fault(fault)

    def _answer(self, payload: bytes) -> bytes:
        call = wire.parse_call(payload)
        spec = methods.METHODS.get(call.method)
        if spec is None:
            raise wire.Fault(-506, f"Method '{call.method}' not defined")
        (session,) = wire.check(call.params[:1], "s")
        try:
            leader = self._elsewhere() if spec.leader else None
            if leader is not None:
                return post(leader, payload, FORWARD_TIMEOUT_S)
            caller = api.authenticate(self.store, str(session))
            if caller is None:
                raise Refused(api.AUTHENTICATION, "User couldn't be authenticated, aborting call.")
            # Only now: a stranger learns nothing about parameters.
            request = api.Request(self, caller, wire.check(call.params[1:], spec.wants))
            if spec.write:
                with self._turn():
                    answer = methods.run(call.method, request)
                self._events.publish(call.method, request.args, answer)
                return wire.render_answer(answer)
            return wire.render_answer(methods.run(call.method, request))
        except Refused as refused:
            return wire.render_answer(methods.refusal(call.method, refused))
        except (StoreError, RecordError, CallError) as error:
            return wire.render_answer(methods.refusal(call.method, Refused(api.INTERNAL, str(error))))

    def _elsewhere(self) -> str | None:
        """The leader's endpoint if the call is not for this server; refused while nobody leads."""
        if self._raft is None:
            return None
        with self._cv:
            if self._raft.state is State.LEADER:
                return None
            if self._raft.state is State.CANDIDATE:
                raise Refused(api.INTERNAL, "Cannot process request, oned cluster in election mode")
            endpoint = self._endpoints.get(-1 if self._raft.leader is None else self._raft.leader)
        if endpoint is None:
            raise Refused(api.INTERNAL, "Cannot process request, no leader found")
        return endpoint
