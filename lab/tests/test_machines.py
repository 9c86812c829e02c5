"""Real machines, from create to nothing left. Needs root; about a minute on two cores when nobody else works there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.hosts.plan import SNAPSHOTS
from lab.hosts.state import CHECKOUT
from lab.tests.verbs import (
    FOLDER,
    MARKS,
    NAME,
    PREFIX,
    Footprint,
    answers,
    clear,
    done,
    footprint,
    inside,
    lab,
    left,
    on,
    output,
    refused,
    wait,
    write_inventory,
)

ONE, TWO = f"{PREFIX}.11", f"{PREFIX}.12"

pytestmark = MARKS


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_inventory(tmp_path_factory.mktemp("inventory"), {"frontends": {"one1": 11, "one2": 12}})


@pytest.fixture(scope="module")
def hosts(inventory: Path, packages: Path, before: Footprint) -> Iterator[Path]:
    """Two running machines; what fails in a test leaves none behind."""
    assert not (FOLDER / "lab.json").exists()
    try:
        done("create", inventory, source=packages)
        yield inventory
    finally:
        clear(inventory)


def test_the_user_comes_in_and_is_root_by_sudo_only(hosts: Path) -> None:
    assert on(hosts, "one1", "id -un; hostname; sudo -n id -un").split() == ["operator", "one1", "root"]
    key = FOLDER / "id_ed25519"
    known = FOLDER / "known_hosts"
    options = [
        "-F",
        "none",
        "-i",
        str(key),
        "-o",
        "BatchMode=yes",
        "-o",
        f"UserKnownHostsFile={known}",
        "-o",
        "StrictHostKeyChecking=yes",
    ]
    root = subprocess.run(["ssh", *options, f"root@{ONE}", "true"], capture_output=True, text=True, check=False)
    assert root.returncode == 255
    assert "Permission denied" in root.stderr


def test_the_hosts_are_what_a_server_is(hosts: Path) -> None:
    assert on(hosts, "one1", "systemctl is-system-running --wait") == "running"
    assert on(hosts, "one1", "ps -p 1 -o comm=") == "systemd"
    assert on(hosts, "one1", "cat /etc/machine-id") != on(hosts, "one2", "cat /etc/machine-id")


def test_the_hosts_can_carry_shares_guests_and_floating_addresses(hosts: Path) -> None:
    assert on(hosts, "one1", "stat -c %F /dev/fuse /dev/net/tun; ls /dev/kvm 2>&1 || exit 0").split("\n") == [
        "character special file",
        "character special file",
        "ls: cannot access '/dev/kvm': No such file or directory",
    ]
    on(hosts, "one1", "sudo sysctl -qw net.ipv4.ip_nonlocal_bind=1")
    on(hosts, "one1", "cd /sys/fs/cgroup; [ ! -d cpu ] || cd cpu; sudo mkdir probe && sudo rmdir probe")


def test_packages_come_from_the_mirror_and_from_the_published_repository(hosts: Path) -> None:
    source = "deb [signed-by=/srv/one-repo/key.asc] file:///srv/one-repo ./"
    on(hosts, "one1", f"echo '{source}' | sudo tee /etc/apt/sources.list.d/probe.list")
    on(hosts, "one1", "sudo apt-get -qq update && sudo apt-get -qq install -y lab-probe netcat-openbsd")
    assert on(hosts, "one1", "dpkg-query -W -f '${Version}' lab-probe; command -v nc") == "1.0/usr/bin/nc"
    assert "Read-only" in lab("shell", hosts, "one1", "--", "sudo touch /srv/one-repo/x").stderr


def test_lists_of_the_base_do_not_look_fresh(hosts: Path) -> None:
    age = int(on(hosts, "one2", "echo $(( $(date +%s) - $(stat -c %Y /var/lib/apt/lists) ))"))
    assert age > 86400


def test_a_second_create_changes_nothing(hosts: Path) -> None:
    boots = [on(hosts, host, "stat -c %Y /proc/1") for host in ("one1", "one2")]
    done("create", hosts)
    assert boots == [on(hosts, host, "stat -c %Y /proc/1") for host in ("one1", "one2")]


def test_another_source_is_refused_until_destroy(hosts: Path) -> None:
    environment = {**os.environ, "ONE_SOURCE": "standin"}
    command = [sys.executable, "-m", "lab.hosts", "create", "--inventory", str(hosts)]
    result = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "destroy the lab first" in result.stderr


@pytest.mark.parametrize(("fault", "mend", "state"), [("freeze", "thaw", "frozen"), ("cut", "heal", "cut")])
def test_a_fault_hits_one_host_and_is_mended(hosts: Path, fault: str, mend: str, state: str) -> None:
    assert answers(ONE)
    done(fault, hosts, "one1")
    assert not answers(ONE)
    assert answers(TWO)
    assert state in done("status", hosts).splitlines()[1]
    done(mend, hosts, "one1")
    assert wait(lambda: answers(ONE))


def test_a_killed_machine_is_gone_at_once_and_starts_again(hosts: Path) -> None:
    on(hosts, "one1", "echo kept | sudo tee /var/tmp/mark; sudo systemd-run --quiet --unit=busy sleep infinity")
    assert inside("one1")
    done("kill", hosts, "one1")
    assert not inside("one1")
    assert not answers(ONE)
    assert answers(TWO)
    assert "does not run" in refused("freeze", hosts, "one1")
    done("start", hosts, "one1")
    assert on(hosts, "one1", "cat /var/tmp/mark; systemctl is-active busy || exit 0").split() == ["kept", "inactive"]


def test_a_frozen_machine_can_be_killed(hosts: Path) -> None:
    done("freeze", hosts, "one2")
    done("kill", hosts, "one2")
    assert not inside("one2")
    done("start", hosts, "one2")
    assert answers(TWO)


def test_no_packet_leaves_when_the_bridge_is_gone(hosts: Path) -> None:
    def way(address: str) -> str:
        result = subprocess.run(["ip", "route", "get", address], capture_output=True, text=True, check=False)
        return result.stdout + result.stderr

    assert f"dev br-{NAME}" in way(f"{PREFIX}.200")
    output("ip", "link", "delete", f"br-{NAME}")
    assert "No route to host" in way(f"{PREFIX}.200")
    assert "No route to host" in way(ONE)
    done("create", hosts)
    assert answers(ONE)
    assert answers(TWO)


def test_hosts_boot_from_a_snapshot(hosts: Path, packages: Path) -> None:
    (hosts / ".vault-password").write_text("a throwaway\n")
    on(hosts, "one1", "echo converged | sudo tee /etc/mark; sudo rm /etc/apt/sources.list.d/probe.list")
    identity = on(hosts, "one1", "cat /etc/machine-id")
    done("snapshot", hosts, "first")
    assert on(hosts, "one1", "cat /etc/mark") == "converged"
    assert "first" in done("snapshots", hosts).split()
    assert "stands on the snapshot first" in refused("forget", hosts, "first")
    on(hosts, "one1", "echo spoilt | sudo tee /etc/mark")
    done("destroy", hosts)
    (hosts / ".vault-password").unlink()

    done("create", hosts, "--from-snapshot", "first")
    assert on(hosts, "one1", "cat /etc/mark /etc/machine-id; ls /etc/apt/sources.list.d").split() == [
        "converged",
        identity,
    ]
    assert (hosts / ".vault-password").read_text() == "a throwaway\n"
    assert json.loads((FOLDER / "source").read_text())["origin"] == str(packages)
    assert (FOLDER / "one-repo/Packages").exists()

    done("destroy", hosts)
    (hosts / ".vault-password").write_text("another\n")
    assert "other secrets" in refused("create", hosts, "--from-snapshot", "first")
    (hosts / ".vault-password").unlink()
    assert "There is no snapshot second" in refused("create", hosts, "--from-snapshot", "second")
    done("create", hosts, "--from-snapshot", "first")


def test_destroy_leaves_nothing(hosts: Path, before: Footprint) -> None:
    options = ["-F", "none", "-i", str(FOLDER / "id_ed25519"), "-o", f"UserKnownHostsFile={FOLDER}/known_hosts"]
    shared = ["-o", "ControlMaster=auto", "-o", "ControlPersist=600", "-o", f"ControlPath={FOLDER}/ssh/%C"]
    subprocess.run(
        ["ssh", *options, *shared, f"operator@{TWO}", "true"],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    done("freeze", hosts, "one1")
    done("cut", hosts, "one2")  # its end of the shared connection cannot say goodbye
    here = left(before, footprint())
    assert here.keys() == before.keys(), f"the comparison is blind for {before.keys() - here.keys()}"
    done("destroy", hosts)
    assert left(before, footprint()) == {}
    assert not answers(ONE)
    done("destroy", hosts)  # of nothing: no error
    assert SNAPSHOTS.exists()
