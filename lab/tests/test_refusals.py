"""A machine that cannot hold the lab gets one sentence, and nothing is made."""

from __future__ import annotations

import json
import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from lab.hosts import checks, image, network, state
from lab.hosts.inventory import read_lab
from lab.hosts.plan import Lab, LabError, make_lab

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab whose state lies in a scratch folder, on a machine that could hold it."""
    for module in (checks, state):
        monkeypatch.setattr(module, "STATE", tmp_path / "state")
    for module in (checks, image):
        monkeypatch.setattr(module, "CACHE", tmp_path / "cache")
    monkeypatch.setattr("lab.hosts.plan.STATE", tmp_path / "state")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda tool: f"/usr/bin/{tool}")
    monkeypatch.setattr(checks, "filesystems", lambda: {"overlay"})
    monkeypatch.setattr(network, "check_subnet", lambda lab, others: None)
    monkeypatch.setattr(network, "check_kernel", lambda lab: None)
    monkeypatch.setattr(checks, "memory_available", lambda meminfo: 8192)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, 100 * 1024**3))
    addresses = {"one1": "10.213.92.11", "lb1": "10.213.92.21"}
    return make_lab("lab", "10.213.92.0/24", addresses, groups={"one1": ["all", "frontends", "sunstones"]})


def refusal(lab: Lab) -> str:
    with pytest.raises(LabError) as caught:
        checks.check_machine(lab)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_fit_machine_passes(lab: Lab) -> None:
    checks.check_machine(lab)


def test_not_root(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "run it as root" in refusal(lab)


def test_a_missing_tool_is_named_with_its_package(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda tool: None if tool == "nft" else "/bin/x")
    assert "apt-get install nftables" in refusal(lab)


def test_no_overlayfs(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "filesystems", lambda: {"ext4"})
    monkeypatch.setattr(checks, "succeeds", lambda command: False)
    assert "no overlayfs" in refusal(lab)


def test_a_missing_device(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "DEVICES", {"/dev/none": "none"})
    monkeypatch.setattr(checks, "succeeds", lambda command: False)
    assert "no /dev/none, which its hosts need: use one whose kernel has the module none" in refusal(lab)


def test_too_little_space(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, 2 * 1024**3))
    assert "needs 2.5 GiB" in refusal(lab)  # a front-end, a host of a small kind, and the base
    assert "2.0 GiB are free" in refusal(lab)


def test_too_little_memory(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "memory_available", lambda meminfo: 649)
    assert "needs 650 MiB of memory and 649 MiB are free" in refusal(lab)


def test_free_memory_is_what_can_be_had() -> None:
    assert checks.memory_available("MemTotal: 4096000 kB\nMemFree: 1024 kB\nMemAvailable:    2048000 kB\n") == 2000


def test_a_kernel_without_address_translation(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_nat(lab: Lab) -> None:
        raise LabError("This machine's kernel refuses address translation.")

    monkeypatch.setattr(network, "check_kernel", no_nat)
    assert "address translation" in refusal(lab)


def test_a_lab_that_stands_elsewhere(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "state/lab"
    folder.mkdir(parents=True)
    (folder / "lab.json").write_text(json.dumps({"subnet": "10.213.99.0/24", "checkout": str(state.CHECKOUT)}))
    assert "stands in 10.213.99.0/24" in refusal(lab)


def test_a_lab_of_another_checkout(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "state/lab"
    folder.mkdir(parents=True)
    (folder / "lab.json").write_text(json.dumps({"subnet": "10.213.92.0/24", "checkout": str(tmp_path)}))
    with pytest.raises(LabError, match=f"belongs to the checkout {tmp_path}"):
        state.belongs_here("lab")
    (folder / "lab.json").write_text(json.dumps({"subnet": "10.213.92.0/24", "checkout": "/gone/away"}))
    state.belongs_here("lab")  # a checkout that was removed cannot destroy its lab: any other may


def write_inventory(folder: Path, variables: str, hosts: str) -> Path:
    (folder / "group_vars/all").mkdir(parents=True)
    (folder / "group_vars/all/lab.yml").write_text(variables)
    (folder / "hosts.yml").write_text(hosts)
    return folder


HOSTS = """\
frontends:
  hosts:
    one1: {ansible_host: "{{ lab_subnet | replace('0/24', '11') }}"}
    here: {ansible_connection: local}
"""
VARIABLES = """\
lab_name: labtest
lab_subnet: "{{ lookup('ansible.builtin.env', 'LAB_SUBNET', default='10.213.92.0/24') }}"
"""


def test_templates_in_the_inventory_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONE_SOURCE", raising=False)
    monkeypatch.setenv("LAB_SUBNET", "10.213.93.0/24")
    lab = read_lab(write_inventory(tmp_path, VARIABLES, HOSTS))
    assert [(host.name, str(host.address)) for host in lab.hosts] == [("one1", "10.213.93.11")]
    assert str(lab.subnet) == "10.213.93.0/24"
    assert not lab.source


def test_one_source_goes_before_the_inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inventory = write_inventory(tmp_path, VARIABLES + "lab_source: standin\n", HOSTS)
    monkeypatch.delenv("ONE_SOURCE", raising=False)
    assert read_lab(inventory).source == "standin"
    monkeypatch.setenv("ONE_SOURCE", "upstream")
    assert read_lab(inventory).source == "upstream"


def test_a_variable_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="lab_subnet of host one1 is not set"):
        read_lab(write_inventory(tmp_path, "lab_name: labtest\n", "all: {hosts: {one1: {ansible_host: 10.213.92.11}}}"))


def test_a_missing_inventory_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="There is no inventory"):
        read_lab(tmp_path / "nowhere")


CLOUD = {"frontends": 3, "sunstones": 3, "balancers": 2, "caches": 2, "nodes": 2, "share_servers": 3}


@pytest.mark.parametrize(("folder", "others"), [("inventories/lab", 0), ("molecule/inventory", 2)])
def test_the_labs_carry_the_whole_cloud(folder: str, others: int) -> None:
    lab = read_lab(state.CHECKOUT / folder)
    assert {group: len(lab.of(group)) for group in CLOUD} == CLOUD
    assert len(lab.hosts) == 12 + others
    assert not [host.name for host in lab.of("spares") if host.groups & CLOUD.keys()]


def test_hosts_come_as_the_file_names_them(tmp_path: Path) -> None:
    """The first front-end has the first rank, also where its group is another's child."""
    hosts = "b: {hosts: {b1: {ansible_host: 10.213.92.12}, a1: {ansible_host: 10.213.92.11}}}\n"
    hosts += "c: {children: {b: {}}}\na: {hosts: {c1: {ansible_host: 10.213.92.13}}}\n"
    lab = read_lab(write_inventory(tmp_path, VARIABLES, hosts))
    assert [host.name for host in lab.hosts] == ["b1", "a1", "c1"]
    assert [host.name for host in lab.of("c")] == ["b1", "a1"]
