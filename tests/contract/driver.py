"""Drives three lab hosts over ssh: installs what answers, starts, stops, configures, cuts. Knows no recordings."""

from __future__ import annotations

import re
import secrets
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lab.hosts import access
from lab.hosts.plan import Host, Lab

PASSWORD = "throwaway-oneadmin"  # the recorded zone's: its hash is part of recorded answers
PACKAGES = ("mariadb-server", "rsync")
# Neither is asked anything here, and both would write into the log while indexes are compared.
UNUSED = ("opennebula-hem", "opennebula-scheduler", "opennebula-showback.timer", "opennebula-ssh-socks-cleaner.timer")
START_ATTEMPTS = 3
SHIPPED = "/root/oned.conf.shipped"
LOST = "02:00:00:00:00:01"  # nobody's hardware address


class DriverError(Exception):
    """A machine did not do what it was told; the message names it, the command and what it said."""


@dataclass(frozen=True)
class Timers:
    """The zone's own clocks in milliseconds; waits follow from them. The first server asks for votes first, so that a
    situation can choose its leader."""

    warmup: int
    election: tuple[int, int, int]
    broadcast: int
    xmlrpc: int

    def leader(self) -> float:
        """Seconds within which a leader is there: warm-up, the slowest timer, and a second election."""
        return (self.warmup + 3 * self.election[-1]) / 1000 + 20


STANDIN = Timers(1000, (2000, 3000, 4000), 300, 500)
# Real servers share two cores with their own drivers; quicker timers give elections that nobody asked for.
REAL = Timers(15000, (4000, 6000, 8000), 500, 1000)


class Machine:
    """One host of the zone."""

    def __init__(self, lab: Lab, host: Host, number: int, timers: Timers, database_password: str) -> None:
        self.lab, self.host, self.number, self.timers = lab, host, number, timers
        self.address = str(host.address)
        self.url = f"http://{self.address}:2633/RPC2"
        self._password = database_password

    def run(self, command: str, stdin: bytes = b"", timeout: float = 300) -> bytes:
        """A command as root. What is secret comes through stdin, never through the command line."""
        line = access.ssh(self.lab, self.host)
        shared = ["-o", "ControlMaster=auto", "-o", f"ControlPath={self.lab.masters}/%C", "-o", "ControlPersist=60"]
        full = [*line[:1], *shared, *line[1:], "sudo", "-n", "bash", "-euo", "pipefail", "-c", f"'{quoted(command)}'"]
        try:
            done = subprocess.run(full, input=stdin, capture_output=True, timeout=timeout, check=False)
        except subprocess.TimeoutExpired as error:
            raise DriverError(f"{self.host.name}: '{command[:120]}' was not done after {timeout:.0f} s") from error
        if done.returncode:
            said = (done.stderr or done.stdout).decode(errors="replace").strip()[-600:]
            raise DriverError(f"{self.host.name}: '{command[:120]}' ended with {done.returncode}: {said}")
        return done.stdout

    def install(self, debs: Sequence[str]) -> None:
        quiet_install(self, [*PACKAGES, *(f"/srv/one-repo/{deb}" for deb in debs)])
        main = next(deb for deb in debs if deb.startswith("opennebula_"))
        self.run(f"dpkg-deb --fsys-tarfile /srv/one-repo/{main} | tar -xOf - ./etc/one/oned.conf >{SHIPPED}")
        self.run(f"systemctl mask {' '.join(UNUSED)} 2>/dev/null")
        # Situations restart oned more often than a zone in use, and a stop that hangs must end.
        self.run(
            "mkdir -p /etc/systemd/system/opennebula.service.d; "
            "cat >/etc/systemd/system/opennebula.service.d/contract.conf; systemctl daemon-reload",
            b"[Unit]\nStartLimitIntervalSec=0\n[Service]\nTimeoutStopSec=15\nKillMode=mixed\n",
        )
        isolation = b"[mysqld]\ntransaction-isolation = READ-COMMITTED\n"
        self.run("cat >/etc/mysql/mariadb.conf.d/99-contract.cnf; systemctl restart mariadb", isolation)

    def warm_up(self) -> None:
        """Only the stand-in reads this."""
        self.run("cat >/etc/default/opennebula-standin", f"STANDIN_WARMUP_MS={self.timers.warmup}\n".encode())

    def configure(self, server_id: int) -> None:
        """oned.conf with the recorded database block, timers that choose the leader, and this server's id."""
        text = self.run(f"cat {SHIPPED}").decode()
        database = (
            'DB = [ BACKEND = "mysql", SERVER = "localhost", PORT = 0, USER = "oneadmin", '
            f'PASSWD = "{self._password}", DB_NAME = "opennebula", CONNECTIONS = 25, COMPARE_BINARY = "no" ]'
        )
        text = re.sub(r"^DB\s*=\s*\[[^\]]*\]", database, text, flags=re.MULTILINE)
        numbers = {
            "ELECTION_TIMEOUT_MS": self.timers.election[self.number - 1],
            "BROADCAST_TIMEOUT_MS": self.timers.broadcast,
            "XMLRPC_TIMEOUT_MS": self.timers.xmlrpc,
            "SERVER_ID": server_id,
        }
        for name, value in numbers.items():
            text, count = re.subn(rf"^([ \t]*{name}\s*=\s*)-?\d+", rf"\g<1>{value}", text, flags=re.MULTILINE)
            if count != 1:
                raise DriverError(f"{self.host.name}: oned.conf has {count} lines with {name}, not one")
        if server_id >= 0:
            text += "".join(
                f'\nRAFT_{role.upper()}_HOOK = [ COMMAND = "raft/vip.sh", ARGUMENTS = "{role}" ]\n'
                for role in ("leader", "follower")
            )
        self.run("cat >/etc/one/oned.conf", text.encode())

    def start(self) -> None:
        """Started and ready. A real oned gives up when its drivers are slow to start, on a busy machine they are."""
        for attempt in range(START_ATTEMPTS):
            try:
                self.run("systemctl start opennebula", timeout=120)
                return
            except DriverError:
                if attempt == START_ATTEMPTS - 1:
                    raise

    def stop(self) -> None:
        self.run("systemctl stop opennebula", timeout=120)

    def sql(self, statements: str, database: str = "") -> str:
        return self.run(f"mariadb --batch --skip-column-names {database}", statements.encode()).decode()

    def fresh(self) -> None:
        """No zone: an empty database, and of the credentials only the recorded oneadmin's."""
        self.stop()
        self.sql(
            "DROP DATABASE IF EXISTS opennebula; CREATE DATABASE opennebula;"
            f"CREATE OR REPLACE USER oneadmin@localhost IDENTIFIED BY '{self._password}';"
            "GRANT ALL ON opennebula.* TO oneadmin@localhost;"
        )
        self.run("rm -rf /var/lib/one/.one; install -d -m 700 -o oneadmin -g oneadmin /var/lib/one/.one")
        self.credentials(PASSWORD)

    def credentials(self, password: str) -> None:
        self.run(
            "cat >/var/lib/one/.one/one_auth; cd /var/lib/one/.one; chmod 600 one_auth; chown oneadmin: one_auth",
            f"oneadmin:{password}\n".encode(),
        )

    def dump(self) -> bytes:
        return self.run("mariadb-dump --single-transaction opennebula")

    def restore(self, dump: bytes) -> None:
        self.sql("DROP DATABASE opennebula; CREATE DATABASE opennebula;")
        self.run("mariadb opennebula", dump)

    def keys(self) -> bytes:
        return self.run("tar -C /var/lib/one -cf - .one")

    def take_keys(self, archive: bytes) -> None:
        self.run("tar -C /var/lib/one -xpf -", archive)

    def cut(self, *addresses: str) -> None:
        """Away from its peers but not from us: what it sends to them goes to a card that nobody has."""
        for address in addresses:
            self.run(f"ip neigh replace {address} lladdr {LOST} dev host0 nud permanent")

    def heal(self, *addresses: str) -> None:
        for address in addresses:
            self.run(f"ip neigh del {address} dev host0")


def quiet_install(machine: Machine, packages: Sequence[str]) -> None:
    quiet = "DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0"
    machine.run(f"{quiet} update", timeout=600)
    kept = "--reinstall -o Dpkg::Options::=--force-confold"  # machines kept from another run
    machine.run(f"{quiet} install --no-install-recommends {kept} {' '.join(packages)} >/dev/null", timeout=900)


def quoted(command: str) -> str:
    return command.replace("'", "'\\''")


def machines(lab: Lab, timers: Timers) -> list[Machine]:
    """The zone's hosts in the inventory's order."""
    return [Machine(lab, host, i + 1, timers, secrets.token_hex(12)) for i, host in enumerate(lab.of("frontends"))]


def each(all_machines: Sequence[Machine], action: str, *arguments: object) -> None:
    """The same on all at once."""
    with ThreadPoolExecutor(len(all_machines)) as pool:
        for future in [pool.submit(getattr(machine, action), *arguments) for machine in all_machines]:
            future.result()


def hand_out(lab: Lab, debs: Iterable[Path]) -> list[str]:
    """Put packages where the hosts see them; returns their names."""
    names = []
    for deb in debs:
        shutil.copyfile(deb, lab.repository / deb.name)
        names.append(deb.name)
    return names
