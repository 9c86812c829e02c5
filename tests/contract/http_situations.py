"""The web services driven through what was recorded: sessions in memory, in memcached, behind balancers, without cache.

ob1 and ob2 carry Sunstone (the recorded fe1, fe2), ob3 memcached and the first balancer, ob2 the second; ob1 is a
zone of one.
"""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path

from lab.hosts import access

from .driver import DriverError, Machine, each
from .http_exchanges import BODIES, LISTED, Exchange, Names, Reply, ask, compare, load, reason
from .plan import SituationError

SUNSTONE, FLOW, GATE, MEMCACHED = 9869, 2474, 5030, 11211
PACKAGES = ("opennebula-sunstone", "opennebula-flow", "opennebula-gate")
# The Ruby ones are what the recorded Sunstone ran on: its HTTP server, its client of memcached.
NEEDED = ("memcached", "haproxy", "ruby-dalli", "ruby-connection-pool", "thin")
VERSION = Exchange("", method="GET", path="/version")
RECOVERY = Path(__file__).parent / "recordings/6.10.5.memcached.json"
FORWARD = 20.0
# Recorded seconds and these, for machines that share two cores: how long until a login holds again.
EARLIER, LATER = 8.0, 10.0


@dataclass
class Web:
    """Asks and compares; a difference is kept, so that one run shows them all."""

    machines: Sequence[Machine]
    debs: Sequence[str]
    say: Callable[[str], None]
    exchanges: Mapping[str, Exchange] = field(default_factory=load)
    names: Names = field(default_factory=Names)
    differences: dict[str, list[str]] = field(default_factory=dict)

    def number(self, server: int) -> Machine:
        return self.machines[server - 1]

    def place(self, to: str) -> tuple[str, int]:
        """Where a recorded address is: balancers with forwardfor listen beside those without."""
        server, port = {
            "fe1": (1, SUNSTONE),
            "fe2": (2, SUNSTONE),
            "ob1": (1, SUNSTONE),
            "ob2": (2, SUNSTONE),
            "ob3": (3, SUNSTONE),
            "lb1": (3, 9879),
            "lb1-plain": (3, 9880),
            "lb2": (2, 9879),
            "lb2-plain": (2, 9880),
        }[to]
        return self.number(server).address, port

    def check(self, name: str, place: tuple[str, int] | None = None) -> Reply:
        exchange = self.exchanges[name]
        reply = ask(*(place or self.place(exchange.to)), exchange, self.names)
        self.note(name, compare(exchange, reply, self.names, exchange.to.startswith("lb")))
        return reply

    def note(self, name: str, found: list[str]) -> None:
        self.differences[name] = found
        self.say(f"  {'differs' if found else 'equal  '}  {name}")
        for difference in found:
            self.say(f"             {difference}")

    def situation(self, prefix: str, do: Mapping[str, Callable[[], None]] | None = None) -> None:
        """All exchanges of a file in their order; something is done before, or after, the named ones."""
        self.names = Names()
        for name in self.exchanges:
            if name.startswith(f"{prefix}: ") and reason(name) is None:
                step = name.removeprefix(f"{prefix}: ")
                (do or {}).get(step, lambda: None)()
                self.check(name)

    def await_(self, what: str, true: Callable[[], bool], seconds: float = 60) -> float:
        began = time.monotonic()
        while not true():
            if time.monotonic() - began > seconds:
                raise SituationError(f"{what}: not after {seconds:.0f} s")
            time.sleep(0.2)
        return time.monotonic() - began

    def answers(self, server: int) -> bool:
        try:
            return ask(*self.place(f"ob{server}"), VERSION, self.names).status == HTTPStatus.OK
        except OSError:
            return False

    def holds(self, server: int) -> bool:
        """Whether a new login at this machine leads to the page behind it."""
        login = replace(self.exchanges["memcache: login-ok"], name="")
        cookie = ask(*self.place(f"ob{server}"), login, Names()).headers.get("set-cookie", "").partition(";")[0]
        page = replace(self.exchanges["memcache: root-after-login"], headers={"Cookie": cookie})
        return bool(cookie) and ask(*self.place(f"ob{server}"), page, Names()).page == "index"

    def restart(self, sessions: str, *servers: int) -> None:
        """Sunstone anew, with sessions there, and asked until it answers."""
        for server in servers:
            machine = self.number(server)
            machine.run(
                "cd /etc/one; sed -i"
                f' -e "s|^:sessions:.*|:sessions: {sessions}|"'
                f' -e "s|^:memcache_host:.*|:memcache_host: {self.number(3).address}|"'
                f' -e "s|^:one_xmlrpc:.*|:one_xmlrpc: {self.number(1).url}|"'
                " sunstone-server.conf oneflow-server.conf onegate-server.conf;"
                " systemctl restart opennebula-sunstone"
            )
            self.await_(f"Sunstone on ob{server} answers", lambda server=server: self.answers(server))  # type: ignore[misc]

    def cache(self, verb: str) -> None:
        self.number(3).run(f"systemctl {verb} memcached")
        if verb != "stop":
            self.await_("memcached listens", lambda: _open((self.number(3).address, MEMCACHED)))

    def unreachable(self) -> None:
        """The cache's machine is gone for the web machines: packets to it go to a card that nobody has."""
        for server in (1, 2):
            self.number(server).cut(self.number(3).address)

    def reachable(self) -> None:
        for server in (1, 2):
            self.number(server).heal(self.number(3).address)


def prepare(web: Web) -> None:
    """The web's packages, a zone of one on ob1, its credentials on all, memcached and two balancers."""
    each(web.machines, "stop")
    quiet = "DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 install --no-install-recommends"
    kept = "--reinstall -o Dpkg::Options::=--force-confnew"
    files = " ".join(f"/srv/one-repo/{deb}" for deb in web.debs)
    each(web.machines, "run", f"{quiet} {kept} {files} {' '.join(NEEDED)} >/dev/null", b"", 900)
    for unit in PACKAGES:  # situations restart them more often than a cloud in use
        folder = f"/etc/systemd/system/{unit}.service.d"
        limit = b"[Unit]\nStartLimitIntervalSec=0\n"
        each(web.machines, "run", f"mkdir -p {folder}; cat >{folder}/contract.conf; systemctl daemon-reload", limit)
    first = web.number(1)
    first.fresh()
    first.configure(-1)
    first.start()
    for machine in web.machines[1:]:
        machine.take_keys(first.keys())
    web.number(3).run('sed -i "s/^-l .*/-l 0.0.0.0/" /etc/memcached.conf; systemctl restart memcached')
    servers = "".join(f"  server ob{n} {web.number(n).address}:{SUNSTONE}\n" for n in (1, 2))
    for number in (2, 3):
        web.number(number).run("cat >/etc/haproxy/haproxy.cfg; systemctl restart haproxy", balancer(servers).encode())


def balancer(servers: str) -> str:
    text = "defaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n"
    for port, option in ((9879, "  option forwardfor\n"), (9880, "")):
        text += f"listen port{port}\n  bind :{port}\n  balance roundrobin\n{option}{servers}"
    return text


def memory(web: Web) -> None:
    """As shipped, but for the endpoint: sessions in memory, lost at the other machine and after a restart."""
    web.restart("memory", 1, 2, 3)
    web.situation("memory", {"root at fe1 after its restart": lambda: web.restart("memory", 1)})
    for server in (1, 2, 3):
        web.names = Names()
        for name, exchange in web.exchanges.items():
            if name.startswith("sunstone.") and exchange.to == f"ob{server}":
                web.check(name)


def memcache(web: Web) -> None:
    """Sessions in memcached, and when its keys end."""
    web.restart("memcache", 1, 2)
    recorded = json.loads(RECOVERY.read_text())["keys"]

    def keys(step: str) -> Callable[[], None]:
        return lambda: web.note(f"keys: {step}", compare_keys(recorded[step], read_keys(web.number(3))))

    do = {
        "login-ok-remember": keys("after_first_login"),
        "login-ok-remember-form": keys("after_remember_query"),
        "version": keys("after_remember_form"),
        "root-after-logout": keys("after_logout"),
    }
    web.cache("restart")
    web.await_("a login holds", lambda: web.holds(1))
    web.cache("restart")
    web.situation("memcache", do)


def read_keys(machine: Machine) -> list[int]:
    """Seconds until each key of Sunstone's ends, -1 for never."""
    program = (
        "import socket,time\n"
        f"s = socket.create_connection(('127.0.0.1', {MEMCACHED}), 5)\n"
        "s.sendall(b'lru_crawler metadump all\\r\\n')\n"
        "text = b''\n"
        "while not text.endswith(b'END\\r\\n'): text += s.recv(65536)\n"
        "for line in text.decode().splitlines()[:-1]:\n"
        "    fields = dict(part.split('=', 1) for part in line.split())\n"
        "    if fields['key'].startswith('opennebula.sunstone'):\n"
        "        end = int(fields['exp'])\n"
        "        print(end if end < 0 else end - int(time.time()))\n"
    )
    return [int(line) for line in machine.run("python3 -", program.encode()).split()]


def compare_keys(want: Sequence[int], have: Sequence[int]) -> list[str]:
    """Whether as many keys end as soon: never, within an hour, within a month."""

    def kinds(ends: Sequence[int]) -> Counter[str]:
        return Counter("never" if end < 0 else "an hour" if end <= 3700 else "a month" for end in ends)

    return [] if kinds(want) == kinds(have) else [f"keys end {dict(kinds(want))}, here {dict(kinds(have))}"]


def forwarded(web: Web) -> None:
    """Behind two balancers, with and without the client's address."""
    web.situation("forwarded")


def stopped(web: Web) -> None:
    """memcached stopped, and back empty."""
    web.await_("a login holds", lambda: web.holds(1) and web.holds(2))
    web.situation(
        "stopped",
        {
            "memcached stopped: GET / with the session cookie": lambda: web.cache("stop"),
            "memcached restarted empty: GET / with the session cookie": lambda: web.cache("start"),
        },
    )
    web.await_("a login holds", lambda: web.holds(1) and web.holds(2))


def unreachable(web: Web) -> None:
    """The cache's machine gone; afterwards the same session is back."""
    first = "memcached machine unreachable, GET / with cookie, try 0, +0.0s"
    poll = web.exchanges["unreachable: poll"]

    def back() -> None:
        web.reachable()
        web.await_("the old session is back", lambda: ask(*web.place("fe1"), poll, web.names).page == "index")

    try:
        web.situation("unreachable", {first: web.unreachable, "poll": back})
    finally:
        web.reachable()
    web.await_("a login holds", lambda: web.holds(2))


def recovery(web: Web) -> None:
    """How long until a login holds again: the client library asks a cache that was down after 30 s."""
    recorded = json.loads(RECOVERY.read_text())["seconds_until_a_login_holds"]

    def within(name: str, server: int) -> None:
        took = web.await_(name, lambda: web.holds(server))
        low, high = recorded[name]
        wrong = not low - EARLIER <= took <= high + LATER
        web.note(f"recovery: {name}", [f"took {took:.1f} s, recorded {low} to {high} s"] if wrong else [])

    web.await_("a login holds", lambda: web.holds(1) and web.holds(2))
    web.cache("restart")
    within("restarted, nothing asked meanwhile", 1)
    web.await_("a login holds", lambda: web.holds(2))
    web.cache("stop")
    if web.holds(1) or web.holds(2):
        raise SituationError("a login holds although memcached is stopped")
    web.cache("start")
    within("stopped, asked meanwhile", 2)
    web.await_("a login holds", lambda: web.holds(1))
    web.number(3).run("systemctl kill -s STOP memcached")
    if web.holds(1):
        raise SituationError("a login holds although memcached is frozen")
    web.number(3).run("systemctl kill -s CONT memcached")
    within("frozen, thawed", 1)


@contextmanager
def loopback(machine: Machine, port: int) -> Iterator[tuple[str, int]]:
    """A service that listens on a machine's loopback only, from here."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        local = probe.getsockname()[1]
    line = access.ssh(machine.lab, machine.host)
    options = ["-N", "-o", "ExitOnForwardFailure=yes", "-L", f"127.0.0.1:{local}:127.0.0.1:{port}"]
    tunnel = subprocess.Popen([*line[:1], *options, *line[1:]])
    try:
        end = time.monotonic() + FORWARD
        while True:
            try:
                socket.create_connection(("127.0.0.1", local), 1).close()
                break
            except OSError as error:
                if time.monotonic() > end or tunnel.poll() is not None:
                    raise SituationError(f"{machine.host.name}: port {port} cannot be reached over ssh") from error
                time.sleep(0.1)
        yield "127.0.0.1", local
    finally:
        tunnel.terminate()
        tunnel.wait(10)


def cloud(web: Web) -> None:
    """OneFlow and OneGate, on every server, on the loopback only."""
    for server in (1, 2, 3):
        machine = web.number(server)
        machine.run("systemctl restart opennebula-flow opennebula-gate")
        for kind, port in (("flow", FLOW), ("gate", GATE)):
            with loopback(machine, port) as place:
                web.await_(f"{kind} on ob{server} answers", lambda place=place: _listens(place))  # type: ignore[misc]
                for name, exchange in web.exchanges.items():
                    if name.startswith(f"{kind}.") and exchange.to == f"ob{server}":
                        web.check(name, place)
            if _open((machine.address, port)):
                web.note(f"loopback: {kind} on ob{server}", [f"{machine.address}:{port} is open"])


def _open(place: tuple[str, int]) -> bool:
    try:
        socket.create_connection(place, 2).close()
    except OSError:
        return False
    return True


def _listens(place: tuple[str, int]) -> bool:
    try:
        return bool(ask(*place, Exchange("", method="GET", path="/"), Names()).status)
    except OSError:
        return False


SITUATIONS: tuple[tuple[str, Callable[[Web], None]], ...] = (
    ("web: packages, zone, cache, balancers", prepare),
    ("web: sessions in memory", memory),
    ("web: OneFlow and OneGate", cloud),
    ("web: sessions in memcached", memcache),
    ("web: behind balancers", forwarded),
    ("web: memcached stopped", stopped),
    ("web: memcached unreachable", unreachable),
)
# Each of its three figures is half a minute of waiting.
LONG = (("web: memcached back", recovery),)


def report(web: Web) -> bool:
    """Every recording is compared or listed; says how many, and whether all is well."""
    why = {name: reason(name) for name in web.exchanges}
    lost = [name for name, listed in why.items() if listed is None and name not in web.differences]
    wrong = [name for name, found in web.differences.items() if found]
    compared = sum(name in web.differences for name in web.exchanges)
    more = len(web.differences) - compared
    web.say(f"{len(web.exchanges)} web recordings: {compared} compared, and {more} tables; {len(wrong)} differ")
    for _, text in LISTED:
        web.say(f"  {sum(value == text for value in why.values()):4} listed: {text}")
    for name, (_, text) in BODIES.items():
        web.say(f"       of {name} the body's form: {text}")
    for name in wrong:
        web.say(f"DIFFERS {name}: {'; '.join(web.differences[name])}")
    for name in lost:
        web.say(f"NEITHER compared nor listed: {name}")
    return not (wrong or lost)


def run(machines: Sequence[Machine], debs: Sequence[str], say: Callable[[str], None], quick: bool = False) -> bool:
    """All of it, or all that waits for nothing; a situation that is lost is said and turns the result red."""
    web = Web(machines, debs, say)
    began = time.monotonic()
    for title, situation in SITUATIONS if quick else SITUATIONS + LONG:
        say(f"{time.monotonic() - began:5.0f} s  {title}")
        try:
            situation(web)
        except (SituationError, DriverError, OSError) as error:
            say(f"  LOST the situation '{title}': {error}")
            report(web)
            return False
    return report(web)
