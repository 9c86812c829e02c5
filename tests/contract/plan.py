"""The situations, in an order with few fresh starts: solo, one, two, three servers, faults, recovery."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from .compare import Zone, compare
from .driver import Machine, Timers, each
from .listener import compare_call, listening
from .node import NAME, UNREACHABLE, Node
from .recording import Answer, Recording, Typed, call

SOLO, CANDIDATE, FOLLOWER, LEADER = 0, 1, 2, 3
SESSION = "oneadmin:throwaway-oneadmin"
ANSWER_TIMEOUT = 10.0
# A call that never answers is told from a slow one: the recorded client gave up after 8 s and 10 s.
HANGS = 4.0
UNKNOWN_METHOD = -506
# A real leader takes 9 s to the first answer of a node, and tries an unreachable one several times.
NODE_TIMEOUT = 150.0
IN_ERROR = "<STATE>3</STATE>"


class SituationError(Exception):
    """The zone did not come into the state that the next recordings need."""


@dataclass
class Raft:
    """What a server says of itself."""

    server_id: int
    state: int
    term: int
    voted_for: int
    commit: int
    index: int
    log_term: int


@dataclass
class Runner:
    """Asks the zone and compares; a difference is kept, not raised, so that one run shows them all."""

    servers: Sequence[Machine]
    recordings: Mapping[str, Recording]
    timers: Timers
    say: Callable[[str], None]
    gateway: str = ""
    node: Node | None = None
    differences: dict[str, list[str]] = field(default_factory=dict)
    sent: dict[str, list[str]] = field(default_factory=dict)

    def number(self, server: int) -> Machine:
        return self.servers[server - 1]

    def zone(self, bound: Mapping[str, str], exact: bool) -> Zone:
        return Zone(tuple(machine.address for machine in self.servers), bound, exact)

    def arguments(self, recording: Recording, bound: Mapping[str, str]) -> tuple[Typed, ...]:
        """The recorded arguments with this zone's addresses, and its numbers for the bound ones."""

        def live(kind: str, value: str) -> Typed:
            if kind != "string":
                return kind, bound.get(value, value)
            return kind, re.sub(r"10\.98\.0\.([123])(?!\d)", lambda m: self.number(int(m[1])).address, value)

        return tuple(live(kind, value) for kind, value in recording.arguments)

    def check(
        self,
        name: str,
        at: int | None = None,
        *,
        bound: Mapping[str, str] | None = None,
        arguments: tuple[Typed, ...] | None = None,
        timeout: float | None = None,
        exact: bool = False,
    ) -> Answer:
        """Repeat a recorded call on a server (the recorded one, unless told) and compare what it answers."""
        recording = self.recordings[name]
        if name in self.differences:
            raise SituationError(f"{name} is compared twice")
        server = at or recording.server
        if not server or recording.answer is None:
            raise SituationError(f"{name}: say which server to ask")
        ids = bound or {}
        sent = self.arguments(recording, ids) if arguments is None else arguments
        wait = timeout or (HANGS if recording.answer.failed == "hung" else ANSWER_TIMEOUT)
        answer = call(self.number(server).url, recording.method, recording.session, sent, wait)
        self.judge(name, answer, ids, exact)
        return answer

    def judge(self, name: str, answer: Answer, bound: Mapping[str, str] | None = None, exact: bool = False) -> None:
        recording = self.recordings[name]
        if recording.answer is None:
            raise SituationError(f"{name} has no recorded answer")
        found = compare(recording.method, recording.answer, answer, self.zone(bound or {}, exact))
        self.differences[name] = found
        self.say(f"  {'differs' if found else 'equal  '}  {name}")
        for difference in found:
            self.say(f"             {difference}")

    def ask(self, server: int, method: str, *arguments: Typed, timeout: float = ANSWER_TIMEOUT) -> Answer:
        """A call that belongs to the situation, not to the comparison."""
        return call(self.number(server).url, f"one.{method}", SESSION, arguments, timeout)

    def must(self, server: int, method: str, *arguments: Typed) -> str:
        answer = self.ask(server, method, *arguments)
        if not answer.success:
            raise SituationError(f"{method} on ob{server}: {answer}")
        return answer.payload

    def raft(self, server: int) -> Raft | None:
        answer = self.ask(server, "zone.raftstatus", timeout=3)
        if not answer.success:
            return None
        found = dict(re.findall(r"<(\w+)>(-?\d+)</", answer.payload))
        names = ("SERVER_ID", "STATE", "TERM", "VOTEDFOR", "COMMIT", "LOG_INDEX", "LOG_TERM")
        return Raft(*(int(found[name]) for name in names))

    def await_(self, what: str, true: Callable[[], bool], timeout: float) -> None:
        end = time.monotonic() + timeout
        while not true():
            if time.monotonic() > end:
                states = {f"ob{machine.number}": self.raft(machine.number) for machine in self.servers}
                raise SituationError(f"{what}: not after {timeout:.0f} s; the servers say {states}")
            time.sleep(0.1)

    def in_state(self, server: int, state: int) -> bool:
        raft = self.raft(server)
        return raft is not None and raft.state == state

    def await_state(self, server: int, state: int) -> None:
        names = {SOLO: "solo", CANDIDATE: "candidate", FOLLOWER: "follower", LEADER: "leader"}
        self.await_(f"ob{server} is {names[state]}", lambda: self.in_state(server, state), self.timers.leader())

    def leader(self, servers: Sequence[int]) -> int | None:
        """Who leads these: state 3, the highest term, the others following in that term."""
        rafts = {server: self.raft(server) for server in servers}
        known = {server: raft for server, raft in rafts.items() if raft is not None}
        if len(known) < len(servers):
            return None
        term = max(raft.term for raft in known.values())
        leaders = [server for server, raft in known.items() if raft.state == LEADER and raft.term == term]
        settled = all(raft.term == term and raft.state in {FOLLOWER, LEADER} for raft in known.values())
        return leaders[0] if len(leaders) == 1 and settled else None

    def await_leader(self, servers: Sequence[int]) -> int:
        self.await_(f"one of {servers} leads", lambda: self.leader(servers) is not None, self.timers.leader())
        found = self.leader(servers)
        if found is None:
            return self.await_leader(servers)
        return found

    def level(self, servers: Sequence[int]) -> None:
        """All hold and have committed the same last record; a write moves a follower that is behind."""

        def same() -> bool:
            found = [self.raft(server) for server in servers]
            known = [raft for raft in found if raft is not None]
            numbers = {number for raft in known for number in (raft.commit, raft.index)}
            return len(known) == len(found) and len(numbers) == 1

        leader = self.await_leader(servers)
        if not same():
            self.write(leader)
        self.await_(f"{servers} are level", same, self.timers.leader())

    def write(self, server: int) -> None:
        """A harmless write that leaves nothing behind."""
        made = self.must(server, "document.allocate", ("string", 'NAME = "harmless"'), ("int", "4200"))
        self.must(server, "document.delete", ("int", made), ("boolean", "0"))

    def lead(self, wanted: int, servers: Sequence[int]) -> None:
        """Let one lead: the quickest wins any election, another only while the quicker ones are stopped."""
        for _ in range(6):
            leader = self.await_leader(servers)
            if leader == wanted:
                return
            if wanted == min(servers):  # whose timer is the shortest
                self.elect(servers)
                continue
            self.number(leader).stop()
            self.await_leader([server for server in servers if server != leader])
            self.number(leader).start()
        raise SituationError(f"ob{wanted} never led")

    def elect(self, servers: Sequence[int]) -> None:
        """A new election among servers that all run: a request with a higher term deposes the leader, as recorded."""
        leader = self.await_leader(servers)
        before = self.raft(leader)
        if before is None:
            raise SituationError(f"ob{leader} does not say its term")
        follower = next(server for server in servers if server != leader)
        request = (("int", str(before.term + 1)), ("int", str(before.server_id)), ("i8", "1"), ("int", "1"))
        self.ask(follower, "zone.voterequest", *request)

        def newer() -> bool:
            found = self.leader(servers)
            raft = self.raft(found) if found else None
            return raft is not None and raft.term > before.term

        self.await_("a new term has a leader", newer, self.timers.leader())

    def settled(self, servers: Sequence[int]) -> None:
        """Whoever follows has heard how far the leader has committed."""

        def heard() -> bool:
            found = [self.raft(server) for server in servers]
            return all(raft is not None and raft.commit == raft.index for raft in found)

        self.await_(f"{servers} have committed what they hold", heard, self.timers.leader())

    def new_term(self, leader: int, servers: Sequence[int]) -> None:
        """A new election won by the leader, and no write since: its log ends in an older term."""
        self.level(servers)
        if leader == 1:
            self.elect(servers)
        else:
            self.lead(1, servers)
        self.lead(leader, servers)
        self.settled(servers)


def solo(z: Runner) -> None:
    """The first start: one server, nothing configured but the database."""
    first = z.number(1)
    each(z.servers, "fresh")
    first.configure(-1)
    first.start()
    z.await_state(1, SOLO)
    for name in ("zone.info", "zone.raftstatus"):
        z.check(f"solo.{name}", exact=True)
    for name in ("zonepool.info", "system.version", "system.config", "user.info", "userpool.info", "grouppool.info"):
        z.check(f"solo.{name}")
    for name in ("datastorepool.info", "hostpool.info", "clusterpool.info"):
        z.check(f"solo.{name}")
    for name in ("bad-auth", "unknown-user", "unknown-method", "wrong-arity", "zone-not-found", "host-not-found"):
        z.check(f"err.{name}")
    z.check("solo.zone.resetserver.unknown")
    z.check("solo.zone.addserver.first")
    z.check("solo1.zone.info", exact=True)
    z.check("solo1.zone.raftstatus", exact=True)
    for name in ("bare-SERVER-xml", "wrong-zone", "duplicate-name"):
        z.check(f"err.zone.addserver.{name}")
    z.check("err.zone.delserver.unknown")
    z.check("solo.zone.delserver.1")
    z.check("solo.zone.resetserver.0")
    # A new leader monitors its datastores and writes what it finds; without them a new term stays without a write. The
    # stand-in's leader does not, and knows no such call.
    for datastore in ("2", "1", "0"):
        gone = z.ask(1, "datastore.delete", ("int", datastore))
        if not gone.success and (gone.fault is None or gone.fault[0] != UNKNOWN_METHOD):
            raise SituationError(f"datastore {datastore} cannot be deleted: {gone}")


def one(z: Runner) -> None:
    """The only server of its zone leads it."""
    first = z.number(1)
    first.stop()
    first.configure(0)
    first.start()
    z.await_state(1, LEADER)
    z.check("ha1.zone.info", exact=True)
    z.check("ha1.zone.raftstatus.leader")


def two(z: Runner) -> None:
    """The second is added and not there yet: no majority; then it joins from a dump."""
    z.check("ha2.zone.addserver")
    z.check("ha2.zone.info.second-not-started")
    z.check("ha2.write-no-quorum.group.allocate")
    z.check("ha2.read-no-quorum.hostpool")
    join(z, 2, 1, z.number(1).dump())
    z.await_leader([1, 2])
    z.lead(1, [1, 2])
    z.level([1, 2])


def join(z: Runner, server: int, server_id: int, dump: bytes) -> None:
    """A server takes a dump and the first one's credentials, gets its id and starts."""
    machine = z.number(server)
    machine.stop()
    machine.restore(dump)
    machine.take_keys(z.number(1).keys())
    machine.configure(server_id)
    machine.start()


def three(z: Runner) -> None:
    """The third joins from a dump that is older than its own server-add: it stays one record behind."""
    z.write(1)
    z.level([1, 2])
    dump = z.number(1).dump()
    endpoint = z.number(3).url
    z.must(1, "zone.addserver", ("int", "0"), ("string", f'SERVER=[NAME="ob3",ENDPOINT="{endpoint}"]'))
    z.check("ha3.zone.info.third-not-started")
    join(z, 3, 2, dump)
    z.await_leader([1, 2, 3])
    z.check("ha3.zone.info.from-leader-ob1")
    z.check("ha3.zone.info.from-follower-ob2")
    z.check("ha3.zone.info.from-follower-ob3")
    z.lead(1, [1, 2, 3])
    z.write(1)
    z.settled([1, 2, 3])
    z.check("ha3.zone.raftstatus.leader-ob1")
    z.check("ha3.zone.raftstatus.follower-ob2")
    z.check("ha3.zone.raftstatus.follower-ob3")
    z.check("ha3.zonepool.info")
    z.check("ha3.user.info")
    z.check("ha3.system.config")
    z.check("ha3.system.config.follower")
    z.check("follower.system.version")
    z.check("ha3.follower.resetserver")


def new_id(z: Runner, name: str, at: int | None = None, **more: Mapping[str, str]) -> dict[str, str]:
    """A recorded allocate whose id is the zone's own: returns recorded id -> the zone's."""
    recording = z.recordings[name]
    wanted = recording.answer.payload if recording.answer else ""
    server = at or recording.server or 1
    bound = dict(more.get("bound", {}))
    answer = call(z.number(server).url, recording.method, recording.session, z.arguments(recording, bound), 15)
    got = answer.payload if answer.success else wanted
    z.judge(name, answer, {wanted: got})
    return {wanted: got}


def calls(z: Runner) -> None:
    """Users, groups and documents on a healthy zone; the floating address stands for the leader."""
    z.level([1, 2, 3])
    new_id(z, "ha3.follower-write.group.allocate", 2)
    group = new_id(z, "ha3.group.allocate", 1)
    z.check("err.group.allocate.duplicate", 1, bound=group)
    z.check("err.group.allocate.empty", 1)
    z.check("ha3.group.info", 1, bound=group)
    z.check("ha3.group.update", 1, bound=group)
    z.check("ha3.group.delete", 1, bound=group)
    z.check("err.group.delete.again", 1, bound=group)

    token = token_password(z)
    z.check("ha3.user.update.merge", 1)
    z.check("ha3.user.info.after-update", 1)
    z.check("ha3-accepted.user.update.syntax", 1)
    z.must(1, "user.update", ("int", "0"), ("string", f'TOKEN_PASSWORD="{token}"'), ("int", "0"))
    user = new_id(z, "ha3.user.allocate", 1)
    z.check("err.user.allocate.duplicate", 1, bound=user)
    z.check("ha3.user.update.replace", 1, bound=user)
    z.check("ha3.user.info.probeuser", 1, bound=user)
    z.check("ha3.user.delete", 1, bound=user)
    z.check("err.user.update.not-found", 1)

    document = new_id(z, "ha3.document.allocate", 1)
    z.check("ha3.document.info", 1, bound=document)
    z.check("ha3.document.update", 1, bound=document)
    z.check("ha3.document.info.updated", 1, bound=document)
    z.check("ha3.document.rename", 1, bound=document)
    z.check("ha3.document.lock", 1, bound=document)
    z.check("ha3.document.unlock", 1, bound=document)
    z.check("ha3.documentpool.info", 1, bound=document)
    made = [
        new_id(z, "ha3-accepted.document.allocate.no-name", 1),
        new_id(z, "ha3-accepted.document.allocate.same-name", 1),
        new_id(z, "ha3-accepted.document.allocate.syntax", 1),
        new_id(z, "ha3.follower-write.document.allocate", 2),
    ]
    z.check("ha3.document.delete", 1, bound=document)
    z.check("err.document.info.deleted", 1, bound=document)
    z.check("err.document.delete.again", 1, bound=document)
    z.check("err.document.info.not-found", 1)
    for ids in made:
        for number in ids.values():
            z.must(1, "document.delete", ("int", number), ("boolean", "0"))
    z.level([1, 2, 3])
    z.check("ha3.zone.raftstatus.after-writes", 1)


def token_password(z: Runner) -> str:
    found = re.search(r"<TOKEN_PASSWORD><!\[CDATA\[(.*?)\]\]>", z.must(1, "user.info", ("int", "0"), ("boolean", "0")))
    if found is None:
        raise SituationError("oneadmin has no TOKEN_PASSWORD")
    return found[1]


def down(z: Runner) -> None:
    """One away, two away, and a restart alone."""
    z.new_term(1, [1, 2, 3])
    z.number(3).stop()
    z.check("ha3-down1.zone.info")
    z.check("ha3-down1.zone.raftstatus.leader")
    z.check("ha3-down1.zone.raftstatus.follower")
    z.check("ha3-down1.zone.raftstatus.down")
    new_id(z, "ha3-down1.write")
    z.level([1, 2])
    z.number(2).stop()
    z.check("ha3-down2.zone.raftstatus.leader-alone")
    z.check("ha3-down2.write")
    z.number(1).stop()
    z.number(1).start()
    z.await_state(1, CANDIDATE)
    z.check("ha3-noleader.zone.raftstatus")
    z.check("ha3-noleader.zone.info")
    z.check("ha3-noleader.user.info")
    z.check("ha3-noleader.system.version")
    z.check("ha3-noleader.write")
    z.number(2).start()
    z.number(3).start()
    z.await_leader([1, 2, 3])
    z.lead(1, [1, 2, 3])
    z.level([1, 2, 3])


def wrong_id(z: Runner) -> None:
    """A server with an id that the zone does not give it: looks healthy, or turns solo and diverges."""
    third = z.number(3)
    for server_id in (7, 1):
        follow_as(z, server_id)
        z.check(f"mismatch-server-id.{server_id}.raftstatus")
        new_id(z, f"mismatch-server-id.{server_id}.write")
        z.level([1, 2, 3])
    third.stop()
    z.check("mismatch-server-id.-1.write")
    third.configure(-1)
    third.start()
    z.await_state(3, SOLO)
    z.check("mismatch-server-id.-1.raftstatus")
    new_id(z, "mismatch-server-id.-1.write-on-solo")
    new_id(z, "mismatch-server-id.-1.write-on-leader")
    rebuild(z, 3, 2, 1)


def follow_as(z: Runner, server_id: int) -> None:
    """The third follows the first under another id; when an election gave two leaders of one term, once more."""
    third = z.number(3)
    z.level([1, 2, 3])
    for attempt in range(3):
        third.stop()
        if server_id == 7:
            z.new_term(1, [1, 2])
        else:
            z.lead(1, [1, 2])
        third.configure(server_id)
        third.start()
        try:
            z.await_(f"ob3 follows as {server_id}", lambda: committed(z, 3) and follows(z, 3, 1), z.timers.leader())
            return
        except SituationError:
            if attempt == 2:
                raise


def follows(z: Runner, server: int, leader: int) -> bool:
    mine, its = z.raft(server), z.raft(leader)
    if mine is None or its is None:
        return False
    return (mine.state, its.state) == (FOLLOWER, LEADER) and mine.term == its.term


def committed(z: Runner, server: int) -> bool:
    raft = z.raft(server)
    return raft is not None and raft.commit == raft.index


def rebuild(z: Runner, server: int, server_id: int, leader: int) -> None:
    """A server starts over from the leader's database."""
    join(z, server, server_id, z.number(leader).dump())
    z.await_leader([1, 2, 3])
    z.level([1, 2, 3])


def wrong_credentials(z: Runner) -> None:
    """A follower whose one_auth is another: the zone works, its own clients do not."""
    third = z.number(3)
    third.stop()
    third.credentials("another-password")
    third.start()
    z.await_leader([1, 2, 3])
    z.check("mismatch-one_auth.raftstatus-bad-pw")
    z.level([1, 2, 3])
    z.check("mismatch-one_auth.raftstatus-good-pw")
    new_id(z, "mismatch-one_auth.write-leader")
    new_id(z, "mismatch-one_auth.write-follower")
    third.stop()
    third.credentials(SESSION.partition(":")[2])
    third.start()
    z.await_leader([1, 2, 3])
    z.lead(1, [1, 2, 3])


@contextmanager
def away(z: Runner, server: int) -> Iterator[None]:
    """A server without a way to its peers; we still reach it."""
    peers = [machine.address for machine in z.servers if machine.number != server]
    z.number(server).cut(*peers)
    try:
        yield
    finally:
        z.number(server).heal(*peers)


def cut_leader(z: Runner) -> None:
    """The leader is cut off with writes pending, another leads, the old one returns."""
    before = {"247": z.must(1, "document.allocate", ("string", 'NAME = "before-cut"'), ("int", "4200"))}
    z.level([1, 2, 3])
    z.check("ha3-cut.raftstatus.before.leader", 1)
    pending: dict[str, Answer] = {}

    def hang(name: str) -> None:
        recording = z.recordings[name]
        pending[name] = call(z.number(1).url, recording.method, SESSION, z.arguments(recording, {}), 90)

    names = [f"ha3-cut.pending-write.{number}" for number in range(3)]
    threads = [threading.Thread(target=hang, args=(name,)) for name in names]
    with away(z, 1):
        for thread in threads:
            thread.start()
        z.await_("the cut leader holds a record of its own", lambda: pending_record(z, 1), 10)
        z.await_leader([2, 3])
        z.lead(2, [2, 3])
        z.check("ha3-cut.raftstatus.cut.ex-leader", 1)
        z.check("ha3-cut.raftstatus.cut.new-leader", 2)
        z.check("ha3-cut.zone.info.cut.ex-leader", 1)
        made = dict(before)
        for number in range(4):
            made |= new_id(z, f"ha3-cut.write-new-leader.{number}", 2)
    for thread in threads:
        thread.join()
    for name in names:
        z.judge(name, pending[name])
    z.await_leader([1, 2, 3])
    z.lead(2, [1, 2, 3])
    z.level([1, 2, 3])
    for server in (1, 2, 3):
        z.check(f"ha3-cut.raftstatus.returned.fe{server}", server)
        z.check(f"ha3-cut.documentpool.info.returned.fe{server}", server, bound=made)
    z.check("ha3-cut.zone.info.returned", 1)
    new_id(z, "ha3-cut.write-after-return", 2)


def pending_record(z: Runner, server: int) -> bool:
    raft = z.raft(server)
    return raft is not None and raft.state == LEADER and raft.index > raft.commit


def lag(z: Runner) -> None:
    """A follower is cut off, asks for votes that nobody hears, and comes back."""
    z.new_term(1, [1, 2, 3])
    with away(z, 3):
        z.await_state(3, CANDIDATE)
        z.check("ha3-lag.raftstatus.cut.follower", 3)
        z.write(1)
    z.await_leader([1, 2, 3])
    z.lead(1, [1, 2, 3])
    z.write(1)
    z.level([1, 2, 3])
    for server in (1, 2, 3):
        z.check(f"ha3-lag.raftstatus.end.fe{server}", server)


def out_of_window(z: Runner) -> None:
    """A follower whose next record no other server has any more; it is rebuilt from a dump and reset."""
    z.level([1, 2, 3])
    z.number(3).stop()
    for _ in range(3):
        z.write(2)
    z.level([1, 2])
    last = z.raft(2)
    if last is None:
        raise SituationError("ob2 does not say where its log ends")
    for server in (1, 2):
        # What oned's own purge does with a window of two records.
        z.number(server).sql(f"DELETE FROM logdb WHERE log_index >= 0 AND log_index < {last.index - 1}", "opennebula")
    z.elect([1, 2])
    z.number(3).start()
    z.await_leader([1, 2, 3])
    z.await_("ob3 has committed what it holds", lambda: committed(z, 3), z.timers.leader())
    new_id(z, "ha3-out-of-window.write-via-stale")
    z.check("ha3-out-of-window.raftstatus.follower")
    join(z, 3, 2, z.number(2).dump())
    z.await_leader([1, 2, 3])
    new_id(z, "ha3-recovered-before-reset.write")
    z.check("ha3-recovered.resetserver")
    new_id(z, "ha3-after-reset.write")
    z.check("ha3.resetserver.unknown")
    z.level([1, 2, 3])


def deleted(z: Runner) -> None:
    """A server is removed through a follower and comes back; the leader removes itself and comes back with a new id."""
    z.new_term(2, [1, 2, 3])
    z.check("ha3.zone.delserver.via-follower")
    z.await_("ob1 knows", lambda: "ob3" not in z.must(1, "zone.info", ("int", "0"), ("boolean", "0")), 10)
    z.check("ha3-deleted.raftstatus.removed-server")
    z.check("ha3-deleted.zone.info.leader")
    z.check("ha3-deleted.zone.info.removed-server")
    z.await_state(3, CANDIDATE)
    z.check("ha3-deleted.write-on-removed")
    z.number(3).stop()
    z.await_leader([1, 2])
    z.check("ha3.zone.addserver.readd")
    z.number(3).start()
    z.await_leader([1, 2, 3])
    z.lead(2, [1, 2, 3])
    z.level([1, 2, 3])

    z.check("ha3.zone.delserver.leader-itself")
    z.write(2)
    z.settled([1, 2, 3])
    for server in (1, 2, 3):
        z.check(f"ha3-leader-deleted.raftstatus.ob{server}")
    z.number(2).stop()
    z.await_leader([1, 3])
    z.lead(1, [1, 3])
    z.check("ha3.zone.addserver.readd-new-id")
    z.check("ha3.zone.info.readd-new-id")
    z.number(2).configure(3)
    z.number(2).start()
    z.await_leader([1, 2, 3])
    z.lead(1, [1, 2, 3])
    new_id(z, "ha3.ids-0-2-3.write")
    z.level([1, 2, 3])


def administration(z: Runner) -> None:
    """The zone disabled, renamed, behind a floating address."""
    z.check("ha3.zone.enable-false")
    z.check("ha3-disabled.write")
    z.check("ha3-disabled.zone.info")
    z.check("ha3.zone.enable-true")
    z.check("ha3.zone.rename")
    z.check("ha3.zone.update.endpoint-vip")
    z.check("ha3.zone.info.vip-endpoint")
    z.check("ha3.zone.rename.back")


def wire(z: Runner) -> None:
    """The calls between servers, sent by us; the last ones disturb the zone, so they come last."""
    leader, follower, other = 1, 2, 3
    z.lead(leader, [1, 2, 3])
    z.write(leader)
    z.level([1, 2, 3])
    now = z.raft(leader)
    if now is None:
        raise SituationError("ob1 does not say its term")
    term, index = now.term, now.index
    recorded = {"21": str(term), "17": str(term), "20": str(term), "16": str(term)}
    low = {"21": str(term)}
    z.check("raft.voterequest.by-hand.lower-term", follower, bound=low)
    z.check("raft.voterequest.by-hand.to-leader-lower-term", leader, bound=low)
    z.check("raft.voterequest.by-hand.wrong-arity", follower)
    z.check("raft.voterequest.by-hand.i4-log-index", follower)
    z.check("raft.voterequest.by-hand.wrong-secret", follower)
    z.check("raft.replicate.by-hand.lower-term", follower, bound=low)
    z.check("raft.replicate.by-hand.server-id-not-in-zone.lower-term", follower, bound=low)
    z.check("raft.replicate.by-hand.to-leader-lower-term", leader, bound=low)
    z.check("raft.replicate.by-hand.wrong-secret", follower)
    z.check("raft.fedreplicate.by-hand.standalone", follower)

    def replicate(name: str, server: int, *, at: int, before: int, age: int = 0) -> None:
        """The recorded call with this zone's numbers; `before` is the term said of the record before."""
        mine = str(term - age)
        sql = z.recordings[name].arguments[-1][1]
        entry, entry_term = (str(at), mine) if sql else ("0", "0")
        previous, previous_term = (str(at - 1), str(before)) if sql else ("0", "0")
        kinds = [kind for kind, _ in z.recordings[name].arguments]
        # A harmless statement in place of the recorded one, which belongs to that zone's data.
        statement = "REPLACE INTO pool_control (tablename, last_oid) VALUES ('contract', 1)" if sql else ""
        values = [str(now.server_id), str(index), mine, entry, entry_term, previous, previous_term, "-1", statement]
        numbers = dict(recorded) if not age else {"16": mine, "17": str(term)}
        arguments = tuple(zip(kinds, values, strict=True))
        z.check(name, server, arguments=arguments, bound=numbers)

    replicate("raft.replicate.heartbeat.ok", follower, at=0, before=0)
    replicate("raft.replicate.heartbeat.leader-term-n-is-outdated-n", other, at=0, before=0, age=1)
    replicate("raft.replicate.record.leader-term-n-is-outdated-n", other, at=index + 1, before=term, age=1)
    replicate("raft.replicate.record.error-loading-previous-log-record", other, at=index + 50, before=term)
    # A record that the leader knows nothing of: its next one takes the place, before anything is committed.
    replicate("raft.replicate.record.ok", other, at=index + 1, before=term)
    replicate("raft.replicate.record.ok.2", follower, at=index + 1, before=term)
    replicate("raft.replicate.record.ok.3", other, at=index + 2, before=term)
    z.write(leader)
    z.level([1, 2, 3])

    votes(z)


def votes(z: Runner) -> None:
    """Votes by hand. One granted or a higher term makes the zone elect anew."""
    # Whoever is away during an election has not voted in its term.
    z.number(3).stop()
    z.new_term(1, [1, 2])
    z.number(3).start()
    z.await_leader([1, 2, 3])
    now, third = z.raft(1), z.raft(3)
    if now is None or third is None:
        raise SituationError("the servers do not say their terms")
    term = now.term
    candidate = str(z_id(z, 2))
    sure = ("i8", "1000000000")
    already = (("int", str(term)), ("int", candidate), sure, ("int", str(term)))
    z.check("raft.voterequest.by-hand.same-term-already-led", 3, arguments=already, bound={"21": str(term)})
    old = (("i4", str(term - 1)), ("i4", candidate), sure, ("i4", str(term)))
    z.check("raft.voterequest.vote.candidate-s-term-is-outdated", 3, arguments=old, bound={"20": str(term)})
    outdated = (("int", str(term + 1)), ("int", candidate), ("i8", "1"), ("int", "1"))
    z.check("raft.voterequest.by-hand.higher-term-outdated-log", 2, arguments=outdated, bound={"21": str(term)})
    z.await_leader([1, 2, 3])
    z.lead(1, [1, 2, 3])
    now = z.raft(1)
    if now is None:
        raise SituationError("ob1 does not say its term")
    granted = (("i4", str(now.term + 1)), ("i4", candidate), sure, ("i4", str(now.term)))
    z.check("raft.voterequest.vote.ok", 3, arguments=granted, bound={"16": str(now.term)})
    z.await_leader([1, 2, 3])
    z.lead(1, [1, 2, 3])


def requests(z: Runner) -> None:
    """A fourth server that only listens hears what the others send."""
    with listening(z.gateway) as ear:

        def hear(name: str, statement: str | None = None, bound: Mapping[str, str] | None = None) -> None:
            recording = z.recordings[name]
            z.await_(f"{name} is heard", lambda: ear.first(recording, statement) is not None, z.timers.leader())
            call = ear.first(recording, statement)
            found = compare_call(recording, call, bound or {}) if call else ["was not heard"]
            z.sent[name] = found
            z.say(f"  {'differs' if found else 'equal  '}  sent {name}")
            for difference in found:
                z.say(f"             {difference}")

        server = ("string", f'SERVER=[NAME="ear",ENDPOINT="{ear.url}"]')
        z.must(1, "zone.addserver", ("int", "0"), server)
        hear("raft.replicate.heartbeat.ok", "")
        template = ("string", 'NAME = "write-probe"\nPROBE = "1"')
        made = z.must(1, "document.allocate", template, ("int", "4200"))
        hear("raft.replicate.record.ok", "REPLACE INTO pool_control", {"242": made})
        hear("raft.replicate.record.ok.3", "INSERT INTO document_pool", {"242": made})
        z.must(1, "document.delete", ("int", made), ("boolean", "0"))
        z.number(1).stop()
        hear("raft.voterequest.vote.ok")


def z_id(z: Runner, server: int) -> int:
    raft = z.raft(server)
    if raft is None:
        raise SituationError(f"ob{server} does not say its id")
    return raft.server_id


def new_zone(z: Runner) -> None:
    """All servers anew at once; the first leads."""
    each(z.servers, "fresh")
    first = z.number(1)
    first.configure(-1)
    first.start()
    z.await_state(1, SOLO)
    for machine in z.servers:
        server = f'SERVER=[NAME="ob{machine.number}",ENDPOINT="{machine.url}"]'
        z.must(1, "zone.addserver", ("int", "0"), ("string", server))
    first.stop()
    dump = first.dump()
    with ThreadPoolExecutor() as pool:
        joined = [pool.submit(join, z, number, number - 1, dump) for number in (2, 3)]
        first.configure(0)
        first.start()
        for each_one in joined:
            each_one.result()
    z.await_leader([1, 2, 3])
    z.lead(1, [1, 2, 3])


def datastores(z: Runner) -> None:
    """Datastores change their drivers, to shared ones and back; what looks wrong but is accepted is ignored."""
    new_zone(z)
    z.check("ha3.datastorepool.info.fresh", 1)
    z.check("ha3.datastorepool.info", 1)
    z.check("ha3.datastore.info.0.fresh", 1)
    for number in range(3):
        z.check(f"ha3.datastore.update.{number}.tm-shared", 1)
    z.check("ha3.datastore.update.0.again-same", 1)
    z.check("ha3.datastorepool.info.shared", 1)
    for number in range(3):
        z.check(f"ha3.datastore.info.{number}.shared", 1)
    z.check("ha3.datastore.update.1.tm-qcow2", 1)
    for name in ("tm-unknown", "ds-unknown", "not-found", "syntax", "wrong-type-arg"):
        z.check(f"err.datastore.update.{name}", 1)
    for name in ("type-wrong", "system-ds-mad", "type-change-shared-system-to-image", "tm-empty", "replace-without-tm"):
        z.check(f"ha3-accepted.datastore.update.{name}", 1)
    z.check("ha3.datastore.update.0.shared-no-by-hand", 1)
    for number in range(3):
        z.check(f"ha3.datastore.update.{number}.tm-ssh", 1)
    z.check("ha3.datastorepool.info.back-to-ssh", 1)
    z.check("follower.datastore.update")


def hooks(z: Runner) -> None:
    """Hooks of both kinds are kept; one is changed, replaced, renamed, deleted."""
    z.check("solo.hookpool.info")
    for name in ("allocate.host-state", "allocate.vm-state", "allocate.api"):
        z.check(f"ha3.hook.{name}")
    z.check("err.hook.allocate.duplicate")
    z.check("err.hook.allocate.no-type")
    z.check("ha3.hook.info")
    z.check("ha3.hookpool.info")
    for hook in ("0", "1", "2"):
        z.must(1, "hook.delete", ("int", hook))
    for machine in z.servers:  # the other recorded hook was the first of another zone
        machine.sql("DELETE FROM pool_control WHERE tablename = 'hook_pool'", "opennebula")
    z.check("ha3.hook.allocate.probe", 1)
    z.check("ha3.hook.info.probe", 1)
    z.check("ha3.hook.update.merge", 1)
    z.check("ha3.hook.info.probe-updated", 1)
    z.check("ha3.hook.update.replace", 1)
    z.check("ha3.hook.info.probe-replaced", 1)
    z.check("err.hook.update.replace-without-command", 1)
    z.check("ha3.hook.info.probe-after-bad-replace", 1)
    z.check("err.hook.update.call-change", 1)
    z.check("ha3-accepted.hook.update.type-change", 1)
    z.check("err.hook.update.not-found", 1)
    z.check("ha3.hook.rename", 1)
    z.check("ha3.hook.delete", 1)
    z.check("err.hook.info.deleted", 1)


def await_host(z: Runner, host: int, what: str) -> None:
    """What the leader's document of a host holds, sooner or later."""

    def there() -> bool:
        return what in z.must(1, "host.info", ("int", str(host)), ("boolean", "0"))

    z.await_(f"host {host} shows {what}", there, NODE_TIMEOUT)


def lost_hosts(z: Runner) -> None:
    """Hosts of names that nobody knows are kept, and are errors; disabled, offline, enabled."""
    z.check("ha3.follower-read.hostpool")
    for name in ("no-name", "empty-im", "cluster-not-found"):
        z.check(f"err.host.allocate.{name}", 1)
    z.check("ha3.follower-write.host.allocate")
    z.check("ha3.host.allocate")
    z.check("err.host.allocate.duplicate")
    z.check("ha3.clusterpool.info")
    for host in (0, 1):
        await_host(z, host, IN_ERROR)
    z.check("ha3.host.info")
    z.check("ha3.hostpool.info")
    z.check("ha3.host.status.disable")
    z.check("ha3.host.info.disabled")
    z.check("ha3.host.status.offline")
    z.check("ha3.host.info.offline")
    z.check("ha3.host.status.enable")
    for host in (0, 1):
        z.must(1, "host.delete", ("int", str(host)))


def a_node(z: Runner) -> None:
    """A node without lspci, one that does not answer, one that nobody knows, one of no driver; one that works."""
    node, first = z.node, z.number(1)
    if node is None:
        raise SituationError("there is no node")
    z.level([1, 2, 3])
    for machine in z.servers:  # the recorded hosts were the first of another zone
        machine.sql("DELETE FROM pool_control WHERE tablename = 'host_pool'", "opennebula")
    silent = [node.addresses[name] for name in (NAME, UNREACHABLE)]
    node.hide_lspci()
    first.cut(*silent)
    z.check("ha3.host.allocate.kvm1", 1)
    z.check("ha3.host.allocate.unreachable", 1)
    z.check("ha3.host.allocate.unresolvable", 1)
    z.check("ha3-accepted.host.allocate.im-unknown", 1)
    await_host(z, 2, IN_ERROR)
    for name in ("hostpool.info.kvm1.01-init", "host.info.nohost.invalid.01-error"):
        z.check(f"ha3.{name}", 1)
    for name in (NAME, UNREACHABLE, "kvm9"):
        z.check(f"ha3.host.info.{name}.01-init", 1, exact=True)
    first.heal(node.addresses[NAME])
    await_host(z, 0, IN_ERROR)
    z.check("ha3.hostpool.info.kvm1.02-error", 1)
    z.check("ha3.host.info.kvm1.02-error", 1)
    first.heal(node.addresses[UNREACHABLE])
    await_host(z, 1, IN_ERROR)
    z.check("ha3.host.info.kvm2.02-error", 1)
    z.check("ha3.host.status.enable-retry", 1)
    z.check("ha3.hostpool.info.kvm1.03-init", 1)
    z.check("ha3.host.info.kvm1.03-init", 1)
    node.show_lspci()
    for kind in ("kvm1", "kvm1q"):
        z.check(f"ha3-{kind}.host.delete", 1)
        if kind == "kvm1":
            z.check("ha3.host.monitoring.kvm1", 1)
        first.cut(node.addresses[NAME])
        z.check(f"ha3-{kind}.host.allocate", 1)
        z.check(f"ha3-{kind}.host.info.01-init", 1, exact=True)
        z.check(f"ha3-{kind}.hostpool.info.01-init", 1)
        first.heal(node.addresses[NAME])
        host = 4 if kind == "kvm1" else 5
        await_host(z, host, "<STATE>2</STATE>")
        await_host(z, host, "<MONITORING><TIMESTAMP>")
        for name in ("host.info.02-monitored", "host.info.last", "hostpool.info.02-monitored"):
            z.check(f"ha3-{kind}.{name}", 1)
        for name in ("host.monitoring", "hostpool.monitoring"):
            z.check(f"ha3-{kind}.{name}", 1)
    z.check("ha3.hostpool.monitoring", 1)


SITUATIONS: tuple[tuple[str, Callable[[Runner], None]], ...] = (
    ("one server, solo", solo),
    ("one server, leader of itself", one),
    ("two servers", two),
    ("three servers", three),
    ("users, groups, documents", calls),
    ("servers down, no leader", down),
    ("a wrong SERVER_ID", wrong_id),
    ("other credentials on a follower", wrong_credentials),
    ("the leader cut off", cut_leader),
    ("a follower cut off", lag),
    ("a follower out of the log", out_of_window),
    ("servers deleted and added", deleted),
    ("the zone disabled and renamed", administration),
    ("calls between servers", wire),
    ("what servers send", requests),
    ("a new zone with its datastores", datastores),
    ("hooks", hooks),
    ("hosts that cannot be found", lost_hosts),
    ("a node", a_node),
)
