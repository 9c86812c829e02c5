# SPDX-License-Identifier: Apache-2.0
"""Servers for the tests, each on a free port of the loopback: one that answers like oned, and ones that do not."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Handler = Callable[[str], "tuple[int, str]"]


class Quiet(ThreadingHTTPServer):
    """A client that gave up is what some tests are about."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class Fake:
    """A web server that keeps what it was asked and answers what it is told to."""

    def __init__(self, handler: Handler, host: str = "127.0.0.1", port: int = 0) -> None:
        self.host = host
        self.bodies: list[str] = []
        outer = self

        class Requests(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(f"GET {self.path}")

            def do_POST(self) -> None:
                self.answer(self.rfile.read(int(self.headers["Content-Length"])).decode())

            def answer(self, body: str) -> None:
                outer.bodies.append(body)
                status, text = handler(body)
                if status == 0:  # hang up without a word
                    return
                data = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/xml")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = Quiet((host, port), Requests)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/RPC2"

    def __enter__(self) -> Fake:
        self.thread.start()
        return self

    def __exit__(self, *_arguments: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def success(value: object) -> str:
    """What oned answers when it did as it was asked."""
    if isinstance(value, int):
        inner = f"<i4>{value}</i4>"
    else:
        escaped = str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        inner = f"<string>{escaped}</string>"
    return (
        '<?xml version="1.0"?><methodResponse><params><param><value><array><data>'
        f"<value><boolean>1</boolean></value><value>{inner}</value><value><i4>0</i4></value>"
        "</data></array></value></param></params></methodResponse>"
    )


def failure(message: str, number: int) -> str:
    """What oned answers when it refuses."""
    return (
        '<?xml version="1.0"?><methodResponse><params><param><value><array><data>'
        f"<value><boolean>0</boolean></value><value><string>{message}</string></value>"
        f"<value><i4>{number}</i4></value><value><i4>-1</i4></value><value><i8>-1</i8></value>"
        "</data></array></value></param></params></methodResponse>"
    )


@contextlib.contextmanager
def black_hole(host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """An endpoint whose machine takes the connection and never says a word, as a frozen oned does."""
    with socket.socket() as listener:
        listener.bind((host, port))
        listener.listen(50)
        yield f"http://{host}:{listener.getsockname()[1]}/RPC2"


@contextlib.contextmanager
def counting_hole(host: str = "127.0.0.1", port: int = 0) -> Iterator[tuple[str, Callable[[], int]]]:
    """A black hole that tells how often it was asked."""
    taken: list[socket.socket] = []
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind((host, port))
        listener.listen(50)
        listener.setblocking(False)

        def asked() -> int:
            with contextlib.suppress(BlockingIOError):
                while True:
                    taken.append(stack.enter_context(listener.accept()[0]))
            return len(taken)

        yield f"http://{host}:{listener.getsockname()[1]}/RPC2", asked


@contextlib.contextmanager
def resets() -> Iterator[tuple[str, list[int]]]:
    """An endpoint that resets every connection once the request has come; the list counts them."""
    seen: list[int] = []
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)
        port = listener.getsockname()[1]

        def serve() -> None:
            while True:
                try:
                    connection, _peer = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    seen.append(1)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{port}/RPC2", seen
        listener.shutdown(socket.SHUT_RDWR)


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
