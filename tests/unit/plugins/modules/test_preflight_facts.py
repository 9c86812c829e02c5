# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.nebula.ha.plugins.modules import preflight_facts

from .conftest import Run

PASSWORDS = {"oneadmin_password": "password-of-oneadmin", "db_password": "password-of-the-db"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text('# x\nNAME="Debian"\nID=debian\nVERSION_ID="12"\n')
    return tmp_path


def put(root: Path, name: str, text: str = "") -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def go(run: Run, root: Path, **arguments: Any) -> dict[str, Any]:
    result = run("preflight_facts", root=str(root), **{**PASSWORDS, **arguments})
    assert not result["failed"] and not result["changed"]
    for password in PASSWORDS.values():
        assert password not in str(result)
    return dict(result["facts"])


def test_a_bare_machine(run: Run, root: Path) -> None:
    facts = go(run, root)
    assert (facts["system"], facts["release"], facts["init"]) == ("debian", "12", "")
    assert facts["database"] == {"names": [], "ours": False, "populated": False}
    assert facts["opennebula"]["oneadmin_password_fits"] is None
    assert facts["memory_mb"] > 100 and facts["free_mb"]["/var/lib"] > 0
    assert facts["addresses"] is None or "127.0.0.1" in facts["addresses"]


def test_a_zone_of_ours(run: Run, root: Path) -> None:
    for name in (preflight_facts.DATABASE_MARK, preflight_facts.NEBULA_MARK, "var/lib/mysql/opennebula/zone_pool.ibd"):
        put(root, name)
    for name in ("mysql", "sys", "notes", "performance_schema", "#innodb_redo"):
        put(root, f"var/lib/mysql/{name}/x")
    (root / "run/systemd/system").mkdir(parents=True)
    put(root, "var/lib/one/.one/one_auth", "oneadmin:password-of-oneadmin\n")
    put(root, "etc/one/oned.conf", 'DB = [ BACKEND = "mysql", PASSWD = "another" ]\n')
    facts = go(run, root)
    assert facts["init"] == "systemd"
    assert facts["database"] == {"names": ["notes", "opennebula"], "ours": True, "populated": True}
    nebula = facts["opennebula"]
    assert (nebula["ours"], nebula["oneadmin_password_fits"], nebula["db_password_fits"]) == (True, True, False)
    assert go(run, root, database="other")["database"]["populated"] is False
    assert go(run, root, oneadmin_password=None)["opennebula"]["oneadmin_password_fits"] is None


def test_a_zone_on_sqlite(run: Run, root: Path) -> None:
    put(root, "var/lib/one/one.db", "x")
    put(root, "etc/one/oned.conf", "this is = [ no oned.conf")
    facts = go(run, root)
    assert facts["opennebula"]["sqlite"] is True and facts["opennebula"]["db_password_fits"] is None


def test_a_folder_of_packages(run: Run, root: Path) -> None:
    put(root, "repo/Packages", "Package: opennebula\nVersion: 6.10.5-1+standin1\n")
    assert go(run, root, source=str(root / "repo"))["source_is_standin"] is True
    put(root, "repo/Packages", "Package: opennebula\nVersion: 6.10.5-1\nDescription: no standin\n")
    assert go(run, root, source=str(root / "repo"))["source_is_standin"] is False
    assert go(run, root, source="upstream")["source_is_standin"] is False


def test_installed_packages_are_facts_and_others_are_not(
    run: Run, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "dpkg-query"
    lines = ("ii  opennebula 6.10.5-1", "rc  mariadb-server 1:10.11.6", "ii  tzdata 2024a")
    program.write_text("#!/bin/sh\nprintf '%s\\n' " + " ".join(f"'{line}'" for line in lines) + "\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run("preflight_facts", root=str(root))
    assert result["ansible_facts"]["packages"] == {
        "opennebula": [{"name": "opennebula", "version": "6.10.5-1"}],
        "tzdata": [{"name": "tzdata", "version": "2024a"}],
    }
    assert result["facts"]["opennebula"]["version"] == "6.10.5-1"


def programs(folder: Path, **texts: str) -> Path:
    """Programs that print."""
    for name, text in texts.items():
        program = folder / name
        program.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
        program.chmod(0o755)
    return folder


LINKS = [
    {"ifname": "lo", "address": "00:00:00:00:00:00", "addr_info": [{"local": "127.0.0.1"}]},
    {
        "ifname": "eth1",
        "address": "52:54:00:00:00:01",
        "addr_info": [{"local": "192.0.2.11"}, {"local": "192.0.2.100"}],
    },
    {"ifname": "tun0", "addr_info": [{}]},
]


def test_the_interface_that_has_the_address(
    run: Run, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{programs(tmp_path, ip=json.dumps(LINKS))}:/usr/bin:/bin")
    monkeypatch.setattr(preflight_facts, "arp_answers", lambda interface, address: [interface, address])

    def look(**given: str) -> dict[str, Any]:
        facts: dict[str, Any] = run("preflight_facts", root=str(root), **given)["facts"]
        return facts

    facts = look(address="192.0.2.11")
    assert facts["addresses"] == ["127.0.0.1", "192.0.2.11", "192.0.2.100"]
    assert facts["hardware"] == ["00:00:00:00:00:00", "52:54:00:00:00:01"]
    assert facts["floating_answers"] is None
    asked = {"floating_address": "192.0.2.10"}
    assert look(address="192.0.2.11", **asked)["floating_answers"] == ["eth1", "192.0.2.10"]
    assert look(address="192.0.2.7", **asked)["floating_answers"] is None
    assert look(**asked)["floating_answers"] is None


class Wire:
    """A network on which some machines say that they have an address."""

    def __init__(self, *frames: bytes) -> None:
        self.frames = list(frames)
        self.sent: list[bytes] = []

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def bind(self, place: tuple[str, int]) -> None:
        assert place == ("eth1", 0)

    def getsockname(self) -> tuple[str, int, int, int, bytes]:
        return ("eth1", preflight_facts.ARP, 0, 1, OWN)

    def send(self, frame: bytes) -> None:
        self.sent.append(frame)

    def recv(self, _size: int) -> bytes:
        return self.frames.pop(0)


OWN = bytes.fromhex("525400000001")
OTHERS = [bytes.fromhex("525400000002"), bytes.fromhex("525400000003")]


def reply(sender: bytes, address: str, operation: int = 2) -> bytes:
    start = OWN + sender + bytes.fromhex(f"0806000108000604{operation:04x}")
    return start + sender + socket.inet_aton(address) + OWN + socket.inet_aton("0.0.0.0") + bytes(18)  # noqa: S104


@pytest.mark.parametrize(
    ("frames", "answers"),
    [
        ([], []),
        ([reply(OTHERS[0], "192.0.2.100")], ["52:54:00:00:00:02"]),
        ([reply(other, "192.0.2.100") for other in OTHERS], ["52:54:00:00:00:02", "52:54:00:00:00:03"]),
        ([reply(OTHERS[0], "192.0.2.101")], []),
        ([reply(OWN, "192.0.2.100")], []),
        ([reply(OTHERS[0], "192.0.2.100", operation=1)], ["52:54:00:00:00:02"]),
    ],
    ids=["silence", "one", "two at once", "another address", "ourselves", "one that announces itself"],
)
def test_who_answers_to_an_address(frames: list[bytes], answers: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire(*frames)
    monkeypatch.setattr(preflight_facts.socket, "socket", lambda *_kind: wire)
    monkeypatch.setattr(preflight_facts.select, "select", lambda *_wait: (wire.frames, [], []))
    assert preflight_facts.arp_answers("eth1", "192.0.2.100") == answers
    (question,) = wire.sent
    assert question[:6] == b"\xff" * 6 and question[6:12] == OWN
    assert question[28:32] == bytes(4), "a question that names a sender changes what others remember"
    assert question[38:42] == socket.inet_aton("192.0.2.100")


def test_an_address_that_cannot_be_asked_for() -> None:
    assert preflight_facts.arp_answers("lo", "2001:db8::1") is None
    assert preflight_facts.arp_answers("no-such-if", "192.0.2.100") is None


MOUNTS = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 22 0:40 / {} rw shared:1 - nfs4 storage:/one rw,hard\n"


def test_a_mount_is_seen_without_touching_it() -> None:
    assert preflight_facts.is_mounted("/var/lib/one/datastores", MOUNTS.format("/var/lib/one/datastores"))
    assert not preflight_facts.is_mounted("/var/lib/one/datastores", MOUNTS.format("/var/lib/one/datastores/0"))
    assert not preflight_facts.is_mounted("/var/lib/one/datastores", "")


def test_a_share(run: Run, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert go(run, root)["share"] is None
    assert go(run, root, share=str(tmp_path))["share"] == {"mounted": False, "writable": None}
    monkeypatch.setattr(preflight_facts, "is_mounted", lambda path, _mounts: path == str(tmp_path))
    asked: list[dict[str, Any]] = []

    def ask(command: list[str], **how: Any) -> subprocess.CompletedProcess[str]:
        asked.append(how)
        return real(
            command, **{key: value for key, value in how.items() if key not in {"user", "group", "extra_groups"}}
        )

    real = subprocess.run
    monkeypatch.setattr(preflight_facts.subprocess, "run", ask)
    assert go(run, root, share=str(tmp_path))["share"] == {"mounted": True, "writable": True}
    assert (asked[0]["user"], asked[0]["group"], asked[0]["extra_groups"]) == (9869, 9869, [])
    assert preflight_facts.writable(str(tmp_path / "nowhere")) is False


def test_a_share_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: list[str], **how: Any) -> subprocess.CompletedProcess[str]:
        raise subprocess.TimeoutExpired(command, how["timeout"])

    monkeypatch.setattr(preflight_facts.subprocess, "run", hang)
    assert preflight_facts.writable("/var/lib/one/datastores") is None
