# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to oned over XML-RPC, and to health agents over HTTP: the only input and output of this package.

A call is made once and never repeated behind the caller's back: a request that got no answer may have been applied.
"""

from __future__ import annotations

import enum
import errno as os_errno
import http.client
import queue
import socket
import ssl
import threading
import time
import xml.parsers.expat
import xmlrpc.client
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

from .model import (
    AgentStatus,
    Answer,
    Datastore,
    DocumentError,
    Failure,
    FailureKind,
    Host,
    MachineFacts,
    RaftStatus,
    Zone,
    endpoint_key,
    parse_clusters,
    parse_datastores,
    parse_hosts,
    parse_raft,
    parse_status,
    parse_zone,
    template_text,
)

Document = TypeVar("Document")
# How a template is written: attributes that are not named stay.
MERGE = 1
# What one.host.status takes.
ENABLE, DISABLE, OFFLINE = 0, 1, 2

# Endpoints that only the zone's document names are asked later than the first ones: what they get at least.
LATE_GRACE = 1.0
# Between two samples of one server, and what both together may take beyond the one timeout.
SAMPLE_GAP = 0.8
SAMPLE_EXTRA = 0.95

# What an agent found out longer ago than this says nothing about now.
AGENT_MAX_AGE = 10.0
AGENT_MAX_BYTES = 2**20


class Errno(enum.IntEnum):
    """OpenNebula's error numbers."""

    AUTHENTICATION = 0x0100
    AUTHORIZATION = 0x0200
    NO_EXISTS = 0x0400
    ACTION = 0x0800
    XML_RPC_API = 0x1000
    INTERNAL = 0x2000
    ALLOCATE = 0x4000
    LOCKED = 0x8000
    REPLICATION = 0x10000


class CallError(Exception):
    """A call that gave no result; `unknown` says whether it may have been applied all the same."""

    def __init__(self, endpoint: str, method: str, failure: Failure) -> None:
        super().__init__(f"{method} to {endpoint} failed: {failure.detail}")
        self.endpoint = endpoint
        self.method = method
        self.failure = failure

    @property
    def unknown(self) -> bool:
        """Whether the server may have applied the call although no answer came."""
        return self.failure.kind in (FailureKind.TIMEOUT, FailureKind.DROPPED, FailureKind.PROTOCOL)


class CredentialsError(Exception):
    """The file of credentials cannot be used."""


def endpoint_url(host: str, port: int) -> str:
    """The endpoint of the oned on a host."""
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/RPC2"


def read_session(path: str) -> str:
    """The 'user:password' that one_auth holds."""
    try:
        with open(path, encoding="utf-8") as handle:
            session = handle.readline().strip()
    except FileNotFoundError:
        raise CredentialsError(
            f"{path} does not exist: OpenNebula was not set up on this machine; deploy it first"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise CredentialsError(f"{path} cannot be read: {reason}; run this as oneadmin or root") from error
    user, colon, password = session.partition(":")
    if not (user and colon and password):
        raise CredentialsError(
            f"{path} does not hold 'user:password' in its first line; restore it from another front-end"
        )
    return session


class _OneCallTransport(xmlrpc.client.Transport):
    """Transport with a timeout that sends a request once; the standard one sends it again after a reset."""

    def __init__(self, timeout: float, secure: bool) -> None:
        super().__init__()
        self._timeout = timeout
        self._secure = secure

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        name = host[0] if isinstance(host, tuple) else host
        connection: http.client.HTTPConnection
        if self._secure:
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(name, timeout=self._timeout, context=context)
        else:
            connection = http.client.HTTPConnection(name, timeout=self._timeout)
        # Where close() looks for it.
        self._connection = (host, connection)
        return connection

    def request(self, host: Any, handler: str, request_body: Any, verbose: bool = False) -> Any:
        return self.single_request(host, handler, request_body, verbose)


class Client:
    """Calls to one endpoint with one session."""

    def __init__(self, endpoint: str, session: str, timeout: float) -> None:
        self.endpoint = endpoint
        self.timeout = timeout
        self.session = session

    def call(self, method: str, *arguments: Any) -> Any:
        """The result of a call; CallError tells the ways to fail apart."""
        parts = urlsplit(self.endpoint)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise self._error(method, FailureKind.UNRESOLVED, f"'{self.endpoint}' is no http(s) URL")
        transport = _OneCallTransport(max(self.timeout, 0.001), parts.scheme == "https")
        body = xmlrpc.client.dumps((self.session, *arguments), method).encode("utf-8")
        try:
            reply = transport.request(parts.netloc, parts.path or "/RPC2", body)
        except xmlrpc.client.Fault as error:
            raise self._error(method, FailureKind.FAULT, f"fault {error.faultCode}: {error.faultString}") from None
        except xmlrpc.client.ProtocolError as error:
            raise self._error(method, FailureKind.HTTP, f"HTTP status {error.errcode} {error.errmsg}") from None
        except socket.timeout:
            raise self._error(method, FailureKind.TIMEOUT, f"no answer within {self.timeout:.3g} s") from None
        except ConnectionRefusedError:
            raise self._error(method, FailureKind.REFUSED, "connection refused") from None
        except socket.gaierror:
            raise self._error(method, FailureKind.UNRESOLVED, f"the name '{parts.hostname}' has no address") from None
        except (ConnectionError, http.client.HTTPException) as error:
            # RemoteDisconnected is both: the request was sent, the answer never came.
            kind = FailureKind.DROPPED if isinstance(error, ConnectionError) else FailureKind.PROTOCOL
            raise self._error(method, kind, f"the connection broke ({type(error).__name__})") from None
        except OSError as error:
            name = os_errno.errorcode.get(error.errno or 0, "")
            kind = FailureKind.TIMEOUT if name == "ETIMEDOUT" else FailureKind.UNREACHABLE
            raise self._error(method, kind, error.strerror or type(error).__name__) from None
        except (xml.parsers.expat.ExpatError, xmlrpc.client.ResponseError, ValueError, TypeError, KeyError, IndexError):
            raise self._error(method, FailureKind.PROTOCOL, "the answer is no XML-RPC") from None
        finally:
            transport.close()
        return self._result(method, reply)

    def _result(self, method: str, reply: Any) -> Any:
        value = reply[0] if isinstance(reply, tuple) and len(reply) == 1 else None
        if not isinstance(value, list) or len(value) < 2 or not isinstance(value[0], bool):
            raise self._error(method, FailureKind.PROTOCOL, "the answer is not what oned answers")
        if value[0]:
            return value[1]
        number = value[2] if len(value) > 2 and isinstance(value[2], int) else None
        kind = FailureKind.CREDENTIALS if number == Errno.AUTHENTICATION else FailureKind.ERROR
        detail = str(value[1]).strip() or f"errno {number} without a message"
        raise self._error(method, kind, detail, number)

    def _error(self, method: str, kind: FailureKind, detail: str, number: int | None = None) -> CallError:
        return CallError(self.endpoint, method, Failure(kind, detail, number))

    def _document(self, method: str, *arguments: Any) -> str:
        value = self.call(method, *arguments)
        if not isinstance(value, str):
            raise self._error(method, FailureKind.PROTOCOL, "the answer is no document")
        return value

    def _read(self, parse: Callable[[str], Document], method: str, *arguments: Any) -> Document:
        try:
            return parse(self._document(method, *arguments))
        except DocumentError as error:
            raise self._error(method, FailureKind.PROTOCOL, str(error)) from None

    def raft_status(self) -> RaftStatus:
        """What this server says about itself; answered with or without a leader."""
        return self._read(parse_raft, "one.zone.raftstatus")

    def zone(self, zone_id: int = 0) -> Zone:
        """The zone as this server knows it; a server that is behind knows an old one."""
        return self._read(parse_zone, "one.zone.info", zone_id, False)

    def hosts(self) -> tuple[Host, ...]:
        """All hosts of the zone."""
        return self._read(parse_hosts, "one.hostpool.info")

    def datastores(self) -> tuple[Datastore, ...]:
        """All datastores of the zone."""
        return self._read(parse_datastores, "one.datastorepool.info")

    def clusters(self) -> dict[str, int]:
        """The ids of all clusters, by name."""
        return self._read(parse_clusters, "one.clusterpool.info")

    def version(self) -> str:
        """The release that runs; refused while there is no leader."""
        return self._document("one.system.version")

    def add_server(self, zone_id: int, name: str, endpoint: str) -> None:
        """Add a server; OpenNebula adds it again when it is there already."""
        self.call("one.zone.addserver", zone_id, f'SERVER=[NAME="{name}",ENDPOINT="{endpoint}"]')

    def delete_server(self, zone_id: int, server_id: int) -> None:
        """Delete a server by id."""
        self.call("one.zone.delserver", zone_id, server_id)

    def reset_server(self, zone_id: int, server_id: int) -> None:
        """Have the leader start over at the end of its log for this follower."""
        self.call("one.zone.resetserver", zone_id, server_id)

    def add_host(self, name: str, im_mad: str, vm_mad: str, cluster_id: int) -> None:
        """Add a host; a name that is taken is refused."""
        self.call("one.host.allocate", name, im_mad, vm_mad, cluster_id)

    def update_host(self, host_id: int, attributes: Mapping[str, str]) -> None:
        """Set attributes of a host's template; its drivers follow them."""
        self.call("one.host.update", host_id, template_text(attributes), MERGE)

    def set_host_status(self, host_id: int, status: int) -> None:
        """ENABLE, which has a host that was offline probed at once, DISABLE or OFFLINE."""
        self.call("one.host.status", host_id, status)

    def move_host(self, host_id: int, cluster_id: int) -> None:
        """Put a host into a cluster, out of the one where it is."""
        self.call("one.cluster.addhost", cluster_id, host_id)

    def delete_host(self, host_id: int) -> None:
        """Delete a host; refused while virtual machines run on it."""
        self.call("one.host.delete", host_id)

    def update_datastore(self, datastore_id: int, attributes: Mapping[str, str]) -> None:
        """Set attributes of a datastore's template; its drivers follow them."""
        self.call("one.datastore.update", datastore_id, template_text(attributes), MERGE)


@dataclass
class _Question:
    """One endpoint being asked; its thread alone replaces `answer`, whoever waits only reads it."""

    answer: Answer
    agent: AgentStatus | None = None


@dataclass(frozen=True)
class Look:
    """What all servers answered, and what machines know of themselves, by endpoint, where their agent answered.

    `earlier` is what those answered at first that were asked twice.
    """

    answers: tuple[Answer, ...]
    machines: Mapping[str, MachineFacts] = field(default_factory=dict)
    earlier: tuple[Answer, ...] = ()
    started: float = 0.0


def ask(endpoint: str, session: str, timeout: float, zone_id: int = 0) -> Answer:
    """Everything that one endpoint says about itself and its zone."""
    question = _Question(Answer(endpoint))
    _ask(question, session, time.monotonic() + timeout, timeout, zone_id)
    return question.answer


def _ask(question: _Question, session: str, deadline: float, timeout: float, zone_id: int) -> None:
    start = time.monotonic()
    client = Client(question.answer.endpoint, session, timeout)

    def remaining() -> float:
        return max(deadline - time.monotonic(), 0.001)

    try:
        client.timeout = remaining()
        raft = client.raft_status()
        question.answer = replace(question.answer, raft=raft, seconds=time.monotonic() - start)
        client.timeout = remaining()
        question.answer = replace(question.answer, zone=client.zone(zone_id))
        client.timeout = remaining()
        question.answer = replace(question.answer, version=client.version())
    except CallError as error:
        # Without a leader oned refuses to name its version: what it said before counts.
        if question.answer.raft is None:
            failure = error.failure
            if failure.kind is FailureKind.TIMEOUT:
                failure = _silent(timeout)
            question.answer = replace(question.answer, failure=failure, seconds=time.monotonic() - start)


def _silent(timeout: float) -> Failure:
    return Failure(FailureKind.TIMEOUT, f"no answer within {timeout:.3g} s")


class _Asking:
    """Questions under way, each in a thread of its own."""

    def __init__(self, session: str, timeout: float, zone_id: int, agent_port: int) -> None:
        self.start = time.monotonic()
        self.deadline = self.start + timeout
        self.session = session
        self.timeout = timeout
        self.zone_id = zone_id
        self.agent_port = agent_port
        self.asked = 0
        self.events: queue.Queue[_Question] = queue.Queue()
        self.questions: dict[tuple[str, str, int, str], _Question] = {}

    def put(self, endpoints: Iterable[str]) -> None:
        """Ask the endpoints that were not asked yet."""
        for endpoint in endpoints:
            key = endpoint_key(endpoint)
            if key in self.questions:
                continue
            question = self.questions[key] = _Question(Answer(endpoint))
            self._run(question, self._ask_oned)
            if self.agent_port:
                self._run(question, self._ask_agent)

    def _run(self, question: _Question, work: Callable[[_Question], None]) -> None:
        def run() -> None:
            try:
                work(question)
            finally:
                self.events.put(question)

        self.asked += 1
        threading.Thread(target=run, name=f"ask {question.answer.endpoint}", daemon=True).start()

    def _ask_oned(self, question: _Question) -> None:
        _ask(question, self.session, self.deadline, self.timeout, self.zone_id)

    def _ask_agent(self, question: _Question) -> None:
        host = endpoint_key(question.answer.endpoint)[1]
        question.agent = ask_agent(host, self.agent_port, self.deadline - time.monotonic())

    def hear(self, follow: bool) -> None:
        """Wait for all, until the deadline; `follow` asks those, too, that a zone document names."""
        heard = 0
        while heard < self.asked:
            left = self.deadline - time.monotonic()
            if left <= 0:
                return
            try:
                question = self.events.get(timeout=left)
            except queue.Empty:
                return
            heard += 1
            if follow and question.answer.zone is not None:
                self._follow([server.endpoint for server in question.answer.zone.servers])

    def _follow(self, named: list[str]) -> None:
        if any(endpoint_key(endpoint) not in self.questions for endpoint in named):
            late = min(time.monotonic(), self.start + self.timeout) + LATE_GRACE
            self.deadline = max(self.deadline, late)
        self.put(named)

    def found(self) -> Look:
        answers = []
        machines = {}
        for question in self.questions.values():
            answer, agent = question.answer, question.agent
            if answer.raft is None and answer.failure is None:
                failure = _silent(self.timeout)
                answer = replace(answer, failure=failure, seconds=time.monotonic() - self.start)
            answers.append(answer)
            if agent is not None:
                machines[answer.endpoint] = agent.machine
        return Look(tuple(answers), machines, (), self.start)


def ask_agent(host: str, port: int, timeout: float) -> AgentStatus | None:
    """What the health agent of a host knows of its machine; none if it does not answer, or only of the past."""
    if not host:
        return None
    connection = http.client.HTTPConnection(host, port, timeout=max(timeout, 0.001))
    try:
        connection.request("GET", "/status")
        response = connection.getresponse()
        text = response.read(AGENT_MAX_BYTES).decode("utf-8")
        status = parse_status(text) if response.status == http.client.OK else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return None if status is None or status.age > AGENT_MAX_AGE else status


def survey(endpoints: Iterable[str], session: str, timeout: float, zone_id: int = 0) -> list[Answer]:
    """Ask all endpoints, and those that their zone documents name: see `look`."""
    return list(look(endpoints, session, timeout, zone_id).answers)


def look(
    endpoints: Iterable[str],
    session: str,
    timeout: float,
    zone_id: int = 0,
    agent_port: int = 0,
    follow: bool = True,
) -> Look:
    """Ask all endpoints, and those that their zone documents name (`follow`), at once and under one timeout.

    With an `agent_port` the health agents of the same hosts are asked beside, within the same time.

    Takes `timeout` seconds at most, and LATE_GRACE more when a document came so late that the servers it names would
    have had no time to answer. Nobody is asked twice. Threads that still wait for the silent are left behind: they
    hold a socket with its own timeout and end by themselves.
    """
    asking = _Asking(session, timeout, zone_id, agent_port)
    asking.put(endpoints)
    asking.hear(follow)
    return asking.found()


def look_again(first: Look, session: str, timeout: float, zone_id: int = 0) -> Look:
    """A second sample of those that answered, SAMPLE_GAP after the first; the silent are not asked again.

    Both looks together take `timeout` and SAMPLE_EXTRA at most. Whoever is too slow this time keeps its first answer,
    and counts as asked once.
    """
    deadline = first.started + timeout + SAMPLE_EXTRA
    spoke = {endpoint_key(answer.endpoint): answer for answer in first.answers if answer.raft is not None}
    if not spoke:
        return first
    ready = first.started + max(answer.seconds or 0.0 for answer in spoke.values()) + SAMPLE_GAP
    if max(ready, time.monotonic()) >= deadline:
        return first
    time.sleep(max(ready - time.monotonic(), 0.0))
    names = [answer.endpoint for answer in spoke.values()]
    found = look(names, session, min(timeout, deadline - time.monotonic()), zone_id, follow=False)
    anew = {
        endpoint_key(answer.endpoint): answer
        for answer in found.answers
        if answer.failure is None or answer.failure.kind is not FailureKind.TIMEOUT
    }
    return Look(
        tuple(anew.get(endpoint_key(answer.endpoint), answer) for answer in first.answers),
        first.machines,
        tuple(answer for key, answer in spoke.items() if key in anew),
        first.started,
    )
