"""How nodes are monitored: what is asked, when, by whom, and what becomes of it."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.standin.oned import probe
from lab.standin.oned.cloud import DISABLED, ERROR, INIT, MONITORED, OFFLINE, Host
from lab.standin.oned.log import Log
from lab.standin.oned.monitor import IDLE_S, Monitor, Times
from lab.standin.oned.probe import ProbeError, Report
from lab.standin.tests.zone import Oned, leader_of, wait_for
from tests.contract.compare import tokens
from tests.contract.recording import load

ANSWER = (Path(__file__).parent / "recorded/probe.txt").read_text()
HOST = Host(
    4, "kvm1", INIT, "kvm", "kvm", [(name, "") for name in ("IM_MAD", "VM_MAD", "RESERVED_CPU", "RESERVED_MEM")]
)
LOOK, LOST, RETRY, RENEW = 60, 180, 195, 600


def shape(document: str) -> list[tuple[str, str]]:
    return [(token.kind, token.text if token.kind in {"start", "end"} else "") for token in tokens(document)]


def test_a_monitored_host_has_the_recorded_shape() -> None:
    report = probe.read(ANSWER)
    document = report.into(HOST).render().replace("<MONITORING/>", report.measured(4, 1795277283))
    recorded = load()["ha3-kvm1.host.info.02-monitored"].answer
    assert recorded is not None
    assert shape(document) == shape(recorded.payload)


def test_what_a_node_says_is_what_is_kept() -> None:
    report = probe.read(ANSWER)
    assert (report.cpu, report.memory, report.disks) == (200, 24684084, (258020, 69969, 33930))
    assert report.template["KVM_MACHINES"] == "pc-i440fx-7.2 pc pc-q35-5.2"
    assert report.template["HOSTNAME"] == "kvm1"
    smt = probe.read(ANSWER.replace("\n0,0,0\n1,1,0\n", "\n0,0,0\n1,0,0\n"))
    assert "<CPUS><![CDATA[0:-1,1:-1]]></CPUS>" in smt.into(HOST).numa
    two = probe.read(ANSWER.replace("\n1,1,0\n", "\n1,1,1\n")).into(HOST).numa
    assert re.findall(r"<NODE_ID><!\[CDATA\[(\d)", two) == ["0", "1"]
    back = Host.read(report.into(HOST).render())
    assert (back.state, back.cpu, back.numa) == (MONITORED, 200, report.into(HOST).numa)


@pytest.mark.parametrize("cut", ["== capabilities", "== disks", "MemTotal", "<arch>"])
def test_half_an_answer_is_an_error(cut: str) -> None:
    with pytest.raises(ProbeError, match="cannot be read"):
        probe.read(ANSWER.partition(cut)[0])


@pytest.mark.parametrize("missing", ["lspci", "virsh"])
def test_a_node_without_its_tools_is_an_error(tmp_path: Path, missing: str) -> None:
    for tool in {"lspci", "virsh"} - {missing}:
        (tmp_path / tool).write_text("#!/bin/sh\n")
        (tmp_path / tool).chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-s"], input=probe.SCRIPT, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, f"{missing} is not there\n")


def test_ssh_takes_no_key_on_trust_and_asks_no_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration that a real ssh comes to, over one of oneadmin's that would allow both."""
    config = tmp_path / "config"
    config.write_text("Host *\n  StrictHostKeyChecking no\n  BatchMode no\n  ControlMaster auto\n")
    command = [*probe.COMMAND[:1], "-F", str(config), "-G", *probe.COMMAND[1:], "kvm1"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert {"user oneadmin", "batchmode yes", "stricthostkeychecking true", "controlmaster false"} <= set(said)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProbeError, match="ssh cannot be run"):
        probe.ask("kvm1")


class Cloud:
    """A zone, its clock and its nodes, in one hand."""

    def __init__(self, tmp_path: Path) -> None:
        self.term: int | None = 1
        self.clock = 1000.0
        self.known = {4: HOST}
        self.answers: dict[str, str | None] = {"kvm1": ANSWER}
        self.asked: list[tuple[float, str]] = []
        self.records = 0
        self.monitor = self.server(tmp_path)

    def server(self, tmp_path: Path) -> Monitor:
        log = Log(tmp_path / "oned.log", 0, 3)
        return Monitor(self, log, self.ask, Times.of(LOOK), lambda: self.clock, lambda look: look())

    def ask(self, name: str) -> Report:
        self.asked.append((self.clock, name))
        answer = self.answers.get(name)
        if answer is None:
            raise ProbeError("silent")
        return probe.read(answer)

    def leading(self) -> int | None:
        return self.term

    def hosts(self) -> list[Host]:
        return list(self.known.values())

    def change_host(self, oid: int, change: Callable[[Host], Host | None]) -> None:
        new = change(self.known[oid])
        if new is not None:
            self.known[oid] = new
            self.records += 1

    def run(self, seconds: float) -> None:
        end = self.clock + seconds
        while self.clock < end:
            self.monitor.round()
            # A look moved the node's next one: only a second round knows when it is.
            self.clock = min(end, self.clock + self.monitor.round())

    def state(self) -> int:
        return self.known[4].state


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    return Cloud(tmp_path)


def test_times_are_the_recorded_ones() -> None:
    assert Times.of(LOOK) == Times(LOOK, LOST, RETRY, RENEW)


def test_a_node_is_monitored_at_once_and_makes_few_records(cloud: Cloud) -> None:
    cloud.run(3600)
    assert cloud.state() == MONITORED
    assert len(cloud.asked) == 3600 / LOOK
    assert cloud.records == 3600 / RENEW
    assert len(cloud.monitor.measured(4)) == len(cloud.asked)


def test_a_silent_new_node_is_an_error_and_tried_again_as_recorded(cloud: Cloud) -> None:
    cloud.answers = {}
    cloud.run(2.5 * RETRY)
    assert [when - 1000 for when, _ in cloud.asked] == [0, RETRY, 2 * RETRY]
    assert (cloud.state(), cloud.records) == (ERROR, 1)
    assert re.search(r"<ERROR><!\[CDATA\[.* : Error monitoring Host kvm1 \(4\): \]\]>", cloud.known[4].render())
    cloud.answers = {"kvm1": ANSWER}
    cloud.run(RETRY)
    assert cloud.state() == MONITORED
    assert "<ERROR>" not in cloud.known[4].render()


def test_a_lost_node_is_an_error_after_the_recorded_time(cloud: Cloud) -> None:
    cloud.run(1)
    cloud.answers = {}
    cloud.run(LOST - 2)
    assert cloud.state() == MONITORED
    cloud.run(LOOK)
    assert cloud.state() == ERROR


def test_what_people_said_of_a_host_is_not_undone(cloud: Cloud) -> None:
    cloud.run(1)
    cloud.known[4] = cloud.known[4].set_status(1)
    cloud.run(2 * RENEW)
    cloud.answers = {}
    cloud.run(2 * RENEW)
    assert cloud.state() == DISABLED
    asked = len(cloud.asked)
    cloud.known[4] = cloud.known[4].set_status(2)
    cloud.run(2 * RENEW)
    assert (cloud.state(), len(cloud.asked)) == (OFFLINE, asked)
    cloud.answers = {"kvm1": ANSWER}
    cloud.known[4] = cloud.known[4].set_status(0)
    assert cloud.state() == INIT
    cloud.monitor.round()
    assert cloud.state() == MONITORED


def test_an_unknown_driver_and_a_follower_ask_nobody(cloud: Cloud) -> None:
    cloud.known[5] = Host(5, "kvm9", INIT, "nosuch", "nosuch", [])
    cloud.run(1)
    assert {name for _, name in cloud.asked} == {"kvm1"}
    cloud.term = None
    cloud.asked.clear()
    assert cloud.monitor.round() == IDLE_S
    assert not cloud.asked
    cloud.term = 2
    cloud.monitor.round()
    assert [name for _, name in cloud.asked] == ["kvm1"]


def test_a_deleted_host_is_forgotten(cloud: Cloud) -> None:
    cloud.run(1)
    assert cloud.monitor.measured(4)
    cloud.known.clear()
    assert cloud.monitor.round() == IDLE_S
    assert not cloud.monitor.measured(4)


def test_the_leader_monitors_and_a_new_one_takes_over(
    trio: list[Oned], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ssh is played here: that it is really ssh, with its keys, is what the contract test is for."""
    played = tmp_path / "ssh"
    played.write_text(f"#!/bin/sh\necho $PPID >>{tmp_path}/asked\ncat >/dev/null\ncat {tmp_path}/answer\n")
    played.chmod(0o755)
    (tmp_path / "answer").write_text(ANSWER)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("STANDIN_MONITOR_MS", "300")
    for server in trio:
        server.stop()
        server.spawn()
    leader = wait_for("a leader", lambda: leader_of(trio))
    others = [server for server in trio if server is not leader]

    def state(server: Oned, *numbers: int) -> bool:
        return any(f"<STATE>{number}</STATE>" in server.call("one.host.info", 0, False)[1] for number in numbers)

    def asking() -> set[str]:
        return set((tmp_path / "asked").read_text().split())

    assert others[0].call("one.host.allocate", "kvm1", "kvm", "kvm", -1) == [True, 0, 0]
    wait_for("the host monitored, as every server says", lambda: all(state(server, MONITORED) for server in trio))
    wait_for("more than one measurement", lambda: leader.call("one.host.monitoring", 0)[1].count("<MONITORING>") > 1)
    assert "<MONITORING><TIMESTAMP>" in leader.call("one.host.info", 0, False)[1]
    assert leader.process is not None
    assert asking() == {str(leader.process.pid)}

    def times(server: Oned) -> list[int]:
        return [int(text) for text in re.findall(r"<TIMESTAMP>(\d+)<", server.call("one.hostpool.monitoring", -1)[1])]

    # Every server shows what it measured itself, so that one sees who looks.
    assert times(leader)
    assert [times(server) for server in others] == [[], []]
    killed = time.time()
    leader.kill()
    second = wait_for("a new leader", lambda: leader_of(others))
    wait_for("the node's time advances", lambda: max(times(second), default=0) > killed + 1)
    last = re.findall(r"<MONITORING><TIMESTAMP>(\d+)<", second.call("one.host.info", 0, False)[1])
    assert int(last[0]) > killed
    (tmp_path / "answer").write_text("")
    wait_for("the host an error, as both say", lambda: all(state(server, ERROR) for server in others))
    assert asking() == {str(leader.process.pid), str(second.process.pid)}
