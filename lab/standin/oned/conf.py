"""oned.conf: reads its syntax and answers typed values. Pure: text in, structure out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

Value = str | dict[str, str]

_NAME = re.compile(r"[ \t\r\n]*([A-Za-z0-9_]+)[ \t]*=[ \t]*")
_SKIP = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")


class ConfError(Exception):
    """The text cannot be read; the message names the line."""


@dataclass
class Conf:
    """The attributes of a file in their order; a name may come more than once."""

    items: list[tuple[str, Value]] = field(default_factory=list)

    def single(self, name: str, default: str) -> str:
        found = [value for key, value in self.items if key == name and isinstance(value, str)]
        return found[-1] if found else default

    def vector(self, name: str) -> dict[str, str]:
        found = [value for key, value in self.items if key == name and isinstance(value, dict)]
        return found[-1] if found else {}

    def number(self, vector: str, name: str, default: int) -> int:
        text = self.vector(vector).get(name, str(default))
        try:
            return int(text)
        except ValueError as error:
            raise ConfError(f"{vector}/{name} is {text!r}, not a whole number") from error


def _scalar(text: str, pos: int, stops: str) -> tuple[str, int]:
    """A value that starts at pos: quoted (to the closing quote, newlines too) or bare (to one of stops)."""
    if text[pos : pos + 1] == '"':
        end = text.find('"', pos + 1)
        if end > 0:
            return text[pos + 1 : end], end + 1
    end = pos
    while end < len(text) and text[end] not in stops:
        end += 1
    return text[pos:end].strip(), end


def parse(text: str) -> Conf:
    conf = Conf()
    pos = 0
    while True:
        skip = _SKIP.match(text, pos)
        pos = skip.end() if skip else pos
        if pos >= len(text):
            return conf
        name = _NAME.match(text, pos)
        if name is None:
            raise ConfError(f"line {text.count(chr(10), 0, pos) + 1} is not NAME = VALUE")
        pos = name.end()
        if text[pos : pos + 1] == "[":
            vector, pos = _vector(text, pos + 1)
            conf.items.append((name.group(1).upper(), vector))
        else:
            value, pos = _scalar(text, pos, "#\n")
            conf.items.append((name.group(1).upper(), value))


def _vector(text: str, pos: int) -> tuple[dict[str, str], int]:
    start = pos
    vector: dict[str, str] = {}
    while True:
        skip = re.compile(r"(?:[ \t\r\n,]+|#[^\n]*)*").match(text, pos)
        pos = skip.end() if skip else pos
        if text[pos : pos + 1] == "]":
            return vector, pos + 1
        name = _NAME.match(text, pos)
        if name is None:
            raise ConfError(f"the vector that starts on line {text.count(chr(10), 0, start) + 1} has no end")
        value, pos = _scalar(text, name.end(), ",]#\n")
        vector[name.group(1).upper()] = value


# What oned compiles in and one.system.config shows though the file does not name it.
COMPILED: tuple[tuple[str, str], ...] = (
    ("API_LIST_ORDER", "DESC"),
    ("CONTEXT_ALLOW_ETH_UPDATES", "NO"),
    ("CONTEXT_RESTRICTED_DIRS", "/etc"),
    ("CONTEXT_SAFE_DIRS", ""),
    ("DATASTORE_LOCATION", "/var/lib/one//datastores"),
    ("DEFAULT_AUTH", "default"),
    ("DEFAULT_IMAGE_PERSISTENT", ""),
    ("DEFAULT_IMAGE_PERSISTENT_NEW", ""),
    ("DS_MONITOR_VM_DISK", "10"),
    ("ENABLE_OTHER_PERMISSIONS", "YES"),
    ("KEEPALIVE_MAX_CONN", "30"),
    ("KEEPALIVE_TIMEOUT", "15"),
    ("LOG_CALL_FORMAT", "Req:%i UID:%u IP:%A %m invoked %l"),
    ("MANAGER_TIMER", "15"),
    ("MAX_CONN", "15"),
    ("MAX_CONN_BACKLOG", "15"),
    ("MESSAGE_SIZE", "1073741824"),
    ("PCI_PASSTHROUGH_BUS", "0x01"),
    ("RPC_LOG", "NO"),
    ("TIMEOUT", "15"),
    ("VM_MONITORING_EXPIRATION_TIME", "14400"),
    ("VM_SUBMIT_ON_HOLD", "NO"),
)

_COMPILED_VECTORS: dict[str, dict[str, str]] = {
    "DB": {"COMPARE_BINARY": "no", "PORT": "0"},
    "FEDERATION": {"MODE": "STANDALONE", "ZONE_ID": "0", "SERVER_ID": "-1", "MASTER_ONED": ""},
}


# Drivers that oned knows by itself; the file's come first.
_COMPILED_DRIVERS: tuple[tuple[str, dict[str, str]], ...] = (
    ("DS_MAD_CONF", {"NAME": "shared", "PERSISTENT_ONLY": "NO", "REQUIRED_ATTRS": ""}),
    ("DS_MAD_CONF", {"NAME": "ssh", "PERSISTENT_ONLY": "NO", "REQUIRED_ATTRS": ""}),
    ("DS_MAD_CONF", {"NAME": "vmfs", "PERSISTENT_ONLY": "NO", "REQUIRED_ATTRS": "BRIDGE_LIST"}),
    (
        "TM_MAD_CONF",
        {
            "NAME": "vmfs",
            "CLONE_TARGET": "SYSTEM",
            "DRIVER": "",
            "DS_MIGRATE": "NO",
            "LN_TARGET": "NONE",
            "SHARED": "YES",
        },
    ),
)


def driver(conf: Conf, kind: str, name: str) -> dict[str, str]:
    """What a driver's block says of it."""
    for key, value in (*conf.items, *_COMPILED_DRIVERS):
        if key == f"{kind}_CONF" and isinstance(value, dict) and value.get("NAME") == name:
            return value
    raise ConfError(f'{kind} named "{name}" is not defined in oned.conf')


def running(conf: Conf, one_key: str) -> list[tuple[str, Value]]:
    """The running configuration as one.system.config shows it: compiled values filled in, names sorted."""
    items = [
        (name, {**_COMPILED_VECTORS.get(name, {}), **value} if isinstance(value, dict) else value)
        for name, value in conf.items
    ]
    present = {name for name, _ in items}
    items += [(name, value) for name, value in (*COMPILED, ("ONE_KEY", one_key)) if name not in present]
    items += [(name, dict(value)) for name, value in _COMPILED_VECTORS.items() if name not in present]
    named = {(name, value["NAME"]) for name, value in items if isinstance(value, dict) and "NAME" in value}
    items += [(name, dict(value)) for name, value in _COMPILED_DRIVERS if (name, value["NAME"]) not in named]
    return sorted(items, key=lambda item: item[0])


@dataclass(frozen=True)
class Timers:
    """The RAFT block in seconds. An attribute left out takes what oned compiles in, not what the file ships."""

    election: float
    broadcast: float
    rpc: float

    @classmethod
    def of(cls, conf: Conf) -> Timers:
        return cls(
            conf.number("RAFT", "ELECTION_TIMEOUT_MS", 1500) / 1000,
            conf.number("RAFT", "BROADCAST_TIMEOUT_MS", 500) / 1000,
            conf.number("RAFT", "XMLRPC_TIMEOUT_MS", 100) / 1000,
        )
