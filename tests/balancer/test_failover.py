"""Clients give up in masses during failovers, and the role reset_guard stands before oned, or does not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.balancer.proxy import ROOT, rendered

PORT = 26330  # in a network of its own
COUNTED = "echo 1 > /proc/sys/net/netfilter/nf_conntrack_acct"


def failovers(folder: Path, prepared: str) -> dict[str, Any]:
    """What became of three oneds, in a network in which that was done before."""
    command = f'ip link set lo up; {prepared}; exec "$@"'
    done = subprocess.run(
        ["unshare", "--net", "sh", "-ec", command, "sh"]
        + [sys.executable, "-m", "tests.balancer.failover", str(folder), str(PORT)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def ended(said: dict[str, Any]) -> list[str]:
    return [name for name, (_, gone) in said["zone"].items() if gone]


def test_no_oned_ends_of_masses_of_aborts_during_failovers(tmp_path: Path) -> None:
    """A server that is marked down has its connections reset, some before it has taken them: the rule drops those."""
    rules = tmp_path / "reset-guard.nft"
    guard = rendered("reset_guard", "rules.nft.j2", {"reset_guard_port": PORT})
    told = {"nft_table_name": "reset_guard", "nft_table_priority": "filter - 10", "nft_table_rules": guard}
    rules.write_text(rendered("nft_table", "table.nft.j2", told))
    said = failovers(tmp_path, f"nft --file {rules}; {COUNTED}")
    assert said["aborted"] > 1000
    assert ended(said) == []
    assert all(calls for calls, _ in said["zone"].values()), said


def test_without_the_rule_one_does(tmp_path: Path) -> None:
    """What the test above would see, by luck not in every try."""
    tries = (tmp_path / str(number) for number in range(3))
    assert any(ended(failovers(folder, f"mkdir {folder}")) for folder in tries)
