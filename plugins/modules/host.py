#!/usr/bin/python
# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of the zone."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host
short_description: A node as a host of the zone, monitored
version_added: 0.2.0
author:
  - Nebula HA contributors (@nebula-ha)
description:
  - Registers a node as a host, with its drivers and its cluster, and waits until OpenNebula monitors it.
  - A host counts as joined when it is MONITORED, not when it is listed.
  - A host that is registered and not monitored is probed at once, as OpenNebula itself tries only every few minutes. A
    failure of that ends with its message.
  - A call that got no answer is looked for and never repeated.
extends_documentation_fragment:
  - nebula.ha.connection
  - nebula.ha.attributes
attributes:
  check_mode:
    support: full
    details:
      - Waits for nothing. When no oned answers yet, the host would be added.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  name:
    description:
      - Name of the host, by which the front-ends reach it over ssh.
    type: str
    required: true
  state:
    description:
      - V(present) has the host registered; whether it is enabled is left as it is.
      - V(enabled) and V(disabled) have it registered and say whether virtual machines may be placed on it.
      - V(absent) has it deleted. A host on which virtual machines are is refused.
    type: str
    choices: [present, enabled, disabled, absent]
    default: present
  im_mad:
    description:
      - Driver that monitors it.
    type: str
    default: kvm
  vm_mad:
    description:
      - Driver of its virtual machines, such as V(kvm), or V(qemu) for a machine that can only emulate.
    type: str
    default: kvm
  cluster:
    description:
      - Name of its cluster. Without it a new host comes into the default one, and an old one stays where it is.
    type: str
  wait:
    description:
      - Seconds in which oned has to answer, a change has to be seen, and the host has to be MONITORED.
      - With V(0) it is not waited for.
      - A host that is disabled is not monitored, so that it is not waited for either.
    type: float
    default: 60
"""

EXAMPLES = r"""
- name: A node that can only emulate joins the zone
  nebula.ha.host:
    name: node1
    vm_mad: qemu

- name: No new virtual machine comes onto it
  nebula.ha.host:
    name: node1
    vm_mad: qemu
    state: disabled

- name: It leaves the zone
  nebula.ha.host:
    name: node1
    state: absent
"""

RETURN = r"""
host:
  description: The host as the pool lists it, with id, name, state, im_mad, vm_mad, cluster, vms (ids) and error; none
    when it is absent.
  returned: success
  type: dict
  sample: {id: 0, name: node1, state: MONITORED, im_mad: kvm, vm_mad: qemu, cluster: default, vms: [], error: ""}
"""

import time
from dataclasses import replace
from typing import Any, Callable, Dict, Optional

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nebula.ha.plugins.module_utils.connection import connection_spec, run_task
from ansible_collections.nebula.ha.plugins.module_utils.zone.client import (
    DISABLE,
    ENABLE,
    OFFLINE,
    Client,
)
from ansible_collections.nebula.ha.plugins.module_utils.zone.model import Host, HostState, host_dict
from ansible_collections.nebula.ha.plugins.module_utils.zone.writer import PAUSE, ChangeError, change, first_look

# Seconds in which a change has to be seen at least: `wait: 0` only means not to wait for the monitoring.
SEEN = 10.0
# For oned: the default cluster. For check mode: a host that has no id yet.
NO_CLUSTER = NO_ID = -1
DEFAULT_CLUSTER = "default"


def lines(host: Optional[Host]) -> str:
    """What a run may change of a host, as text for a diff."""
    if host is None:
        return ""
    use = "disabled" if host.state.disabled else "enabled"
    return f"{host.name}: im_mad {host.im_mad}, vm_mad {host.vm_mad}, cluster {host.cluster}, {use}\n"


class HostTask:
    """One run of the module."""

    def __init__(self, module: AnsibleModule, client: Client) -> None:
        self.module = module
        self.params: Dict[str, Any] = module.params
        self.name: str = module.params["name"]
        self.client = client
        self.probed = False

    def run(self) -> None:
        """Do what `state` says."""
        before = first_look(self.module, self.find, self.patience)
        if self.params["state"] == "absent":
            after = None
            if before is not None:
                self.delete(before)
        else:
            after = self.monitored(self.present(before), before is not None)
        self.module.exit_json(
            changed=lines(before) != lines(after) or self.probed,
            host=None if after is None else host_dict(after),
            diff={"before": lines(before), "after": lines(after)},
        )

    def find(self) -> Optional[Host]:
        """The host as the oned asked knows it."""
        return next((host for host in self.client.hosts() if host.name == self.name), None)

    @property
    def patience(self) -> float:
        """Seconds in which a change has to be seen."""
        return max(float(self.params["wait"]), SEEN)

    def step(self, what: str, call: Callable[[], None], seen: Callable[[Host], bool], predicted: Host) -> Host:
        """Make one change and see it; in check mode, say what it would give."""
        if self.module.check_mode:
            return predicted

        def look() -> Optional[Host]:
            host = self.find()
            return host if host is not None and seen(host) else None

        doing = f"{what} {self.name}"
        return change(doing, call, look, f"The zone does not show the change ({doing})", self.patience)

    def cluster_id(self, name: str) -> int:
        """The id of a cluster."""
        clusters = self.client.clusters()
        if name not in clusters:
            raise ChangeError(
                f"The zone has no cluster {name} for {self.name} (it has: {', '.join(sorted(clusters))}): "
                f"make it (onecluster create {name}) or give another."
            )
        return clusters[name]

    def present(self, before: Optional[Host]) -> Host:
        """The host registered, with its drivers and its cluster, enabled or disabled as asked for."""
        host = self.added() if before is None else before
        im_mad, vm_mad, cluster = self.params["im_mad"], self.params["vm_mad"], self.params["cluster"]
        if (host.im_mad, host.vm_mad) != (im_mad, vm_mad):
            host = self.step(
                "changing the drivers of",
                lambda: self.client.update_host(host.id, {"IM_MAD": im_mad, "VM_MAD": vm_mad}),
                lambda now: (now.im_mad, now.vm_mad) == (im_mad, vm_mad),
                replace(host, im_mad=im_mad, vm_mad=vm_mad),
            )
        if cluster not in (None, host.cluster):
            target = self.cluster_id(cluster)
            host = self.step(
                "moving",
                lambda: self.client.move_host(host.id, target),
                lambda now: now.cluster == cluster,
                replace(host, cluster=cluster),
            )
        if self.params["state"] == "enabled" and host.state.disabled:
            host = self.probe(host)
        if self.params["state"] == "disabled" and not host.state.disabled:
            host = self.step(
                "disabling",
                lambda: self.client.set_host_status(host.id, DISABLE),
                lambda now: now.state.disabled,
                replace(host, state=HostState.DISABLED),
            )
        return host

    def added(self) -> Host:
        """The host registered."""
        im_mad, vm_mad = self.params["im_mad"], self.params["vm_mad"]
        return self.step(
            "adding",
            lambda: self.client.add_host(self.name, im_mad, vm_mad, NO_CLUSTER),
            lambda now: now.name == self.name,
            Host(NO_ID, self.name, HostState.INIT, im_mad, vm_mad, self.params["cluster"] or DEFAULT_CLUSTER),
        )

    def probe(self, host: Host) -> Host:
        """The host enabled and probed at once, which oned does only to one that was offline."""
        self.probed = True
        if host.state is not HostState.OFFLINE:
            host = self.step(
                "taking offline",
                lambda: self.client.set_host_status(host.id, OFFLINE),
                lambda now: now.state is HostState.OFFLINE,
                host,
            )
        return self.step(
            "enabling",
            lambda: self.client.set_host_status(host.id, ENABLE),
            lambda now: not now.state.disabled,
            replace(host, state=HostState.INIT),
        )

    def monitored(self, host: Host, known: bool) -> Host:
        """The host once its probes report."""
        deadline = time.monotonic() + self.params["wait"]
        if host.state.disabled and self.params["state"] == "present":
            self.module.warn(
                f"{self.name} is {host.state.name}: no virtual machine is placed on it until it is enabled."
            )
        while self.params["wait"] > 0 and not (host.state.monitored or host.state.disabled):
            if host.state.failed and self.probed:
                raise ChangeError(
                    f"{self.name} cannot be monitored: {host.error or 'OpenNebula gives no reason'}. See that "
                    f"'ssh {self.name} true' works as oneadmin on the leading front-end and what "
                    "/var/log/one/monitor.log says there, then run this again."
                )
            if not self.probed and (known or host.state.failed):
                host = self.probe(host)
            if self.module.check_mode:
                break
            if time.monotonic() >= deadline:
                raise ChangeError(
                    f"{self.name} is {host.state.name} after {self.params['wait']:g} s, not MONITORED: see that "
                    f"oned.conf and monitord.conf define its drivers ({host.im_mad}, {host.vm_mad}) and what "
                    "/var/log/one/monitor.log says on the leading front-end, then run this again."
                )
            time.sleep(PAUSE)
            host = self.find() or host
        return host

    def delete(self, host: Host) -> None:
        """The host deleted, unless virtual machines are on it."""
        if host.vms:
            raise ChangeError(
                f"Virtual machines are on {self.name} ({', '.join(map(str, host.vms))}): move them to another host "
                "(onevm migrate --live) or end them, then run this again."
            )
        if not self.module.check_mode:
            change(
                f"deleting {self.name}",
                lambda: self.client.delete_host(host.id),
                lambda: True if self.find() is None else None,
                f"{self.name} is still in the zone",
                self.patience,
            )


def main() -> None:
    """Check the parameters, then run."""
    module = AnsibleModule(
        argument_spec={
            **connection_spec(),
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "enabled", "disabled", "absent"], "default": "present"},
            "im_mad": {"type": "str", "default": "kvm"},
            "vm_mad": {"type": "str", "default": "kvm"},
            "cluster": {"type": "str"},
            "wait": {"type": "float", "default": 60},
        },
        supports_check_mode=True,
    )
    run_task(module, lambda client: HostTask(module, client).run())


if __name__ == "__main__":
    main()
