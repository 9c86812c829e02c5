"""Bad inventories: every fault in one answer, a failing status, and no machine touched."""

from __future__ import annotations

import secrets
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.drift.play import Run, run

PASSWORDS = {name: secrets.token_hex(16) for name in ("one_oneadmin_password", "one_db_password")}
GOOD: dict[str, Any] = {"one_subnet": "10.213.95.0/24", "ansible_user": "operator", **PASSWORDS}
HOSTS = {f"fe{number}": f"10.213.95.{10 + number}" for number in range(1, 4)}


class Trap:
    """Stands in for ssh: whoever would touch a machine leaves a mark here."""

    def __init__(self, folder: Path) -> None:
        """Write the program."""
        self.mark = folder / "touched"
        self.program = folder / "ssh"
        self.program.write_text(f'#!/bin/sh\necho "$@" >> {self.mark}\nexit 255\n')
        self.program.chmod(stat.S_IRWXU)

    @property
    def sprung(self) -> bool:
        """Say whether somebody tried."""
        return self.mark.exists()


@pytest.fixture
def trap(tmp_path: Path) -> Trap:
    """A fresh trap."""
    return Trap(tmp_path)


def site(folder: Path, trap: Trap, hosts: dict[str, str], variables: dict[str, Any], group: str = "frontends") -> Run:
    """Run the site over an inventory."""
    inventory = folder / "inventory"
    inventory.mkdir()
    tree = {group: {"hosts": {name: {"ansible_host": address} for name, address in hosts.items()}, "vars": variables}}
    (inventory / "hosts.yml").write_text(yaml.safe_dump(tree))
    env = {"ANSIBLE_SSH_EXECUTABLE": str(trap.program), "ANSIBLE_HOME": str(folder / "ansible")}
    return run("playbooks/site.yml", inventory, env=env, seconds=120)


def test_the_trap_springs_when_a_machine_is_touched(tmp_path: Path, trap: Trap) -> None:
    """The control: a good inventory goes on to the machines, which here means into the trap."""
    done = site(tmp_path, trap, HOSTS, GOOD)
    assert done.returncode != 0
    assert trap.sprung, done.failures or done.stderr


def test_all_faults_are_told_at_once_and_nothing_is_touched(tmp_path: Path, trap: Trap) -> None:
    """An even number, an address twice, one outside the subnet, a bad name and a missing secret: one answer."""
    hosts = {"fe1": "10.213.95.11", "fe2": "10.213.95.11", "fe3": "192.0.2.7", "fe_4": "10.213.95.14"}
    done = site(tmp_path, trap, hosts, {key: value for key, value in GOOD.items() if key != "one_db_password"})
    told = " ".join(done.failures)
    assert done.returncode != 0
    for word in ("4", "10.213.95.11", "192.0.2.7", "fe_4", "one_db_password"):
        assert word in told, f"{word} is not in the answer: {told}"
    assert not trap.sprung


@pytest.mark.parametrize(
    ("hosts", "variables", "group", "word"),
    [
        ({"fe1": "10.213.95.11"}, GOOD, "frontends", "three"),
        (HOSTS, GOOD, "others", "frontends"),
        (HOSTS, {**GOOD, "one_subnet": "none"}, "frontends", "one_subnet"),
    ],
    ids=["one front-end", "no group", "no subnet"],
)
def test_one_fault_is_enough(
    tmp_path: Path, trap: Trap, hosts: dict[str, str], variables: dict[str, Any], group: str, word: str
) -> None:
    """Each is refused by itself, by name."""
    done = site(tmp_path, trap, hosts, variables, group)
    assert done.returncode != 0
    assert word in " ".join(done.failures)
    assert not trap.sprung
