"""Strikes: prepared beforehand, so that nothing but the deed lies between the order and the hit."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import NamedTuple

import pytest
from testinfra.host import Host as Machine

from lab.hosts import cgroups, machines
from lab.hosts.plan import Host, Lab


class Strike(NamedTuple):
    """A fault that is ready: the deed, the proof that it was done, and what takes it back."""

    do: Callable[[], object]
    prove: Callable[[], str]
    heal: Callable[[], object]


def nothing() -> None:
    """Heal what heals itself: the unit's own restart."""


def kill_machine(lab: Lab, host: Host) -> Strike:
    """Power cut: nothing at its address may answer, not even ssh."""

    def prove() -> str:
        with pytest.raises(OSError, match=r"timed out|[Nn]o route|unreachable"):
            socket.create_connection((str(host.address), 22), timeout=0.5)
        return f"nothing answers at {host.address}"

    return Strike(lambda: machines.power_cut(host), prove, lambda: machines.power_on(lab, host))


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


def kill_unit(machine: Machine, unit: str) -> Strike:
    """Kill every process of a unit; its main process has to be gone, and systemd has to say by what."""
    pid = machine.check_output("systemctl show --property MainPID --value %s", unit)
    assert int(pid) > 1, f"{unit} does not run"

    def strike() -> None:
        gone = 'systemctl kill --signal KILL "$1"; while [ -d "/proc/$2" ]; do sleep 0.01; done'
        machine.check_output("timeout 5 sh -c %s sh %s %s", gone, unit, pid)

    def prove() -> str:
        told = machine.check_output("journalctl --quiet --unit %s --output cat --lines 30", unit)
        assert "status=9/KILL" in told
        return f"process {pid} of {unit} is gone, killed by signal 9"

    return Strike(strike, prove, nothing)


def stop_unit(machine: Machine, unit: str) -> Strike:
    """Stop a unit as a person would, and start it again."""

    def prove() -> str:
        state = machine.check_output("systemctl show --property ActiveState --value %s", unit)
        assert state in ("inactive", "failed")
        return f"{unit} is {state}"

    return Strike(
        lambda: machine.check_output("systemctl stop %s", unit),
        prove,
        lambda: machine.check_output("systemctl start %s", unit),
    )
