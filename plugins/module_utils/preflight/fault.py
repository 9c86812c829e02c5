# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fault, and how it is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Optional, Sequence

# Never shown.
SECRETS = ("one_oneadmin_password", "one_db_password", "one_ca_key")


@dataclass(frozen=True)
class Broken:
    """A variable that cannot be rendered, and why."""

    reason: str


@dataclass(frozen=True)
class Fault:
    """One thing that cannot work: which variable (or fact), of which host, its value, what is wrong, what to do."""

    variable: str
    value: str
    host: Optional[str]
    problem: str
    fix: str

    @property
    def sentence(self) -> str:
        """For a person."""
        where = f"{self.host}: " if self.host else ""
        value = f" is {self.value}" if self.value else ""
        return f"{where}{self.variable}{value}: {self.problem}; {self.fix}."

    def as_dict(self) -> Dict[str, Any]:
        """Plain values."""
        return {
            "variable": self.variable,
            "value": self.value,
            "host": self.host,
            "problem": self.problem,
            "fix": self.fix,
            "sentence": self.sentence,
        }


def shown(variable: str, value: Any) -> str:
    """A value as a fault may show it."""
    if variable in SECRETS:
        return ""
    if isinstance(value, str):
        return f"'{value}'"
    return str(value)


def report(faults: Sequence[Fault], what: str) -> str:
    """All faults as one text."""
    count = f"{len(faults)} things" if len(faults) != 1 else "one thing"
    return "\n".join([f"{what}: {count} to mend."] + [f"{n}. {fault.sentence}" for n, fault in enumerate(faults, 1)])
