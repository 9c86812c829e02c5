"""What a person sees while `make lab` works."""

from __future__ import annotations

import itertools

import pytest

from lab import up
from lab.hosts.plan import LabError, make_lab
from lab.source import Choice

LAB = make_lab(
    "lab",
    "10.213.92.0/24",
    {"one1": "10.213.92.11", "one2": "10.213.92.12", "lb1": "10.213.92.21"},
    groups={"one1": ["all", "frontends"], "one2": ["all", "frontends"], "lb1": ["all", "balancers"]},
    floating="10.213.92.10",
)
STANDIN = Choice("standin", "lab/standin", "/srv/one-repo")


def test_phases_have_number_name_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    ticks = itertools.count(0, 1.5)
    up.perform(
        [up.Phase("The machines", lambda: "3 made"), up.Phase("The zone", lambda: None)], clock=lambda: next(ticks)
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("[1/2] The machines ....")
    assert lines[0].endswith("1.5 s  3 made")
    assert lines[1].startswith("[2/2] The zone ....")


def test_a_phase_that_fails_ends_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> str:
        raise LabError("No space.")

    def never() -> str:
        raise AssertionError("it must not be reached")

    with pytest.raises(LabError, match="No space"):
        up.perform([up.Phase("The machines", fail), up.Phase("The zone", never)])
    out = capsys.readouterr().out
    assert "[1/2]" in out
    assert "failed" in out
    assert "[2/2]" not in out


def test_first_and_last_screen_say_which_opennebula() -> None:
    for screen in (up.first_screen(LAB, STANDIN), up.last_screen(LAB, STANDIN, 125)):
        assert "STAND-IN" in screen
        assert "NOT OpenNebula" in screen


def test_the_first_screen_groups_the_hosts() -> None:
    assert up.first_screen(LAB, STANDIN).splitlines()[:4] == [
        "The lab lab in 10.213.92.0/24",
        "  frontends         one1 10.213.92.11, one2 10.213.92.12",
        "  balancers         lb1 10.213.92.21",
        "  floating address  10.213.92.10",
    ]


def test_the_last_screen_says_what_to_type_next() -> None:
    screen = up.last_screen(LAB, STANDIN, 125)
    assert "2 min 5 s" in screen
    for command in ("make lab-shell HOST=one1", "make lab-status", "make lab-destroy"):
        assert command in screen
