# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import socket

import pytest
from ansible_collections.nebula.ha.plugins.module_utils.cloud import looks

from .conftest import Run


def test_a_machine_that_carries_nothing_knows_its_addresses(run: Run) -> None:
    result = run("machine_info")
    assert (result["changed"], list(result["looks"])) == (False, ["addresses"])


@pytest.mark.parametrize("check", [False, True])
def test_each_part_has_its_questions(run: Run, monkeypatch: pytest.MonkeyPatch, check: bool) -> None:
    monkeypatch.setattr(looks, "units", lambda names: {"units": {"opennebula-flow": "active", "keepalived": "active"}})
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    here = {"address": "127.0.0.1", "port": closed}
    result = run(
        "machine_info",
        check=check,
        timeout=2,
        balancer={"socket": "/nowhere", "certificate": "/nowhere", "units": ["keepalived"]},
        cache=here,
        sunstone={**here, "cache_port": closed, "oned_port": closed},
        frontend={
            **here,
            "auth_file": "/nowhere",
            "services": [{"name": "OneFlow", "unit": "opennebula-flow.service", "port": closed}],
            "login": {**here, "name": "cloud.example.org"},
        },
        share={"path": "/proc", "sentinel": ".nebula-share", "belongs_to": "us"},
        node={},
    )
    assert set(result["looks"]) == {
        *("addresses", "haproxy", "certificate", "units", "cache", "web", "web_cache", "web_zone"),
        *("package", "hosts", "services", "login", "share", "libvirt"),
    }
    refused = [name for name, look in result["looks"].items() if look["failure"] == "connection refused"]
    assert set(refused) == {"cache", "web", "web_cache", "web_zone"}
    assert result["looks"]["services"]["services"] == {
        "OneFlow": {"unit": "opennebula-flow", "runs": True, "serves": False}
    }
    assert result["looks"]["login"]["step"] == "login"


def test_what_a_web_machine_has_not_on_its_loopback_is_not_asked(run: Run) -> None:
    result = run("machine_info", timeout=1, sunstone={"address": "127.0.0.1", "port": 1})
    assert set(result["looks"]) == {"addresses", "web"}


def test_no_time_is_refused(run: Run) -> None:
    assert run("machine_info", timeout=0)["msg"] == "timeout is 0: give a number of seconds above 0."
