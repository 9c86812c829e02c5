"""The lab that an Ansible inventory describes, read with Ansible's own code so that templates in it work."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultSecret
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
from ansible.vars.manager import VariableManager

from lab.hosts.plan import Lab, LabError, make_lab


@functools.cache
def _plugins() -> None:
    init_plugin_loader()  # a second time in one process is a mistake to Ansible


def read_lab(inventory: Path) -> Lab:
    if not inventory.exists():
        raise LabError(f"There is no inventory {inventory}: give --inventory a folder with hosts.yml.")
    _plugins()
    loader = DataLoader()
    password = (inventory if inventory.is_dir() else inventory.parent) / ".vault-password"
    if password.exists():  # group_vars are read whole, so an encrypted file among them must open
        loader.set_vault_secrets([("default", VaultSecret(password.read_bytes().strip()))])
    try:
        return _read(loader, inventory)
    except AnsibleError as wrong:
        raise LabError(f"The inventory {inventory} cannot be read: {wrong}") from wrong


def _read(loader: DataLoader, inventory: Path) -> Lab:
    source = inventory / "hosts.yml" if inventory.is_dir() else inventory
    manager = InventoryManager(loader=loader, sources=[str(source)])
    variables = VariableManager(loader=loader, inventory=manager)
    names: set[str] = set()
    subnets: set[str] = set()
    sources: set[str] = set()
    floating: set[str] = set()
    addresses: dict[str, str] = {}
    groups: dict[str, list[str]] = {}
    for host in manager.hosts.values():  # as the file names them; get_hosts() sorts by the depth of groups
        known = variables.get_vars(host=host, include_hostvars=True)
        templar = Templar(loader=loader, variables=known)
        if templar.template(known.get("ansible_connection", "ssh")) == "local":
            continue
        for variable in ("lab_name", "lab_subnet", "ansible_host"):
            if variable not in known:
                raise LabError(f"{variable} of host {host.name} is not set in the inventory {inventory}: set it.")
        names.add(str(templar.template(known["lab_name"])))
        subnets.add(str(templar.template(known["lab_subnet"])))
        sources.add(str(templar.template(known.get("lab_source", ""))))
        floating.add(str(templar.template(known.get("one_floating_address", ""))))
        addresses[str(host.name)] = str(templar.template(known["ansible_host"]))
        groups[str(host.name)] = [str(group.name) for group in host.get_groups()]
    if not addresses:
        raise LabError(
            f"The inventory {inventory} names no host for the lab: add hosts with an ansible_host inside lab_subnet."
        )
    for variable, values in (
        ("lab_name", names),
        ("lab_subnet", subnets),
        ("lab_source", sources),
        ("one_floating_address", floating),
    ):
        if len(values) != 1:
            raise LabError(
                f"{variable} differs between hosts ({', '.join(sorted(values))}): set it once, in group_vars/all."
            )
    return make_lab(
        names.pop(), subnets.pop(), addresses, os.environ.get("ONE_SOURCE") or sources.pop(), groups, floating.pop()
    )
