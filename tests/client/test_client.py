"""The client against servers that answer, refuse, hang and vanish."""

from __future__ import annotations

import io
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.client.calls import Call, from_lines
from tests.client.rpc import call
from tests.client.run import Client, Plan
from tests.client.served import served

Behaviour = Callable[[str, list[object]], object]


@contextmanager
def serve(behave: Behaviour) -> Iterator[str]:
    """Serve XML-RPC; `behave` gives the answer, or None to close without one."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            arguments, method = xmlrpc.client.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = behave(str(method), list(arguments))
            if answer is None:
                return
            body = xmlrpc.client.dumps((answer,), methodresponse=True).encode()  # type: ignore[arg-type]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with served(Handler) as base:
        yield f"{base}/RPC2"


class Zone:
    """A zone of one that counts what it was asked to write."""

    def __init__(self) -> None:
        """Start empty."""
        self.names: list[str] = []

    def __call__(self, method: str, arguments: list[object]) -> object:
        """Answer as oned does."""
        if method == "one.document.allocate":
            self.names.append(str(arguments[1]).split('"')[1])
            return [True, len(self.names), 0]
        if int(str(arguments[1])) <= len(self.names):
            return [True, "<DOCUMENT/>", 0]
        return [False, "no such document", 1024]


def run(server: str, seconds: float = 1.6, timeout: float = 0.3, stop_file: Path | None = None) -> list[Call]:
    """Run a client and give its log."""
    log = io.StringIO()
    Client(Plan(server, "oneadmin:secret-of-the-test", "p-", 0.1, timeout, seconds, stop_file), log).run()
    return from_lines(log.getvalue().splitlines())


def closed_port() -> str:
    """Give an endpoint where nobody listens."""
    with serve(lambda *_: None) as endpoint:
        return endpoint


def test_every_acknowledged_write_reached_the_zone_once() -> None:
    """Names are unique, and what is acknowledged is what was written."""
    zone = Zone()
    with serve(zone) as endpoint:
        calls = run(endpoint)
    acknowledged = [entry.name for entry in calls if entry.kind == "write" and entry.outcome == "acknowledged"]
    assert sorted(acknowledged) == sorted(zone.names)
    assert len(set(zone.names)) == len(zone.names) >= 10
    assert [entry.outcome for entry in calls if entry.kind == "read"].count("acknowledged") >= 3


def test_a_hanging_write_is_unknown_is_not_repeated_and_does_not_keep_the_next_from_its_time() -> None:
    """The first write hangs: it is unknown at its deadline, and the others went on meanwhile."""
    zone = Zone()

    def hang_once(method: str, arguments: list[object]) -> object:
        answer = zone(method, arguments)
        if len(zone.names) == 1:
            time.sleep(0.6)
            return None
        return answer

    with serve(hang_once) as endpoint:
        writes = [entry for entry in run(endpoint) if entry.kind == "write"]
    (hung,) = [entry for entry in writes if entry.name == zone.names[0]]
    assert hung.outcome == "unknown"
    assert hung.done - hung.sent == pytest.approx(0.3, abs=0.15)
    assert zone.names.count(hung.name) == 1
    assert [entry for entry in writes if entry.outcome == "acknowledged" and entry.done < hung.done]


def test_a_dead_server_is_failed() -> None:
    """Nothing was sent, so the outcome is certain."""
    writes = [entry for entry in run(closed_port(), seconds=0.5) if entry.kind == "write"]
    assert {entry.outcome for entry in writes} == {"failed"}
    assert all("not reached" in entry.reason for entry in writes)


def test_an_address_that_no_link_leads_to_is_never_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lab that is gone, with its bridge, while the client goes on: nothing leaves this machine."""
    monkeypatch.setattr("http.client.HTTPConnection.connect", lambda self: pytest.fail(f"{self.host} was asked"))
    assert call("http://198.51.100.10:2633/RPC2", "system.listMethods", (), 1).outcome == "failed"


def test_an_answer_cut_short_is_unknown() -> None:
    """The connection ends without an answer: the write may be there."""
    with serve(lambda *_: None) as endpoint:
        assert call(endpoint, "one.document.allocate", ("s", "t", 1), 0.5).outcome == "unknown"


def test_a_refusal_is_failed_with_the_zones_words() -> None:
    """An error is an answer."""
    with serve(lambda *_: [False, "oned cluster in election mode", 8192]) as endpoint:
        answer = call(endpoint, "one.document.allocate", ("s", "t", 1), 0.5)
    assert answer.outcome == "failed"
    assert "election mode" in answer.reason


def test_the_stop_file_ends_the_run_and_the_limit_ends_it_anyway(tmp_path: Path) -> None:
    """Whoever knows when the fault hit says when to stop; nobody saying it is not forever."""
    stop = tmp_path / "stop"
    stop.write_text(f"{time.time() + 0.5}")
    with ExitStack() as stack:
        endpoint = stack.enter_context(serve(Zone()))
        started = time.monotonic()
        run(endpoint, seconds=30, stop_file=stop)
        assert time.monotonic() - started < 3
        started = time.monotonic()
        run(endpoint, seconds=0.5, stop_file=tmp_path / "never")
        assert time.monotonic() - started < 3


def test_the_credentials_are_not_in_the_log_nor_in_the_plans_text() -> None:
    """What is printed or kept tells no password."""
    with serve(lambda *_: [False, "no", 256]) as endpoint:
        assert "secret-of-the-test" not in "".join(entry.to_line() for entry in run(endpoint, seconds=0.5))
    assert "secret-of-the-test" not in repr(Plan("x", "oneadmin:secret-of-the-test", "p-"))


def test_reads_go_where_they_are_sent_at_their_own_pace() -> None:
    """Another endpoint gets all reads and no write; each loop has its own interval."""
    zone, reads = Zone(), list[str]()

    def read_only(method: str, arguments: list[object]) -> object:
        reads.append(method)
        return zone(method, arguments)

    with serve(zone) as endpoint, serve(read_only) as other:
        log = io.StringIO()
        plan = Plan(endpoint, "s", "p-", 0.05, 0.3, 2.2, read_server=other, read_interval=0.2)
        Client(plan, log).run()
    calls = from_lines(log.getvalue().splitlines())
    assert set(reads) == {"one.document.info"}
    assert 4 <= len(reads) <= 7
    assert 35 <= len(zone.names) <= 45
    assert {(call.kind, call.server) for call in calls} == {("write", endpoint), ("read", other)}
    assert plan.at_once(0.02) >= 15


@pytest.mark.parametrize(
    "broken", [{"seconds": 0}, {"seconds": 601}, {"interval": 0.0}, {"read_interval": 0.01}, {"server": ""}]
)
def test_a_plan_without_an_end_or_a_pause_is_refused(broken: dict[str, object]) -> None:
    """Load on a zone is bounded in count and time."""
    with pytest.raises(ValueError, match="wants a server"):
        Plan(**{"server": "x", "session": "s", "prefix": "p-", **broken})  # type: ignore[arg-type]
