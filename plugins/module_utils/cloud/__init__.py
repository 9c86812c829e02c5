# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a whole cloud: the inventory's machines, what each answered, and the verdict that is made of it.

model, parse, judge, picture and page are pure; looks asks, and is the only input and output.
"""
