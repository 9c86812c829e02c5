"""The whole cloud as the first run left it, looked at by other means than the collection's own code."""

from __future__ import annotations

import re
import socket
import ssl
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import pytest
from testinfra.host import Host

from lab.hosts.arp import holders
from lab.hosts.plan import Lab
from tests.client.rpc import BALANCED_BY, NotReachedError, request
from tests.client.web import Browser
from tests.zone import ask
from tests.zone.raft import leader

DATASTORES = "/var/lib/one/datastores"
ONEADMIN = 9869
SUNSTONE, MEMCACHED, STATISTICS, SESSIONS_TABLE, AGENT = 9869, 11211, 8404, 11212, 2640
LEADERS_OWN = {"opennebula-flow": 2474, "opennebula-gate": 5030}
# An HTTP status, whichever, of a service on an address of a machine; else what hindered it.
HTTP_STATUS = """
import http.client, sys
connection = http.client.HTTPConnection(sys.argv[2], int(sys.argv[1]), timeout=5)
try:
    connection.request("GET", "/")
    print(connection.getresponse().status)
except OSError as error:
    print(type(error).__name__)
"""
CACHE_STATS = """
import socket, sys
connection = socket.create_connection((sys.argv[1], 11211), 5)
connection.sendall(b"stats\\r\\nquit\\r\\n")
print(connection.makefile().read())
"""


@pytest.fixture(scope="module")
def pools(endpoints: Mapping[str, str], session: str) -> Any:
    """Give a pool's document, as any server has it."""

    def fetch(pool: str) -> str:
        return str(ask.ask(next(iter(endpoints.values())), session, f"one.{pool}.info"))

    return fetch


@pytest.fixture(scope="module")
def mounting(lab: Lab, machines: Mapping[str, Host]) -> dict[str, Host]:
    """The machines that have the share."""
    return {name: machines[name] for name in names(lab, "frontends", "nodes")}


def names(lab: Lab, *groups: str) -> list[str]:
    """Name the machines of these groups."""
    return [host.name for group in groups for host in lab.of(group)]


def listening(host: Host, port: int) -> set[str]:
    """Give the addresses at which a machine listens on this TCP port."""
    lines = host.check_output(f"ss --no-header --listening --tcp --numeric 'sport = :{port}'").splitlines()
    return {line.split()[3].rpartition(":")[0] for line in lines}


def reachable(address: object, port: int) -> bool:
    """Whether a stranger on the network gets a connection."""
    try:
        socket.create_connection((str(address), port), timeout=3).close()
    except OSError:
        return False
    return True


def answers(host: Host, port: int, address: object = "127.0.0.1") -> bool:
    """Whether a service of HTTP answers the machine itself."""
    return str(host.check_output("python3 -c %s %s %s", HTTP_STATUS, str(port), str(address))).isdigit()


def as_oneadmin(host: Host, command: str, *arguments: str) -> Any:
    """Run a command as OpenNebula's own user."""
    return host.run(f"runuser -u oneadmin -- {command}", *arguments)


class TestNodes:
    """The nodes are part of the zone, and whoever has to reach them does."""

    def test_both_are_monitored(self, lab: Lab, pools: Any) -> None:
        """MONITORED is state 2; a host that is only listed is not used."""
        wanted = dict.fromkeys(names(lab, "nodes"), "2")
        assert len(wanted) == 2
        assert ask.wait_for(lambda: ask.states(pools("hostpool")), lambda found: found == wanted, 30) == wanted

    def test_oneadmin_gets_from_every_frontend_to_every_node_and_back(
        self, lab: Lab, machines: Mapping[str, Host]
    ) -> None:
        """By name, with a host key that is known beforehand, over a connection that nobody made before."""
        fresh = "-n -o BatchMode=yes -o StrictHostKeyChecking=yes -o ControlPath=none -o ConnectTimeout=10"
        ways = [(one, other) for one in names(lab, "frontends") for other in names(lab, "nodes")]
        answers = {
            (source, target): as_oneadmin(machines[source], f"ssh {fresh} %s 'id -un; hostname'", target)
            for way in ways
            for source, target in (way, way[::-1])
        }
        assert len(answers) == 12
        assert {
            way: (answer.stdout, answer.stderr)
            for way, answer in answers.items()
            if answer.stdout.split() != ["oneadmin", way[1]]
        } == {}


class TestShare:
    """Images lie on the share, and nowhere else."""

    def test_the_zones_datastores_use_it(self, pools: Any) -> None:
        """In the zone's own words."""
        pool = ET.fromstring(pools("datastorepool"))
        assert {one.findtext("ID"): one.findtext("TM_MAD") for one in pool} == dict.fromkeys("012", "shared")

    def test_it_is_mounted_and_belongs_to_oneadmin(self, mounting: Mapping[str, Host], lab: Lab) -> None:
        """From the source that the inventory names."""
        source = f"{lab.of('share_servers')[0].address}:/one"
        for name, host in mounting.items():
            mounted = host.check_output("findmnt --noheadings --output SOURCE,FSTYPE --mountpoint %s", DATASTORES)
            assert mounted.split() == [source, "fuse.glusterfs"], name
            folder = host.file(DATASTORES)
            assert (folder.uid, folder.gid, folder.mode & 0o002) == (ONEADMIN, ONEADMIN, 0), name

    def test_it_is_one(self, mounting: Mapping[str, Host]) -> None:
        """What oneadmin writes on one machine all others read."""
        probe, word = f"{DATASTORES}/.probe-{uuid.uuid4()}", str(uuid.uuid4())
        first = next(iter(mounting.values()))
        try:
            assert as_oneadmin(first, "sh -c %s", f"echo {word} > {probe}").rc == 0
            for name, host in mounting.items():
                assert host.check_output("cat %s", probe) == word, name
        finally:
            first.check_output("rm -f %s", probe)

    def test_oneadmin_cannot_write_beneath_it(self, mounting: Mapping[str, Host]) -> None:
        """Seen through a second mount of the machine's disk alone, in a mount table of our own."""
        beneath, probe = f"/mnt{DATASTORES}", f"/mnt{DATASTORES}/.probe-{uuid.uuid4()}"
        look = f"mount --bind / /mnt && ! mountpoint -q {beneath} && runuser -u oneadmin -- touch {probe}"
        for name, host in mounting.items():
            tried = host.run("unshare --mount sh -c %s", f"{look}; status=$?; rm -f {probe}; exit $status")
            assert tried.rc != 0 and "Permission denied" in tried.stderr, f"{name}: {tried.stderr}"


class TestAddress:
    """What users meet at the floating address."""

    def test_exactly_one_balancer_holds_it(self, lab: Lab, machines: Mapping[str, Host], cloud: Any) -> None:
        """By ARP, by the machines' own word, and by who serves."""
        (holder,) = holders(lab, ip_address(cloud.address), 2.0).values()
        having = [
            name
            for name in names(lab, "balancers")
            if f" {cloud.address}/" in machines[name].check_output("ip -oneline -4 address")
        ]
        assert having == [holder] == [request("GET", cloud.web, 5, ca=cloud.ca).headers[BALANCED_BY]]

    @pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
    @pytest.mark.parametrize("port", [443, 2633, 2643, 2474])
    def test_tls_is_new_and_vouched_for(self, cloud: Any, port: int) -> None:
        """The certificate by the cloud's CA and for this address; nothing older than 1.2, in the server's own words."""

        def speak(context: ssl.SSLContext) -> str | None:
            with (
                socket.create_connection((cloud.address, port), timeout=5) as wire,
                context.wrap_socket(wire, server_hostname=cloud.address) as secure,
            ):
                return secure.version()

        assert speak(ssl.create_default_context(cafile=cloud.ca)) == "TLSv1.3"
        with pytest.raises(ssl.SSLCertVerificationError):
            speak(ssl.create_default_context())
        for version, refusal in ((ssl.TLSVersion.TLSv1_1, "ALERT_PROTOCOL_VERSION"), (ssl.TLSVersion.TLSv1_2, None)):
            context = ssl.create_default_context(cafile=cloud.ca)
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = version
            if refusal:
                with pytest.raises(ssl.SSLError, match=refusal):
                    speak(context)
            else:
                assert speak(context) == "TLSv1.2"

    def test_keys_are_roots_alone(self, lab: Lab, machines: Mapping[str, Host]) -> None:
        """Wherever below /etc a private key of ours lies: ssh's own are sshd's business."""
        for name in names(lab, "balancers"):
            command = "grep -rlF 'PRIVATE KEY' /etc --exclude-dir=ssh --exclude-dir=ssl | xargs -r stat -c '%a %U %n'"
            found = machines[name].check_output(command).splitlines()
            assert found, f"{name}: no private key below /etc"
            assert [line for line in found if not line.startswith("600 root ")] == [], name

    def test_http_is_sent_to_https(self, cloud: Any) -> None:
        """For good, and to the same page."""
        answer = request("GET", f"http://{cloud.address}/some?page=1", 5)
        assert (answer.status, answer.headers["Location"]) == (301, f"{cloud.web}/some?page=1")

    def test_browsers_keep_to_https(self, cloud: Any) -> None:
        """For half a year at least."""
        policy = request("GET", cloud.web, 5, ca=cloud.ca).headers["Strict-Transport-Security"]
        assert int(re.findall(r"max-age=(\d+)", policy)[0]) >= 180 * 24 * 3600

    def test_a_client_that_does_not_know_the_ca_is_warned(self, cloud: Any) -> None:
        """The client of these tests looks at the certificate, too."""
        with pytest.raises(NotReachedError, match="CERTIFICATE_VERIFY_FAILED"):
            request("GET", cloud.web, 5, ca="/etc/ssl/certs/ca-certificates.crt")


class TestSessions:
    """A login is kept in one cache."""

    def numbers(self, host: Host, address: object) -> dict[str, int]:
        """Ask a cache, from where the web machines ask."""
        told = host.check_output("python3 -c %s %s", CACHE_STATS, str(address))
        return {key: int(value) for key, value in re.findall(r"STAT (curr_items|cmd_set) (\d+)", told)}

    def test_a_login_is_one_item_of_one_cache(
        self, lab: Lab, frontends: Mapping[str, Host], cloud: Any, session: str
    ) -> None:
        """The other has nothing of it."""
        asker = next(iter(frontends.values()))

        def counts() -> dict[str, dict[str, int]]:
            return {host.name: self.numbers(asker, host.address) for host in lab.of("caches")}

        before = counts()
        browser = Browser(cloud.web, session, cloud.ca, 10)
        assert browser.login().outcome == "acknowledged"
        assert browser.page().outcome == "acknowledged"
        after = counts()
        used = [name for name in after if after[name]["cmd_set"] > before[name]["cmd_set"]]
        assert len(used) == 1, f"{before} before, {after} after"
        assert after[used[0]]["curr_items"] == before[used[0]]["curr_items"] + 1


class TestListeners:
    """Nobody listens where nobody should."""

    def test_caches_and_web_machines_on_their_own_address_only(self, lab: Lab, machines: Mapping[str, Host]) -> None:
        """Not on all: a machine may have a network that faces the world."""
        for group, port in (("caches", MEMCACHED), ("sunstones", SUNSTONE)):
            for host in lab.of(group):
                assert listening(machines[host.name], port) == {str(host.address)}, f"{host.name}, port {port}"

    def test_what_web_machines_ask_is_on_their_loopback(self, lab: Lab, machines: Mapping[str, Host]) -> None:
        """A cache that anybody may ask gives away sessions."""
        for host in lab.of("sunstones"):
            for port in (MEMCACHED, 12633, 2474):
                # The leader's OneFlow listens beside it.
                own = {str(host.address)} if port == 2474 and host in lab.of("frontends") else set()
                listens = listening(machines[host.name], port)
                assert listens - own == {"127.0.0.1"}, f"{host.name}, port {port}"
                assert reachable(host.address, port) == bool(listens & own), f"{host.name}, port {port}"

    def test_statistics_are_the_operators(self, lab: Lab, machines: Mapping[str, Host], cloud: Any) -> None:
        """Reached through ssh, and not from outside at any address."""
        for host in lab.of("balancers"):
            assert listening(machines[host.name], STATISTICS) == {"127.0.0.1"}, host.name
            assert answers(machines[host.name], STATISTICS), host.name
            assert not reachable(host.address, STATISTICS)
        assert not reachable(cloud.address, STATISTICS)

    def test_behind_the_floating_address_is_nothing_else(self, cloud: Any) -> None:
        """Its ports answer; those of what is behind it do not."""
        assert [port for port in (80, 443, 2633, 2643, 2474, 5030) if not reachable(cloud.address, port)] == []
        closed = (SUNSTONE, MEMCACHED, STATISTICS, SESSIONS_TABLE, 3306, AGENT)
        assert [port for port in closed if reachable(cloud.address, port)] == []


class TestLeadersServices:
    """OneFlow and OneGate run with the leader."""

    @pytest.mark.parametrize("unit", LEADERS_OWN)
    def test_it_runs_and_answers_there_only(
        self, lab: Lab, frontends: Mapping[str, Host], endpoints: Mapping[str, str], session: str, unit: str
    ) -> None:
        """Two of them would act twice. Where the balancers reach it, and on no other address."""
        leading = leader(ask.servers(list(endpoints.values()), session))
        where = {name: (endpoint == leading,) * 2 for name, endpoint in endpoints.items()}
        assert sum(runs for runs, _answers in where.values()) == 1

        def found() -> dict[str, tuple[bool, bool]]:
            return {
                name: (host.service(unit).is_running, answers(host, LEADERS_OWN[unit], lab.host(name).address))
                for name, host in frontends.items()
            }

        assert ask.wait_for(found, lambda seen: seen == where, 20) == where
        name = next(name for name, (runs, _answers) in where.items() if runs)
        assert str(lab.host(name).address) in listening(frontends[name], LEADERS_OWN[unit])
        assert not listening(frontends[name], LEADERS_OWN[unit]) & {"0.0.0.0", "*", "[::]"}  # noqa: S104
