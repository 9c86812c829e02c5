"""The person at the web interface, and what is said of the session and of who answered."""

from __future__ import annotations

import base64
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler

import pytest

from tests.client.calls import Call, Outcome
from tests.client.judge import Fault, Sessions, judge_sessions, turns
from tests.client.served import served
from tests.client.web import Browser

WORD = "oneadmin:word"
LOGIN, INSIDE = b"<form id='login_form'>", b"<script>var csrftoken = 'abc';</script>"


class Site:
    """A web interface that knows one user, and its sessions by their cookie."""

    def __init__(self) -> None:
        """Start with nobody inside."""
        self.sessions: set[str] = set()
        self.status = 200

    def served(self) -> AbstractContextManager[str]:
        """Answer on a port of the loopback."""
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                good = self.headers["Authorization"] == f"Basic {base64.b64encode(WORD.encode()).decode()}"
                cookie = f"s{len(site.sessions)}"
                if good:
                    site.sessions.add(cookie)
                self.answer(204 if good else 401, b"", cookie)

            def do_GET(self) -> None:
                known = self.headers.get("Cookie", "").removeprefix("rack.session=") in site.sessions
                self.answer(site.status, INSIDE if known else LOGIN, "")

            def answer(self, status: int, body: bytes, cookie: str) -> None:
                self.send_response(status)
                self.send_header("X-Served-By", "fe1")
                self.send_header("X-Balanced-By", "lb1")
                if cookie:
                    self.send_header("Set-Cookie", f"rack.session={cookie}; path=/; HttpOnly")
                self.end_headers()
                self.wfile.write(body)

        return served(Handler)


def test_a_session_holds_until_it_is_gone_and_a_new_login_brings_another() -> None:
    """The page behind the login, the login page once the session is lost, and who answered."""
    site = Site()
    with site.served() as base:
        browser = Browser(base, WORD, "", 1.0)
        assert browser.page().outcome == "logged out"
        assert browser.login().outcome == "acknowledged"
        inside = browser.page()
        assert (inside.outcome, inside.served_by, inside.balanced_by) == ("acknowledged", "fe1", "lb1")
        site.sessions.clear()
        site.sessions.add("other")
        assert browser.page().outcome == "logged out"
        assert browser.login().outcome == "acknowledged"
        assert browser.page().outcome == "acknowledged"


def test_a_wrong_password_an_error_page_and_a_dead_server_are_failures() -> None:
    """None of them is taken for a lost session."""
    site = Site()
    with site.served() as base:
        assert Browser(base, "oneadmin:other", "", 1.0).login().outcome == "failed"
        site.status = 503
        assert Browser(base, WORD, "", 1.0).page().outcome == "failed"
    assert Browser(base, WORD, "", 1.0).page().outcome == "failed"


def page(sent: float, outcome: Outcome = "acknowledged", balancer: str = "lb1", session: int = 1) -> Call:
    """Give a look at the page that took a tenth of a second."""
    return Call("page", f"session {session}", "https://cloud", sent, sent + 0.1, outcome, balanced_by=balancer)


FAULT = Fault(ordered=10.0, hit=10.1)
ONE, TWO = Sessions(1, 2.3), Sessions(2, 4.1)


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        ([page(9, "logged out"), page(11), page(12)], Sessions(0, 0.0)),
        ([page(11, "failed"), page(12)], Sessions(0, 0.0)),
        ([page(11, "logged out"), page(11.1, "logged out"), page(12.2, session=2), page(13, session=2)], ONE),
        ([page(11, "logged out"), page(12, session=2), page(13, "logged out", session=2), page(14, session=3)], TWO),
        ([page(11), page(12, "logged out"), page(13, "failed", session=2)], Sessions(1, None)),
        ([page(11, "logged out"), page(12)], Sessions(1, None)),
    ],
)
def test_a_session_is_lost_as_often_as_the_login_page_came_after_the_fault(
    pages: list[Call], expected: Sessions
) -> None:
    """It holds from the first page after the last loss; an error is no loss, and a loss before the fault no matter."""
    found = judge_sessions(pages, FAULT)
    assert found.lost == expected.lost
    assert found.holds_after == pytest.approx(expected.holds_after)


def test_turns_show_who_answered_and_a_balancer_that_comes_twice() -> None:
    """A move is two turns; two that answer by turns are three and more. Answers without a header belong to nobody."""
    moved = [page(1), page(2), page(3, "failed", ""), page(4, balancer="lb2")]
    assert [turn.balancer for turn in turns(moved)] == ["lb1", "lb2"]
    assert (turns(moved)[0].first, turns(moved)[0].last) == (1, 2.1)
    assert [turn.balancer for turn in turns([*moved, page(5), page(6, balancer="lb2")])] == ["lb1", "lb2", "lb1", "lb2"]
