# SPDX-License-Identifier: Apache-2.0
"""Room on the disks that the zone's data lies on."""

from __future__ import annotations

import os
import time

from .board import Board, DiskSight


class DiskProbe:
    """Asks the kernel; a disk that hangs holds up nobody else."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def __call__(self) -> None:
        """One look: the disk with the least room that its owners may use."""
        asked = time.monotonic()
        found = []
        for path in self._board.config.disk_paths:
            try:
                room = os.statvfs(path)
            except OSError:
                # Not there, or not readable: the others tell.
                continue
            found.append((room.f_bavail * room.f_frsize, room.f_blocks * room.f_frsize))
        if found:
            free, total = min(found)
            self._board.disk = DiskSight(free, total, asked)
