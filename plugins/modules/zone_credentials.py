#!/usr/bin/python
# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""oneadmin's credential files, read on one front-end and written on another."""

from __future__ import annotations

DOCUMENTATION = r"""
module: zone_credentials
short_description: Give oneadmin the same credential files on all front-ends
description:
  - Reads the files below C(.one) of oneadmin, or writes them as another front-end has them.
  - They travel through the controller's memory only. Both tasks need C(no_log), as result and argument hold secrets.
  - Files that the source does not have are left alone, and so is C(known_hosts), which is a machine's own.
version_added: 0.1.0
author:
  - Nebula HA contributors (@nebula-ha)
extends_documentation_fragment:
  - nebula.ha.attributes
options:
  files:
    description:
      - What another front-end returned as RV(files). Without it this machine's files are read and nothing is written.
    type: dict
  names:
    description:
      - Which files to read, such as V(.one/sunstone_auth), for a machine that needs only them. Each must be there.
      - Without it all are read.
    type: list
    elements: str
  home:
    description: The home of oneadmin.
    type: path
    default: /var/lib/one
  owner:
    description: The user and group that the files belong to.
    type: str
    default: oneadmin
attributes:
  check_mode:
    support: full
  diff_mode:
    support: partial
    details:
      - Shows the names of the files, never what is in them.
  idempotent:
    support: full
"""

EXAMPLES = r"""
- name: Read the credentials of the first front-end
  nebula.ha.zone_credentials:
  delegate_to: fe1
  run_once: true
  register: credentials
  no_log: true

- name: Have the same credentials everywhere
  nebula.ha.zone_credentials:
    files: "{{ credentials.files }}"
  no_log: true

- name: Read what a machine of the web tier needs
  nebula.ha.zone_credentials:
    names: [.one/sunstone_auth]
  delegate_to: fe1
  run_once: true
  register: credentials
  no_log: true
"""

RETURN = r"""
files:
  description: Content (Base64) and mode by name. Returned when nothing was given.
  returned: without O(files)
  type: dict
written:
  description: The names of the files that were written.
  returned: with O(files)
  type: list
  elements: str
"""

import base64
import binascii
import os
import pwd
import stat
import tempfile
from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nebula.ha.plugins.module_utils.credentials import FOLDERS, shared_files


def read(home: str) -> Dict[str, Any]:
    """The files of this machine."""
    files = {}
    for relative in shared_files(home):
        path = os.path.join(home, relative)
        with open(path, "rb") as handle:
            content = base64.b64encode(handle.read()).decode("ascii")
        files[relative] = {"content": content, "mode": f"{stat.S_IMODE(os.stat(path).st_mode):04o}"}
    return files


def current(path: str) -> Any:
    """Content, mode and owner of a file as it is, none when there is no such file."""
    try:
        with open(path, "rb") as handle:
            status = os.fstat(handle.fileno())
            return handle.read(), stat.S_IMODE(status.st_mode), status.st_uid
    except FileNotFoundError:
        return None


def write(module: AnsibleModule, path: str, content: bytes, mode: int, user: Any) -> None:
    """Replace a file at once, so that nobody ever reads half of it."""
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        os.mkdir(folder, 0o700)
        os.chown(folder, user.pw_uid, user.pw_gid)
    handle, temporary = tempfile.mkstemp(dir=module.tmpdir)
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
    os.chmod(temporary, mode)
    os.chown(temporary, user.pw_uid, user.pw_gid)
    module.atomic_move(temporary, path)
    os.chown(path, user.pw_uid, user.pw_gid)
    os.chmod(path, mode)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "dict", "no_log": True},
            "names": {"type": "list", "elements": "str"},
            "home": {"type": "path", "default": "/var/lib/one"},
            "owner": {"type": "str", "default": "oneadmin"},
        },
        mutually_exclusive=[("files", "names")],
        supports_check_mode=True,
    )
    home = module.params["home"]
    files = module.params["files"]
    if files is None:
        found = read(home)
        wanted = module.params["names"] or sorted(found)
        missing = [name for name in wanted if name not in found]
        if missing:
            module.fail_json(
                msg=f"{', '.join(missing)} is not in {home}: oned makes it, so deploy front-ends first."
            )
        module.exit_json(changed=False, files={name: found[name] for name in wanted})
    try:
        user = pwd.getpwnam(module.params["owner"])
    except KeyError:
        module.fail_json(msg=f"There is no user {module.params['owner']} on this machine: install OpenNebula first.")
    written = []
    for relative, wanted in sorted(files.items()):
        folder, _slash, name = relative.partition("/")
        if folder not in FOLDERS or not name or "/" in name:
            module.fail_json(
                msg=f"'{relative}' is no file below {' or '.join(FOLDERS)}: give what this module returned elsewhere."
            )
        try:
            content = base64.b64decode(wanted["content"], validate=True)
            mode = int(wanted["mode"], 8)
        except (KeyError, TypeError, ValueError, binascii.Error):
            module.fail_json(msg=f"'{relative}' has no content and mode: give what this module returned elsewhere.")
        path = os.path.join(home, relative)
        if current(path) != (content, mode, user.pw_uid):
            written.append(relative)
            if not module.check_mode:
                write(module, path, content, mode, user)
    names = "".join(f"{name}\n" for name in written)
    module.exit_json(
        changed=bool(written), written=written, diff={"before": "", "after": names, "after_header": "files written"}
    )


if __name__ == "__main__":
    main()
