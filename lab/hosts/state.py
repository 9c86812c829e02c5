"""What the lab remembers between two commands, under /var/lib/nebula-lab."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.hosts.network import Taken
from lab.hosts.plan import SNAPSHOTS, STATE, Host, Lab, LabError

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Record:
    """A host as it was made: it may have left the inventory since."""

    host: Host
    layers: tuple[Path, ...]


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError as wrong:
        raise LabError(f"{path} is damaged ({wrong}): remove it and run destroy again.") from wrong


def write(path: Path, content: object) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content, indent=2) + "\n")
    part.rename(path)


def belongs_here(name: str) -> None:
    """Two checkouts that use one lab would destroy each other's hosts."""
    path = STATE / name / "lab.json"
    if not path.exists():
        return
    owner = Path(_load(path)["checkout"])
    if owner != CHECKOUT and owner.exists():
        raise LabError(
            f"The lab {name} belongs to the checkout {owner}: use it or destroy it there, or set another lab_name here."
        )


def save_lab(lab: Lab, inventory: Path) -> None:
    write(
        lab.folder / "lab.json",
        {"subnet": str(lab.subnet), "checkout": str(CHECKOUT), "inventory": str(inventory.resolve())},
    )


def save_host(host: Host, layers: tuple[Path, ...]) -> None:
    write(host.folder / "host.json", {"address": str(host.address), "layers": [str(layer) for layer in layers]})


def record(host: Host) -> Record | None:
    path = host.folder / "host.json"
    if not path.exists():
        return None
    known = _load(path)
    if known["address"] != str(host.address):
        raise LabError(
            f"{host.name} was made at {known['address']} and the inventory says {host.address}: destroy the lab first."
        )
    return Record(host=host, layers=tuple(Path(layer) for layer in known["layers"]))


def made(name: str) -> Lab | None:
    """The lab as it stands, whatever the inventory says today; None if there is none."""
    folder = STATE / name
    if not (folder / "lab.json").exists():
        return None
    hosts = tuple(
        Host(name=path.parent.name, address=ipaddress.IPv4Address(_load(path)["address"]), lab=name)
        for path in sorted((folder / "hosts").glob("*/host.json"))
    )
    return Lab(name=name, subnet=ipaddress.IPv4Network(_load(folder / "lab.json")["subnet"]), hosts=hosts)


def others(name: str) -> list[Taken]:
    """Subnets of the labs on this machine but NAME."""
    return [
        Taken(ipaddress.IPv4Network(_load(path)["subnet"]), f"the lab {path.parent.name}")
        for path in sorted(STATE.glob("*/lab.json"))
        if path.parent.name != name
    ]


def needs_resolver(lab: Lab) -> bool:
    """Whether the hosts fetch OpenNebula over the network by a name that only a resolver knows."""
    path = lab.folder / "source"
    return path.exists() and str(_load(path)["one_source"]).partition(":")[0] in ("upstream", "http", "https")


def stacks_on(place: Path) -> list[str]:
    """Labs and snapshots whose hosts stand on the layers in PLACE, which therefore must stay."""
    found = set()
    for path in STATE.glob("*/hosts/*/host.json"):
        if any(place in Path(layer).parents for layer in _load(path)["layers"]):
            found.add(f"the lab {path.parents[2].name}")
    for path in SNAPSHOTS.glob("*/snapshot.json"):
        layers = [Path(layer) for stack in _load(path)["hosts"].values() for layer in stack]
        if path.parent != place and any(place in layer.parents for layer in layers):
            found.add(f"the snapshot {path.parent.name}")
    return sorted(found)
