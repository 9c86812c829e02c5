#!/usr/bin/python
# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine of the cloud says about the parts it carries."""

from __future__ import annotations

DOCUMENTATION = r"""
module: machine_info
short_description: What a machine of the cloud says about the parts it carries
version_added: 0.2.0
author:
  - Nebula HA contributors (@nebula-ha)
description:
  - Asks this machine about each part of the cloud that it is said to carry, all at once, and returns what was answered.
  - It gathers only. The filter P(nebula.ha.cloud_health#filter) judges.
  - It never hangs. Each question is asked in a process of its own, and one that is not answered in time is left behind.
  - Two questions leave a trace for a moment. In a cache a value is set and deleted, on the share a small file is
    written as oneadmin and removed, because only that shows that they can be used.
extends_documentation_fragment:
  - nebula.ha.attributes.read_only
options:
  timeout:
    description:
      - Seconds that one question may take. The login, which is several, may take three times as long.
    type: float
    default: 5
  balancer:
    description:
      - This machine is a balancer.
    type: dict
    suboptions:
      socket:
        description: Socket of HAProxy's runtime interface.
        type: path
        required: true
      certificate:
        description: PEM file of the certificate that users are shown. Only the certificate is read from it.
        type: path
        required: true
      units:
        description: Units whose state is wanted.
        type: list
        elements: str
        default: []
  cache:
    description:
      - This machine is a cache.
    type: dict
    suboptions:
      address:
        description: Where memcached listens.
        type: str
        required: true
      port:
        description: Its port.
        type: int
        default: 11211
  sunstone:
    description:
      - This machine serves the web interface.
    type: dict
    suboptions:
      address:
        description: Where Sunstone listens.
        type: str
        required: true
      port:
        description: Its port.
        type: int
        default: 9869
      cache_port:
        description: Port on the loopback address at which Sunstone reaches a cache. V(0) does not ask.
        type: int
        default: 0
      oned_port:
        description: Port on the loopback address at which Sunstone reaches an oned. V(0) does not ask.
        type: int
        default: 0
  frontend:
    description:
      - This machine is a front-end.
    type: dict
    suboptions:
      address:
        description: Where its oned listens.
        type: str
        required: true
      port:
        description: Its port.
        type: int
        default: 2633
      auth_file:
        description: File on this machine with C(user:password) of oneadmin. It is read here and stays here.
        type: path
        default: /var/lib/one/.one/one_auth
      services:
        description: Services that run where the leader is.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: Name of the service.
            type: str
            required: true
          unit:
            description: Its unit, with its type.
            type: str
            required: true
          address:
            description: Where it listens.
            type: str
            default: 127.0.0.1
          port:
            description: Its port, if it answers HTTP. V(0) does not ask.
            type: int
            default: 0
          package:
            description: Package without which nobody expects the service.
            type: str
            default: ""
      login:
        description: Where users log in to the web interface. Without it nobody does.
        type: dict
        suboptions:
          address:
            description: The address.
            type: str
            required: true
          port:
            description: The port.
            type: int
            default: 443
          name:
            description: The name that users type, for which the certificate has to be.
            type: str
            required: true
          ca:
            description: Certificate (PEM) to trust beside this machine's own authorities.
            type: str
            default: ""
  share:
    description:
      - This machine mounts the share of the datastores.
    type: dict
    suboptions:
      path:
        description: Where.
        type: path
        default: /var/lib/one/datastores
      sentinel:
        description: Name of the file at its top that says whose it is.
        type: str
        required: true
      belongs_to:
        description: What that file has to say.
        type: str
        required: true
      owner:
        description: Number of the user and group that have to be able to write.
        type: int
        default: 9869
  node:
    description:
      - This machine is a node.
    type: dict
    suboptions:
      uri:
        description: How libvirt is reached.
        type: str
        default: qemu:///system
seealso:
  - module: nebula.ha.zone_health
  - plugin: nebula.ha.cloud_health
    plugin_type: filter
"""

EXAMPLES = r"""
- name: What does this cache say?
  nebula.ha.machine_info:
    cache:
      address: 192.0.2.31
  register: said
"""

RETURN = r"""
looks:
  description:
    - The answer to each question by its name, with C(failure) when there was none.
    - Always addresses. Of a balancer haproxy, certificate and units, of a cache cache, of a web machine web,
      web_cache and web_zone, of a front-end package, hosts, services and login, of a node libvirt, and share.
  returned: always
  type: dict
  sample:
    cache:
      failure: null
      version: 1.6.18
"""

from functools import partial
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nebula.ha.plugins.module_utils.cloud import looks

Questions = Dict[str, Tuple[Callable[[], looks.Answer], float]]
LOOPBACK = "127.0.0.1"
# A login is four requests, each with its own handshake.
LOGIN_TIMES = 3


def spec() -> Dict[str, Any]:
    """The parameters: a dictionary for each part that a machine may carry."""
    text, path = {"type": "str", "required": True}, {"type": "path", "required": True}

    def port(number: int) -> Dict[str, Any]:
        return {"type": "int", "default": number}

    def part(**options: Any) -> Dict[str, Any]:
        return {"type": "dict", "options": options}

    service = {
        "name": text,
        "unit": text,
        "address": {"type": "str", "default": LOOPBACK},
        "port": {"type": "int", "default": 0},
        "package": {"type": "str", "default": ""},
    }
    return {
        "timeout": {"type": "float", "default": 5},
        "balancer": part(socket=path, certificate=path, units={"type": "list", "elements": "str", "default": []}),
        "cache": part(address=text, port=port(11211)),
        "sunstone": part(address=text, port=port(9869), cache_port=port(0), oned_port=port(0)),
        "frontend": part(
            address=text,
            port=port(2633),
            auth_file={"type": "path", "default": "/var/lib/one/.one/one_auth"},
            services={"type": "list", "elements": "dict", "default": [], "options": service},
            login=part(address=text, port=port(443), name=text, ca={"type": "str", "default": ""}),
        ),
        "share": part(
            path={"type": "path", "default": "/var/lib/one/datastores"},
            sentinel=text,
            belongs_to=text,
            owner={"type": "int", "default": 9869},
        ),
        "node": part(uri={"type": "str", "default": "qemu:///system"}),
    }


def questions(params: Mapping[str, Any]) -> Questions:
    """What to ask a machine that carries these parts."""
    timeout: float = params["timeout"]
    asked: Dict[str, Optional[Callable[[], looks.Answer]]] = {"addresses": looks.addresses}
    balancer, cache, sunstone = params["balancer"], params["cache"], params["sunstone"]
    frontend, share, node = params["frontend"], params["share"], params["node"]
    if balancer:
        asked["haproxy"] = partial(looks.haproxy, balancer["socket"], timeout)
        asked["certificate"] = partial(looks.certificate, balancer["certificate"])
        asked["units"] = partial(looks.units, balancer["units"]) if balancer["units"] else None
    if cache:
        asked["cache"] = partial(looks.cache, cache["address"], cache["port"], timeout)
    if sunstone:
        asked["web"] = partial(looks.web, sunstone["address"], sunstone["port"], timeout)
        near, zone = sunstone["cache_port"], sunstone["oned_port"]
        asked["web_cache"] = partial(looks.cache, LOOPBACK, near, timeout) if near else None
        asked["web_zone"] = partial(looks.knock, LOOPBACK, zone, timeout) if zone else None
    if frontend:
        where = (frontend["address"], frontend["port"])
        asked["package"] = partial(looks.package, "opennebula")
        asked["hosts"] = partial(looks.hosts, *where, frontend["auth_file"], timeout)
        asked["services"] = partial(looks.services, frontend["services"], timeout / max(len(frontend["services"]), 1))
        if frontend["login"]:
            asked["login"] = partial(looks.login, **frontend["login"], auth_file=frontend["auth_file"], timeout=timeout)
    if share:
        asked["share"] = partial(looks.share, **share)
    if node:
        asked["libvirt"] = partial(looks.libvirt, node["uri"])
    # A question's own timeout says more than being left behind, so it is given a moment to speak.
    return {
        name: (ask, (timeout * LOGIN_TIMES if name == "login" else timeout) + 0.5)
        for name, ask in asked.items()
        if ask is not None
    }


def main() -> None:
    """Ask and return."""
    module = AnsibleModule(argument_spec=spec(), supports_check_mode=True)
    if module.params["timeout"] <= 0:
        module.fail_json(msg=f"timeout is {module.params['timeout']:g}: give a number of seconds above 0.")
    module.exit_json(changed=False, looks=looks.ask_all(questions(module.params)))


if __name__ == "__main__":
    main()
