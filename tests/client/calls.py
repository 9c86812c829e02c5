"""What one call of the client was, and its line in the log."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from typing import Literal

# page: the page behind the login, with the session of the login before it.
Kind = Literal["write", "read", "login", "page"]
# unknown: the call may have been carried out although no answer came. failed: the cloud said no, or was never reached.
# logged out: the login page where the page behind it was asked for.
Outcome = Literal["acknowledged", "failed", "unknown", "logged out"]


@dataclasses.dataclass(frozen=True)
class Call:
    """One call: times are seconds since the epoch on the controller's clock."""

    kind: Kind
    name: str
    server: str
    sent: float
    done: float
    outcome: Outcome
    document: int | None = None
    reason: str = ""
    served_by: str = ""  # which machine answered, as the balancer's header says
    balanced_by: str = ""  # which balancer passed it on

    def to_line(self) -> str:
        """Give the call as one line of the log."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)


def from_lines(lines: Iterable[str]) -> list[Call]:
    """Read the log back; a line that is not a call is an error, not something to skip."""
    return [Call(**json.loads(line)) for line in lines if line.strip()]
