"""How the lab is reached: one key for the user, and the hosts' own keys known before the first connection."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from lab.hosts.plan import USER, Host, Lab
from lab.hosts.run import run, succeeds, wait_for


def make_key(lab: Lab, kept: Path | None = None) -> None:
    """The lab's key, new, or the one that hosts of a snapshot already let in."""
    lab.masters.mkdir(parents=True, exist_ok=True, mode=0o700)
    if kept is not None:
        for suffix in ("", ".pub"):
            shutil.copy2(f"{kept}{suffix}", f"{lab.key}{suffix}")
    elif not lab.key.exists():
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{USER}@{lab.name}", "-f", lab.key])


def admit(lab: Lab, host: Host) -> None:
    """Let the lab's key in, and give the host keys of its own."""
    folder = host.root / "home" / USER / ".ssh"
    owner = folder.stat()
    granted = folder / "authorized_keys"
    shutil.copyfile(lab.key.with_suffix(".pub"), granted)
    granted.chmod(0o600)
    shutil.chown(granted, owner.st_uid, owner.st_gid)
    key = host.root / "etc/ssh/ssh_host_ed25519_key"
    if not key.exists():
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"root@{host.name}", "-f", key])


def known_line(host: Host, public: str) -> str:
    kind, key = public.split()[:2]
    return f"{host.address},{host.name} {kind} {key}\n"


def write_known_hosts(lab: Lab, hosts: Iterable[Host]) -> None:
    text = "".join(known_line(host, (host.folder / "ssh_host_ed25519_key.pub").read_text()) for host in hosts)
    part = lab.known_hosts.with_suffix(".part")
    part.write_text(text)
    part.rename(lab.known_hosts)


def keep_public(host: Host) -> None:
    shutil.copyfile(host.root / "etc/ssh/ssh_host_ed25519_key.pub", host.folder / "ssh_host_ed25519_key.pub")


def ssh(lab: Lab, host: Host, *command: str) -> list[str]:
    return [
        "ssh",
        "-F",
        "none",
        "-i",
        str(lab.key),
        *("-o", "IdentitiesOnly=yes"),
        *("-o", f"UserKnownHostsFile={lab.known_hosts}"),
        *("-o", "StrictHostKeyChecking=yes"),
        *("-o", "BatchMode=yes"),
        *("-o", "ConnectTimeout=5"),
        f"{USER}@{host.address}",
        *command,
    ]


def answers(lab: Lab, host: Host) -> bool:
    return succeeds(ssh(lab, host, "true"))


def wait_until_answering(lab: Lab, host: Host, seconds: float = 60) -> None:
    wait_for(
        lambda: answers(lab, host),
        seconds,
        f"{host.name} does not answer ssh at {host.address} after {seconds:.0f} s: read {host.folder}/console.log.",
        every=0.2,
    )


def close_masters(folder: Path) -> None:
    """End the shared connections whose sockets lie in FOLDER; they outlive the machines that they lead to."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if stat.S_ISSOCK(path.stat().st_mode):
            succeeds(["ssh", "-F", "none", "-O", "exit", "-o", f"ControlPath={path}", "lab"])
