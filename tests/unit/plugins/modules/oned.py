# SPDX-License-Identifier: Apache-2.0
"""An oned for the tests of the modules: a zone in memory that answers as the recordings do."""

from __future__ import annotations

import re
import threading
import xmlrpc.client
from dataclasses import dataclass, field
from typing import Self
from xml.sax.saxutils import escape

from ..module_utils.zone.servers import Fake, failure, success

SESSION = "oneadmin:secret-of-the-test"


@dataclass
class Answering:
    """What answers the calls that its methods are named after: `_host_allocate` is one.host.allocate."""

    # What goes wrong, by method: "drop" (applied, no answer), "lose" (not applied, no answer), or an error's text.
    trouble: dict[str, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.fake = Fake(self.handle)

    @property
    def url(self) -> str:
        return self.fake.url

    @property
    def port(self) -> int:
        return self.fake.port

    def __enter__(self) -> Self:
        self.fake.__enter__()
        return self

    def __exit__(self, *arguments: object) -> None:
        self.fake.__exit__(*arguments)

    def handle(self, body: str) -> tuple[int, str]:
        arguments, method = xmlrpc.client.loads(body)
        name = str(method).removeprefix("one.")
        self.calls.append(name)
        if arguments[0] != SESSION:
            return 200, failure("User couldn't be authenticated, aborting call.", 256)
        trouble = self.trouble.get(name, "")
        if trouble == "lose":
            return 0, ""
        if trouble and trouble != "drop":
            return 200, failure(trouble, 2048)
        answer = getattr(self, "_" + name.replace(".", "_"))(*arguments[1:])
        return (0, "") if trouble == "drop" else (200, success(answer))


@dataclass
class Oned(Answering):
    """One server; `servers` is the zone's list and may be shared with others."""

    state: int = 0
    server_id: int = -1
    servers: list[tuple[int, str, str]] = field(default_factory=list)
    enabled: bool = True
    zone_name: str = "OpenNebula"
    term: int = 3
    index: int = 50
    # Seconds until a change shows in the document.
    delay: float = 0.0

    def _later(self, change: object) -> None:
        assert callable(change)
        if not self.delay:
            change()
            return
        threading.Timer(self.delay, change).start()

    def _zone_raftstatus(self) -> str:
        return (
            f"<RAFT><SERVER_ID>{self.server_id}</SERVER_ID><STATE>{self.state}</STATE><TERM>{self.term}</TERM>"
            f"<VOTEDFOR>-1</VOTEDFOR><COMMIT>{self.index}</COMMIT><LOG_INDEX>{self.index}</LOG_INDEX>"
            f"<LOG_TERM>{self.term}</LOG_TERM><FEDLOG_INDEX>-1</FEDLOG_INDEX></RAFT>"
        )

    def _zone_info(self, zone_id: int, _decrypt: bool) -> str:
        entries = "".join(
            f"<SERVER><ENDPOINT>{escape(endpoint)}</ENDPOINT><ID>{number}</ID><NAME>{escape(name)}</NAME></SERVER>"
            for number, name, endpoint in self.servers
        )
        return (
            f"<ZONE><ID>{zone_id}</ID><NAME>{escape(self.zone_name)}</NAME><STATE>{int(not self.enabled)}</STATE>"
            f"<TEMPLATE/><SERVER_POOL>{entries}</SERVER_POOL></ZONE>"
        )

    def _system_version(self) -> str:
        return "6.10.5"

    def _zone_addserver(self, _zone_id: int, template: str) -> int:
        match = re.fullmatch(r'SERVER=\[NAME="([^"]*)",ENDPOINT="([^"]*)"\]', template)
        assert match, template
        number = max((entry[0] for entry in self.servers), default=-1) + 1
        self._later(lambda: self.servers.append((number, match.group(1), match.group(2))))
        return 0

    def _zone_delserver(self, _zone_id: int, number: int) -> int:
        assert number in [entry[0] for entry in self.servers]
        self._later(lambda: self.servers.__setitem__(slice(None), [e for e in self.servers if e[0] != number]))
        return 0

    def _zone_resetserver(self, _zone_id: int, _number: int) -> int:
        return 0

    def _zone_rename(self, _zone_id: int, name: str) -> int:
        self.zone_name = name
        return 0
