# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import Run

SECRET = "quite-a-secret-1"
TEXT = """\
# ours
PORT = 2633
DB = [ BACKEND = "sqlite",
       TIMEOUT = 2500 ]
VM_MAD = [ NAME = "kvm", ARGUMENTS = "-t 15" ]
"""
WANTED: dict[str, Any] = {
    "PORT": 2634,
    "DB": {"BACKEND": "mysql", "SERVER": "localhost", "USER": "u", "PASSWD": SECRET, "DB_NAME": "d", "TIMEOUT": None},
}


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    path = tmp_path / "oned.conf"
    path.write_bytes(TEXT.encode() + b"# caf\xe9\r\n")
    path.chmod(0o640)
    return path


def test_edit_twice_is_edit_once_and_mode_stays(run: Run, conf: Path) -> None:
    if os.geteuid() == 0:
        os.chown(conf, 0, 12345)
    result = run("oned_conf", path=str(conf), settings=WANTED)
    assert (result["failed"], result["changed"]) == (False, True), result
    assert result["changes"][-1] == "PORT: 2633 -> 2634"
    content = conf.read_bytes()
    assert content.endswith(b"# caf\xe9\r\n") and content.startswith(b"# ours\nPORT = 2634\n")
    assert SECRET.encode() in content
    assert stat.S_IMODE(conf.stat().st_mode) == 0o640
    if os.geteuid() == 0:
        assert conf.stat().st_gid == 12345
    again = run("oned_conf", path=str(conf), settings=WANTED)
    assert (again["changed"], again["changes"]) == (False, [])
    assert conf.read_bytes() == content


def test_the_secret_is_in_the_file_only(run: Run, conf: Path) -> None:
    result = run("oned_conf", path=str(conf), settings=WANTED)
    assert SECRET not in str(result)
    assert "********" in result["diff"]["after"] and "(changed)" in result["diff"]["after"]
    other = {"DB": {"PASSWD": "another-secret-2"}}
    result = run("oned_conf", path=str(conf), settings=other)
    assert result["changes"] == ["DB/PASSWD: ******** -> ********"]
    assert SECRET not in str(result) and "another-secret-2" not in str(result)
    assert result["diff"]["before"] != result["diff"]["after"]


def test_check_mode_says_the_same_and_writes_nothing(run: Run, conf: Path) -> None:
    before = conf.read_bytes()
    predicted = run("oned_conf", path=str(conf), settings=WANTED, check=True)
    assert conf.read_bytes() == before
    real = run("oned_conf", path=str(conf), settings=WANTED)
    assert (predicted["diff"], predicted["changes"]) == (real["diff"], real["changes"])


def test_backup(run: Run, conf: Path) -> None:
    before = conf.read_bytes()
    result = run("oned_conf", path=str(conf), settings=WANTED, backup=True)
    backup = Path(result["backup_file"])
    assert backup.read_bytes() == before and stat.S_IMODE(backup.stat().st_mode) == 0o640
    assert "backup_file" not in run("oned_conf", path=str(conf), settings=WANTED, backup=True)


def test_sections(run: Run, conf: Path) -> None:
    sections = [
        {"name": "VM_MAD", "key": {"NAME": "kvm"}, "values": {"ARGUMENTS": "-t 30"}},
        {"name": "VM_RESTRICTED_ATTR", "value": "NIC/MAC"},
    ]
    result = run("oned_conf", path=str(conf), sections=sections)
    assert result["changes"] == ["VM_MAD/ARGUMENTS: -t 15 -> -t 30", "VM_RESTRICTED_ATTR: added NIC/MAC"]
    assert run("oned_conf", path=str(conf), sections=sections)["changed"] is False


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"settings": {"RAFT": {"ELECTION_TIMEOUT_MS": 1}}}, "lacks LIMIT_PURGE"),
        ({"settings": {"DB": {"BACKEND": "mysql"}}}, "lacks SERVER, USER, PASSWD"),
        ({"settings": {"DB": {"PASSWD": 'a"quite-a-secret-1'}}}, "DB/PASSWD: a value of oned.conf cannot hold"),
        ({"settings": {"PORT": {"A": 1}}}, "PORT (line 2) is a single value"),
        ({"sections": [{"name": "VM_MAD"}]}, "needs either 'key'"),
    ],
)
def test_what_is_refused_leaves_the_file(run: Run, conf: Path, arguments: dict[str, Any], words: str) -> None:
    before = conf.read_bytes()
    result = run("oned_conf", path=str(conf), **arguments)
    assert result["failed"] and words in result["msg"] and SECRET not in str(result)
    assert conf.read_bytes() == before


def test_a_file_that_is_no_oned_conf(run: Run, conf: Path) -> None:
    conf.write_text('PORT = 1\nDB = [ PASSWD = "quite-a-secret-1"\n')
    result = run("oned_conf", path=str(conf), settings={"PORT": 2})
    assert result["failed"] and "line 2" in result["msg"] and SECRET not in result["msg"]


def test_before_the_first_deploy(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "none"
    predicted = run("oned_conf", path=str(path), settings=WANTED, check=True)
    assert (predicted["failed"], predicted["changed"]) == (False, True) and "does not exist yet" in str(
        predicted["warnings"]
    )
    assert not path.exists()
    assert "install OpenNebula first" in run("oned_conf", path=str(path), settings=WANTED)["msg"]


def test_no_secret_in_a_verbose_run_or_the_log(conf: Path, tmp_path: Path) -> None:
    """Through ansible itself, at the highest verbosity that shows arguments; syslog goes through a stand-in for it."""
    log = tmp_path / "log"
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import syslog\n"
        f"def note(*words):\n    open({str(log)!r}, 'a').write(repr(words) + '\\n')\n"
        "syslog.syslog = note\n"
    )
    play = tmp_path / "play.yml"
    play.write_text(
        "- hosts: localhost\n  connection: local\n  gather_facts: false\n  tasks:\n"
        f"    - nebula.ha.oned_conf:\n        path: {conf}\n        settings:\n"
        f"          DB: {{BACKEND: mysql, SERVER: localhost, USER: u, PASSWD: {SECRET}, DB_NAME: d}}\n"
        "        sections:\n"
        f"          - {{name: AUTH, key: {{NAME: x}}, values: {{API_TOKEN: {SECRET}-2}}}}\n"
        "      environment:\n"
        f"        PYTHONPATH: {site}\n"
    )
    (tmp_path / "ansible.cfg").write_text("")
    ansible = Path(sys.executable).with_name("ansible-playbook")
    root = Path(__file__).resolve().parents[4]
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(root / ".cache" / "collections"),
        "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
    }
    done = subprocess.run(
        [
            str(ansible),
            "-i",
            "localhost,",
            "-e",
            f"ansible_python_interpreter={sys.executable}",
            "-D",
            "-vvvv",
            str(play),
        ],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "DB/BACKEND: sqlite -> mysql" in done.stdout
    assert SECRET not in done.stdout + done.stderr
    assert "Invoked with" in log.read_text() and SECRET not in log.read_text()
    assert conf.read_bytes().count(SECRET.encode()) == 2
