"""Strikes: prepared beforehand, so that nothing but the deed lies between the order and the hit."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import NamedTuple

import pytest
from testinfra.host import Host as Machine

from lab.hosts import cgroups, machines, network
from lab.hosts.plan import Host, Lab
from tests.zone.ask import wait_for

STOPS_WITHIN = 30.0


class Strike(NamedTuple):
    """A fault that is ready: the deed, the proof that it was done, and what takes it back."""

    do: Callable[[], object]
    prove: Callable[[], str]
    heal: Callable[[], object]


def nothing() -> None:
    """Heal what heals itself: the unit's own restart."""


def unreachable(host: Host) -> None:
    """Nothing at its address may answer, not even ssh."""
    with pytest.raises(OSError, match=r"timed out|[Nn]o route|unreachable"):
        socket.create_connection((str(host.address), 22), timeout=0.5)


def kill_machine(lab: Lab, host: Host) -> Strike:
    """Power cut."""

    def prove() -> str:
        unreachable(host)
        return f"nothing answers at {host.address}"

    return Strike(lambda: machines.power_cut(host), prove, lambda: machines.power_on(lab, host))


def cut_link(host: Host) -> Strike:
    """Pull its cable: it runs on, and believes what it believed."""

    def prove() -> str:
        assert not network.carrier(host)
        assert cgroups.groups().running(host)
        unreachable(host)
        return f"{host.name} runs, and its link {host.link} is down"

    return Strike(lambda: network.switch(host, "down"), prove, lambda: network.switch(host, "up"))


def freeze_machine(host: Host) -> Strike:
    """Stop every process of it at once; its kernel goes on acknowledging what it is sent."""
    ways = cgroups.groups()

    def prove() -> str:
        assert ways.frozen(host)
        with socket.create_connection((str(host.address), 22), timeout=1) as connection:
            connection.settimeout(0.5)
            with pytest.raises(TimeoutError):
                connection.recv(1)
        return f"{host.name} takes connections and says nothing"

    return Strike(lambda: ways.freeze(host), prove, lambda: ways.freeze(host, thaw=True))


def main_process(machine: Machine, unit: str) -> int:
    """Give the main process of a unit that runs."""
    pid = int(machine.check_output("systemctl show --property MainPID --value %s", unit))
    assert pid > 1, f"{unit} does not run"
    return pid


def freeze_unit(machine: Machine, unit: str) -> Strike:
    """Stop every process of a unit while the rest of its machine, its agent too, goes on."""
    pid = main_process(machine, unit)

    def prove() -> str:
        state = machine.check_output("ps --quick-pid %s --format state=", str(pid)).strip()
        assert state == "T", f"process {pid} of {unit} is in state {state}"
        return f"process {pid} of {unit} is stopped by a signal"

    return Strike(
        lambda: machine.check_output("systemctl kill --signal STOP %s", unit),
        prove,
        lambda: machine.check_output("systemctl kill --signal CONT %s", unit),
    )


def kill_unit(machine: Machine, unit: str) -> Strike:
    """Kill every process of a unit; its main process has to be gone, and systemd has to say by what."""
    pid = str(main_process(machine, unit))

    def strike() -> None:
        gone = 'systemctl kill --signal KILL "$1"; while [ -d "/proc/$2" ]; do sleep 0.01; done'
        machine.check_output("timeout 5 sh -c %s sh %s %s", gone, unit, pid)

    def prove() -> str:
        told = machine.check_output("journalctl --quiet --unit %s --output cat --lines 30", unit)
        assert "status=9/KILL" in told
        return f"process {pid} of {unit} is gone, killed by signal 9"

    return Strike(strike, prove, nothing)


def stop_unit(machine: Machine, unit: str, wait: bool = True) -> Strike:
    """Stop a unit as a person would, and start it again; without `wait` the order is the hit, not the end of it."""

    def state() -> str:
        return str(machine.check_output("systemctl show --property ActiveState --value %s", unit))

    def prove() -> str:
        found = wait_for(state, lambda now: now in ("inactive", "failed"), STOPS_WITHIN)
        assert found in ("inactive", "failed"), f"{unit} is {found} after {STOPS_WITHIN:g} s of stopping"
        return f"{unit} is {found}"

    return Strike(
        lambda: machine.check_output("systemctl stop %s" if wait else "systemctl stop --no-block %s", unit),
        prove,
        lambda: machine.check_output("systemctl start %s", unit),
    )
