#!/usr/bin/python
# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""This machine's OpenNebula database replaced by a consistent copy of a peer's."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_clone
short_description: Replace this machine's OpenNebula database by a consistent copy of another front-end's
version_added: 0.1.0
author:
  - Nebula HA contributors (@nebula-ha)
description:
  - Runs as root on the front-end that joins a zone, or comes back to it. Streams a dump of the peer's database over
    ssh as oneadmin
    into a file of mode 0600 on this machine, sees that it is complete, replaces the database by it over MariaDB's
    socket, and
    removes the file.
  - The peer goes on serving meanwhile (the dump is one transaction, without locks) and writes nothing to its disk. No
    password is
    on a command line; the user and password that the peer's MariaDB wants are those of this machine's oned.conf, as
    they are equal
    on all front-ends.
  - Refuses while oned runs here.
  - It always replaces the database. Whether that is needed is decided before, by what M(nebula.ha.zone_member) found.
extends_documentation_fragment:
  - nebula.ha.attributes
attributes:
  check_mode:
    support: full
    details:
      - The peer is not asked.
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - A copy of a moment; the next one is of a later moment.
options:
  source:
    description:
      - Name or address of the front-end to copy from, as oneadmin's ssh on this machine reaches it. Its host key has
        to be known.
    type: str
    required: true
  database:
    description:
      - Name of the database on both machines. By default the C(DB_NAME) of O(config).
    type: str
  config:
    description:
      - The oned.conf of this machine, whose C(DB) block says user and password.
    type: path
    default: /etc/one/oned.conf
  user:
    description:
      - The local user whose ssh key opens the peer, and the user there.
    type: str
    default: oneadmin
  socket:
    description:
      - The socket of this machine's MariaDB, where root needs no password.
    type: path
    default: /run/mysqld/mysqld.sock
  scratch:
    description:
      - Folder for the dump, with room for it.
    type: path
    default: /var/tmp
  timeout:
    description:
      - Seconds that the dump, and then the load, may take at most.
    type: int
    default: 3600
requirements:
  - mariadb-client on both machines
  - oneadmin's ssh between them, without a password
notes:
  - An interrupted load leaves a database without the table C(zone_pool), which MariaDB dumps last;
    M(nebula.ha.zone_member) reports it
    as not populated, and the next run copies again.
seealso:
  - module: nebula.ha.zone_member
"""

EXAMPLES = r"""
- name: This machine has the leader's database
  nebula.ha.database_clone:
    source: 192.0.2.11
"""

RETURN = r"""
index:
  description: Last record of the log in the copy; none in check mode.
  returned: success
  type: int
bytes:
  description: Size of the dump in bytes; none in check mode.
  returned: success
  type: int
seconds:
  description: Seconds that dump and load took; none in check mode.
  returned: success
  type: float
"""

import fcntl
import glob
import os
import re
import subprocess
import tempfile
import time
from typing import Any, Dict, List, Mapping, NoReturn, Optional

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nebula.ha.plugins.module_utils.oned_conf import ConfError, parse

UNIT = "opennebula.service"
STOPPED = ("inactive", "failed")
COMPLETE = b"-- Dump completed"
SCRATCH = "nebula-ha-clone-"


class CloneError(Exception):
    """Why there is no copy, as a sentence."""


def defaults_file(values: Mapping[str, str]) -> str:
    """What mariadb-dump on the peer reads from its input: how to reach the MariaDB beside it."""
    lines = ["[client]", f'user="{values["USER"]}"', f'password="{values["PASSWD"]}"']
    if values.get("SERVER"):
        lines.append(f'host="{values["SERVER"]}"')
    if values.get("PORT", "0").isdigit() and int(values.get("PORT", "0")):
        lines.append(f"port={values['PORT']}")
    return "\n".join([*lines, ""])


def database_values(path: str) -> Dict[str, str]:
    """The DB block of oned.conf; CloneError names what it lacks."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as handle:
            entries = parse(handle.read())
    except OSError as error:
        raise CloneError(f"{path} cannot be read: {error.strerror}; install OpenNebula first.") from None
    except ConfError as error:
        raise CloneError(f"{path} cannot be read: {error}; mend it first.") from None
    for entry in entries:
        if entry.name.upper() == "DB" and entry.is_vector:
            values = {item.key.upper(): item.value for item in entry.items}
            missing = [key for key in ("USER", "PASSWD", "DB_NAME") if not values.get(key)]
            if missing:
                raise CloneError(f"The DB block of {path} lacks {', '.join(missing)}: write it with oned_conf first.")
            bad = [key for key in ("USER", "PASSWD", "SERVER") if any(c in values.get(key, "") for c in '"\\\n')]
            if bad:
                raise CloneError(
                    f"{', '.join(bad)} in the DB block of {path} has quotes or backslashes: choose another."
                )
            return values
    raise CloneError(f"{path} has no DB block: write it with oned_conf first.")


def remote_command(database: str) -> str:
    """What runs on the peer. A pipe, because what sshd hands over may be a socket, which cannot be opened by name."""
    return (
        "cat | mariadb-dump --defaults-extra-file=/dev/stdin --single-transaction --quick --add-drop-database "
        f"--databases {database}"
    )


def ssh_command(user: str, source: str, command: str, root: bool, find: Any) -> List[str]:
    """ssh as the user, asking nothing and trusting no unknown key."""
    ssh = [find("ssh"), "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=10"]
    ssh += ["-o", "ServerAliveInterval=5", "-l", user, "--", source, command]
    return [find("runuser"), "-u", user, "--", *ssh] if root else ssh


def refuse_running(module: AnsibleModule) -> None:
    """A database under a living oned is never replaced."""
    command = [module.get_bin_path("systemctl", required=True), "show", "--property", "ActiveState", "--value", UNIT]
    code, out, err = module.run_command(command)
    state = out.strip()
    if code != 0 or state not in STOPPED:
        why = f"its unit is {state}" if state else f"systemd does not tell its unit's state ({err.strip()})"
        raise CloneError(
            f"The database cannot be replaced under a living oned, and {why}: systemctl stop opennebula first."
        )


def last_words(stderr: bytes) -> str:
    """The end of what a program complained about."""
    lines = [line.strip() for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    return "; ".join(lines[-3:]) or "it gave no reason"


def dump(command: List[str], defaults: str, path: str, source: str, timeout: float) -> None:
    """Stream the peer's dump into the file and see that it is whole."""
    with open(path, "wb") as target:
        try:
            done = subprocess.run(
                command,
                input=defaults.encode("utf-8"),
                stdout=target,
                stderr=subprocess.PIPE,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise CloneError(f"The dump of {source} was not over after {timeout:g} s: raise timeout.") from None
    if done.returncode != 0:
        raise CloneError(
            f"{source} gave no dump (exit status {done.returncode}): {last_words(done.stderr)}. "
            "See that oneadmin reaches it by ssh, and that its MariaDB knows the user of oned.conf."
        )
    with open(path, "rb") as written:
        written.seek(max(0, os.path.getsize(path) - 4096))
        lines = [line for line in written.read().splitlines() if line.strip()]
    if not lines or not lines[-1].startswith(COMPLETE):
        raise CloneError(
            f"The dump of {source} broke off: see the disk of {os.path.dirname(path)} here and the network."
        )


def load(client: List[str], path: str, timeout: float) -> None:
    """Replace the database by the dump, which drops and creates it itself."""
    with open(path, "rb") as source:
        try:
            done = subprocess.run(
                client, stdin=source, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired:
            raise CloneError(f"The load was not over after {timeout:g} s: raise timeout and run this again.") from None
    if done.returncode != 0:
        raise CloneError(
            f"MariaDB did not take the dump: {last_words(done.stderr)}. Run this again once that is mended."
        )


def last_index(module: AnsibleModule, client: List[str], database: str) -> Optional[int]:
    """The last record of the copy's log; CloneError when it holds no zone."""
    query = f"SELECT (SELECT COUNT(*) FROM `{database}`.zone_pool), (SELECT MAX(log_index) FROM `{database}`.logdb)"
    code, out, err = module.run_command([*client, "--batch", "--skip-column-names", "--execute", query])
    words = out.split()
    if code != 0 or len(words) != 2 or words[0] == "0":
        raise CloneError(
            f"The copy holds no zone ({err.strip() or 'zone_pool is empty'}): copy from a server that serves it."
        )
    return None if words[1] == "NULL" else int(words[1])


def clone(module: AnsibleModule) -> Dict[str, Any]:
    """All of it; CloneError says what went wrong."""
    params = module.params
    values = database_values(params["config"])
    database = params["database"] or values["DB_NAME"]
    if not re.fullmatch(r"[0-9A-Za-z_$-]+", database):
        raise CloneError(f"database is '{database}': use letters, digits, _ and -.")
    if not re.fullmatch(r"[0-9A-Za-z.:_-]+", params["source"]) or params["source"].startswith("-"):
        raise CloneError(f"source is '{params['source']}': give a host's name or address.")
    refuse_running(module)
    if module.check_mode:
        return {"index": None, "bytes": None, "seconds": None}
    with open(params["config"], encoding="utf-8") as turn:
        # A run that was killed may have left its copy at work: what it does is over before this one begins.
        fcntl.flock(turn, fcntl.LOCK_EX)
        return replace(module, values, database)


def replace(module: AnsibleModule, values: Dict[str, str], database: str) -> Dict[str, Any]:
    """Dump, load and see what came; this is the only copy under way."""
    params = module.params

    def find(name: str) -> str:
        return str(module.get_bin_path(name, required=True))

    start = time.monotonic()
    for left in glob.glob(os.path.join(glob.escape(params["scratch"]), f"{SCRATCH}*.sql")):
        os.unlink(left)
    remote = ssh_command(params["user"], params["source"], remote_command(database), os.geteuid() == 0, find)
    client = [find("mariadb"), f"--socket={params['socket']}"]
    # mkstemp makes it with mode 0600: it holds the zone's credentials.
    descriptor, path = tempfile.mkstemp(prefix=SCRATCH, suffix=".sql", dir=params["scratch"])
    os.close(descriptor)
    try:
        dump(remote, defaults_file(values), path, params["source"], params["timeout"])
        size = os.path.getsize(path)
        # Again, because the dump may have taken minutes.
        refuse_running(module)
        load(client, path, params["timeout"])
    finally:
        os.unlink(path)
    index = last_index(module, client, database)
    return {"index": index, "bytes": size, "seconds": round(time.monotonic() - start, 2)}


def fail(module: AnsibleModule, message: str) -> NoReturn:
    """End with a sentence."""
    module.fail_json(msg=message)
    raise AssertionError("fail_json does not return")


def main() -> None:
    """Check, copy, tell."""
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "str", "required": True},
            "database": {"type": "str"},
            "config": {"type": "path", "default": "/etc/one/oned.conf"},
            "user": {"type": "str", "default": "oneadmin"},
            "socket": {"type": "path", "default": "/run/mysqld/mysqld.sock"},
            "scratch": {"type": "path", "default": "/var/tmp"},  # noqa: S108 - mkstemp
            "timeout": {"type": "int", "default": 3600},
        },
        supports_check_mode=True,
    )
    try:
        result = clone(module)
    except CloneError as error:
        fail(module, str(error))
    module.exit_json(changed=True, **result)


if __name__ == "__main__":
    main()
