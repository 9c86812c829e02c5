# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The truth about a zone: what its servers answer (client), as types (model), and what that means (judge).

Standard library only and relative imports only, so that this folder can be copied and run alone on Python 3.9.
"""

from __future__ import annotations
