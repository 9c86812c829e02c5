"""The zone as the first run left it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from testinfra.host import Host

from lab.hosts.plan import Lab
from plugins.module_utils import timing
from tests.drift.machine import started_after_write
from tests.zone import ask, database
from tests.zone.raft import leader

RAFT = {
    "LIMIT_PURGE": "one_limit_purge",
    "LOG_RETENTION": "one_log_retention",
    "LOG_PURGE_TIMEOUT": "one_log_purge_timeout",
}


@pytest.fixture(scope="module")
def files(frontends: Mapping[str, Host]) -> dict[str, str]:
    """Each front-end's oned.conf."""
    return {name: host.file("/etc/one/oned.conf").content_string for name, host in frontends.items()}


def raft_block(text: str) -> dict[str, int]:
    """Read the RAFT block; the test does so by itself, for the collection's parser is what wrote it."""
    blocks = re.findall(r"^RAFT\s*=\s*\[(.*?)\]", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1, f"oned.conf holds {len(blocks)} RAFT blocks"
    lines = "\n".join(line.split("#")[0] for line in blocks[0].splitlines())
    return {key: int(value) for key, value in re.findall(r"(\w+)\s*=\s*\"?(\d+)\"?", lines)}


def wanted(variables: Mapping[str, Any], rank: int) -> dict[str, int]:
    """Compute the RAFT block that the inventory asks for on the front-end of this rank."""
    given = timing.timers(variables["one_timing"], rank, {key: variables[f"one_{key}"] for key in timing.OWN})
    timers = ("election_timeout_ms", "broadcast_timeout_ms", "xmlrpc_timeout_ms")
    return {
        **{key: variables[variable] for key, variable in RAFT.items()},
        **{name.upper(): given[name] for name in timers},
    }


def test_the_zone_is_whole(endpoints: Mapping[str, str], session: str) -> None:
    """One leader, equal terms and indexes, every server under the id that the zone knows it by: in oned's own words."""
    assert len(endpoints) == 3
    assert ask.wait_until_whole(list(endpoints.values()), session, 20) == []


def test_a_write_on_each_server_reaches_all_databases(
    frontends: Mapping[str, Host], endpoints: Mapping[str, str], write: Callable[[str], str]
) -> None:
    """Followers forward, the leader replicates, and each database holds the document once."""
    names = {write(endpoint) for endpoint in endpoints.values()}
    for name, host in frontends.items():
        held = ask.wait_for(
            lambda host=host: [row for row in database.documents(host, "probe-") if row in names],  # type: ignore[misc]
            lambda rows: len(rows) >= len(names),
            10,
        )
        assert sorted(held) == sorted(names), f"the database of {name} holds something else"


def test_the_databases_are_equal(frontends: Mapping[str, Host]) -> None:
    """By content, table by table, the log included."""
    held = ask.wait_for(
        lambda: {name: database.contents(host) for name, host in frontends.items()},
        lambda found: not database.differing(found),
        10,
    )
    assert database.differing(held) == []
    assert {"logdb", "document_pool", "user_pool", "zone_pool"} <= set(held["fe1"])
    assert [database.unapplied(host) for host in frontends.values()] == [[], [], []]


def test_the_credentials_are_identical(frontends: Mapping[str, Host]) -> None:
    """Every file of oneadmin's .one, by digest; the digests are not the credentials."""
    digests = {
        name: host.check_output("cd /var/lib/one/.one && find . -type f -exec sha256sum {} + | sort -k 2")
        for name, host in frontends.items()
    }
    assert len(set(digests.values())) == 1, digests
    assert {"./one_auth", "./one_key"} <= {line.split()[1] for line in digests["fe1"].splitlines()}


@pytest.mark.parametrize("name", ["fe1", "fe2", "fe3"])
class TestFrontend:
    """One front-end by itself."""

    def test_secrets_belong_to_those_who_need_them(self, frontends: Mapping[str, Host], name: str) -> None:
        """Nobody else may read credentials or the file with the database's password."""
        host = frontends[name]
        listing = host.check_output("find /var/lib/one/.one -type f -printf '%p %m %u:%g\\n'")
        assert [line for line in listing.splitlines() if not line.endswith(" 600 oneadmin:oneadmin")] == []
        conf = host.file("/etc/one/oned.conf")
        assert (conf.user, conf.group, oct(conf.mode)) == ("root", "oneadmin", "0o640")

    def test_no_secret_lies_open(self, frontends: Mapping[str, Host], name: str) -> None:
        """Where a password may be it is found; others cannot read it, and no log and no command line holds one."""
        script = """
            set -u
            patterns() {
                cut -d: -f2- /var/lib/one/.one/one_auth
                sed -n 's/^[^#]*PASSWD *= *"\\([^"]*\\)".*/\\1/p' /etc/one/oned.conf
            }
            echo "patterns $(patterns | grep -c '........')"
            for path in /etc/one/oned.conf /var/lib/one/.one/one_auth; do
                grep -lF -f <(patterns) "$path" | sed 's/^/found /'
            done
            grep -rlFs -f <(patterns) /etc /var/lib/one /home /root /tmp /var/tmp /run /opt | while read -r path; do
                find "$path" -perm -o=r -printf 'open %p\\n'
            done
            grep -rlFs -f <(patterns) /var/log | sed 's/^/log /'
            journalctl --quiet --no-pager --output=cat | grep -cF -f <(patterns) | sed 's/^/journal /'
            grep -lFsa -f <(patterns) /proc/[0-9]*/cmdline | sed 's/^/argv /'
        """
        found = frontends[name].run("bash -c %s", script).stdout.splitlines()
        control = ["patterns 2", "found /etc/one/oned.conf", "found /var/lib/one/.one/one_auth"]
        assert found == [*control, "journal 0"]

    def test_the_raft_block_is_whole(self, files: Mapping[str, str], variables: Mapping[str, Any], name: str) -> None:
        """All six values, as the inventory says, this server's own timer among them."""
        assert raft_block(files[name]) == wanted(variables, list(files).index(name))

    def test_oned_is_younger_than_its_file(self, frontends: Mapping[str, Host], name: str) -> None:
        """A file that nobody read since says nothing about the process."""
        assert started_after_write(frontends[name], "opennebula", "/etc/one/oned.conf")

    def test_the_isolation_level_will_survive_a_restart(self, frontends: Mapping[str, Host], name: str) -> None:
        """It runs with it, and a file says it."""
        host = frontends[name]
        assert database.query(host, "SELECT @@global.tx_isolation") == [["READ-COMMITTED"]]
        assert "READ-COMMITTED" in host.check_output("mariadbd --print-defaults").upper()

    def test_services_start_at_boot(self, frontends: Mapping[str, Host], name: str) -> None:
        """A machine that comes back must join by itself."""
        for unit in ("opennebula", "mariadb"):
            service = frontends[name].service(unit)
            assert service.is_enabled
            assert service.is_running

    def test_the_names_of_all_are_known_without_a_resolver(
        self, frontends: Mapping[str, Host], lab: Lab, name: str
    ) -> None:
        """From /etc/hosts; a machine's own name may be a loopback there, as Debian's installer writes it."""
        for peer in lab.of("frontends"):
            found = frontends[name].check_output("getent ahostsv4 %s", peer.name).split()[0]
            assert found == str(peer.address) or (peer.name == name and found.startswith("127."))

    def test_the_version_says_what_it_is(self, frontends: Mapping[str, Host], name: str) -> None:
        """The test double says so wherever one could meet it."""
        host = frontends[name]
        version, description = host.check_output(
            "dpkg-query --show --showformat='${Version}|${Description}' opennebula"
        ).split("|", 1)
        assert version.startswith("6.10.5-1")
        assert ("standin" in version) == ("NOT OpenNebula" in description)
        assert ("standin" in version) == host.file("/usr/lib/one/standin").exists


def test_the_leader_runs_with_its_file(files: Mapping[str, str], endpoints: Mapping[str, str], session: str) -> None:
    """In oned's own words; followers pass this question on, so that only the leader's answer can be had."""
    leading = leader(ask.servers(list(endpoints.values()), session))
    name = next(name for name, endpoint in endpoints.items() if endpoint == leading)
    running = str(ask.ask(endpoints[name], session, "one.system.config"))
    block = re.findall(r"<RAFT>(.*?)</RAFT>", running, re.DOTALL)[0]
    values = {key: int(value) for key, value in re.findall(r"<(\w+)>(?:<!\[CDATA\[)?(\d+)", block)}
    assert values == raft_block(files[name])


def test_election_timers_are_distinct(files: Mapping[str, str]) -> None:
    """Equal timers collide: each candidate votes for itself."""
    timers = [raft_block(text)["ELECTION_TIMEOUT_MS"] for text in files.values()]
    assert len(set(timers)) == len(timers) == 3


def test_etc_one_is_identical_but_for_what_must_differ(frontends: Mapping[str, Host], files: Mapping[str, str]) -> None:
    """SERVER_ID, the election timer, the machine's name and address differ, and nothing else; backups do not count."""
    theirs = {
        "sunstone-server.conf": r"(?m)^(:host: ).*",
        "oneflow-server.conf": r"(?m)^(:host: ).*",
        "onegate-server.conf": r"(?m)^(:(?:host|oneflow_server): ).*",
        "monitord.conf": r"(MONITOR_ADDRESS *= *).*",
    }
    own_files = " ".join(f"! -name '{name}'" for name in ("oned.conf*", *theirs))
    others = {
        host.check_output(f"cd /etc/one && find . -type f {own_files} -exec sha256sum {{}} + | sort -k 2")
        for host in frontends.values()
    }
    assert len(others) == 1
    for name, value in theirs.items():
        texts = [host.file(f"/etc/one/{name}").content_string for host in frontends.values()]
        assert len(set(texts)) == 3, name
        assert len({re.sub(value, r"\1*", text) for text in texts}) == 1, name
    own = r"((?:SERVER_ID|ELECTION_TIMEOUT_MS|HOSTNAME)\s*=\s*)[-\"\w.]+"
    masked = {re.sub(own, r"\1*", text) for text in files.values()}
    assert len(masked) == 1
    ids = {re.findall(r"SERVER_ID\s*=\s*(-?\d+)", text)[-1] for text in files.values()}
    assert len(ids) == 3


def test_nodes_report_to_the_front_end_that_sent_them(lab: Lab, frontends: Mapping[str, Host]) -> None:
    """To its own address, and not to one that moves or that ssh happened to come from."""
    for name, host in frontends.items():
        told = re.findall(r'^\s*MONITOR_ADDRESS\s*=\s*"(.*)"', host.file("/etc/one/monitord.conf").content_string, re.M)
        assert told == [str(lab.host(name).address)]
        assert started_after_write(host, "opennebula", "/etc/one/monitord.conf")


def test_raft_has_no_hooks(files: Mapping[str, str]) -> None:
    """They can hang oned's stop."""
    for name, text in files.items():
        assert re.findall(r"^\s*RAFT_(?:LEADER|FOLLOWER)_HOOK\b", text, re.MULTILINE) == [], name


def test_guests_are_told_the_balancers_address(files: Mapping[str, str], lab: Lab) -> None:
    """The leader's OneGate moves, what stands in a guest does not."""
    for text in files.values():
        assert re.findall(r'^ONEGATE_ENDPOINT\s*=\s*"(.*)"', text, re.MULTILINE) == [f"http://{lab.floating}:5030"]
