"""A fault with the client running: started before it, watching on after it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.client.calls import Call, from_lines
from tests.client.judge import Fault

WARM = 10  # successes of each kind before the fault
WATCH = 30.0  # seconds to watch after the hit
SLACK = 15.0  # a last call, and a busy machine


def run(
    folder: Path,
    prefix: str,
    server: str,
    auth_file: Path,
    strike: Callable[[], None],
    prove: Callable[[], None],
    web: str = "",
    ca: str = "",
) -> tuple[list[Call], Fault]:
    """Strike while the client runs, have it proven, and give the client's log and the moments around the strike."""
    log, stop = folder / "client.jsonl", folder / "stop"
    command = [sys.executable, "-m", "tests.client", f"--auth-file={auth_file}", f"--prefix={prefix}"]
    command += [f"--log={log}", f"--stop-file={stop}", "--seconds=150", f"--server={server}"]
    command += [f"--web={web}"] * bool(web) + [f"--ca={ca}"] * bool(ca)
    kinds = ("write", "read", "page") if web else ("write", "read")
    with subprocess.Popen(command, cwd=Path(__file__).resolve().parents[2]) as client:
        try:
            _wait_until_warm(log, client, kinds)
            ordered = time.time()
            strike()
            fault = Fault(ordered=ordered, hit=time.time())
            stop.write_text(f"{fault.hit + WATCH}\n")
            prove()
            client.wait(WATCH + SLACK)
        finally:
            client.kill()
    assert client.returncode == 0, f"the client ended with {client.returncode}"
    return _read(log), fault


def _read(log: Path) -> list[Call]:
    text = log.read_text() if log.exists() else ""
    return from_lines(text[: text.rfind("\n") + 1].splitlines())


def _wait_until_warm(log: Path, client: subprocess.Popen[bytes], kinds: Sequence[str]) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and client.poll() is None:
        calls = _read(log)
        if all(sum(call.kind == kind and call.outcome == "acknowledged" for call in calls) >= WARM for kind in kinds):
            return
        time.sleep(0.1)
    last = [*map(str, _read(log)[-3:])]
    raise AssertionError(f"the client had no {WARM} of each of {kinds} before the fault: {last}")
