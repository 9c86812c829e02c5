"""Recordings that are not compared, and why. A recording must be compared or stand here, never both."""

from __future__ import annotations

import re

GUESTS = "virtual machines, images and templates, and nodes that carry some, come with the issue that recovers them"
HOOKS = "the stand-in keeps no log of the hooks that it ran"
BROKEN = "that a broken zone reads is compared with its users and zone; a host's state depends on its last look"
OTHER = "this pool is not part of this issue's calls"

# (methods, names, why)
LISTED: tuple[tuple[str, str, str], ...] = (
    (r"one\.(vm|vmpool|image|imagepool|template)\..*", ".*", GUESTS),
    (r"one\.host(pool)?\..*", r"ha3-hostcut\..*|.*\.(with-vm|after-failover|mixed)|ha3-cut\..*", GUESTS),
    (r"one\.hostpool\.info", r"(ha3-down2|ha3-noleader|mismatch-server-id\.-?\d)\.read", BROKEN),
    (r"one\.hook\.info", r".*-executions", HOOKS),
    (r"one\.(acl|aclpool|marketpool|vnpool)\..*", ".*", OTHER),
)


def reason(method: str, name: str) -> str | None:
    """Why a recording is not compared; None when it must be."""
    for methods, names, why in LISTED:
        if re.fullmatch(methods, method) and re.fullmatch(names, name):
            return why
    return None
