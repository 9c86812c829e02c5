"""Who says that an address is his: asked on the lab's bridge, where a floating address may have one holder only.

A frozen host still answers, because its kernel does: this tells who holds an address, not who serves at it.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import struct
import time

from lab.hosts.plan import Host, Lab
from lab.hosts.run import run

ETHERNET = struct.Struct("!6s6sH")
ARP = struct.Struct("!HHBBH6s4s6s4s")
ETH_P_ARP, ETH_P_IP = 0x0806, 0x0800
REQUEST, REPLY = 1, 2
EVERYBODY, NOBODY = b"\xff" * 6, b"\0" * 6
ASK_EVERY = 0.2


def holders(lab: Lab, address: ipaddress.IPv4Address, seconds: float) -> dict[str, str]:
    """MAC address and host's name of everyone who answered for ADDRESS within SECONDS."""
    found = set()
    end = time.monotonic() + seconds
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ARP)) as wire:
        wire.bind((lab.bridge, ETH_P_ARP))
        wire.settimeout(ASK_EVERY)
        question = request(wire.getsockname()[4], lab.gateway, address)
        ask_at = 0.0
        while (now := time.monotonic()) < end:
            if now >= ask_at:
                wire.send(question)
                ask_at = now + ASK_EVERY
            try:
                holder = answer(wire.recv(2048), address)
            except TimeoutError:
                continue
            if holder is not None:
                found.add(holder)
    ports = {
        entry["mac"]: entry["ifname"] for entry in json.loads(run(["bridge", "-j", "fdb", "show", "br", lab.bridge]))
    }
    return {holder: name_at(lab.hosts, ports.get(holder, "no port")) for holder in sorted(found)}


def name_at(hosts: tuple[Host, ...], port: str) -> str:
    return next((host.name for host in hosts if host.link == port), f"nobody of the lab, at {port}")


def request(asker: bytes, sender: ipaddress.IPv4Address, wanted: ipaddress.IPv4Address) -> bytes:
    body = ARP.pack(1, ETH_P_IP, 6, 4, REQUEST, asker, sender.packed, NOBODY, wanted.packed)
    return ETHERNET.pack(EVERYBODY, asker, ETH_P_ARP) + body


def answer(frame: bytes, wanted: ipaddress.IPv4Address) -> str | None:
    """The MAC address that a frame gives for WANTED, if it does."""
    if len(frame) < ETHERNET.size + ARP.size or ETHERNET.unpack_from(frame)[2] != ETH_P_ARP:
        return None
    _, _, _, _, operation, holder, address, _, _ = ARP.unpack_from(frame, ETHERNET.size)
    return holder.hex(":") if operation == REPLY and address == wanted.packed else None
