"""What the scenarios' tests share: the machines, the zone, and a place for figures."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import testinfra
import yaml
from testinfra.host import Host

from lab.hosts.inventory import read_lab
from lab.hosts.plan import USER, Lab
from tests.drift.play import ROOT
from tests.zone import ask

INVENTORY = ROOT / "molecule" / "inventory"
FIGURES: list[str] = []


class Cloud(NamedTuple):
    """The address that the balancers share, what is behind it, and the certificate that vouches for it."""

    address: str
    web: str
    api: str
    ca: str


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures below the results: a pass alone does not say how near the limit it was."""
    for line in FIGURES:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def figures() -> list[str]:
    """Lines for the end of the run."""
    return FIGURES


@pytest.fixture(scope="session")
def inventory() -> Path:
    """The inventory that all scenarios share."""
    return INVENTORY


@pytest.fixture(scope="session")
def lab(inventory: Path) -> Lab:
    """The machines as the lab itself reads them: testinfra does not render the templates of an inventory."""
    return read_lab(inventory)


@pytest.fixture(scope="session")
def machines(lab: Lab) -> dict[str, Host]:
    """All machines by name, reached as their user, with sudo."""
    options = f"-F none -o UserKnownHostsFile={lab.known_hosts} -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes"
    options += f" -o ControlMaster=auto -o ControlPersist=60 -o ControlPath={lab.masters}/%C"
    return {
        host.name: testinfra.get_host(
            f"ssh://{USER}@{host.address}", sudo=True, ssh_identity_file=str(lab.key), ssh_extra_args=options
        )
        for host in lab.hosts
    }


@pytest.fixture(scope="session")
def frontends(lab: Lab, machines: Mapping[str, Host]) -> dict[str, Host]:
    """The front-ends by name in the order of their rank."""
    return {host.name: machines[host.name] for host in lab.of("frontends")}


@pytest.fixture(scope="session")
def cloud(lab: Lab, inventory: Path) -> Cloud:
    """How users reach it."""
    web = f"https://{lab.floating}"
    return Cloud(str(lab.floating), web, f"{web}:2633/RPC2", str(inventory / "group_vars/all/ca.crt"))


@pytest.fixture(scope="session")
def endpoints(lab: Lab) -> dict[str, str]:
    """Where each front-end's oned answers."""
    return {host.name: f"http://{host.address}:2633/RPC2" for host in lab.of("frontends")}


@pytest.fixture(scope="session")
def variables(inventory: Path) -> dict[str, Any]:
    """The variables of the zone: the collection's defaults, and the inventory's own values over them."""
    defaults: dict[str, Any] = yaml.safe_load((ROOT / "roles" / "one" / "defaults" / "main.yml").read_text())
    for path in sorted((inventory / "group_vars" / "all").glob("*.yml")):
        if path.name != "vault.yml":
            defaults |= yaml.safe_load(path.read_text()) or {}
    return defaults


@pytest.fixture(scope="session")
def session(frontends: Mapping[str, Host]) -> str:
    """Oneadmin's credentials, from the first front-end."""
    return str(next(iter(frontends.values())).file("/var/lib/one/.one/one_auth").content_string).strip()


@pytest.fixture(scope="session")
def auth_file(session: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The credentials as a file that only we can read, for programs."""
    path = tmp_path_factory.mktemp("auth") / "one_auth"
    path.touch(mode=0o600)
    path.write_text(session)
    yield path
    path.unlink()


@pytest.fixture(scope="session")
def write(session: str) -> Any:
    """A harmless write: a document of a new name; gives the name."""

    def allocate(endpoint: str, prefix: str = "probe") -> str:
        name = f"{prefix}-{time.time_ns()}"
        ask.ask(endpoint, session, "one.document.allocate", f'NAME = "{name}"', 4200)
        return name

    return allocate
