# SPDX-License-Identifier: Apache-2.0
"""The agent's configuration: a JSON file that the role writes. Pure: text in, values out."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from zone.leadership import Limits


class ConfigError(Exception):
    """The configuration cannot be used; the message says what to look at."""


@dataclass(frozen=True)
class Peer:
    """Another front-end: the server of the zone that it carries, and where its agent answers."""

    name: str
    endpoint: str
    address: str
    port: int


@dataclass(frozen=True)
class Database:
    """This machine's MariaDB, reached by its socket."""

    socket: str
    user: str
    schema: str
    zone_schema: str


@dataclass(frozen=True)
class Intervals:
    """Seconds from one question to the next; `hurry` while nobody is known to lead."""

    oned: float = 0.2
    hurry: float = 0.1
    peers: float = 0.25
    zone: float = 2.0
    database: float = 1.0
    log: float = 10.0
    disk: float = 2.0


@dataclass(frozen=True)
class Timeouts:
    """Seconds that a question may take; and for which oned may refuse a credential that may be an old one."""

    oned: float = 2.0
    peers: float = 1.0
    database: float = 1.0
    refused: float = 30.0


@dataclass(frozen=True)
class Config:
    """All of it."""

    name: str
    endpoint: str
    zone_id: int
    address: str
    port: int
    session_file: str
    leads_file: str
    peers: tuple[Peer, ...]
    allowed: Allowed
    database: Database
    disk_paths: tuple[str, ...]
    intervals: Intervals
    timeouts: Timeouts
    limits: Limits


class Allowed:
    """Addresses that get an answer: single ones and networks."""

    def __init__(self, networks: list[str]) -> None:
        self._networks = [_network(text) for text in networks]

    def __contains__(self, address: str) -> bool:
        value, bits = _address(address)
        return any(
            size == bits and value >> (bits - length) == network >> (bits - length)
            for network, length, size in self._networks
        )


def _address(text: str) -> tuple[int, int]:
    plain = text.split("%", 1)[0]
    # A listener for both families shows IPv4 this way.
    if plain.lower().startswith("::ffff:") and "." in plain:
        plain = plain[7:]
    family = socket.AF_INET6 if ":" in plain else socket.AF_INET
    packed = socket.inet_pton(family, plain)
    return int.from_bytes(packed, "big"), len(packed) * 8


def _network(text: str) -> tuple[int, int, int]:
    address, slash, length = text.strip().partition("/")
    try:
        value, bits = _address(address)
        prefix = int(length) if slash else bits
    except (OSError, ValueError):
        raise ConfigError(f"'{text}' in 'allowed' is no address and no network in CIDR form") from None
    if not 0 <= prefix <= bits:
        raise ConfigError(f"'{text}' in 'allowed' has a prefix that its family does not have")
    return value, prefix, bits


def _seconds(kind: type[Any], values: Mapping[str, Any], where: str) -> Any:
    known = {field.name for field in fields(kind)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ConfigError(f"'{where}' has no '{unknown[0]}'; it has {', '.join(sorted(known))}")
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
            raise ConfigError(f"'{where}.{name}' is {value!r}, which is no number of 0 or more")
    return kind(**values)


def parse(text: str, session_file: str) -> Config:
    """The configuration that this text holds; `session_file`: where oneadmin's credential is, unless it says so."""
    try:
        values = json.loads(text)
        database = values["database"]
        return Config(
            name=str(values["name"]),
            endpoint=str(values["endpoint"]),
            zone_id=int(values.get("zone_id", 0)),
            address=str(values["listen"]["address"]),
            port=int(values["listen"]["port"]),
            session_file=str(values.get("session_file") or session_file),
            leads_file=str(values["leads_file"]),
            peers=tuple(
                Peer(str(peer["name"]), str(peer["endpoint"]), str(peer["address"]), int(peer["port"]))
                for peer in values["peers"]
            ),
            allowed=Allowed([str(item) for item in values["allowed"]]),
            database=Database(
                str(database["socket"]), str(database["user"]), str(database["schema"]), str(database["zone_schema"])
            ),
            disk_paths=tuple(str(path) for path in values["disk_paths"]),
            intervals=_seconds(Intervals, values.get("intervals", {}), "intervals"),
            timeouts=_seconds(Timeouts, values.get("timeouts", {}), "timeouts"),
            limits=_seconds(Limits, values.get("limits", {}), "limits"),
        )
    except KeyError as error:
        raise ConfigError(f"{error} is missing") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"it cannot be read: {error}") from None
