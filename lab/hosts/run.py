"""Commands of the machine, with their failure said in one sentence."""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lab.hosts.plan import LabError


def run(
    command: Sequence[str | Path],
    *,
    stdin: str | None = None,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Standard output of COMMAND; its last line of complaint as LabError if it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False, env=env, cwd=cwd)
    if done.returncode != 0:
        said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise LabError(
            f"`{' '.join(words[:6])}` failed with {done.returncode}: {said[-1] if said else 'it said nothing'}"
        )
    return done.stdout


def succeeds(command: Sequence[str | Path], env: dict[str, str] | None = None) -> bool:
    words = [str(word) for word in command]
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False, env=env).returncode == 0


def wait_for(condition: Callable[[], bool], seconds: float, failure: str, every: float = 0.1) -> None:
    """Return when CONDITION holds; FAILURE as LabError after SECONDS."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise LabError(failure)
        time.sleep(every)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One at a time, over all processes of this machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
