"""Hosts frozen as they are, to boot others from in seconds: what was their own layer becomes one that is only read."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from lab.hosts import access, layers, machines, state
from lab.hosts.cgroups import groups
from lab.hosts.plan import NAME, SNAPSHOTS, Lab, LabError
from lab.hosts.run import locked, run

# Written by playbooks/secrets.yml; the hosts inside a snapshot know these passwords and no others.
SECRETS = (Path("group_vars/all/vault.yml"), Path(".vault-password"), Path("group_vars/all/ca.crt"))


def key(lab: Lab) -> str:
    """Configuration inside a host names its peers' addresses: a snapshot fits the same hosts at the same addresses."""
    text = json.dumps(sorted((host.name, str(host.address)) for host in lab.hosts))
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def folder(lab: Lab, name: str) -> Path:
    if not NAME.fullmatch(name):
        raise LabError(f"{name!r} cannot be a snapshot's name: use small letters, digits and hyphens.")
    return SNAPSHOTS / f"{name}-{key(lab)}"


def complete(place: Path) -> bool:
    return (place / "snapshot.json").exists()


def names(lab: Lab) -> list[str]:
    end = f"-{key(lab)}"
    return sorted(place.name.removesuffix(end) for place in SNAPSHOTS.glob(f"*{end}") if complete(place))


def copy_tree(source: Path, target: Path) -> None:
    run(["cp", "-a", "--reflink=auto", source, target])


def take(lab: Lab, inventory: Path, name: str) -> None:
    """Shut the hosts down and freeze their disks."""
    place = folder(lab, name)
    ways = groups()
    with locked(lab.lock):
        if complete(place):
            raise LabError(f"There is a snapshot {name} of these hosts already: forget it first, or take another name.")
        records = {host: state.record(host) for host in lab.hosts}
        for host, known in records.items():
            if known is None:
                raise LabError(f"{host.name} is not made yet: run create before snapshot.")
            if ways.frozen(host):
                raise LabError(f"{host.name} is frozen and cannot shut down: thaw it first.")
        machines.shut_down(lab, ways)
        for host in lab.hosts:
            ways.clear(host)
            layers.unmount(host)
        if place.exists():  # an earlier attempt broke off; whoever stands on its layers keeps them
            if stuck := state.stacks_on(place):
                raise LabError(f"The snapshot {name} is half made, and {', '.join(stuck)} stands on it: destroy that.")
            shutil.rmtree(place)
        stacks: dict[str, tuple[Path, ...]] = {}
        for host, known in records.items():
            if known is not None:
                layer = place / "hosts" / host.name
                layers.freeze_upper(host, layer)
                stacks[host.name] = (layer, *known.layers)
                state.save_host(host, stacks[host.name])
        keep(lab, inventory, place)
        state.write(
            place / "snapshot.json", {"hosts": {host: [str(path) for path in stack] for host, stack in stacks.items()}}
        )


def keep(lab: Lab, inventory: Path, place: Path) -> None:
    """What belongs to the hosts and lies outside of them: the way in, the packages, the secrets."""
    outside = place / "lab"
    outside.mkdir(mode=0o700)
    for name in (lab.key.name, f"{lab.key.name}.pub", "source"):
        if (lab.folder / name).exists():
            shutil.copy2(lab.folder / name, outside / name)
    copy_tree(lab.repository, outside / lab.repository.name)
    for host in lab.hosts:
        if host.disk.is_dir():
            (place / "disks").mkdir(exist_ok=True)
            copy_tree(host.disk, place / "disks" / host.name)
    for path in SECRETS:
        if (inventory / path).exists():
            shutil.copy2(inventory / path, outside / path.name)


def restore(lab: Lab, inventory: Path, name: str) -> None:
    """Make the lab's hosts as the snapshot holds them; create then starts them."""
    place = folder(lab, name)
    if not complete(place):
        known = ", ".join(names(lab)) or "none"
        raise LabError(f"There is no snapshot {name} of these hosts (there is: {known}): take it, or create without.")
    with locked(lab.lock):
        stacks = {
            host: tuple(map(Path, stack))
            for host, stack in json.loads((place / "snapshot.json").read_text())["hosts"].items()
        }
        standing = {host.name: made.layers for host in lab.hosts if (made := state.record(host)) is not None}
        if standing:
            if all(stacks[host] == layers_now[-len(stacks[host]) :] for host, layers_now in standing.items()):
                return  # it stands on this very snapshot: only what is missing is done
            raise LabError(f"The lab {lab.name} stands already, and not on the snapshot {name}: destroy it first.")
        outside = place / "lab"
        for path in SECRETS:
            same_secret(outside / path.name, inventory / path, name)
        machines.lay(lab, inventory, key=outside / lab.key.name)
        same_source(lab, outside, name)
        for path in SECRETS:
            if (outside / path.name).exists() and not (inventory / path).exists():
                (inventory / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(outside / path.name, inventory / path)
        for host in lab.hosts:
            host.folder.mkdir(parents=True, exist_ok=True)
            if (place / "disks" / host.name).is_dir():
                copy_tree(place / "disks" / host.name, host.disk)
            layers.mount(host, stacks[host.name])
            access.keep_public(host)
            state.save_host(host, stacks[host.name])


def same_secret(kept: Path, current: Path, name: str) -> None:
    if kept.exists() and current.exists() and kept.read_bytes() != current.read_bytes():
        raise LabError(f"{current} holds other secrets than the hosts of the snapshot {name}: move it away.")


def same_source(lab: Lab, outside: Path, name: str) -> None:
    kept, current = outside / "source", lab.folder / "source"
    if kept.exists() and current.exists():
        if json.loads(kept.read_text()) != json.loads(current.read_text()):
            raise LabError(
                f"The snapshot {name} was made with another OpenNebula than this lab has chosen: create without it."
            )
    elif kept.exists():
        shutil.copy2(kept, current)
    if not any(lab.repository.iterdir()):  # the folder itself stays: hosts have it bound
        run(["cp", "-a", f"{outside / lab.repository.name}/.", lab.repository])


def forget(lab: Lab, name: str) -> None:
    place = folder(lab, name)
    if state.stacks_on(place):
        raise LabError(f"{', '.join(state.stacks_on(place))} stands on the snapshot {name}: destroy that first.")
    if place.exists():
        shutil.rmtree(place)
