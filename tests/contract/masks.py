"""The ONE table of what is not compared as it stands, and why. Everything else of an answer is compared to the byte.

A mask does not skip a value: the zone's value must still have the form that is named here. RELATIONS keep how two
numbers of one document compare, so that a follower behind its leader is not mistaken for one that is level with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Mask:
    """Values at a path of a method's payload that only need the form of the recorded one."""

    method: str
    path: str
    form: str
    reason: str

    def covers(self, method: str, path: str) -> bool:
        return re.fullmatch(self.method, method) is not None and re.fullmatch(self.path, path) is not None


NUMBER, HASH, TEXT = r"-?\d+", "[0-9a-f]{64}", "(?s).*"
RAFT = r"one\.zone\.raftstatus"
CONFIG = r"one\.system\.config"
HOSTS = r"one\.host(pool)?\.(info|monitoring)"
ERROR = r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4} : Error monitoring Host [\w.-]+ \(\d\): "

MASKS = (
    Mask(RAFT, "RAFT/(TERM|COMMIT|LOG_INDEX|LOG_TERM)", NUMBER, "count what a zone went through; relations are kept"),
    Mask(RAFT, "RAFT/VOTEDFOR", "-1|[0-9]", "which of the followers was asked first is the election's luck"),
    Mask("one\\.user(pool)?\\.info", ".*/TOKEN_PASSWORD", HASH, "drawn at random for every zone"),
    Mask(
        "one\\.userpool\\.info",
        r"USER_POOL/USER\[1\]/PASSWORD",
        HASH,
        "serveradmin's password is drawn at random for every zone; oneadmin's is the recorded one and compared",
    ),
    Mask("one\\.datastore(pool)?\\.info", ".*/(TOTAL|FREE|USED)_MB", NUMBER, "the disk is this machine's own"),
    Mask(HOSTS, ".*/ERROR", ERROR, "says when it was"),
    Mask(HOSTS, ".*/HOST_SHARE/(TOTAL|MAX)_(CPU|MEM)", NUMBER, "the node is this machine's size"),
    Mask(HOSTS, ".*/DATASTORES/(FREE|MAX|USED)_DISK", NUMBER, "the node's disk is this machine's own"),
    Mask(HOSTS, ".*/NUMA_NODES/.*", r"[\d:,-]+|NO", "the node's processors and memory are this machine's own"),
    Mask(HOSTS, ".*/TEMPLATE/(KVM_.*|MODELNAME)", r"[\w().,@ -]+", "the node's processor is this machine's own"),
    Mask(HOSTS, ".*/TEMPLATE/(CPUSPEED|CGROUPS_VERSION)", NUMBER, "the node's kernel is this machine's own"),
    Mask(HOSTS, ".*MONITORING/(TIMESTAMP|CAPACITY/.*|NUMA_NODE/.*)", NUMBER, "measured anew every time"),
    Mask(CONFIG, ".*/ONE_KEY", HASH, "drawn at random for every zone"),
    Mask(CONFIG, ".*/DB/PASSWD", TEXT, "the database's password is this lab's own"),
    Mask(CONFIG, ".*/RAFT_[A-Z]+_HOOK/ARGUMENTS", TEXT, "the recorded hooks moved an address of their own network"),
    Mask(CONFIG, ".*/RAFT/[A-Z_]+_TIMEOUT_MS", NUMBER, "timers are staggered to choose the leader"),
)

# Pairs of numbers in one Raft status whose order is compared although the numbers are masked.
RELATIONS = (("COMMIT", "LOG_INDEX"), ("LOG_TERM", "TERM"))

# Replaced on both sides before comparing, never blanked:
ADDRESSES = "addresses and names of the recorded front-ends stand for those of the zone's, in their order"
IDENTIFIERS = "ids, terms and indexes that an earlier call of the situation gave: the recorded number stands for it"
REPEATED = "cores, huge pages, NUMA nodes, measurements: where one machine has more of them, the first counts"
# Those, the innermost first.
REPEATED_ELEMENTS = ("CORE", "HUGEPAGE", "NODE", "NUMA_NODE", "MONITORING")
HEADERS = "HTTP headers and durations are not part of an answer: dates, lengths and the machine's speed"
