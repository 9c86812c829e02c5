# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation that the zone's modules share."""

from __future__ import annotations


class ModuleDocFragment:
    """How to reach the zone."""

    DOCUMENTATION = r"""
options:
  host:
    description:
      - Name or address of the oned to ask. The module runs on a front-end, so the default is the one beside it.
    type: str
    default: localhost
  port:
    description:
      - Port of that oned.
    type: int
    default: 2633
  auth_file:
    description:
      - File on the machine where the module runs, with C(user:password) of the user to call as.
      - It is read there, so that no secret is in an argument, in a log or on the wire to the machine.
    type: path
    default: /var/lib/one/.one/one_auth
  timeout:
    description:
      - Seconds that one question may take. Several servers are asked at once, under this one timeout.
    type: float
    default: 5
  zone_id:
    description:
      - Id of the zone. It differs from V(0) only in a federation.
    type: int
    default: 0
notes:
  - Proxies of the environment are ignored.
  - A call that may have been applied is never sent a second time by itself.
"""
