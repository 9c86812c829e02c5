"""What the lab needs of this kernel and a fresh machine does not give; the last lab that goes puts it back."""

from __future__ import annotations

from pathlib import Path

from lab.hosts.plan import LOCKS, STATE
from lab.hosts.run import locked

SETTINGS = {
    Path("/proc/sys/net/ipv4/ip_forward"): 1,  # the hosts' way to the package mirror
    # Every systemd needs half a dozen, and all hosts share root's: with the usual 128 the twentieth does not boot.
    Path("/proc/sys/fs/inotify/max_user_instances"): 8192,
}


def _before(setting: Path) -> Path:
    return STATE / f"{setting.name}.before"


def ready() -> None:
    """Raise what is lower than the lab needs it, and remember what it was."""
    with locked(LOCKS / "kernel"):
        for setting, needed in SETTINGS.items():
            found = setting.read_text()
            if int(found) < needed:
                _before(setting).write_text(found)
                setting.write_text(f"{needed}\n")


def restore(labs_left: bool) -> None:
    """The last lab that goes puts the settings back as the first one found them."""
    with locked(LOCKS / "kernel"):
        for setting in SETTINGS:
            if not labs_left and _before(setting).exists():
                setting.write_text(_before(setting).read_text())
                _before(setting).unlink()
