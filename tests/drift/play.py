"""Run a playbook and read what it changed, task by task and host by host."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class Change:
    """A task that changed something on a host, or says that it would."""

    host: str
    task: str
    action: str
    message: str
    diffs: tuple[str, ...]  # canonical text of each diff


@dataclasses.dataclass(frozen=True)
class Run:
    """What became of a playbook."""

    returncode: int
    changes: tuple[Change, ...]
    stats: Mapping[str, Mapping[str, int]]
    failures: tuple[str, ...]
    stderr: str

    def of(self, host: str) -> list[Change]:
        """Give the changes on one host."""
        return [change for change in self.changes if change.host == host]

    @property
    def changed(self) -> dict[str, int]:
        """Give the number that the recap calls `changed`, by host."""
        return {host: numbers["changed"] for host, numbers in self.stats.items()}

    def must_succeed(self) -> Run:
        """Fail with the playbook's own words unless it ended well on at least one host."""
        assert self.returncode == 0 and self.stats and not self.failures, (
            f"the playbook ended with {self.returncode}: {'; '.join(self.failures) or self.stderr[-2000:]}"
        )
        return self


def _diffs(result: Mapping[str, Any]) -> Iterator[str]:
    """Give every diff of a result, of its loop items too; empty ones say nothing."""
    for item in [result, *result.get("results", [])]:
        diff = item.get("diff") or []
        for one in diff if isinstance(diff, list) else [diff]:
            if one.get("before") != one.get("after") or one.get("prepared"):
                yield json.dumps(one, sort_keys=True)


def read(document: Mapping[str, Any], returncode: int, stderr: str = "") -> Run:
    """Read the report of Ansible's json callback."""
    changes: list[Change] = []
    failures: list[str] = []
    for play in document["plays"]:
        for task in play["tasks"]:
            for host, result in task["hosts"].items():
                name = task["task"]["name"]
                if result.get("changed"):
                    action, message = str(result.get("action", "")), str(result.get("msg", ""))
                    changes.append(Change(host, name, action, message, tuple(_diffs(result))))
                if result.get("unreachable") or (result.get("failed") and not result.get("ignored")):
                    failures.append(f"{host}: {name}: {result.get('msg', result)}")
    stats = document["stats"]
    bad = {host for host, numbers in stats.items() if numbers["failures"] or numbers["unreachable"]}
    # A failure that a rescue took up is in the report and not in the recap.
    return Run(returncode, tuple(changes), stats, tuple(text for text in failures if text.split(":")[0] in bad), stderr)


def run(
    playbook: str,
    inventory: Path,
    *options: str,
    env: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    seconds: float = 600,
) -> Run:
    """Run a playbook and give what it did; `env` adds to the environment."""
    process = subprocess.run(
        ["ansible-playbook", f"--inventory={inventory}", playbook, *options],
        cwd=cwd,
        env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_NOCOLOR": "1", **(env or {})},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    start = process.stdout.find("{\n")
    if start < 0:
        return Run(process.returncode, (), {}, (process.stdout.strip()[-2000:],), process.stderr)
    return read(json.JSONDecoder().raw_decode(process.stdout[start:])[0], process.returncode, process.stderr)


def only(changes: Sequence[Change], word: str) -> Change:
    """Give the one change whose task, action or diff speaks of this."""
    found = [change for change in changes if any(word in text for text in (change.task, change.action, *change.diffs))]
    assert len(found) == 1, f"wanted one change about {word}, got {[(change.host, change.task) for change in found]}"
    return found[0]
