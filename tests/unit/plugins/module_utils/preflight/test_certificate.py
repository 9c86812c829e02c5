# SPDX-License-Identifier: Apache-2.0
"""Certificates that balancers cannot show, and what must be said about each."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.nebula.ha.plugins.module_utils.cloud.judge import names_host
from ansible_collections.nebula.ha.plugins.module_utils.preflight.certificate import names_in, pair_problem
from ansible_collections.nebula.ha.plugins.module_utils.preflight.fault import Fault
from ansible_collections.nebula.ha.plugins.module_utils.preflight.inventory import inventory_faults

from .inventories import CA, CERTIFICATE, KEY, NAMES, NOW, hosts, judged, pair, whole

GIVEN = {"one_certificate": "/tls/cloud.pem", "one_certificate_key": "/tls/cloud.key"}
FILES: dict[str, bytes | str] = {"/tls/cloud.pem": CERTIFICATE, "/tls/cloud.key": KEY}


def given(files: dict[str, bytes | str], **common: Any) -> list[Fault]:
    groups = {"frontends": NAMES, "balancers": ("lb1",)}
    of = hosts((*NAMES, "lb1"), **{**GIVEN, **common})
    found: list[Fault] = inventory_faults(groups, of, files, NOW)
    return found


def test_a_certificate_that_fits() -> None:
    assert given(FILES) == []
    assert given(FILES, one_service_name="cloud.example.org") == []


def test_one_file_of_two() -> None:
    assert [fault.variable for fault in given(FILES, one_certificate_key="")] == ["one_certificate_key"]
    assert [fault.variable for fault in given(FILES, one_certificate="")] == ["one_certificate"]


def test_files_that_cannot_be_read_are_both_named() -> None:
    found = given(dict.fromkeys(FILES, "No such file"))
    assert [fault.variable for fault in found] == ["one_certificate", "one_certificate_key"]
    assert "'/tls/cloud.key'" in found[1].sentence and "No such file" in found[1].problem


OTHER = pair("cloud.example.org")


@pytest.mark.parametrize(
    ("certificate", "key", "words"),
    [
        (b"nothing", KEY, "no certificate"),
        (CERTIFICATE, b"nothing", "no private key"),
        (CERTIFICATE, CERTIFICATE, "no private key"),
        (CERTIFICATE, OTHER[1], "another certificate"),
        (*pair(password=b"typed"), "encrypted"),
        (*pair(begins=-100, days=-3), "expired on 2026-11-18"),
        (*pair(begins=3), "not valid before 2026-11-24"),
        (CERTIFICATE, KEY, ""),
        (CERTIFICATE + OTHER[0], KEY, ""),
    ],
    ids=["no certificate", "no key", "two certificates", "not a pair", "locked", "old", "early", "good", "chain"],
)
def test_a_pair(certificate: bytes, key: bytes, words: str) -> None:
    problem = pair_problem(certificate, key, NOW)
    assert words in problem and bool(words) == bool(problem)
    found = given({"/tls/cloud.pem": certificate, "/tls/cloud.key": key})
    assert [fault.problem for fault in found] == ([problem] if problem else [])
    assert "BEGIN" not in "".join(fault.sentence for fault in found)


@pytest.mark.parametrize(
    ("names", "wanted", "fits"),
    [
        (("cloud.example.org",), "Cloud.example.org", True),
        (("*.example.org",), "cloud.example.org", True),
        (("*.example.org",), "a.cloud.example.org", False),
        (("*.example.org",), "example.org", False),
        ((), "cloud.example.org", False),
    ],
)
def test_for_whom_a_certificate_stands(names: tuple[str, ...], wanted: str, fits: bool) -> None:
    assert names_host(names_in(pair(*names)[0]), wanted) is fits


def test_a_certificate_for_another_name() -> None:
    (fault,) = given(FILES, one_service_name="web.example.org")
    assert "for cloud.example.org, not for one_service_name (web.example.org)" in fault.problem


def test_without_one_the_cloud_needs_its_own_ca() -> None:
    found = judged(whole(), one_ca_certificate=None, one_ca_key=None)
    assert [fault.variable for fault in found] == ["one_ca_certificate", "one_ca_key"]
    assert all("secrets.yml again, which adds only" in fault.fix for fault in found)
    assert judged(whole(balancers=()), one_ca_key=None, one_floating_address="") == []


def test_a_ca_that_is_no_pair_is_told_without_its_key() -> None:
    (fault,) = judged(whole(), one_ca_key=OTHER[1].decode())
    assert fault.variable == "one_ca_certificate" and "another certificate" in fault.problem
    assert "BEGIN" not in fault.sentence
    of = hosts((*NAMES, "lb1"), **CA)
    of["lb1"]["one_ca_key"] = OTHER[1].decode()
    (differs,) = inventory_faults({"frontends": NAMES, "balancers": ("lb1",)}, of, now=NOW)
    assert differs.variable == "one_ca_key" and "BEGIN" not in differs.sentence
