"""A fault with the client running: started before it, watching on after it."""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.client.calls import Call, from_lines
from tests.client.judge import Fault

WARM = 10  # successes of each kind before the fault
WATCH = 30.0  # seconds to watch after the hit
SLACK = 15.0  # a last call, and a busy machine
LONGEST = 240.0


@dataclasses.dataclass(frozen=True)
class Asked:
    """Whom the client asks, as whom, and how often."""

    server: str
    auth_file: Path
    web: str = ""
    ca: str = ""
    read_server: str = ""
    interval: float = 0.2
    read_interval: float = 0.0

    @property
    def kinds(self) -> tuple[str, ...]:
        """What it does."""
        return ("write", "read", "page") if self.web else ("write", "read")

    def options(self) -> list[str]:
        """Give its arguments."""
        options = [f"--server={self.server}", f"--auth-file={self.auth_file}", f"--interval={self.interval}"]
        options += [f"--read-interval={self.read_interval}"]
        named = {"web": self.web, "ca": self.ca, "read-server": self.read_server}
        return options + [f"--{name}={value}" for name, value in named.items() if value]


class Running:
    """The client while it runs."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, stop: Path) -> None:
        """Keep the process, and where it writes and looks."""
        self._process, self._log, self._stop = process, log, stop

    def calls(self) -> list[Call]:
        """Give the calls that have ended so far."""
        text = self._log.read_text() if self._log.exists() else ""
        return from_lines(text[: text.rfind("\n") + 1].splitlines())

    def stop_at(self, moment: float) -> None:
        """Have it end then."""
        whole = self._stop.with_suffix(".new")
        whole.write_text(f"{moment}\n")
        whole.rename(self._stop)

    def ended(self, seconds: float) -> list[Call]:
        """Wait for its end, which has to be a good one, and give all calls."""
        self._process.wait(seconds)
        assert self._process.returncode == 0, f"the client ended with {self._process.returncode}"
        return self.calls()

    def wait_until_warm(self, kinds: Sequence[str]) -> None:
        """Return once everything works: a fault that hits nothing proves nothing."""
        end = time.monotonic() + 30
        while time.monotonic() < end and self._process.poll() is None:
            calls = self.calls()
            good = {kind: sum(call.kind == kind and call.outcome == "acknowledged" for call in calls) for kind in kinds}
            if min(good.values()) >= WARM:
                return
            time.sleep(0.1)
        last = [*map(str, self.calls()[-3:])]
        raise AssertionError(f"the client had no {WARM} of each of {kinds} before the fault: {last}")


@contextlib.contextmanager
def client(folder: Path, prefix: str, asked: Asked, seconds: float = LONGEST) -> Iterator[Running]:
    """Give the client once it is warm; it has ended when the block has."""
    log, stop = folder / "client.jsonl", folder / "stop"
    command = [sys.executable, "-m", "tests.client", f"--prefix={prefix}", f"--log={log}", f"--stop-file={stop}"]
    command += [f"--seconds={seconds}", *asked.options()]
    with subprocess.Popen(command, cwd=Path(__file__).resolve().parents[2]) as process:
        try:
            running = Running(process, log, stop)
            running.wait_until_warm(asked.kinds)
            yield running
        finally:
            process.kill()


def run(
    folder: Path,
    prefix: str,
    asked: Asked,
    strike: Callable[[], object],
    prove: Callable[[], object],
    watch: float = WATCH,
) -> tuple[list[Call], Fault]:
    """Strike while the client runs, have it proven, and give the client's log and the moments around the strike."""
    with client(folder, prefix, asked) as running:
        ordered = time.time()
        strike()
        fault = Fault(ordered=ordered, hit=time.time())
        running.stop_at(fault.hit + watch)
        prove()
        return running.ended(watch + SLACK), fault
