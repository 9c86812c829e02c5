# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a zone is reached: the modules' connection parameters (doc_fragments/connection.py) and a host's address."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping

from .zone.client import CallError, Client, CredentialsError, endpoint_url, read_session
from .zone.model import ExpectedServer
from .zone.writer import ChangeError, Module


def connection_spec() -> Dict[str, Any]:
    """The parameters of the connection."""
    return {
        "host": {"type": "str", "default": "localhost"},
        "port": {"type": "int", "default": 2633},
        "auth_file": {"type": "path", "default": "/var/lib/one/.one/one_auth"},
        "timeout": {"type": "float", "default": 5},
        "zone_id": {"type": "int", "default": 0},
    }


def expected_spec() -> Dict[str, Any]:
    """The servers that the inventory expects."""
    return {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "endpoint": {"type": "str", "required": True},
        },
    }


def expected_from(params: Mapping[str, Any]) -> List[ExpectedServer]:
    """The servers that the inventory expects, from a module's parameters."""
    return [ExpectedServer(item["name"], item["endpoint"]) for item in params["servers"]]


def host_address(name: str, own: Mapping[str, Any]) -> str:
    """Where the servers reach a host, from its own variables: roles/one says the same as the default of one_address."""
    return str(own.get("one_address") or own.get("ansible_host") or name)


def first_endpoint(params: Mapping[str, Any]) -> str:
    """The endpoint that `host` and `port` name."""
    return endpoint_url(params["host"], params["port"])


def parameter_fault(params: Mapping[str, Any]) -> str:
    """What is wrong with the connection's parameters; empty when nothing is."""
    if not 0 < params["port"] < 65536:
        return f"port is {params['port']}: give a number from 1 to 65535."
    if params["timeout"] <= 0:
        return f"timeout is {params['timeout']:g}: give a number of seconds above 0."
    return ""


def connect(params: Mapping[str, Any], check_mode: bool) -> Client:
    """The oned that the parameters name; CredentialsError when there are none to call it with."""
    try:
        session = read_session(params["auth_file"])
    except CredentialsError:
        if not check_mode:
            raise
        # Without credentials nobody answers yet: what check mode can say is the same.
        session = ""
    return Client(first_endpoint(params), session, params["timeout"])


def run_task(module: Module, task: Callable[[Client], None], fault: str = "") -> None:
    """Run what a module does at oned, unless its parameters have a fault; what goes wrong ends it with a sentence."""
    fault = fault or parameter_fault(module.params)
    if fault:
        module.fail_json(msg=fault)
    try:
        task(connect(module.params, module.check_mode))
    except CredentialsError as error:
        module.fail_json(msg=f"{error}.")
    except ChangeError as error:
        module.fail_json(msg=str(error))
    except CallError as error:
        module.fail_json(
            msg=f"The zone cannot be read: {error}. Run this on a front-end whose oned runs, "
            "or start it: systemctl start opennebula."
        )
