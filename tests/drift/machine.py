"""What a machine looks like: equal before and after whatever must not touch it."""

from __future__ import annotations

from testinfra.host import Host

UNITS = ("opennebula", "mariadb", "chrony", "ssh")


def fingerprint(host: Host) -> dict[str, str]:
    """Give what must stay, line by line, so that a difference names its file, unit or package."""
    files = host.check_output("find /etc /var/lib/one/.one -type f -exec sha256sum {} + | sort -k 2")
    assert "/etc/passwd" in files, "the search for files finds nothing"
    modes = host.check_output("find /etc /var/lib/one/.one -printf '%p %y %m %U:%G %l\\n' | sort")
    packages = host.check_output("dpkg-query --show --showformat='${Package} ${Version} ${db:Status-Abbrev}\\n'")
    result = {f"content of {line.split(maxsplit=1)[1]}": line.split()[0] for line in files.splitlines()}
    result |= {f"mode of {line.split()[0]}": line for line in modes.splitlines()}
    result |= {f"package {line.split()[0]}": line for line in packages.splitlines()}
    for unit in UNITS:
        result[f"process of {unit}"] = host.check_output("systemctl show --property MainPID,NRestarts %s", unit)
    return result


def differences(before: dict[str, str], after: dict[str, str]) -> dict[str, tuple[str | None, str | None]]:
    """Give what is not as it was."""
    keys = before.keys() | after.keys()
    return {key: (before.get(key), after.get(key)) for key in sorted(keys) if before.get(key) != after.get(key)}


def started_after_write(host: Host, unit: str, path: str) -> bool:
    """Say whether the unit's process is younger than the file that it reads at its start."""
    since = host.check_output("systemctl show --property ExecMainStartTimestamp --value %s", unit)
    return int(host.check_output("date --date %s +%%s", since)) >= int(host.check_output("stat --format %%Y %s", path))
