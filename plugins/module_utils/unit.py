# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd says of a unit, and whether its process has seen a file as it is now."""

from __future__ import annotations

import os
import time
from typing import Dict, List

STARTED = "ExecMainStartTimestampMonotonic"
PROPERTIES = ("LoadState", "ActiveState", "NeedDaemonReload", STARTED)


def show_command(systemctl: str, unit: str) -> List[str]:
    """The question."""
    return [systemctl, "show", "--property", ",".join(PROPERTIES), unit]


def properties(out: str) -> Dict[str, str]:
    """The answer."""
    return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)


def older_than(started_us: str, path: str) -> bool:
    """Whether a process started (microseconds since boot) before the file was last written."""
    if not started_us.isdigit() or int(started_us) == 0 or not os.path.exists(path):
        return False
    started = time.time() - (time.monotonic() - int(started_us) / 1e6)
    return os.stat(path).st_mtime > started
