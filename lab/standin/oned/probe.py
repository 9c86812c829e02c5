"""What a node is asked over ssh, and what its answer means. Only ask() leaves this machine."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, replace
from xml.etree import ElementTree

from . import VERSION
from .cloud import DISABLED, MONITORED, Host
from .conf import Value
from .template import body, element, merge

CONNECT_S = 5
ANSWER_S = 15.0
# The leader's own terms whatever oneadmin's configuration says: no question, no key taken on trust, no shared
# connection that would outlive the call.
COMMAND = (
    "ssh",
    *("-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", f"ConnectTimeout={CONNECT_S}"),
    *("-o", "ControlMaster=no", "-o", "ControlPath=none", "-l", "oneadmin", "--"),
)
SCRIPT = """\
set -e
export LC_ALL=C
for tool in lspci virsh; do
    command -v $tool >/dev/null || { echo "$tool is not there" >&2; exit 1; }
done
lspci >/dev/null
say() { echo "== $1"; shift; "$@"; }
libvirt() { virsh --connect qemu:///system --readonly "$@"; }
say capabilities libvirt capabilities
say models libvirt cpu-models "$(uname -m)"
say name uname -n
say cgroups stat -fc %T /sys/fs/cgroup
say memory cat /proc/meminfo
say load cat /proc/loadavg
say model sed -n '/^model name/{s/.*: //p;q}' /proc/cpuinfo
say cpus lscpu --parse=CPU,CORE,NODE
datastores=/var/lib/one/datastores
[ -d $datastores ] || datastores=/var/lib/one
say disks df -Pm $datastores
say numa find /sys/devices/system/node/ \\( -path '*/node[0-9]*/meminfo' -o -name '*_hugepages' \\) -exec grep -H . {} +
"""


class ProbeError(Exception):
    """The node cannot be monitored; the message says why."""


@dataclass(frozen=True)
class NumaNode:
    """A node's cores with their CPUs; its huge pages by size in kB: all, free; memory in kB: all, free, used."""

    number: int
    cores: dict[int, list[int]]
    pages: dict[int, tuple[int, int]]
    memory: tuple[int, int, int]

    def share(self) -> str:
        """What there is of it, as a host's document says it."""
        cores = [
            element(
                "CORE",
                {
                    "CPUS": ",".join(f"{cpu}:-1" for cpu in cpus),
                    "DEDICATED": "NO",
                    "FREE": str(len(cpus)),
                    "ID": str(core),
                },
            )
            for core, cpus in sorted(self.cores.items(), reverse=True)
        ]
        pages = [
            element("HUGEPAGE", {"PAGES": str(pages), "SIZE": str(size), "USAGE": "0"})
            for size, (pages, _) in sorted(self.pages.items())
        ]
        memory = element("MEMORY", {"DISTANCE": str(self.number), "TOTAL": str(self.memory[0]), "USAGE": "0"})
        return f"<NODE>{''.join([*cores, *pages])}{memory}{element('NODE_ID', str(self.number))}</NODE>"

    def measured(self) -> str:
        """What of it is in use."""
        pages = [
            element("HUGEPAGE", {"FREE": str(free), "SIZE": str(size)})
            for size, (_, free) in sorted(self.pages.items())
        ]
        memory = element("MEMORY", {"FREE": str(self.memory[1]), "USED": str(self.memory[2])})
        return f"<NUMA_NODE>{''.join(pages)}{memory}{element('NODE_ID', str(self.number))}</NUMA_NODE>"


@dataclass(frozen=True)
class Report:
    """Capacity in percent of a CPU and kB, disks as total, free and used MB."""

    template: dict[str, Value]
    cpu: int
    used_cpu: int
    memory: int
    free_memory: int
    disks: tuple[int, int, int]
    numa: tuple[NumaNode, ...]

    def into(self, host: Host) -> Host:
        """The host as it is now known; a disabled one stays disabled."""
        template = merge([item for item in host.template if item[0] != "ERROR"], list(self.template.items()))
        state = DISABLED if host.state == DISABLED else MONITORED
        numa = "".join(node.share() for node in self.numa)
        return replace(
            host, state=state, template=template, cpu=self.cpu, memory=self.memory, disks=self.disks, numa=numa
        )

    def measured(self, oid: int, now: int) -> str:
        capacity = {
            "FREE_CPU": self.cpu - self.used_cpu,
            "FREE_MEMORY": self.free_memory,
            "USED_CPU": self.used_cpu,
            "USED_MEMORY": self.memory - self.free_memory,
        }
        return (
            f"<MONITORING><TIMESTAMP>{now}</TIMESTAMP><ID>{oid}</ID>"
            f"{element('CAPACITY', {name: str(value) for name, value in capacity.items()})}"
            f"<SYSTEM>{body([('NETRX', '0'), ('NETTX', '0')])}</SYSTEM>"
            f"{''.join(node.measured() for node in self.numa)}</MONITORING>"
        )


def ask(name: str) -> Report:
    """Look at a node."""
    try:
        done = subprocess.run(
            [*COMMAND, name, "sh -s"], input=SCRIPT, capture_output=True, text=True, timeout=ANSWER_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ProbeError(f"no answer within {ANSWER_S:.0f} s") from error
    except OSError as error:
        raise ProbeError(f"ssh cannot be run: {error}") from error
    if done.returncode:
        raise ProbeError((done.stderr.strip().splitlines() or [f"ssh ended with {done.returncode}"])[-1])
    return read(done.stdout)


def read(text: str) -> Report:
    """What the script's output says."""
    parts = re.split(r"(?m)^== (\w+)\n", text)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    try:
        return _report(found)
    except (KeyError, ValueError, IndexError, ElementTree.ParseError) as error:
        raise ProbeError(f"the answer cannot be read: {error!r}") from error


def _report(found: dict[str, str]) -> Report:
    capabilities = ElementTree.fromstring(found["capabilities"])
    arch = capabilities.findtext("host/cpu/arch") or ""
    machines = capabilities.findall(f"guest/arch[@name='{arch}']/machine")
    features = sorted(feature.get("name", "") for feature in capabilities.findall("host/cpu/feature"))
    cpus = [tuple(int(cell or 0) for cell in line.split(",")) for line in found["cpus"].split() if line[0].isdigit()]
    memory = {name: int(number) for name, number in re.findall(r"(\w+): +(\d+) kB", found["memory"])}
    total, used, free = (int(cell) for cell in found["disks"].splitlines()[1].split()[1:4])
    template: dict[str, Value] = {
        "ARCH": arch,
        "CGROUPS_VERSION": "2" if found["cgroups"].strip() == "cgroup2fs" else "1",
        "CPUSPEED": "0",
        "HOSTNAME": found["name"].strip(),
        "HYPERVISOR": "kvm",
        "KVM_CPU_FEATURES": ",".join(features),
        "KVM_CPU_MODEL": capabilities.findtext("host/cpu/model") or "",
        "KVM_CPU_MODELS": " ".join(found["models"].split()),
        "KVM_MACHINES": " ".join(dict.fromkeys(machine.text or "" for machine in machines)),
        "MODELNAME": found["model"].strip(),
        "VERSION": VERSION,
    }
    return Report(
        template,
        100 * len(cpus),
        min(100 * len(cpus), round(100 * float(found["load"].split()[0]))),
        memory["MemTotal"],
        memory["MemAvailable"],
        (total, free, used),
        tuple(_numa(number, cpus, found["numa"]) for number in sorted({node for _, _, node in cpus})),
    )


def _numa(number: int, cpus: list[tuple[int, ...]], text: str) -> NumaNode:
    cores: dict[int, list[int]] = {}
    for cpu, core, node in cpus:
        if node == number:
            cores.setdefault(core, []).append(cpu)
    own = [line for line in text.splitlines() if f"/node{number}/" in line]
    pages: dict[int, dict[str, int]] = {}
    for size, kind, count in re.findall(r"hugepages-(\d+)kB/(nr|free)_hugepages:(\d+)", "\n".join(own)):
        pages.setdefault(int(size), {})[kind] = int(count)
    memory = {kind: int(size) for kind, size in re.findall(r"(Mem\w+): +(\d+) kB", "\n".join(own))}
    return NumaNode(
        number,
        cores,
        {size: (counts["nr"], counts["free"]) for size, counts in pages.items()},
        (memory.get("MemTotal", 0), memory.get("MemFree", 0), memory.get("MemUsed", 0)),
    )
