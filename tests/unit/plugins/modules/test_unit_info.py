# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule

from .conftest import Run


@pytest.fixture
def systemd(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What systemd answers; started just now."""
    told = {
        "LoadState": "loaded",
        "ActiveState": "active",
        "NeedDaemonReload": "no",
        "ExecMainStartTimestampMonotonic": str(int(time.monotonic() * 1e6)),
    }

    def answer(_module: Any, command: list[str]) -> tuple[int, str, str]:
        assert command[-1] == "opennebula-sunstone"
        return 0, "".join(f"{name}={value}\n" for name, value in told.items()), ""

    monkeypatch.setattr(AnsibleModule, "get_bin_path", lambda *_arguments, **_more: "/bin/systemctl")
    monkeypatch.setattr(AnsibleModule, "run_command", answer)
    return told


def look(run: Run, *files: Path) -> tuple[str, bool, bool]:
    result = run("unit_info", name="opennebula-sunstone", files=[str(path) for path in files])
    assert (result["failed"], result["changed"]) == (False, False), result
    return result["state"], result["stale"], result["reload"]


@pytest.mark.parametrize("seconds", [-60, 60])
def test_a_file_younger_than_the_process_makes_it_stale(
    run: Run, systemd: dict[str, str], tmp_path: Path, seconds: int
) -> None:
    old, other = tmp_path / "old", tmp_path / "other"
    for path, age in ((old, -3600), (other, seconds)):
        path.touch()
        os.utime(path, (time.time() + age, time.time() + age))
    assert look(run, old, other, tmp_path / "missing") == ("active", seconds > 0, False)


def test_a_reload_is_as_good_as_a_start_for_who_reads_then(run: Run, systemd: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "conf"
    path.touch()
    now = time.monotonic()
    for changed, behind in ((now - 60, True), (now + 60, False)):
        systemd["ExecMainStartTimestampMonotonic"] = str(int((now - 120) * 1e6))
        systemd["StateChangeTimestampMonotonic"] = str(int(changed * 1e6))
        result = run("unit_info", name="opennebula-sunstone", files=[str(path)])
        assert (result["stale"], result["behind"]) == (True, behind)


def test_what_does_not_run_is_not_stale(run: Run, systemd: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "conf"
    path.touch()
    os.utime(path, (time.time() + 60, time.time() + 60))
    systemd.update(ActiveState="inactive", NeedDaemonReload="yes")
    assert look(run, path) == ("inactive", False, True)
    systemd.update(LoadState="not-found")
    assert look(run, path)[0] == "absent"


def test_a_systemd_that_tells_nothing(run: Run, systemd: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AnsibleModule, "run_command", lambda *_: (1, "", "not booted with systemd\n"))
    result = run("unit_info", name="one")
    assert result["failed"] and "the state of one: not booted with systemd; see 'systemctl status'" in result["msg"]
