"""The stand-in's command line prints the recorded tables and ends with the recorded status."""

from __future__ import annotations

import re
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from xmlrpc.server import SimpleXMLRPCServer

import pytest

from lab.standin.packages.cli import onezone, pools

RECORDED = Path(__file__).parent / "recorded/ha3.onezone-show.leader.txt"
HOSTS = RECORDED.with_name("ha3.onehost-list.txt").read_text()
HOST_TABLE, HOST_XML = HOSTS[: HOSTS.index("<HOST_POOL>")], HOSTS[HOSTS.index("<HOST_POOL>") :]
# As oned sends it: without line ends, and what is empty has two tags.
HOST_POOL = re.sub(r"<((?!MONITORING)\w+)/>", r"<\1></\1>", "".join(line.strip() for line in HOST_XML.splitlines()))


class Zone:
    """Three servers behind one port: each path answers as one server of the recorded zone."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.refuse: str | None = None
        text = RECORDED.read_text()
        self.table, _, rest = text.partition("<ZONE>")
        self.xml = "<ZONE>" + rest.partition("</ZONE>")[0] + "</ZONE>"

    def document(self) -> str:
        zone = ET.fromstring(self.xml)
        for server in zone.iter("SERVER"):
            for name in onezone.RAFT_FIELDS:
                found = server.find(name)
                if found is not None:
                    server.remove(found)
        return ET.tostring(zone, encoding="unicode")

    def _dispatch(self, method: str, arguments: tuple[object, ...]) -> list[object]:
        self.calls.append((method, *arguments))
        if self.refuse is not None:
            return [False, self.refuse, 1024]
        answers = {
            "one.zone.info": self.document(),
            "one.zonepool.info": f"<ZONE_POOL>{self.document()}</ZONE_POOL>",
            "one.hostpool.info": HOST_POOL,
            "one.host.info": re.findall(r"<HOST>.*?</HOST>", HOST_POOL)[0],
            "one.datastorepool.info": "<DATASTORE_POOL></DATASTORE_POOL>",
            "one.zone.raftstatus": "<RAFT><FEDLOG_INDEX>-1</FEDLOG_INDEX></RAFT>",
        }
        return [True, answers.get(method, 0), 0]


@pytest.fixture
def zone() -> Zone:
    return Zone()


@pytest.fixture
def endpoint(zone: Zone, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    (tmp_path / "one_auth").write_text("oneadmin:secret\n")
    monkeypatch.setenv("ONE_AUTH", str(tmp_path / "one_auth"))
    with SimpleXMLRPCServer(("127.0.0.1", 0), logRequests=False) as server:
        server.register_instance(zone)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/RPC2"
        server.shutdown()
        thread.join()


def test_show_is_the_recorded_table_to_the_byte(zone: Zone) -> None:
    assert onezone.table(ET.fromstring(zone.xml)) + "\n" == zone.table


def test_show_as_xml_is_the_recorded_document(zone: Zone) -> None:
    document = ET.fromstring("".join(line.strip() for line in zone.xml.splitlines()))
    assert onezone.as_xml(document) == zone.xml


def test_list_is_the_recorded_table(zone: Zone, endpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert onezone.main(["list", "--endpoint", endpoint]) == 0
    assert capsys.readouterr().out == (
        "C   ID NAME            ENDPOINT                                      FED_INDEX  STAT\n"
        "     0 OpenNebula      http://localhost:2633/RPC2                    -1         on\n"
    )


def test_a_server_that_does_not_answer_is_shown_as_error(
    zone: Zone, endpoint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    zone.xml = zone.xml.replace("http://10.98.0.", "http://127.0.0.1:9/")
    assert onezone.main(["show", "0", "--endpoint", endpoint]) == 0
    assert " 0 ob1             error      -          -          -          -     -\n" in capsys.readouterr().out


def test_server_add_sends_the_recorded_template(zone: Zone, endpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["server-add", "0", "-n", "ob2", "-r", "http://10.98.0.2:2633/RPC2", "--endpoint", endpoint]
    assert onezone.main(call) == 0
    template = 'SERVER=[NAME="ob2",ENDPOINT="http://10.98.0.2:2633/RPC2"]'
    assert zone.calls == [("one.zone.addserver", "oneadmin:secret", 0, template)]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("verb", "method"), [("server-del", "delserver"), ("server-reset", "resetserver")])
def test_server_del_and_reset(zone: Zone, endpoint: str, verb: str, method: str) -> None:
    assert onezone.main([verb, "0", "2", "--endpoint", endpoint]) == 0
    assert zone.calls == [(f"one.zone.{method}", "oneadmin:secret", 0, 2)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["server-add", "0"], "To add a server set:\n\t-n <server name>\n\t-r <RPC endpoint>\n"),
        (["server-add", "0", "-n", "x", "-r", "10.0.0.1"], "Wrong protocol specified. Only http or https allowed!\n"),
    ],
)
def test_a_wrong_call_ends_with_255(
    endpoint: str, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert onezone.main([*arguments, "--endpoint", endpoint]) == 255
    assert capsys.readouterr().out == said


def test_a_refusal_is_printed_and_ends_with_255(zone: Zone, endpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    zone.refuse = "[one.zone.delserver] SERVER not found in zone"
    assert onezone.main(["server-del", "0", "9", "--endpoint", endpoint]) == 255
    assert capsys.readouterr().out == zone.refuse + "\n"


def test_without_credentials_it_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ONE_AUTH", str(tmp_path / "none"))
    assert onezone.main(["list"]) == 255
    assert capsys.readouterr().out == "ONE_AUTH file not present\n"


def test_a_missing_parameter_ends_with_255() -> None:
    with pytest.raises(SystemExit) as ended:
        onezone.main(["server-del", "0"])
    assert ended.value.code == 255


def test_hosts_are_the_recorded_table_and_document(endpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert pools.main("onehost", ["list", "--endpoint", endpoint]) == 0
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == HOST_TABLE.splitlines()
    assert pools.main("onehost", ["list", "-x", "--endpoint", endpoint]) == 0
    assert capsys.readouterr().out == HOST_XML


def test_one_host_is_found_by_name_or_id(zone: Zone, endpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert pools.main("onehost", ["show", "node-b", "-x", "--endpoint", endpoint]) == 0
    assert zone.calls[-1] == ("one.host.info", "oneadmin:secret", 1, False)
    assert capsys.readouterr().out.startswith("<HOST>\n  <ID>1</ID>\n")
    assert pools.main("onehost", ["show", "node-x", "-x", "--endpoint", endpoint]) == 255
    assert capsys.readouterr().out == "HOST named node-x not found.\n"


def test_datastores_are_shown_as_xml(endpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert pools.main("onedatastore", ["list", "-x", "--endpoint", endpoint]) == 0
    assert capsys.readouterr().out == "<DATASTORE_POOL/>\n"
