"""The watch catches a secret on a command line."""

from __future__ import annotations

import subprocess
import sys
import uuid

import pytest

from tests.drift.argv import Watch


def test_a_process_with_a_secret_among_its_arguments_is_caught() -> None:
    """Half a second is enough to be seen even on a busy machine, and what is kept does not hold the secret."""
    secret = uuid.uuid4().hex
    with Watch([uuid.uuid4().hex, secret]) as watch:
        subprocess.run([sys.executable, "-c", "import time; time.sleep(0.5)", f"--password={secret}"], check=True)
    assert {number for number, _ in watch.seen} == {1}
    assert secret not in repr(watch.seen)


def test_a_quiet_machine_gives_no_alarm() -> None:
    """A secret in the environment or on standard input is where it may be."""
    secret = uuid.uuid4().hex
    with Watch([secret]) as watch:
        subprocess.run(["cat"], input=secret.encode(), env={"SECRET": secret}, stdout=subprocess.DEVNULL, check=True)
    assert not watch.seen
    assert watch.looks >= 1


@pytest.mark.parametrize("secrets", [[], ["short"], ["long-enough-1", ""]])
def test_secrets_that_would_be_found_everywhere_or_nowhere_are_refused(secrets: list[str]) -> None:
    """An empty secret is in every line; no secret in none."""
    with pytest.raises(ValueError, match="at least 8"):
        Watch(secrets)
