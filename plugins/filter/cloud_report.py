# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict on a cloud as a file."""

from __future__ import annotations

DOCUMENTATION = r"""
name: cloud_report
short_description: The verdict on a cloud as a page, a picture or JSON
version_added: 0.2.0
author:
  - Nebula HA contributors (@nebula-ha)
description:
  - What a file of this name is to hold. One self-contained HTML page for C(.html), the picture of the cloud alone for
    C(.svg), and the verdict as it is for C(.json).
positional: path
options:
  _input:
    description: What P(nebula.ha.cloud_health#filter) returned.
    type: dict
    required: true
  path:
    description: Name of the file. Only its ending counts.
    type: str
    required: true
seealso:
  - plugin: nebula.ha.cloud_health
    plugin_type: filter
"""

EXAMPLES = r"""
- name: A page to look at
  ansible.builtin.copy:
    content: "{{ verdict | nebula.ha.cloud_report('cloud.html') }}"
    dest: /tmp/cloud.html
    mode: "0644"
"""

RETURN = r"""
_value:
  description: The content.
  type: str
"""

import json
from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.nebula.ha.plugins.module_utils.cloud.page import cloud_page
from ansible_collections.nebula.ha.plugins.module_utils.cloud.picture import cloud_picture


def _json(verdict: Mapping[str, Any]) -> str:
    return json.dumps(verdict, indent=2, ensure_ascii=False) + "\n"


FORMS: dict[str, Callable[[Mapping[str, Any]], str]] = {".html": cloud_page, ".svg": cloud_picture, ".json": _json}


def cloud_report(verdict: Mapping[str, Any], path: str) -> str:
    """The content of a file that ends in one of FORMS."""
    form = next((form for ending, form in FORMS.items() if path.endswith(ending)), None)
    if form is None:
        raise AnsibleFilterError(f"'{path}' names no form: let it end in {', '.join(FORMS)}")
    if not isinstance(verdict, Mapping) or "machines" not in verdict:
        raise AnsibleFilterError("cloud_report wants what the filter cloud_health returned")
    return form(verdict)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"cloud_report": cloud_report}
