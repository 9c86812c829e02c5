"""The clients that give up: whom they may meet, how many they are, and that each ends with a reset."""

from __future__ import annotations

import socket
import threading

import pytest

from tests.client.abort import KINDS, abort
from tests.client.rpc import NotReachedError


@pytest.mark.parametrize(("count", "seconds"), [(0, 1), (5001, 1), (1, 0), (1, 61)])
def test_what_is_no_test_any_more_is_refused(count: int, seconds: float) -> None:
    """Masses, and no more."""
    with pytest.raises(ValueError, match="may be made"):
        abort("http://127.0.0.1:1/RPC2", count=count, seconds=seconds)


def test_an_address_that_no_link_leads_to_is_never_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bridge of a lab is gone, and the default route is not."""
    monkeypatch.setattr("socket.create_connection", lambda *_: pytest.fail("it was asked"))
    with pytest.raises(NotReachedError, match="the lab is gone"):
        abort("https://198.51.100.10:2633/RPC2")


@pytest.mark.parametrize("kind", KINDS)
def test_each_ends_with_a_reset(kind: str) -> None:
    """As the server sees it, without TLS; half a call is less than a whole one."""
    ends: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take() -> None:
            connection, _ = server.accept()
            with connection:
                try:
                    while connection.recv(65536):
                        pass
                    ends.append("a farewell")
                except ConnectionResetError:
                    ends.append("a reset")

        thread = threading.Thread(target=take)
        thread.start()
        assert abort(f"http://127.0.0.1:{server.getsockname()[1]}/RPC2", count=1, kinds=[kind]) == {kind: 1}
        thread.join(10)
    assert ends == ["a reset"]


def test_the_time_ends_it_and_refusals_are_counted() -> None:
    """Nobody listens: that is said, too."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert abort(f"http://127.0.0.1:{unused.getsockname()[1]}/RPC2", count=50, seconds=5) == {"refused": 50}
