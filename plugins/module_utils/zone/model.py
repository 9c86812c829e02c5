# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the servers of a zone say, as immutable types. Pure: text in, values out."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit
from xml.etree import ElementTree

DEFAULT_PORT = 2633
# A disk is full with less than this free, and less than a twentieth of it: small disks are meant to be small.
DISK_ROOM = 1024**3
DISK_PART = 20


class DocumentError(ValueError):
    """An answer that is not the document it should be."""


class ServerState(enum.IntEnum):
    """Raft's states by the numbers that OpenNebula gives them."""

    SOLO = 0
    CANDIDATE = 1
    FOLLOWER = 2
    LEADER = 3


class FailureKind(str, enum.Enum):
    """Why a call gave no answer."""

    REFUSED = "refused"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    UNRESOLVED = "unresolved"
    DROPPED = "dropped"
    HTTP = "http"
    FAULT = "fault"
    PROTOCOL = "protocol"
    CREDENTIALS = "credentials"
    ERROR = "error"

    @property
    def answered(self) -> bool:
        """Whether a server was there at all: it said no, or said something else."""
        return self in (
            FailureKind.HTTP,
            FailureKind.FAULT,
            FailureKind.PROTOCOL,
            FailureKind.CREDENTIALS,
            FailureKind.ERROR,
        )


class DatabaseState(str, enum.Enum):
    """What a server's own database does with a write."""

    OK = "ok"
    DEAD = "dead"
    REFUSES_WRITES = "refuses_writes"


class HostState(enum.IntEnum):
    """A host's states by the numbers that OpenNebula gives them."""

    INIT = 0
    MONITORING_MONITORED = 1
    MONITORED = 2
    ERROR = 3
    DISABLED = 4
    MONITORING_ERROR = 5
    MONITORING_INIT = 6
    MONITORING_DISABLED = 7
    OFFLINE = 8

    @property
    def monitored(self) -> bool:
        """Whether its probes report; a probe that is on its way takes nothing away."""
        return self in (HostState.MONITORED, HostState.MONITORING_MONITORED)

    @property
    def failed(self) -> bool:
        """Whether the last probes failed."""
        return self in (HostState.ERROR, HostState.MONITORING_ERROR)

    @property
    def disabled(self) -> bool:
        """Whether a person took it out: the scheduler leaves it alone."""
        return self in (HostState.DISABLED, HostState.MONITORING_DISABLED, HostState.OFFLINE)


@dataclass(frozen=True)
class Failure:
    """How a call failed."""

    kind: FailureKind
    detail: str
    errno: int | None = None


@dataclass(frozen=True)
class ZoneServer:
    """One server as the zone's document lists it."""

    id: int
    name: str
    endpoint: str


@dataclass(frozen=True)
class Zone:
    """The document of one.zone.info."""

    id: int
    name: str
    enabled: bool
    endpoint: str
    servers: tuple[ZoneServer, ...]

    def find(self, name: str | None = None, endpoint: str | None = None) -> tuple[ZoneServer, ...]:
        """The servers that carry the name and the endpoint; what is not given is not compared."""
        return tuple(
            server
            for server in self.servers
            if (name is None or server.name == name)
            and (endpoint is None or endpoint_key(server.endpoint) == endpoint_key(endpoint))
        )


@dataclass(frozen=True)
class RaftStatus:
    """The document of one.zone.raftstatus: what a server says about itself."""

    server_id: int
    state: ServerState
    term: int
    voted_for: int
    commit: int
    log_index: int
    log_term: int
    fedlog_index: int


@dataclass(frozen=True)
class Answer:
    """What one endpoint answered, or how it failed to."""

    endpoint: str
    raft: RaftStatus | None = None
    zone: Zone | None = None
    version: str | None = None
    failure: Failure | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class LogFacts:
    """A server's own table of log records: no call to oned tells these."""

    oldest: int
    newest: int
    applied: int
    skipped: tuple[int, ...] = ()  # the first of them
    skipped_count: int = 0


@dataclass(frozen=True)
class MachineFacts:
    """What only the machine itself knows."""

    database: DatabaseState = DatabaseState.OK
    database_detail: str = ""
    disk_free: int | None = None
    disk_total: int | None = None
    log: LogFacts | None = None
    credentials: str | None = None  # a digest

    @property
    def writable(self) -> bool:
        """Whether its database takes a write."""
        return self.database is DatabaseState.OK

    @property
    def disk_full(self) -> bool:
        """Whether the disk of its database has next to no room left; what is not known is no fault."""
        if self.disk_free is None:
            return False
        room = DISK_ROOM if self.disk_total is None else min(DISK_ROOM, self.disk_total // DISK_PART)
        return self.disk_free < room


@dataclass(frozen=True)
class AgentStatus:
    """What a server's health agent knows of its own machine, `age` seconds ago."""

    name: str
    age: float
    answer: Answer
    machine: MachineFacts


@dataclass(frozen=True)
class Host:
    """A node as the pool of hosts lists it."""

    id: int
    name: str
    state: HostState
    im_mad: str
    vm_mad: str
    cluster: str
    vms: tuple[int, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Datastore:
    """A datastore as the pool lists it, with the plain attributes of its template."""

    id: int
    name: str
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class ExpectedServer:
    """A server that the inventory wants in the zone."""

    name: str
    endpoint: str


def endpoint_key(endpoint: str) -> tuple[str, str, int, str]:
    """A form in which two spellings of one endpoint are equal."""
    parts = urlsplit(endpoint.strip())
    scheme = parts.scheme.lower()
    try:
        port = parts.port
    except ValueError:
        port = None
    if port is None:
        port = {"http": 80, "https": 443}.get(scheme, DEFAULT_PORT)
    return scheme, (parts.hostname or "").lower(), port, parts.path.rstrip("/") or "/RPC2"


def parse_zone(text: str) -> Zone:
    """Read the document of one.zone.info."""
    root = _root(text, "ZONE")
    servers = tuple(
        ZoneServer(id=_integer(item, "ID"), name=_text(item, "NAME"), endpoint=_text(item, "ENDPOINT"))
        for item in root.findall("SERVER_POOL/SERVER")
    )
    return Zone(
        id=_integer(root, "ID"),
        name=_text(root, "NAME"),
        enabled=_integer(root, "STATE") == 0,
        endpoint=(root.findtext("TEMPLATE/ENDPOINT") or "").strip(),
        servers=servers,
    )


def parse_raft(text: str) -> RaftStatus:
    """Read the document of one.zone.raftstatus."""
    root = _root(text, "RAFT")
    number = _integer(root, "STATE")
    try:
        state = ServerState(number)
    except ValueError:
        raise DocumentError(f"RAFT/STATE is {int(number)}, which is no state of a server") from None
    return RaftStatus(
        server_id=_integer(root, "SERVER_ID"),
        state=state,
        term=_integer(root, "TERM"),
        voted_for=_integer(root, "VOTEDFOR"),
        commit=_integer(root, "COMMIT"),
        log_index=_integer(root, "LOG_INDEX"),
        log_term=_integer(root, "LOG_TERM"),
        fedlog_index=_integer(root, "FEDLOG_INDEX"),
    )


def parse_hosts(text: str) -> tuple[Host, ...]:
    """Read the document of one.hostpool.info."""
    return tuple(sorted((_host(item) for item in _root(text, "HOST_POOL").findall("HOST")), key=lambda host: host.id))


def _host(item: ElementTree.Element) -> Host:
    number = _integer(item, "STATE")
    try:
        state = HostState(number)
    except ValueError:
        raise DocumentError(f"HOST/STATE is {int(number)}, which is no state of a host") from None
    return Host(
        id=_integer(item, "ID"),
        name=_text(item, "NAME"),
        state=state,
        im_mad=_text(item, "IM_MAD"),
        vm_mad=_text(item, "VM_MAD"),
        cluster=_text(item, "CLUSTER"),
        vms=tuple(sorted(_number(machine.text or "", "VMS/ID", "HOST") for machine in item.findall("VMS/ID"))),
        error=(item.findtext("TEMPLATE/ERROR") or "").strip(),
    )


def parse_datastores(text: str) -> tuple[Datastore, ...]:
    """Read the document of one.datastorepool.info."""
    found = (
        Datastore(
            id=_integer(item, "ID"),
            name=_text(item, "NAME"),
            attributes={
                child.tag: (child.text or "").strip() for child in item.findall("TEMPLATE/*") if not len(child)
            },
        )
        for item in _root(text, "DATASTORE_POOL").findall("DATASTORE")
    )
    return tuple(sorted(found, key=lambda datastore: datastore.id))


def parse_clusters(text: str) -> dict[str, int]:
    """Read the document of one.clusterpool.info: the ids by name."""
    return {_text(item, "NAME"): _integer(item, "ID") for item in _root(text, "CLUSTER_POOL").findall("CLUSTER")}


def template_text(attributes: Mapping[str, str]) -> str:
    """Attributes in the form in which OpenNebula takes a template."""
    return "\n".join(f'{name} = "{_escaped(value)}"' for name, value in attributes.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def host_dict(host: Host) -> dict[str, Any]:
    """A host as plain values."""
    return {
        "id": host.id,
        "name": host.name,
        "state": host.state.name,
        "im_mad": host.im_mad,
        "vm_mad": host.vm_mad,
        "cluster": host.cluster,
        "vms": list(host.vms),
        "error": host.error,
    }


def zone_dict(zone: Zone) -> dict[str, Any]:
    """The zone as plain values."""
    return {
        "id": zone.id,
        "name": zone.name,
        "enabled": zone.enabled,
        "endpoint": zone.endpoint,
        "servers": [{"id": item.id, "name": item.name, "endpoint": item.endpoint} for item in zone.servers],
    }


def answer_dict(answer: Answer) -> dict[str, Any]:
    """An answer as plain values."""
    raft = answer.raft
    failure = answer.failure
    return {
        "endpoint": answer.endpoint,
        "version": answer.version,
        "seconds": None if answer.seconds is None else round(answer.seconds, 4),
        "raft": None
        if raft is None
        else {
            "server_id": raft.server_id,
            "state": raft.state.name.lower(),
            "term": raft.term,
            "voted_for": raft.voted_for,
            "commit": raft.commit,
            "index": raft.log_index,
            "log_term": raft.log_term,
            "fedlog_index": raft.fedlog_index,
        },
        "zone": None if answer.zone is None else zone_dict(answer.zone),
        "failure": None
        if failure is None
        else {"kind": failure.kind.value, "detail": failure.detail, "errno": failure.errno},
    }


def parse_status(text: str) -> AgentStatus:
    """Read what an agent answers at /status."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise DocumentError(f"the agent's answer is no JSON: {error}") from error
    fields = _Fields(value, "status")
    raft, zone, failure = (fields.part(name) for name in ("raft", "zone", "failure"))
    return AgentStatus(
        name=fields.text("name"),
        age=fields.number("age"),
        answer=Answer(
            endpoint=fields.text("endpoint"),
            raft=None if raft is None else _raft_from(raft),
            zone=None if zone is None else _zone_from(zone),
            version=fields.optional("version", str),
            failure=None if failure is None else _failure_from(failure),
        ),
        machine=parse_machine(fields.value("machine")),
    )


def status_dict(status: AgentStatus) -> dict[str, Any]:
    """What an agent answers at /status, as plain values."""
    answer = answer_dict(status.answer)
    return {
        "name": status.name,
        "endpoint": answer["endpoint"],
        "age": round(status.age, 3),
        "raft": answer["raft"],
        "zone": answer["zone"],
        "version": answer["version"],
        "failure": answer["failure"],
        "machine": machine_dict(status.machine),
    }


def parse_machine(value: Any) -> MachineFacts:
    """Read what a machine knows of itself from plain values."""
    fields = _Fields(value, "machine")
    log = fields.part("log")
    return MachineFacts(
        database=fields.one_of("database", DatabaseState),
        database_detail=fields.text("database_detail"),
        disk_free=fields.optional("disk_free", int),
        disk_total=fields.optional("disk_total", int),
        log=None
        if log is None
        else LogFacts(
            oldest=log.integer("oldest"),
            newest=log.integer("newest"),
            applied=log.integer("applied"),
            skipped=log.integers("skipped"),
            skipped_count=log.integer("skipped_count"),
        ),
        credentials=fields.optional("credentials", str),
    )


def machine_dict(machine: MachineFacts) -> dict[str, Any]:
    """What a machine knows of itself as plain values."""
    log = machine.log
    return {
        "database": machine.database.value,
        "database_detail": machine.database_detail,
        "disk_free": machine.disk_free,
        "disk_total": machine.disk_total,
        "log": None
        if log is None
        else {
            "oldest": log.oldest,
            "newest": log.newest,
            "applied": log.applied,
            "skipped": list(log.skipped),
            "skipped_count": log.skipped_count,
        },
        "credentials": machine.credentials,
    }


Choice = TypeVar("Choice", bound=enum.Enum)


class _Fields:
    """Plain values from outside, read by name and type."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise DocumentError(f"{where} is no object")
        self._value: dict[str, Any] = value
        self._where = where

    def value(self, name: str) -> Any:
        if name not in self._value:
            raise DocumentError(f"{self._where} has no {name}")
        return self._value[name]

    def _typed(self, name: str, kind: type | tuple[type, ...]) -> Any:
        value = self.value(name)
        # True is an int in Python, and a number nowhere else.
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise DocumentError(f"{self._where}.{name} is {value!r}")
        return value

    def text(self, name: str) -> str:
        return str(self._typed(name, str))

    def integer(self, name: str) -> int:
        return int(self._typed(name, int))

    def number(self, name: str) -> float:
        return float(self._typed(name, (int, float)))

    def flag(self, name: str) -> bool:
        return bool(self._typed(name, bool))

    def optional(self, name: str, kind: type) -> Any:
        return None if self.value(name) is None else self._typed(name, kind)

    def integers(self, name: str) -> tuple[int, ...]:
        found: list[int] = self._typed(name, list)
        return tuple(_Fields({name: item}, self._where).integer(name) for item in found)

    def part(self, name: str) -> _Fields | None:
        return None if self.value(name) is None else _Fields(self._value[name], f"{self._where}.{name}")

    def parts(self, name: str) -> list[_Fields]:
        return [_Fields(item, f"{self._where}.{name}") for item in self._typed(name, list)]

    def one_of(self, name: str, choices: type[Choice]) -> Choice:
        value = self.value(name)
        for choice in choices:
            if value in (choice.value, choice.name.lower()):
                return choice
        raise DocumentError(f"{self._where}.{name} is {value!r}")


def _raft_from(fields: _Fields) -> RaftStatus:
    return RaftStatus(
        server_id=fields.integer("server_id"),
        state=fields.one_of("state", ServerState),
        term=fields.integer("term"),
        voted_for=fields.integer("voted_for"),
        commit=fields.integer("commit"),
        log_index=fields.integer("index"),
        log_term=fields.integer("log_term"),
        fedlog_index=fields.integer("fedlog_index"),
    )


def _zone_from(fields: _Fields) -> Zone:
    return Zone(
        id=fields.integer("id"),
        name=fields.text("name"),
        enabled=fields.flag("enabled"),
        endpoint=fields.text("endpoint"),
        servers=tuple(
            ZoneServer(item.integer("id"), item.text("name"), item.text("endpoint")) for item in fields.parts("servers")
        ),
    )


def _failure_from(fields: _Fields) -> Failure:
    return Failure(fields.one_of("kind", FailureKind), fields.text("detail"), fields.optional("errno", int))


def _root(text: str, tag: str) -> ElementTree.Element:
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise DocumentError(f"the answer is no XML document: {error}") from error
    if root.tag != tag:
        raise DocumentError(f"the answer is a <{root.tag}> document where <{tag}> was asked for")
    return root


def _text(element: ElementTree.Element, tag: str) -> str:
    value = element.findtext(tag)
    if value is None:
        raise DocumentError(f"<{element.tag}> has no <{tag}>")
    return value.strip()


def _integer(element: ElementTree.Element, tag: str) -> int:
    return _number(_text(element, tag), tag, element.tag)


def _number(value: str, tag: str, parent: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise DocumentError(f"<{tag}> of <{parent}> is '{value}', which is no number") from None
