#!/usr/bin/python
# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one front-end is within the zone, looked up on the machine itself."""

from __future__ import annotations

DOCUMENTATION = r"""
module: zone_member
short_description: Look up what this front-end is within its zone
description:
  - Reads oned.conf, the unit, what the oned of this machine says, and the zone as its own database holds it, so that
    the answer is there with oned stopped, too.
  - Changes nothing. What must be done follows from the answers of all front-ends, see P(nebula.ha.zone_plan#filter).
version_added: 0.1.0
author:
  - Nebula HA contributors (@nebula-ha)
extends_documentation_fragment:
  - nebula.ha.connection
  - nebula.ha.attributes.read_only
options:
  name:
    description: The name of this front-end in the inventory.
    type: str
    required: true
  endpoint:
    description: The endpoint by which the zone knows this front-end.
    type: str
    required: true
  config:
    description: The configuration of oned.
    type: path
    default: /etc/one/oned.conf
  database:
    description: The name of OpenNebula's database.
    type: str
    default: opennebula
  socket:
    description: The socket of MariaDB, where root needs no password.
    type: path
    default: /run/mysqld/mysqld.sock
  home:
    description: The home of oneadmin, which holds C(.one).
    type: path
    default: /var/lib/one
requirements:
  - PyMySQL on the front-end, once MariaDB is there
"""

EXAMPLES = r"""
- name: What is this front-end?
  nebula.ha.zone_member:
    name: "{{ inventory_hostname }}"
    endpoint: "http://{{ ansible_host }}:2633/RPC2"
  register: member
"""

RETURN = r"""
member:
  description: What was found.
  returned: always
  type: dict
  contains:
    name:
      description: The given name.
      type: str
    endpoint:
      description: The given endpoint.
      type: str
    installed:
      description: Whether there is an oned.conf.
      type: bool
    server_id:
      description: SERVER_ID in oned.conf; none without one.
      type: int
    unit:
      description: State of opennebula.service, C(absent) without one.
      type: str
    reload:
      description: Whether systemd has not read the unit's files since they changed.
      type: bool
    stale:
      description: Whether oned was started before its configuration was last written.
      type: bool
    running:
      description: What oned says about itself (server_id, state, term, index); none when it does not answer.
      type: dict
    silence:
      description: Why there is no answer.
      type: str
    database:
      description: >-
        Whether the database holds a zone (populated), whether its log holds a record of an elected leader (formed), the
        last index and term, and the zone's name and servers.
      type: dict
    credentials:
      description: Digest, mode and owner, by name, of the files below .one that are equal on all front-ends.
      type: dict
"""

import hashlib
import os
import re
import traceback
from typing import Any, Dict, Optional

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.nebula.ha.plugins.module_utils.bootstrap import SOLO
from ansible_collections.nebula.ha.plugins.module_utils.connection import (
    connection_spec,
    first_endpoint,
    parameter_fault,
)
from ansible_collections.nebula.ha.plugins.module_utils.credentials import shared_files
from ansible_collections.nebula.ha.plugins.module_utils.oned_conf import ConfError, parse
from ansible_collections.nebula.ha.plugins.module_utils.unit import STARTED, older_than, unit_state
from ansible_collections.nebula.ha.plugins.module_utils.zone.client import (
    CredentialsError,
    ask,
    read_session,
)
from ansible_collections.nebula.ha.plugins.module_utils.zone.model import DocumentError, answer_dict, parse_zone

try:
    import pymysql

    PYMYSQL_ERROR: Optional[str] = None
except ImportError:
    PYMYSQL_ERROR = traceback.format_exc()

UNIT = "opennebula.service"


def configured_id(module: AnsibleModule, path: str) -> Optional[int]:
    """SERVER_ID of the FEDERATION section; oned's own default when the file does not say."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as handle:
            entries = parse(handle.read())
    except FileNotFoundError:
        return None
    except ConfError as error:
        module.fail_json(msg=f"{path} cannot be read: {error}.")
    for entry in entries:
        if entry.name.upper() == "FEDERATION" and entry.is_vector:
            value: Optional[str] = entry.get("SERVER_ID")
            if value is not None:
                try:
                    return int(value)
                except ValueError:
                    module.fail_json(
                        msg=f"SERVER_ID in {path} is '{value}': set it to the server's number in the zone, or -1."
                    )
    return int(SOLO)


def read_database(module: AnsibleModule) -> Dict[str, Any]:
    """The zone and the end of the log as this machine's database holds them."""
    empty: Dict[str, Any] = {
        "populated": False,
        "formed": False,
        "index": -1,
        "term": -1,
        "zone_name": "",
        "servers": [],
    }
    if not os.path.exists(module.params["socket"]):
        return empty
    if PYMYSQL_ERROR:
        module.fail_json(msg=missing_required_lib("PyMySQL"), exception=PYMYSQL_ERROR)
    name = module.params["database"]
    try:
        connection = pymysql.connect(unix_socket=module.params["socket"], user="root", connect_timeout=5)
    except pymysql.err.OperationalError as error:
        module.fail_json(msg=f"MariaDB refuses root on {module.params['socket']}: {error}; let root in by unix_socket.")
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables "
            "WHERE table_schema = %s AND table_name IN ('logdb', 'zone_pool')",
            (name,),
        )
        if len(cursor.fetchall()) < 2:
            return empty
        cursor.execute(f"SELECT MAX(log_index), MAX(term) FROM `{name}`.logdb WHERE log_index >= 0")
        index, term = cursor.fetchone() or (None, None)
        cursor.execute(f"SELECT body FROM `{name}`.zone_pool WHERE oid = %s", (module.params["zone_id"],))
        row = cursor.fetchone()
    if row is None:
        return empty
    body = row[0].decode("utf-8") if isinstance(row[0], bytes) else str(row[0])
    try:
        zone = parse_zone(body)
    except DocumentError as error:
        module.fail_json(msg=f"The database {name} holds a zone that cannot be read: {error}.")
    return {
        "populated": True,
        "formed": int(term or 0) > 0,
        "index": -1 if index is None else int(index),
        "term": -1 if term is None else int(term),
        "zone_name": zone.name,
        "servers": [{"id": s.id, "name": s.name, "endpoint": s.endpoint} for s in zone.servers],
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **connection_spec(),
            "name": {"type": "str", "required": True},
            "endpoint": {"type": "str", "required": True},
            "config": {"type": "path", "default": "/etc/one/oned.conf"},
            "database": {"type": "str", "default": "opennebula"},
            "socket": {"type": "path", "default": "/run/mysqld/mysqld.sock"},
            "home": {"type": "path", "default": "/var/lib/one"},
        },
        supports_check_mode=True,
    )
    fault = parameter_fault(module.params)
    if fault:
        module.fail_json(msg=fault)
    if not re.fullmatch(r"[0-9A-Za-z_$-]+", module.params["database"]):
        module.fail_json(
            msg=f"database '{module.params['database']}' is no name of a database: use letters, digits, _ and -."
        )
    home = module.params["home"]
    unit = unit_state(module, UNIT)
    running: Optional[Dict[str, Any]] = None
    silence = ""
    if unit.get("ActiveState") in ("active", "activating", "reloading", "deactivating"):
        try:
            session = read_session(module.params["auth_file"])
            answer = answer_dict(ask(first_endpoint(module.params), session, module.params["timeout"]))
            running = answer["raft"]
            silence = answer["failure"]["detail"] if answer["failure"] else ""
        except CredentialsError as error:
            silence = str(error)
    started = unit.get(STARTED, "") if unit.get("ActiveState") == "active" else ""
    credentials = {}
    for relative in shared_files(home):
        with open(os.path.join(home, relative), "rb") as handle:
            status = os.fstat(handle.fileno())
            digest = hashlib.sha256(handle.read()).hexdigest()
        credentials[relative] = f"{digest} {status.st_mode & 0o7777:04o} {status.st_uid}"
    # What a client has to know by heart: its digest could be guessed, and it is compared with the inventory anyway.
    credentials.pop(".one/one_auth", None)
    module.exit_json(
        changed=False,
        member={
            "name": module.params["name"],
            "endpoint": module.params["endpoint"],
            "installed": os.path.exists(module.params["config"]),
            "server_id": configured_id(module, module.params["config"]),
            "unit": "absent" if unit.get("LoadState") == "not-found" else unit.get("ActiveState", "absent"),
            "reload": unit.get("NeedDaemonReload") == "yes",
            "stale": any(
                older_than(started, path)
                for path in (
                    module.params["config"],
                    os.path.join(os.path.dirname(module.params["config"]), "monitord.conf"),
                    os.path.join(home, ".one/one_auth"),
                    os.path.join(home, ".one/one_key"),
                )
            ),
            "running": running,
            "silence": silence,
            "database": read_database(module),
            "credentials": credentials,
        },
    )


if __name__ == "__main__":
    main()
