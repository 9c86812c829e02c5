# SPDX-License-Identifier: Apache-2.0
"""Inventories to judge: a good one, and what makes it bad."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.nebula.ha.plugins.module_utils.preflight.fault import Fault
from ansible_collections.nebula.ha.plugins.module_utils.preflight.inventory import inventory_faults
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

SECRET = "kX3vR8mQ2pLw9sTn"
GOOD: dict[str, Any] = {
    "one_version": "6.10.5",
    "one_source": "upstream",
    "one_source_key": "",
    "one_allow_standin": False,
    "one_subnet": "192.0.2.0/24",
    "one_rpc_port": 2633,
    "one_oneadmin_password": SECRET,
    "one_db_password": SECRET[::-1],
    "one_db_name": "opennebula",
    "one_db_user": "oneadmin",
    "one_db_connections": 25,
    "one_rpc_connections": 200,
    "one_timing": "default",
    "one_election_timeout_ms": "",
    "one_election_timeout_step_ms": "",
    "one_broadcast_timeout_ms": "",
    "one_xmlrpc_timeout_ms": "",
    "one_log_retention": 250000,
    "one_limit_purge": 100000,
    "one_log_purge_timeout": 60,
    "one_floating_address": "",
    "one_service_name": "",
    "one_web_port": 443,
    "one_api_port": 2633,
    "one_certificate": "",
    "one_certificate_key": "",
    "one_sunstone_port": 9869,
    "one_memcached_port": 11211,
    "one_trusted_sources": [],
    "one_datastore_source": "",
    "one_datastore_fstype": "nfs",
    "one_datastore_options": "",
    "one_leaving": [],
}
NAMES = ("fe1", "fe2", "fe3")


def hosts(names: tuple[str, ...] = NAMES, **common: Any) -> dict[str, dict[str, Any]]:
    return {name: {**GOOD, "one_address": f"192.0.2.{n + 11}", **common} for n, name in enumerate(names)}


def faults(of: dict[str, dict[str, Any]]) -> list[Fault]:
    found: list[Fault] = inventory_faults({"frontends": list(of)}, of)
    return found


def one(of: dict[str, dict[str, Any]]) -> Fault:
    found = faults(of)
    assert len(found) == 1, [fault.sentence for fault in found]
    return found[0]


NOW = datetime(2026, 11, 21, tzinfo=UTC)


def pair(*names: str, days: int = 90, begins: int = -1, password: bytes = b"") -> tuple[bytes, bytes]:
    """A certificate for these names, valid until `days` after NOW, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cloud")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=begins))
        .not_valid_after(NOW + timedelta(days=days))
    )
    if names:
        certificate = certificate.add_extension(x509.SubjectAlternativeName(map(x509.DNSName, names)), critical=False)
    protection = BestAvailableEncryption(password) if password else NoEncryption()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)
    return certificate.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM), pem


CERTIFICATE, KEY = pair("cloud.example.org")
CA = {"one_ca_certificate": CERTIFICATE.decode(), "one_ca_key": KEY.decode()}


def whole(**groups: Sequence[str]) -> dict[str, Sequence[str]]:
    """The groups of a whole cloud, with these changed."""
    return {
        "frontends": NAMES,
        "sunstones": ("web1", "web2"),
        "balancers": ("lb1", "lb2"),
        "caches": ("cache1", "cache2"),
        "nodes": ("node1", "node2"),
        **groups,
    }


def judged(groups: Mapping[str, Sequence[str]], **common: Any) -> list[Fault]:
    """The faults of a cloud with these groups, a floating address and a CA, but for `common`."""
    names = tuple(dict.fromkeys(name for members in groups.values() for name in members))
    of = hosts(names, **{"one_floating_address": "192.0.2.100", **CA, **common})
    found: list[Fault] = inventory_faults(groups, of, now=NOW)
    return found
