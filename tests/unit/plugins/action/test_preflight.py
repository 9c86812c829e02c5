# SPDX-License-Identifier: Apache-2.0
"""Preflight through ansible-playbook: inventories as a person writes them, and machines that are folders."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[4]
SECRETS = {"one_oneadmin_password": "kX3vR8mQ2pLw9sTn", "one_db_password": "nTs9wLp2Qm8Rv3Xk"}


class Play:
    """Runs one play of tasks and gives the last result of each host."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "ansible.cfg").write_text("[defaults]\nretry_files_enabled = false\n")

    def inventory(self, hosts: dict[str, dict[str, Any]], **common: Any) -> None:
        content = {"all": {"vars": common, "children": {"frontends": {"hosts": hosts}}}}
        (self.folder / "hosts.yml").write_text(yaml.safe_dump(content))

    def run(self, hosts: str, *tasks: dict[str, Any], limit: str = "all") -> tuple[int, str, dict[str, Any]]:
        play = {
            "hosts": hosts,
            "connection": "local",
            "gather_facts": False,
            "any_errors_fatal": True,
            "roles": ["nebula.ha.one"],
            "tasks": list(tasks),
        }
        (self.folder / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False))
        limited = [] if limit == "all" else [f"--limit={limit}"]
        done = subprocess.run(
            [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "hosts.yml", "play.yml", *limited],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
                "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections"),
                "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
                "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
                "ANSIBLE_LOCALHOST_WARNING": "false",
                "ANSIBLE_NOCOLOR": "1",
            },
        )
        found: dict[str, Any] = {}
        decoder = json.JSONDecoder()
        for line in done.stdout.split("\nfatal: ")[1:]:
            name = line[1 : line.index("]")]
            found[name] = decoder.raw_decode(line[line.index("{") :])[0]
        text = done.stdout + done.stderr
        for secret in SECRETS.values():
            assert secret not in text
        return done.returncode, text, found


@pytest.fixture
def play(tmp_path: Path) -> Play:
    return Play(tmp_path)


def three(**changes: Any) -> dict[str, dict[str, Any]]:
    return {f"fe{n}": {"ansible_host": f"192.0.2.{n + 10}", **changes} for n in (1, 2, 3)}


INVENTORY = {"nebula.ha.preflight_inventory": None}


def test_a_good_inventory_passes_with_the_defaults_of_the_role(play: Play) -> None:
    play.inventory(three(), one_subnet="192.0.2.0/24", **SECRETS)
    code, text, _found = play.run("localhost", INVENTORY)
    assert code == 0, text


def test_all_faults_at_once_and_no_secret(play: Play) -> None:
    hosts = three()
    hosts["fe_4"] = {"ansible_host": "{{ nowhere }}"}
    hosts["fe2"]["one_address"] = "192.0.2.11"
    play.inventory(hosts, one_subnet="192.0.2.0/24", one_version="7.2", one_oneadmin_password="too-short!1")
    code, text, found = play.run("localhost", INVENTORY)
    assert code != 0
    assert [(fault["variable"], fault["host"]) for fault in found["localhost"]["faults"]] == [
        ("group frontends", None),
        ("inventory_hostname", "fe_4"),
        ("one_version", None),
        ("one_oneadmin_password", None),
        ("one_db_password", None),
        ("one_address", "fe2"),
        ("one_address", "fe_4"),
    ]
    assert "too-short!1" not in text
    assert "The inventory cannot work: 7 things to mend." in found["localhost"]["msg"]


def test_variables_of_the_group_are_seen_from_localhost(play: Play) -> None:
    """What stands in group_vars/frontends is not among localhost's own variables."""
    play.inventory(three(one_subnet="192.0.2.0/24", one_rpc_port=99999, **SECRETS))
    _code, _text, found = play.run("localhost", INVENTORY)
    assert [fault["variable"] for fault in found["localhost"]["faults"]] == ["one_rpc_port"]


FACTS = {
    "nebula.ha.preflight_facts": {
        "root": "{{ root }}",
        "oneadmin_password": "{{ one_oneadmin_password }}",
        "db_password": "{{ one_db_password }}",
        "address": "{{ one_address }}",
    },
    "register": "preflight_found",
    "ignore_unreachable": True,
    "any_errors_fatal": False,
}
MACHINES = {
    "nebula.ha.preflight_machines": {
        "found": "{{ dict(ansible_play_hosts_all | "
        "zip(ansible_play_hosts_all | map('extract', hostvars, ['preflight_found']))) }}",
        "memory_mb": {"system": 1},
        "disk_mb": {"system": 1},
    },
    "run_once": True,
}


def machines(folder: Path, **release: str) -> dict[str, dict[str, Any]]:
    """Three machines with an address that this one really has."""
    hosts = three()
    for name, values in hosts.items():
        root = folder / name
        (root / "etc").mkdir(parents=True)
        (root / "run/systemd/system").mkdir(parents=True)
        (root / "etc/os-release").write_text(f'ID=debian\nVERSION_ID="{release.get(name, "12")}"\n')
        values.update(root=str(root), one_address="127.0.0.1", ansible_python_interpreter=sys.executable)
    return hosts


def test_machines_that_fit_and_facts_that_were_never_gathered(play: Play) -> None:
    play.inventory(machines(play.folder), one_subnet="192.0.2.0/24", **SECRETS)
    never = {"nebula.ha.preflight_machines": {"found": {"fe1": None}}, "run_once": True}
    _code, text, found = play.run("frontends", FACTS, MACHINES, never)
    assert "preflight_facts found nothing on fe1" in text
    assert "faults" not in found["fe1"], text


def test_machines_that_do_not(play: Play) -> None:
    hosts = machines(play.folder, fe2="10")
    (play.folder / "fe3/run/systemd/system").rmdir()
    hosts["fe1"]["one_address"] = "192.0.2.11"
    play.inventory(hosts, one_subnet="192.0.2.0/24", **SECRETS)
    code, _text, found = play.run("frontends", FACTS, MACHINES)
    assert code != 0
    faults = found["fe1"]["faults"]
    assert [(fault["variable"], fault["host"]) for fault in faults] == [
        ("one_address", "fe1"),
        ("system", "fe2"),
        ("init", "fe3"),
    ]


def test_a_machine_that_does_not_answer_is_named_beside_the_others(play: Play) -> None:
    hosts = machines(play.folder, fe2="10")
    # Nothing listens there, and nothing leaves this machine for it
    hosts["fe1"].update(ansible_connection="ssh", ansible_host="127.0.0.1", ansible_port=1)
    play.inventory(hosts, one_subnet="192.0.2.0/24", **SECRETS)
    code, text, found = play.run("frontends", FACTS, MACHINES)
    assert code != 0
    assert [(fault["variable"], fault["host"]) for fault in found["fe1"]["faults"]] == [
        ("ssh", "fe1"),
        ("system", "fe2"),
    ], text
    assert "fe1: ssh: the machine does not answer (" in found["fe1"]["msg"]
    assert "refused" in found["fe1"]["msg"]


def test_a_machine_that_cannot_be_looked_at_is_no_machine_that_fits(play: Play) -> None:
    hosts = machines(play.folder, fe2="10")
    hosts["fe3"]["ansible_python_interpreter"] = "/nowhere/python"
    play.inventory(hosts, one_subnet="192.0.2.0/24", **SECRETS)
    code, text, found = play.run("frontends", FACTS, MACHINES)
    assert code != 0
    told = [(fault["variable"], fault["host"]) for fault in found["fe1"]["faults"]]
    assert told == [("machine", "fe3"), ("system", "fe2")], text


def test_what_would_make_a_cloud_stronger_is_told_where_it_works(play: Play) -> None:
    play.inventory(three(), one_subnet="192.0.2.0/24", **SECRETS)
    content = yaml.safe_load((play.folder / "hosts.yml").read_text())
    content["all"]["children"]["nodes"] = {"hosts": {"node1": {"ansible_host": "192.0.2.21"}}}
    (play.folder / "hosts.yml").write_text(yaml.safe_dump(content))
    show = {"ansible.builtin.debug": {"var": "judged.advice"}}
    code, text, _found = play.run("localhost", {**INVENTORY, "register": "judged"}, show)
    assert code == 0, text
    assert "The nodes share no storage" in text


def test_the_files_of_a_certificate_are_read_where_they_lie(play: Play) -> None:
    (play.folder / "cloud.pem").write_text("no certificate")
    common = {"one_certificate": str(play.folder / "cloud.pem"), "one_certificate_key": "/nowhere/cloud.key"}
    play.inventory(three(), one_subnet="192.0.2.0/24", **SECRETS, **common)
    content = yaml.safe_load((play.folder / "hosts.yml").read_text())
    content["all"]["children"]["balancers"] = {"hosts": {"lb1": {"ansible_host": "192.0.2.31"}}}
    (play.folder / "hosts.yml").write_text(yaml.safe_dump(content))
    _code, _text, found = play.run("localhost", INVENTORY)
    (fault,) = found["localhost"]["faults"]
    assert fault["variable"] == "one_certificate_key" and "/nowhere/cloud.key" in fault["sentence"]


def test_a_limit_that_leaves_a_front_end_out_is_a_fault_among_the_others(play: Play) -> None:
    play.inventory(three(), one_subnet="none", **SECRETS)
    _code, _text, found = play.run("frontends", {**INVENTORY, "run_once": True}, limit="!fe2")
    assert [fault["variable"] for fault in found["fe1"]["faults"]] == ["one_subnet", "--limit"]
    assert "fe2" in found["fe1"]["msg"]
