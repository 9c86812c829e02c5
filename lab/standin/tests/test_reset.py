"""A connection that is reset before it is taken ends oned, as it does the recorded one; other ends do not."""

from __future__ import annotations

import contextlib
import socket
import struct
import time

from lab.standin.oned import wire
from lab.standin.tests.zone import SESSION, Oned, wait_for

READ = wire.render_call("one.zone.info", (SESSION, 0, False))


def connect(server: Oned) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), 5)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def ended(server: Oned) -> int | None:
    assert server.process is not None
    return server.process.poll()


def test_connect_and_reset_ends_it_with_a_failure(solo: Oned) -> None:
    for _ in range(40):
        try:
            reset(connect(solo))
        except ConnectionError:
            break
    # Neither 0 nor a signal that systemd takes for a stop: Restart=on-failure starts it again.
    assert wait_for("its end", lambda: ended(solo)) == 1
    solo.start()


def test_connect_and_close_does_no_harm(solo: Oned) -> None:
    for _ in range(60):
        # No more at a time than wait in its backlog: a full one makes the kernel drop the next for a second.
        for _ in range(10):
            connect(solo).close()
        assert solo.call("one.zone.info", 0, False)[0]
    assert ended(solo) is None


def test_a_reset_in_the_backlog_counts_once_it_is_taken(solo: Oned) -> None:
    """With all its connections in use it takes none, and dies of the first that it takes later."""
    with contextlib.ExitStack() as ends:
        held = [ends.enter_context(connect(solo)) for _ in range(15)]
        for connection in held:
            # A first line that has no end: each is taken and waits for the rest of it.
            connection.sendall(b"POST /RPC2")
        with connect(solo) as probe:
            probe.settimeout(0.5)
            probe.sendall(b"GET / HTTP/1.0\r\n\r\n")
            with contextlib.suppress(TimeoutError):
                assert probe.recv(1) == b"", "a 16th connection was taken"
            reset(probe)
        assert ended(solo) is None
        held[0].close()
        assert wait_for("its end", lambda: ended(solo)) == 1


def test_a_reset_after_the_call_was_read_does_no_harm(solo: Oned) -> None:
    head = f"POST /RPC2 HTTP/1.1\r\nContent-Length: {len(READ)}\r\nExpect: 100-continue\r\n\r\n".encode()
    for number in range(40):
        connection = connect(solo)
        connection.sendall(head)
        # It has been taken, and its head is read: what comes now is a call, or half of one.
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        connection.sendall(READ[: len(READ) // (1 + number % 2)])
        reset(connection)
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline:
        assert solo.call("one.zone.info", 0, False)[0]
    assert ended(solo) is None
