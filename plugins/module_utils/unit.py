# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd says of a unit, and whether its process has seen a file as it is now."""

from __future__ import annotations

import os
import time
from typing import Any, Dict, List, Protocol, Tuple

STARTED = "ExecMainStartTimestampMonotonic"
# The last start or reload of a service that runs.
CHANGED = "StateChangeTimestampMonotonic"
PROPERTIES = ("LoadState", "ActiveState", "NeedDaemonReload", STARTED, CHANGED)


class Module(Protocol):
    """What is needed here of an AnsibleModule."""

    def get_bin_path(self, arg: str, required: bool) -> str: ...

    def run_command(self, args: List[str]) -> Tuple[int, str, str]: ...

    def fail_json(self, msg: str) -> Any: ...


def unit_state(module: Module, unit: str) -> Dict[str, str]:
    """The unit's properties as systemd tells them."""
    systemctl = module.get_bin_path("systemctl", required=True)
    code, out, err = module.run_command([systemctl, "show", "--property", ",".join(PROPERTIES), unit])
    if code != 0:
        module.fail_json(
            msg=f"systemd does not tell the state of {unit}: {err.strip()}; see 'systemctl status' on this machine."
        )
    return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)


def older_than(started_us: str, path: str) -> bool:
    """Whether a process started, or was reloaded (microseconds since boot), before the file was last written."""
    if not started_us.isdigit() or int(started_us) == 0 or not os.path.exists(path):
        return False
    started = time.time() - (time.monotonic() - int(started_us) / 1e6)
    return os.stat(path).st_mtime > started
