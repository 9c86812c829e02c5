# SPDX-License-Identifier: Apache-2.0
"""What programs of a lab's machines printed, read."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.nebula.ha.plugins.module_utils.cloud import parse


@pytest.fixture
def recorded(fixtures: Path) -> Path:
    return fixtures / "cloud"


def test_servers_behind_haproxy(recorded: Path) -> None:
    text = (recorded / "haproxy.show-stat.csv").read_text()
    found = parse.haproxy_servers(text)
    assert [(item["backend"], item["server"], item["state"]) for item in found] == [
        ("cache", "cache1", "up"),
        ("cache", "cache2", "up"),
        *(("oned", f"one{n}", "up") for n in (1, 2, 3)),
    ]
    assert found[0]["check"] == "Layer7 check passed: tcp-check"


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("UP", "up"),
        ("UP 1/2", "up"),
        ("no check", "up"),
        ("DOWN", "down"),
        ("DOWN 1/2", "down"),
        ("MAINT", "maint"),
        ("MAINT (via x/y)", "maint"),
        ("DRAIN", "drain"),
        ("NOLB", "drain"),
        ("something new", "down"),
    ],
)
def test_states_of_a_server(status: str, state: str) -> None:
    text = f"# pxname,svname,status,last_chk,check_desc,type\nweb,one1,{status},refused,Connection problem,2\n"
    assert parse.haproxy_servers(text) == [
        {"backend": "web", "server": "one1", "state": state, "check": "Connection problem: refused"}
    ]


def test_what_haproxy_refuses() -> None:
    with pytest.raises(ValueError, match="Permission denied"):
        parse.haproxy_servers("Permission denied\n")


def test_addresses(recorded: Path) -> None:
    found = parse.interface_addresses((recorded / "ip.address.json").read_text())
    assert found[:2] == ["127.0.0.1", "::1"]
    assert "10.213.99.21" in found


def test_a_certificate(recorded: Path) -> None:
    assert parse.certificate((recorded / "openssl.x509.txt").read_text()) == {
        "not_after": 1797884957,
        "names": ["cloud.example.org", "10.213.99.10", "fd00::1"],
    }
    with pytest.raises(ValueError, match="no end"):
        parse.certificate("unable to load certificate")


def test_units(recorded: Path) -> None:
    assert parse.unit_states((recorded / "systemctl.show.txt").read_text()) == {
        "keepalived": "inactive",
        "ssh": "active",
    }


def test_what_is_mounted(recorded: Path) -> None:
    text = (recorded / "mountinfo.txt").read_text()
    assert parse.mounted_at(text, "/var/lib/one/datastores") == ("fuse.glusterfs", "10.213.92.51:/one")
    assert parse.mounted_at(text, "/var/lib/one") is None
    twice = text + text.replace("10.213.92.51:/one", "elsewhere:/two")
    assert parse.mounted_at(twice, "/var/lib/one/datastores") == ("fuse.glusterfs", "elsewhere:/two")


def test_servers_that_follow_others_behind_a_balancer(recorded: Path) -> None:
    """fe1 leads, fe2's agent is gone, fe3 is taken out of api; of OneGate fe1 is drained by itself."""
    found = parse.haproxy_servers((recorded / "haproxy.balancer.show-stat.csv").read_text())
    states = {way: [item["state"] for item in found if item["backend"] == way] for way in ("api", "flow", "gate")}
    assert states == {
        "api": ["up", "down", "maint"],
        "flow": ["up", "down", "maint"],
        "gate": ["drain", "down", "maint"],
    }
    reads = [item for item in found if item["backend"] == "api_read"]
    assert [(item["state"], item["check"]) for item in reads] == [
        ("up", "Layer7 check passed"),
        ("down", "Layer4 connection problem: Connection refused"),
        ("up", "Layer7 check passed"),
    ]
