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
FRONTENDS = {"frontends": HOSTS}
BALANCERS = {"lb1": "10.213.95.21", "lb2": "10.213.95.22"}
FLOATING = {**GOOD, "one_floating_address": "10.213.95.10"}


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


def site(folder: Path, trap: Trap, groups: dict[str, dict[str, str]], variables: dict[str, Any], *options: str) -> Run:
    """Run the site over an inventory."""
    inventory = folder / "inventory"
    inventory.mkdir()
    children = {
        group: {"hosts": {name: {"ansible_host": address} for name, address in hosts.items()}}
        for group, hosts in groups.items()
    }
    (inventory / "hosts.yml").write_text(yaml.safe_dump({"all": {"vars": variables, "children": children}}))
    env = {"ANSIBLE_SSH_EXECUTABLE": str(trap.program), "ANSIBLE_HOME": str(folder / "ansible")}
    return run("playbooks/site.yml", inventory, *options, env=env, seconds=120)


def test_the_trap_springs_when_a_machine_is_touched(tmp_path: Path, trap: Trap) -> None:
    """The control: a good inventory goes on to the machines, which here means into the trap."""
    done = site(tmp_path, trap, FRONTENDS, GOOD)
    assert done.returncode != 0
    assert trap.sprung, done.failures or done.stderr


def test_machines_that_do_not_answer_are_all_named_with_the_way_out(tmp_path: Path, trap: Trap) -> None:
    """A run without a machine needs a word, and the word is given; nothing is done on the others before."""
    done = site(tmp_path, trap, {**FRONTENDS, "nodes": {"node1": "10.213.95.31"}}, GOOD)
    told = " ".join(done.failures)
    assert done.returncode != 0
    for host in (*HOSTS, "node1"):
        assert f"{host}: ssh: the machine does not answer" in told, told
    assert "--limit '!node1'" in told
    assert "--limit '!fe" not in told
    assert done.changes == ()


def test_all_faults_are_told_at_once_and_nothing_is_touched(tmp_path: Path, trap: Trap) -> None:
    """Faults of every kind of machine, a bad name, a misspelt group and missing secrets: one answer."""
    groups = {
        "frontends": {"fe1": "10.213.95.11", "fe2": "10.213.95.11", "fe3": "192.0.2.7", "fe_4": "10.213.95.14"},
        "sunstones": {"fe1": "10.213.95.11"},
        "balancers": BALANCERS,
        "node": {"node1": "10.213.95.31"},
    }
    variables = {key: value for key, value in GOOD.items() if key != "one_db_password"}
    done = site(tmp_path, trap, groups, {**variables, "one_sunstone_port": 2633, "one_leaving": ["cache9"]})
    told = " ".join(done.failures)
    assert done.returncode != 0
    for word in (
        "(4)",
        "fe1 has it too",
        "192.0.2.7",
        "fe_4",
        "one_db_password",
        "group node",
        "group caches",
        "port 2633",
        "one_floating_address",
        "cache9",
        "one_ca_key",
    ):
        assert word in told, f"{word} is not in the answer: {told}"
    assert not trap.sprung


def test_a_limit_that_leaves_a_front_end_out_is_refused(tmp_path: Path, trap: Trap) -> None:
    """What one has to do depends on all."""
    done = site(tmp_path, trap, FRONTENDS, GOOD, "--limit", "!fe2")
    assert done.returncode != 0
    assert "--limit is without fe2" in " ".join(done.failures)
    assert not trap.sprung


@pytest.mark.parametrize(
    ("groups", "variables", "word"),
    [
        ({"frontends": {"fe1": "10.213.95.11"}}, GOOD, "three"),
        ({"others": HOSTS}, GOOD, "frontends"),
        ({"frontend": HOSTS}, GOOD, "rename it to frontends"),
        (FRONTENDS, {**GOOD, "one_subnet": "none"}, "one_subnet"),
        (FRONTENDS, FLOATING, "no balancer"),
        (
            {**FRONTENDS, "balancers": BALANCERS},
            {**FLOATING, "one_floating_address": "192.0.2.10"},
            "outside one_subnet",
        ),
        ({**FRONTENDS, "balancers": BALANCERS}, FLOATING, "run playbooks/secrets.yml again"),
        ({**FRONTENDS, "balancers": BALANCERS}, {**FLOATING, "one_certificate": "/x.pem"}, "one_certificate_key"),
        ({**FRONTENDS, "sunstones": HOSTS}, GOOD, "group caches"),
        (FRONTENDS, {**GOOD, "one_rpc_port": 4124}, "both want it"),
    ],
    ids=[
        "one front-end",
        "no group",
        "a misspelt group",
        "no subnet",
        "an address for nobody",
        "an address outside",
        "no CA",
        "a certificate without a key",
        "no cache",
        "a port twice",
    ],
)
def test_one_fault_is_enough(
    tmp_path: Path, trap: Trap, groups: dict[str, dict[str, str]], variables: dict[str, Any], word: str
) -> None:
    """Each is refused by itself, by name."""
    done = site(tmp_path, trap, groups, variables)
    assert done.returncode != 0
    assert word in " ".join(done.failures)
    assert not trap.sprung


def test_a_limit_does_not_hide_the_inventory(tmp_path: Path, trap: Trap) -> None:
    """The play on the controller is not in the limit: the judgement is made all the same."""
    done = site(tmp_path, trap, {**FRONTENDS, "sunstones": HOSTS}, GOOD, "--limit", "frontends")
    assert done.returncode != 0
    assert "group caches" in " ".join(done.failures)
    assert not trap.sprung
