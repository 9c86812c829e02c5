# SPDX-License-Identifier: Apache-2.0
"""Every inventory of the repository can work: preflight finds no fault in it, and the playbooks can be read with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

ROOT = Path(__file__).resolve().parents[2]
LISTING = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
TRACKED = [name for name in LISTING.split("\0") if name and (ROOT / name).is_file()]
# Those that describe a cloud; the contract's and the lab's own play files do not.
INVENTORIES = sorted(
    {str(Path(name).parent) for name in TRACKED if Path(name).match("inventories/*/hosts.yml")} | {"molecule/inventory"}
)
# What a user edits and starts from: of documentation addresses only, or of the study's.
SHIPPED = [name for name in INVENTORIES if name.startswith("inventories/") and name != "inventories/lab"]


def authority() -> dict[str, str]:
    """A CA as playbooks/secrets.yml would write it into the vault."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return {
        "one_ca_certificate": certificate.public_bytes(Encoding.PEM).decode(),
        "one_ca_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    }


def copied(inventory: str, folder: Path) -> Path:
    """The inventory as a clone has it, without the vault that this machine may have beside it."""
    for name in TRACKED:
        if name.startswith(f"{inventory}/"):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
    return folder / inventory


def ansible(folder: Path, inventory: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    # What a lab's inventory looks up was settled when its machines were made
    secrets = {"one_oneadmin_password": "kX3vR8mQ2pLw9sTn", "one_db_password": "nTs9wLp2Qm8Rv3Xk", **authority()}
    variables = folder / "secrets.json"
    variables.write_text(json.dumps({"one_source": "upstream", **secrets}))
    return subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            f"--inventory={copied(inventory, folder)}",
            f"--extra-vars=@{variables}",
            *arguments,
        ],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def judged(folder: Path, inventory: str) -> subprocess.CompletedProcess[str]:
    role = {"role": "nebula.ha.preflight", "vars": {"preflight_of": "inventory"}}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "roles": [role]}
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    return ansible(folder, inventory, str(folder / "play.yml"))


@pytest.mark.parametrize("inventory", INVENTORIES)
def test_preflight_finds_no_fault(inventory: str, tmp_path: Path) -> None:
    done = judged(tmp_path, inventory)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_site_can_be_read_with_the_study(tmp_path: Path) -> None:
    done = ansible(tmp_path, "inventories/study", "--syntax-check", str(ROOT / "playbooks/site.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("inventory", SHIPPED)
def test_what_users_start_from_names_no_machine_of_ours(inventory: str) -> None:
    text = "".join((ROOT / name).read_text() for name in TRACKED if name.startswith(f"{inventory}/"))
    assert "lab_" not in text
    assert "one_allow_standin: true" not in text


def test_the_example_shows_every_choice() -> None:
    text = (ROOT / "inventories/example/group_vars/all/cloud.yml").read_text()
    specs = yaml.safe_load((ROOT / "roles/one/meta/argument_specs.yml").read_text())
    assert [name for name in specs["argument_specs"]["main"]["options"] if name not in text] == []
