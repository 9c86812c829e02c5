# SPDX-License-Identifier: Apache-2.0
"""The phases callback: its sentences, and what a person sees of a whole run."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from ansible_collections.nebula.ha.plugins.callback import phases

ROOT = Path(__file__).resolve().parents[4]


def play(name: str, *tasks: Mapping[str, object], hosts: str = "all") -> dict[str, object]:
    return {"name": name, "hosts": hosts, "connection": "local", "gather_facts": False, "tasks": list(tasks)}


def prepared(folder: Path, plays: list[dict[str, object]], *arguments: str) -> tuple[list[str], dict[str, str]]:
    playbook = folder / "play.yml"
    playbook.write_text(yaml.safe_dump(plays, sort_keys=False), encoding="utf-8")
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_STDOUT_CALLBACK": "nebula.ha.phases",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_FORCE_COLOR": "0",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
    }
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    return [program, "--inventory", "ob1,ob2", *arguments, str(playbook)], environment


def run(folder: Path, plays: list[dict[str, object]], *arguments: str) -> tuple[int, str]:
    command, environment = prepared(folder, plays, *arguments)
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def run_on_terminal(folder: Path, plays: list[dict[str, object]]) -> str:
    """What a terminal receives, escape sequences included."""
    command, environment = prepared(folder, plays)
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, env=environment, cwd=folder, stdout=theirs, stderr=subprocess.DEVNULL) as process:
        os.close(theirs)
        received = b""
        with contextlib.suppress(OSError):  # how a terminal whose program has ended says so
            while chunk := os.read(ours, 4096):
                received += chunk
        assert process.wait(timeout=60) == 0
    os.close(ours)
    return received.decode()


def test_a_phase_has_number_name_time_and_changes() -> None:
    outcome = phases.outcome_text(12.34, 9, {"ob1", "ob2", "ob3"}, set())
    line = phases.phase_line(2, 6, "Database", outcome)
    assert re.fullmatch(r"\[2/6\] Database \.{20,} +12\.3 s  changed 9 on 3 hosts", line)


def test_check_mode_says_would_and_failures_name_hosts() -> None:
    assert phases.outcome_text(1, 2, {"ob1"}, set(), check_mode=True).endswith("would change 2 on 1 host")
    assert phases.outcome_text(1, 0, set(), {"ob3", "ob1"}).endswith("nothing changed, failed on ob1, ob3")


def test_a_failure_shows_what_the_command_printed_once() -> None:
    result = {"msg": "non-zero return code", "stderr": "ERROR 1045: access denied", "stdout": ""}
    assert phases.failure_lines("ob2", "Grant", result, item="oneadmin") == [
        'ob2: the task "Grant" failed for oneadmin: non-zero return code',
        "  ERROR 1045: access denied",
    ]
    assert phases.cause_lines({"msg": "access denied", "stderr": "access denied"}) == ["access denied"]


def test_a_hidden_result_stays_hidden() -> None:
    lines = phases.failure_lines("ob1", "Set it", {"censored": "hidden", "msg": "s3cret"})
    assert "s3cret" not in "\n".join(lines)


def test_long_output_is_cut_to_its_end() -> None:
    lines = phases.cause_lines({"msg": "failed", "stdout": "\n".join(f"line {n}" for n in range(100))})
    assert len(lines) == 1 + phases.OUTPUT_LINES
    assert lines[-1] == "  line 99"


def test_a_run_shows_phases_and_the_last_message_last(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write = {
        "name": "Write",
        "ansible.builtin.copy": {"dest": f"{path}-{{{{ inventory_hostname }}}}", "content": "new\n"},
    }
    say = {"name": "Say", "ansible.builtin.debug": {"msg": ["The zone is healthy.", "  ob1 leads"]}}
    status, text = run(tmp_path, [play("Files", write), play("Health", say)], "--diff")
    assert status == 0, text
    assert re.search(r"^\[1/2\] Files \.+ +\d+\.\d s  changed 2 on 2 hosts$", text, re.MULTILINE)
    assert re.search(r"^\[2/2\] Health \.+ +\d+\.\d s  nothing changed$", text, re.MULTILINE)
    assert 'ob1: "Write"\n--- before\n+++ after' in text
    assert "+new" in text
    assert re.search(
        r"^2 phases in \d+\.\d s, changed 2 on 2 hosts\nThe zone is healthy\.\n  ob1 leads\n\Z", text, re.MULTILINE
    )
    assert text.count("The zone is healthy.") == 1

    status, text = run(tmp_path, [play("Files", write), play("Health", say)])
    assert "2 phases in" in text
    assert "changed 2" not in text


def test_a_failed_run_says_host_task_and_cause(tmp_path: Path) -> None:
    fail = {
        "name": "Look at it",
        "ansible.builtin.fail": {"msg": "one_subnet is missing."},
        "when": "inventory_hostname == 'ob2'",
    }
    loop = {"name": "Try", "ansible.builtin.fail": {"msg": "no {{ item }}"}, "loop": ["a", "b"], "ignore_errors": True}
    status, text = run(tmp_path, [play("Preflight", loop, fail)])
    assert status == 2
    assert 'ob2: the task "Look at it" failed: one_subnet is missing.\n' in text
    assert 'ob1: the task "Try" failed for b: no b (the play goes on: this failure is allowed)\n' in text
    assert "One or more items failed" not in text
    assert text.rstrip().endswith("failed on ob2")


def test_a_hidden_task_leaks_nothing_in_a_run(tmp_path: Path) -> None:
    hidden = {"name": "Hide", "ansible.builtin.command": "ls /no/s3cret-value", "no_log": True}
    status, text = run(tmp_path, [play("Secrets", hidden)])
    assert status == 2
    assert "s3cret-value" not in text
    assert "no_log" in text


@pytest.mark.parametrize("serial", [1, 2])
def test_batches_of_a_serial_play_are_one_phase(tmp_path: Path, serial: int) -> None:
    one = {
        **play("Rolling", {"name": "Say", "ansible.builtin.debug": {"msg": "on {{ inventory_hostname }}"}}),
        "serial": serial,
    }
    status, text = run(tmp_path, [one])
    assert status == 0
    assert len(re.findall(r"^\[1/1\] Rolling \.+", text, re.MULTILINE)) == 1
    assert sorted(text.splitlines()[-2:]) == ["on ob1", "on ob2"]  # hosts of one batch answer in any order


def test_unreachable_hosts_are_named(tmp_path: Path) -> None:
    remote = {**play("Machines", {"name": "Ping", "ansible.builtin.ping": {}}), "connection": "ssh"}
    status, text = run(tmp_path, [remote], "--extra-vars", '{"ansible_host": "127.0.0.1", "ansible_port": 1}')
    assert status == 4
    assert re.search(r"^ob1 could not be reached: .*port 1", text, re.MULTILINE)


def test_check_mode_is_announced(tmp_path: Path) -> None:
    write = {"name": "Write", "ansible.builtin.copy": {"dest": str(tmp_path / "file"), "content": "new\n"}}
    status, text = run(tmp_path, [play("Files", write)], "--check")
    assert status == 0
    assert text.startswith("Check mode: nothing is changed")
    assert "would change 2 on 2 hosts" in text
    assert not (tmp_path / "file").exists()


def test_a_terminal_shows_the_running_task_and_keeps_only_the_phase(tmp_path: Path) -> None:
    say = {"name": "Tell it", "ansible.builtin.debug": {"msg": "The zone is healthy."}}
    text = run_on_terminal(tmp_path, [play("Health", say)])
    assert "\r\033[K[1/1] Health - Tell it (0 s)" in text
    # What stays on a line is what was written after its last return to the line's start
    stays = [line.rstrip("\r").split("\r\033[K")[-1] for line in text.split("\n")]
    assert re.fullmatch(r"\[1/1\] Health \.+ +\d+\.\d s  nothing changed", stays[0])
    assert re.fullmatch(r"1 phase in \d+\.\d s, nothing changed", stays[1])
    assert stays[2:] == ["The zone is healthy.", ""]
