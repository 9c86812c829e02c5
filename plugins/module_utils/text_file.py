# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A text file read and replaced by a module, every byte kept."""

from __future__ import annotations

import os
import tempfile
from typing import Any


def read_text(module: Any, path: str) -> str:
    """The file's text. In check mode one that is not there yet is empty, so that a first deploy can be predicted."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as handle:
            return handle.read()
    except FileNotFoundError:
        if not module.check_mode:
            module.fail_json(msg=f"{path} does not exist: install OpenNebula first, or mend the path.")
        module.warn(f"{path} does not exist yet: the change is predicted from an empty file.")
    except OSError as error:
        module.fail_json(msg=f"{path} cannot be read: {error.strerror}; run this as root.")
    return ""


def replace_text(module: Any, path: str, text: str) -> None:
    """Replace the file at once; atomic_move keeps owner, group and mode of what it replaces."""
    descriptor, temporary = tempfile.mkstemp(dir=module.tmpdir)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as handle:
        handle.write(text)
    module.atomic_move(temporary, path)


def printable(text: str) -> str:
    """A text for a diff: nothing that JSON cannot hold."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
