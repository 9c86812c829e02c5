# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to a zone: each call is made once, and one without an answer is looked for, never repeated."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from .client import CallError
from .model import FailureKind

PAUSE = 0.2
# Not worth asking again: the answer would be the same.
FINAL = (FailureKind.CREDENTIALS, FailureKind.ERROR, FailureKind.FAULT, FailureKind.UNRESOLVED)

Seen = TypeVar("Seen")


class ChangeError(Exception):
    """A change that was refused or is not to be seen, in sentences for a person."""


class Module(Protocol):
    """What is needed here of an AnsibleModule."""

    params: dict[str, Any]
    check_mode: bool

    def warn(self, warning: str) -> None: ...

    def fail_json(self, msg: str) -> Any: ...


def first_look(module: Module, read: Callable[[], Seen], wait: float) -> Seen | None:
    """What oned says, once it answers; CallError when it does not within `wait` seconds.

    Check mode does not wait, and nobody answers before the first deploy: then nothing is known.
    """
    deadline = time.monotonic() + wait
    while True:
        try:
            return read()
        except CallError as error:
            if module.check_mode and not error.failure.kind.answered:
                module.warn(f"No oned answers yet ({error.failure.detail}): nothing is known of the zone.")
                return None
            if module.check_mode or error.failure.kind in FINAL or time.monotonic() >= deadline:
                raise
        time.sleep(PAUSE)


def change(what: str, call: Callable[[], None], look: Callable[[], Seen | None], otherwise: str, wait: float) -> Seen:
    """Make the call once, then look until `look` gives something; `otherwise` is said when it never does."""
    why = ""
    try:
        call()
    except CallError as error:
        if not error.unknown:
            raise ChangeError(f"The zone refused {what}: {error.failure.detail}.") from None
        why = f" The call got no answer ({error.failure.detail}) and may still be applied."
    deadline = time.monotonic() + wait
    while True:
        try:
            seen = look()
            if seen is not None:
                return seen
        except CallError as error:
            why = f" {error}."
        if time.monotonic() >= deadline:
            raise ChangeError(
                f"{otherwise} after {wait:g} s.{why} "
                "See that the zone has a leader, then run this again: it looks before it changes anything."
            )
        time.sleep(PAUSE)
