"""What a service reads when it starts, and what keeps it from starting; OneFlow and OneGate."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lab.standin.sunstone.cloud import flow, gate
from lab.standin.sunstone.document import pretty, short, tree
from lab.standin.sunstone.sunstone import store
from lab.standin.sunstone.web import Log, StartError, run, settings
from lab.standin.tests.zone import free_port

from .services import RIGHT, ROOT, Browser, Oned, listening, wait_until

SHIPPED = ROOT / "lab/standin/packages/payload/opennebula-sunstone/etc/one/sunstone-server.conf"


def write(location: Path, text: str) -> None:
    (location / "etc/sunstone-server.conf").write_text(text)


def test_the_shipped_configuration_is_read(location: Path) -> None:
    write(location, SHIPPED.read_text())
    found = settings("sunstone-server.conf")
    assert (found["port"], found["sessions"], found["env"]) == ("9869", "memory", "prod")
    assert found["memcache_namespace"] == "opennebula.sunstone"
    assert "level" not in found


def test_values_may_be_quoted_and_have_comments(location: Path) -> None:
    write(
        location, ":host: '127.0.0.1'  # here\n:sessions: \"memcache\"\n:one_xmlrpc: http://a:2633/RPC2 # there\n:x:\n"
    )
    found = settings("sunstone-server.conf")
    assert found == {"host": "127.0.0.1", "sessions": "memcache", "one_xmlrpc": "http://a:2633/RPC2", "x": ""}


@pytest.mark.parametrize("text", ["sessions: memcache\n", ":sessions memcache\n", "{}\n"])
def test_what_is_no_setting_keeps_it_from_starting(location: Path, text: str) -> None:
    write(location, ":host: 127.0.0.1\n" + text)
    with pytest.raises(StartError, match="line 2") as caught:
        settings("sunstone-server.conf")
    assert caught.value.status == 1


@pytest.mark.parametrize(("sessions", "status"), [("memcached", 255), ("memcache-dalli", 1)])
def test_sessions_that_do_not_work_here_are_refused(sessions: str, status: int) -> None:
    with pytest.raises(StartError) as caught:
        store({"sessions": sessions})
    assert caught.value.status == status


@pytest.mark.parametrize("account", [None, "", "\n"])
def test_without_its_account_nothing_starts(
    location: Path, account: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    write(location, ":host: 127.0.0.1\n:port: 1\n")
    if account is not None:
        (location / "var/.one/sunstone_auth").write_text(account)
    assert run("sunstone", gate) == 255
    assert "sunstone_auth does not hold" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", [":host: 127.0.0.1\n", ":host: 127.0.0.1\n:port: many\n", ":host: 192.0.2.1\n:port: 1\n"]
)
def test_without_an_address_of_its_own_nothing_starts(
    location: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(location, text)
    (location / "var/.one/sunstone_auth").write_text("serveradmin:x\n")
    assert run("sunstone", gate) == 1
    assert "keeps it from listening" in capsys.readouterr().err


def test_it_runs_as_a_program_and_ends_when_told(location: Path) -> None:
    port = free_port()
    write(location, f":host: 127.0.0.1\n:port: {port}\n:sessions: memory\n:one_xmlrpc: http://127.0.0.1:1/RPC2\n")
    (location / "var/.one/sunstone_auth").write_text("serveradmin:x\n")
    code = (
        "import sys; from lab.standin.sunstone.sunstone import sunstone; from lab.standin.sunstone.web import run;"
        "sys.exit(run('sunstone', sunstone))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    try:

        def answers() -> bool:
            try:
                return Browser(port).ask("GET", "/version").body == '{"version":"6.10.5"}'
            except ConnectionError:
                return False

        wait_until("it answers", answers)
        assert Browser(port).ask("POST", "/login", user=RIGHT).status == 500
    finally:
        process.terminate()
        assert process.wait(10) == -15


def test_oneflow_asks_for_a_login_and_shows_its_pools(oned: Oned, log: Log) -> None:
    with listening(flow({"one_xmlrpc": oned.endpoint}, log), log) as browser:
        for path in ("/", "/service"):
            reply = browser.ask("GET", path)
            assert (reply.status, reply.body) == (401, "A username and password must be provided")
        assert browser.ask("GET", "/service", user="oneadmin:wrong").body == "Invalid credentials"
        for path in ("/service", "/service_template"):
            assert browser.ask("GET", path, user=RIGHT).body == '{\n  "DOCUMENT_POOL": {\n  }\n}'
        assert browser.ask("GET", "/", user=RIGHT).status == 404
        oned.stop()
        assert browser.ask("GET", "/service", user=RIGHT).body == "Invalid credentials"


def test_onegate_refuses_everybody(log: Log) -> None:
    with listening(gate({}, log), log) as browser:
        reply = browser.ask("GET", "/vm", headers={"X-ONEGATE-TOKEN": "bad", "X-ONEGATE-VMID": "0"})
        assert (reply.status, reply.body) == (401, "Not authorized")
        assert "X-Frame-Options" not in reply.headers


def test_a_document_is_the_recorded_json() -> None:
    found = tree("<P><A><ID>1</ID><E></E></A><A><ID>2</ID><T><![CDATA[<x>]]></T></A><N><ID>3</ID></N></P>")
    assert short(found) == '{"P":{"A":[{"ID":"1","E":{}},{"ID":"2","T":"<x>"}],"N":{"ID":"3"}}}'
    assert pretty(tree("<P><E></E><T>{}</T></P>")) == '{\n  "P": {\n    "E": {\n    },\n    "T": "{}"\n  }\n}'
