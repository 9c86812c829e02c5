"""The verbs over a lab's hosts."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab.hosts import access, image, kernel, layers, network, state
from lab.hosts.cgroups import Groups, groups, nspawn
from lab.hosts.plan import SHARE, STATE, Host, Lab, LabError
from lab.hosts.run import locked, run


def each(verb: Callable[[Host], object], hosts: Iterable[Host]) -> None:
    """VERB on all hosts at once; the first failure is raised when all are done."""
    chosen = list(hosts)
    with ThreadPoolExecutor(max_workers=max(1, len(chosen))) as pool:
        for future in [pool.submit(verb, host) for host in chosen]:
            future.result()


def hosts_text(host: Host, mirrors: dict[str, str]) -> str:
    lines = ["127.0.0.1 localhost", f"127.0.1.1 {host.name}", "::1 localhost ip6-localhost ip6-loopback"]
    if mirrors:
        lines.append("# Package mirrors as the machine below sees them; this host has no resolver.")
    return "".join(
        f"{line}\n" for line in [*lines, *(f"{address} {name}" for name, address in sorted(mirrors.items()))]
    )


def link_text(lab: Lab, host: Host) -> str:
    return (
        "[Match]\nName=host0\n\n[Network]\n"
        f"Address={host.address}/{lab.subnet.prefixlen}\nGateway={lab.gateway}\n"
        # A pulled cable takes the carrier, not the configuration: as with ifupdown on a server.
        "ConfigureWithoutCarrier=yes\nIgnoreCarrierLoss=yes\nLinkLocalAddressing=no\nIPv6AcceptRA=no\nLLMNR=no\nMulticastDNS=no\n"
    )


def resolver_text(lab: Lab) -> str:
    """Empty, so that an unknown name costs no timeout; an OpenNebula from afar needs this machine's resolver."""
    if not state.needs_resolver(lab):
        return ""
    for path in (
        "/run/systemd/resolve/resolv.conf",
        "/etc/resolv.conf",
    ):  # the first where the second names a stub on loopback
        if Path(path).exists():
            return Path(path).read_text()
    return ""


def furnish(lab: Lab, host: Host, mirrors: dict[str, str]) -> None:
    """What makes a copy of the base this very host."""
    etc = host.root / "etc"
    (etc / "hostname").write_text(f"{host.name}\n")
    (etc / "hosts").write_text(hosts_text(host, mirrors))
    (etc / "resolv.conf").unlink(missing_ok=True)
    (etc / "resolv.conf").write_text(resolver_text(lab))
    (etc / "machine-id").write_text(f"{uuid.uuid4().hex}\n")
    (etc / "systemd/network/10-host0.network").write_text(link_text(lab, host))
    (host.root / "srv/one-repo").mkdir(exist_ok=True)
    access.admit(lab, host)


def start(lab: Lab, host: Host, ways: Groups) -> None:
    known = state.record(host)
    if known is None:
        raise LabError(f"{host.name} is not made yet: run create.")
    if ways.running(host):
        return
    ways.clear(host)
    network.unplug(host)
    layers.mount(host, known.layers)
    command = [*nspawn(host, lab.repository), f"--network-bridge={lab.bridge}"]
    ways.launch(host, command)


def create(lab: Lab, inventory: Path, hosts: Sequence[Host] | None = None) -> None:
    """These or all hosts made, started and answering ssh; what is there already stays."""
    wanted = lab.hosts if hosts is None else hosts
    ways = groups()
    with locked(lab.lock):
        lay(lab, inventory)
        missing = [host for host in wanted if state.record(host) is None]
        if missing:
            make(lab, missing)
        access.write_known_hosts(lab, [host for host in lab.hosts if state.record(host) is not None])
        each(lambda host: start(lab, host, ways), wanted)
        each(lambda host: access.wait_until_answering(lab, host), [host for host in wanted if not ways.frozen(host)])


def lay(lab: Lab, inventory: Path, key: Path | None = None) -> None:
    """The ground under the hosts: the lab's folder, its key, its network."""
    lab.folder.mkdir(parents=True, exist_ok=True)
    lab.folder.chmod(0o755)
    lab.repository.mkdir(exist_ok=True)
    state.save_lab(lab, inventory)
    access.make_key(lab, key)
    kernel.ready()
    network.up(lab)


def make(lab: Lab, missing: list[Host]) -> None:
    apt = image.machine_apt()
    mirrors = image.resolve(apt.names)
    plain = (image.base(apt),)
    share = (image.share(apt, mirrors), *plain) if any(SHARE in host.groups for host in missing) else ()

    def one(host: Host) -> None:
        host.folder.mkdir(parents=True, exist_ok=True)
        stack = share if SHARE in host.groups else plain
        if SHARE in host.groups:
            host.disk.mkdir(exist_ok=True)
        layers.mount(host, stack)
        furnish(lab, host, mirrors)
        access.keep_public(host)
        state.save_host(host, stack)  # last: without it the host counts as not made

    each(one, missing)


def destroy(name: str) -> None:
    lab = state.made(name)
    if lab is None:
        return
    ways = groups()
    with locked(lab.lock):
        access.close_masters(lab.masters)
        half = [path.name for path in (lab.folder / "hosts").glob("*") if not (path / "host.json").exists()]
        unfinished = [Host(name=left, address=lab.gateway, lab=name) for left in half]
        each(lambda host: raze(host, ways), [*lab.hosts, *unfinished])
        network.down(lab)
        shutil.rmtree(lab.folder)
        kernel.restore(bool(list(STATE.glob("*/lab.json"))))
        with contextlib.suppress(OSError):
            STATE.rmdir()  # stays while it holds another lab


def raze(host: Host, ways: Groups) -> None:
    if ways.running(host):
        ways.kill(host)
    ways.clear(host)
    network.unplug(host)
    layers.unmount(host)
    run(["rm", "-rf", "--one-file-system", host.folder])


def shut_down(lab: Lab, ways: Groups) -> None:
    """All hosts in order: a zone's servers one by one, the first one last; the share when nobody uses it any more."""
    zone, share = lab.of("frontends"), lab.of(SHARE)
    each(ways.halt, [host for host in lab.hosts if host not in zone + share])
    for host in reversed(zone):
        ways.halt(host)
    each(ways.halt, share)


def power_cut(host: Host) -> None:
    ways = groups()
    if not ways.running(host):
        raise LabError(f"{host.name} does not run: there is nothing to kill.")
    ways.kill(host)
    ways.clear(host)
    network.unplug(host)


def power_on(lab: Lab, host: Host) -> None:
    start(lab, host, groups())
    access.wait_until_answering(lab, host)


def describe(host: Host, ways: Groups) -> tuple[str, str, str, str]:
    if state.record(host) is None:
        return host.name, str(host.address), "missing", "-"
    if not ways.running(host):
        return host.name, str(host.address), "stopped", "-"
    condition = "frozen" if ways.frozen(host) else "running"
    return host.name, str(host.address), condition, "up" if network.carrier(host) else "cut"
