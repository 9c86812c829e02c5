"""Recordings that are not compared, and why. A recording must be compared or stand here, never both."""

from __future__ import annotations

import re

HOSTS = "hosts, virtual machines and what they need come with the issue that adds nodes"
HOOKS = "hooks come with the issue that adds them"
STORAGE = "datastores, images and templates come with the issue that adds storage"
OTHER = "this pool is not part of this issue's calls"

# (methods, names, why)
LISTED: tuple[tuple[str, str, str], ...] = (
    (r"one\.(host|hostpool|vm|vmpool|cluster|clusterpool)\..*", ".*", HOSTS),
    (r"one\.(datastore|datastorepool|image|imagepool|template)\..*", ".*", STORAGE),
    (r"one\.(hook|hookpool)\..*", ".*", HOOKS),
    (r"one\.(acl|aclpool|marketpool|vnpool)\..*", ".*", OTHER),
)


def reason(method: str, name: str) -> str | None:
    """Why a recording is not compared; None when it must be."""
    for methods, names, why in LISTED:
        if re.fullmatch(methods, method) and re.fullmatch(names, name):
            return why
    return None
