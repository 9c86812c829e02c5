"""The roles' HAProxy as it is deployed: their own templates with values of the loopback, run by Debian's program."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2
import jinja2.meta
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from plugins.module_utils.cloud.parse import haproxy_servers

ROOT = Path(__file__).resolve().parents[2]
HAPROXY = ROOT / ".cache/haproxy/usr/sbin/haproxy"
# What a process of somebody else needs, and a test has not
DEPLOYED_ONLY = ("chroot ", "user ", "group ")


def wait_until(what: str, seen: Callable[[], bool], seconds: float = 10.0) -> float:
    """Wait for a condition; gives the seconds that it took."""
    start = time.monotonic()
    while not seen():
        assert time.monotonic() - start < seconds, f"after {seconds:g} s it is not true that {what}"
        time.sleep(0.01)
    return time.monotonic() - start


def free_port(address: str = "127.0.0.1") -> int:
    """Give a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def rendered(role: str, template: str, given: Mapping[str, Any]) -> str:
    """A role's template with its defaults and the values of a test; every other variable is an error."""
    folder = ROOT / "roles" / role
    known: dict[str, Any] = {}
    for path in (folder / "defaults/main.yml", folder / "vars/main.yml"):
        known |= yaml.safe_load(path.read_text()) if path.exists() else {}
    environment = jinja2.Environment(  # noqa: S701  # no page, a configuration
        trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["nebula.ha.host_address"] = lambda host, hostvars: hostvars[host]["one_address"]

    def filled(source: str) -> str:
        names = jinja2.meta.find_undeclared_variables(environment.parse(source))
        values = {name: given.get(name, known.get(name)) for name in names if name in given or name in known}
        inner = {name: filled(value) for name, value in values.items() if isinstance(value, str) and "{{" in value}
        return environment.from_string(source).render(values | inner)

    text = filled((folder / "templates" / template).read_text())
    return "\n".join(line for line in text.splitlines() if not line.strip().startswith(DEPLOYED_ONLY)) + "\n"


def certify(path: Path, address: str) -> None:
    """A key and a certificate that vouches for itself, as HAProxy looks for them."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "balancer")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    path.with_name(f"{path.name}.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


class Proxy:
    """HAProxy with a configuration, and what it says of its servers."""

    def __init__(self, folder: Path, text: str, admin: Path) -> None:
        """Nothing runs yet."""
        self.config, self.admin = folder / "haproxy.cfg", admin
        self.log = folder / "haproxy.log"
        self.config.write_text(text)
        self.certificate = folder / "one.pem"
        self._master: subprocess.Popen[bytes] | None = None

    @contextlib.contextmanager
    def running(self) -> Iterator[Proxy]:
        """Run it while the block runs."""
        done = subprocess.run([HAPROXY, "-c", "-q", "-f", self.config], capture_output=True, text=True, check=False)
        assert done.returncode == 0 and not done.stderr, done.stderr + self.config.read_text()
        with (
            self.log.open("w") as log,
            subprocess.Popen([HAPROXY, "-W", "-f", self.config], stdout=log, stderr=log) as run,
        ):
            try:
                self._master = run
                wait_until("HAProxy answers", self._answers)
                yield self
            finally:
                run.terminate()

    def _answers(self) -> bool:
        try:
            return bool(self.servers())
        except (FileNotFoundError, ConnectionRefusedError):
            return False

    def reload(self) -> None:
        """Have it read its settings again, and wait for the process that has."""
        assert self._master is not None
        # A master that has just begun does not hear it
        wait_until("it is older than a second", lambda: self.age() > 1)
        old = self._told("Pid")
        self._master.send_signal(signal.SIGUSR2)
        wait_until("another process answers", lambda: self._told("Pid") != old)

    def age(self) -> int:
        """Seconds since the process that answers has begun."""
        return int(self._told("Uptime_sec"))

    def _told(self, name: str) -> str:
        return dict(line.split(": ", 1) for line in self.say("show info").splitlines() if ": " in line)[name]

    def say(self, command: str) -> str:
        """Ask its runtime interface."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(5)
            connection.connect(str(self.admin))
            connection.sendall(f"{command}\n".encode())
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

    def servers(self) -> list[dict[str, str]]:
        """Every server as the verdict of a cloud reads it."""
        return haproxy_servers(self.say("show stat"))

    def up(self, backend: str) -> list[str]:
        """Those that it would send to."""
        return [item["server"] for item in self.servers() if item["backend"] == backend and item["state"] == "up"]

    def context(self) -> ssl.SSLContext:
        """What a client trusts."""
        return ssl.create_default_context(cafile=str(self.certificate))
