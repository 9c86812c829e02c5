"""The load is steady whatever the answers do, and says what failed and who served."""

from __future__ import annotations

import time
from http.server import BaseHTTPRequestHandler

import pytest

from tests.client.load import Load, load
from tests.client.served import served


def test_slow_answers_do_not_slow_the_pace_and_bad_ones_are_counted() -> None:
    """Twenty a second although each takes a fifth of a second; the 503s are what is wrong."""
    status = [200]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(0.2)
            self.send_response(status[0])
            self.send_header("X-Served-By", f"fe{status[0]}")
            self.end_headers()

    with served(Handler) as base, load(base, "", 20) as asking:
        time.sleep(1)
        status[0] = 503
        turned = time.time()
        time.sleep(1)
    assert 30 <= len(asking.asked) <= 45
    assert asking.wrong
    assert {one.wrong for one in asking.wrong} == {"HTTP 503"}
    assert asking.served(turned + 0.3) == {"fe503"}
    with load(base, "", 20) as asking:
        time.sleep(0.3)
    assert all("not reached" in one.wrong for one in asking.asked)


@pytest.mark.parametrize("pace", [0, 51])
def test_a_pace_beyond_a_test_is_refused(pace: int) -> None:
    """Load is bounded."""
    with pytest.raises(ValueError, match="requests a second"):
        Load("http://127.0.0.1:1", "", pace, 1)
