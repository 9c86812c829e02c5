"""The recorded node, kvm1: a lab host with libvirt that oneadmin of a front-end reaches. Knows no recordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .driver import Machine, quiet_install

NAME = "kvm1"
# Without a machine behind its address: nobody answers there.
UNREACHABLE = "kvm2"
PACKAGES = ("libvirt-daemon-system", "libvirt-clients", "qemu-system-x86", "pciutils", "procps")
# What the real probes are written in, and read with.
PROBES = ("ruby-sqlite3",)
LSPCI = "/usr/bin/lspci"


@dataclass(frozen=True)
class Node:
    """kvm1, and the addresses under which front-ends look for the recorded nodes."""

    machine: Machine
    addresses: Mapping[str, str]

    def install(self, debs: Sequence[str]) -> None:
        quiet_install(self.machine, [*PACKAGES, *PROBES, *(f"/srv/one-repo/{deb}" for deb in debs)])

    def welcome(self, front_end: Machine) -> None:
        """The front-end's oneadmin may come in, knows the machine, and finds it by name."""
        key = front_end.run("cat /var/lib/one/.ssh/id_rsa.pub")
        self.machine.run(
            "install -d -m 700 -o oneadmin -g oneadmin /var/lib/one/.ssh; cd /var/lib/one/.ssh; "
            "cat >authorized_keys; chmod 600 authorized_keys; chown oneadmin: authorized_keys",
            key,
        )
        names = "".join(f"{address} {name}\n" for name, address in self.addresses.items())
        front_end.run("cat >>/etc/hosts", names.encode())
        host_key = self.machine.run("cat /etc/ssh/ssh_host_ed25519_key.pub").split()[:2]
        front_end.run(
            "cd /var/lib/one/.ssh; cat >known_hosts; chmod 600 known_hosts; chown oneadmin: known_hosts",
            b" ".join([NAME.encode(), *host_key]) + b"\n",
        )

    def hide_lspci(self) -> None:
        self.machine.run(f"mv {LSPCI} {LSPCI}.away")

    def show_lspci(self) -> None:
        self.machine.run(f"mv {LSPCI}.away {LSPCI}")
