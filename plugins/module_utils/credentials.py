# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of oneadmin have to be equal on all front-ends."""

from __future__ import annotations

import os
import stat
from typing import List

# Not .ssh: there every machine has a pair of its own, whose private half never leaves it (role oneadmin_ssh).
FOLDERS = (".one",)


def shared_files(home: str) -> List[str]:
    """Their names below oneadmin's home: plain files."""
    found = []
    for folder in FOLDERS:
        path = os.path.join(home, folder)
        for name in sorted(os.listdir(path)) if os.path.isdir(path) else []:
            if stat.S_ISREG(os.lstat(os.path.join(path, name)).st_mode):
                found.append(f"{folder}/{name}")
    return found
