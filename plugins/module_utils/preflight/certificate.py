# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate that users see: the one given, or the CA that makes one. It is given what the files hold."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, List, Mapping, Optional, Union

try:
    # Ansible's vault needs it too, so every controller has it.
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    HAS_CRYPTOGRAPHY = True
except ImportError:
    HAS_CRYPTOGRAPHY = False

from ..cloud.judge import names_host
from .cloud import Cloud
from .fault import Fault, shown

# What reading each path gave: its content, or in words why it cannot be read.
Files = Mapping[str, Union[bytes, str]]
AGAIN = "run playbooks/secrets.yml again, which adds only what the vault lacks"


def certificate_faults(cloud: Cloud, files: Files, now: Optional[datetime] = None) -> List[Fault]:
    """Every fault of the certificate, or of the CA, where balancers need one."""
    if not cloud.staying("balancers"):
        return []
    if not HAS_CRYPTOGRAPHY:
        fix = "install it beside Ansible: pip install cryptography"
        return [Fault("cryptography", "", None, "the controller's Python lacks it, which judges certificates", fix)]
    moment = now or datetime.now(timezone.utc)
    given = [cloud.values.get(variable) for variable in ("one_certificate", "one_certificate_key")]
    if {"one_certificate", "one_certificate_key"} & cloud.unclear:
        return []
    if not any(given):
        return _ca_faults(cloud, moment)
    for mine, other in (("one_certificate", "one_certificate_key"), ("one_certificate_key", "one_certificate")):
        if not cloud.values.get(mine):
            fix = "name both files, or none and get a certificate from the cloud's own CA"
            return [Fault(mine, "", None, f"it is empty, and {other} is not", fix)]
    return _given_faults(cloud, files, moment)


def _ca_faults(cloud: Cloud, now: datetime) -> List[Fault]:
    variables = ("one_ca_certificate", "one_ca_key")
    if set(variables) & cloud.unclear:
        return []
    missing = [variable for variable in variables if not cloud.text(variable)]
    if missing:
        problem = "the balancers' certificate is made with it, and the vault does not have it"
        return [Fault(variable, "", None, problem, AGAIN) for variable in missing]
    problem = pair_problem(cloud.text(variables[0]).encode(), cloud.text(variables[1]).encode(), now)
    fix = f"take both one_ca_* out of the vault and {AGAIN}; users have to trust the new one"
    return [Fault("one_ca_certificate", "", None, problem, fix)] if problem else []


def _given_faults(cloud: Cloud, files: Files, now: datetime) -> List[Fault]:
    faults = []
    contents = []
    for variable in ("one_certificate", "one_certificate_key"):
        path = str(cloud.values[variable])
        content = files.get(path, "nobody has read it")
        if isinstance(content, str):
            fix = "name a file on the controller that you may read, with its whole path"
            faults.append(Fault(variable, shown("", path), None, f"it cannot be read ({content})", fix))
        else:
            contents.append(content)
    if faults:
        return faults
    value = shown("", str(cloud.values["one_certificate"]))
    problem = pair_problem(contents[0], contents[1], now)
    if problem:
        fix = "name a valid certificate and the key that it was made for, or leave both variables empty"
        return [Fault("one_certificate", value, None, problem, fix)]
    name = cloud.text("one_service_name")
    if name and not names_host(names := names_in(contents[0]), name):
        problem = f"it is for {', '.join(names) or 'nobody'}, not for one_service_name ({name})"
        return [Fault("one_certificate", value, None, problem, "get one for that name, or mend one_service_name")]
    return []


def pair_problem(certificate: bytes, key: bytes, now: datetime) -> str:
    """Why a certificate and a key cannot be used together; empty when they can."""
    try:
        first = x509.load_pem_x509_certificate(certificate)
    except ValueError:
        return "there is no certificate in it (PEM)"
    try:
        private = load_pem_private_key(key, password=None)
    except TypeError:
        return "its key is encrypted, and no balancer could start without a person who types the password"
    except ValueError:
        return "there is no private key beside it (PEM)"
    if private.public_key() != first.public_key():
        return "the key belongs to another certificate"
    begins, ends = first.not_valid_before_utc, first.not_valid_after_utc
    if ends < now:
        return f"it expired on {ends:%Y-%m-%d}"
    if begins > now:
        return f"it is not valid before {begins:%Y-%m-%d}"
    return ""


def names_in(certificate: bytes) -> List[str]:
    """The DNS names and addresses that a certificate stands for."""
    try:
        found: Any = x509.load_pem_x509_certificate(certificate).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
    except x509.ExtensionNotFound:
        return []
    addresses = [str(address) for address in found.value.get_values_for_type(x509.IPAddress)]
    return [*found.value.get_values_for_type(x509.DNSName), *addresses]
