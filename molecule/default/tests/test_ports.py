"""What listens on the machines is what the table of ports says, from which READMEs are written and a firewall opens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from testinfra.host import Host

from lab.hosts.plan import Lab
from plugins.module_utils import ports

# Above it lie ports that clients get for a moment.
LAST_OF_SERVICES = 32767
# What the stand-in has not got: it monitors without a port of its own, and its machines have no screen.
STANDIN_LACKS = ("monitord", "hook manager", "noVNC")


def listened(host: Host) -> set[tuple[str, int]]:
    """The address and port of every service of a machine."""
    lines = host.check_output("ss --no-header --listening --tcp --udp --numeric").splitlines()
    places = [line.split()[4].rpartition(":") for line in lines]
    return {(address.partition("%")[0], int(port)) for address, _colon, port in places if int(port) <= LAST_OF_SERVICES}


def claimed(lab: Lab, name: str) -> list[ports.Claim]:
    """What the table gives a machine."""
    host = lab.host(name)
    return ports.claims(host.groups, str(host.address), str(lab.floating or ""), {})


def fits(claim: ports.Claim, place: tuple[str, int]) -> bool:
    """Whether a service listens where it should, and not on more addresses."""
    address, number = place
    return number == claim.number and (claim.address is None or address == claim.address)


def test_nothing_listens_that_the_table_does_not_have(lab: Lab, machines: Mapping[str, Host]) -> None:
    """A port that nobody wrote down is one that a firewall would close, or that nobody guards."""
    strange = {}
    for name, host in machines.items():
        claims = claimed(lab, name)
        if claims:
            strange[name] = {place for place in listened(host) if not any(fits(claim, place) for claim in claims)}
    assert {name: places for name, places in strange.items() if places} == {}


def test_what_the_table_has_is_there(lab: Lab, machines: Mapping[str, Host], variables: Mapping[str, Any]) -> None:
    """Each row on one machine at least: services of the leader are not on all."""
    found = {name: listened(host) for name, host in machines.items()}
    rows: dict[tuple[str, str, int], bool] = {}
    for name, places in found.items():
        for claim in claimed(lab, name):
            row = (claim.port.role, claim.port.service, claim.number)
            rows[row] = rows.get(row, False) or any(fits(claim, place) for place in places)
    lacking = STANDIN_LACKS if variables["one_allow_standin"] else ()
    assert [row for row, there in rows.items() if not there and row[1] not in lacking] == []
