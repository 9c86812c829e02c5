# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot work, said before anything is touched: all of it at once. Pure, but for Ansible-free libraries.

Two judgements, both on the controller: of what the inventory says (inventory, with cloud and certificate), for which no
machine is needed, and of what the machines are (machines).
"""

from __future__ import annotations
