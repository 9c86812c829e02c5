# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attributes that the modules share."""

from __future__ import annotations


class ModuleDocFragment:
    """What a module does in check mode, in diff mode, and when run again."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and say what it would change, without changing it.
  diff_mode:
    description: Shows what changed, or would change, in diff mode.
  idempotent:
    description: Run again in the same situation, it changes nothing.
  platform:
    description: Where it runs.
    platforms: posix
    support: full
"""

    # For modules that only look.
    READ_ONLY = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and say what it would change, without changing it.
    support: full
    details:
      - It changes nothing, so that check mode makes no difference but where an option says so.
  diff_mode:
    description: Shows what changed, or would change, in diff mode.
    support: N/A
    details:
      - It changes nothing.
  idempotent:
    description: Run again in the same situation, it changes nothing.
    support: full
  platform:
    description: Where it runs.
    platforms: posix
    support: full
"""
