# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.nebula.ha.plugins.module_utils.zone import client as client_module
from ansible_collections.nebula.ha.plugins.module_utils.zone.client import (
    CallError,
    Client,
    CredentialsError,
    ask,
    endpoint_url,
    read_session,
    survey,
)
from ansible_collections.nebula.ha.plugins.module_utils.zone.judge import judge
from ansible_collections.nebula.ha.plugins.module_utils.zone.model import FailureKind, ServerState

from .servers import Fake, black_hole, failure, free_port, resets, success

SESSION = "oneadmin:secret-of-the-test"


def zone_text(urls: list[str]) -> str:
    servers = "".join(
        f"<SERVER><ENDPOINT>{url}</ENDPOINT><ID>{number}</ID><NAME>fe{number + 1}</NAME></SERVER>"
        for number, url in enumerate(urls)
    )
    return (
        "<ZONE><ID>0</ID><NAME>OpenNebula</NAME><STATE>0</STATE><TEMPLATE></TEMPLATE>"
        f"<SERVER_POOL>{servers}</SERVER_POOL></ZONE>"
    )


def raft_text(number: int, state: int, index: int = 10) -> str:
    return (
        f"<RAFT><SERVER_ID>{number}</SERVER_ID><STATE>{state}</STATE><TERM>3</TERM><VOTEDFOR>-1</VOTEDFOR>"
        f"<COMMIT>{index}</COMMIT><LOG_INDEX>{index}</LOG_INDEX><LOG_TERM>3</LOG_TERM><FEDLOG_INDEX>-1</FEDLOG_INDEX></RAFT>"
    )


def oned(
    number: int,
    state: int,
    urls: list[str],
    slow: float = 0.0,
    host: str = "127.0.0.1",
    before: Callable[[str], None] = lambda _body: None,
) -> Fake:
    def handler(body: str) -> tuple[int, str]:
        time.sleep(slow)
        before(body)
        if "one.zone.raftstatus" in body:
            return 200, success(raft_text(number, state))
        if "one.zone.info" in body:
            return 200, success(zone_text(urls))
        return 200, success("6.10.5")

    return Fake(handler, host)


def fail(url: str, timeout: float = 1.0, method: str = "one.zone.raftstatus") -> CallError:
    with pytest.raises(CallError) as caught:
        Client(url, SESSION, timeout).call(method)
    assert "secret-of-the-test" not in str(caught.value)
    return caught.value


def test_a_result_and_what_was_sent() -> None:
    with Fake(lambda _body: (200, success("<RAFT/>"))) as server:
        assert Client(server.url, SESSION, 1).call("one.zone.info", 0, False) == "<RAFT/>"
    (body,) = server.bodies
    for part in ("<methodName>one.zone.info</methodName>", SESSION, "<int>0</int>", "<boolean>0</boolean>"):
        assert part in body


@pytest.mark.parametrize(
    ("recording", "kind", "number", "words"),
    [
        ("err.bad-auth", FailureKind.CREDENTIALS, 256, "couldn't be authenticated"),
        ("err.unknown-method", FailureKind.FAULT, None, "-506"),
        ("ha3-noleader.system.version", FailureKind.ERROR, 8192, "election mode"),
        ("err.zone.addserver.bare-SERVER-xml", FailureKind.ERROR, 2048, "addserver"),
        ("err.zone.delserver.unknown", FailureKind.ERROR, 2048, "SERVER not found"),
    ],
)
def test_recorded_refusals(fixtures: Path, recording: str, kind: FailureKind, number: int | None, words: str) -> None:
    text = (fixtures / "responses" / f"{recording}.response.xml").read_text()
    with Fake(lambda _body: (200, text)) as server:
        error = fail(server.url)
    assert (error.failure.kind, error.failure.errno, error.unknown) == (kind, number, False)
    assert words in error.failure.detail


def test_recorded_documents_come_through(fixtures: Path) -> None:
    def handler(body: str) -> tuple[int, str]:
        name = "solo.system.version" if "one.system.version" in body else "ha3.zone.raftstatus.leader-ob1"
        return 200, (fixtures / "responses" / f"{name}.response.xml").read_text()

    with Fake(handler) as server:
        client = Client(server.url, SESSION, 1)
        assert client.version() == "6.10.5"
        assert client.raft_status().state is ServerState.LEADER


def test_refused() -> None:
    error = fail(f"http://127.0.0.1:{free_port()}/RPC2")
    assert (error.failure.kind, error.unknown) == (FailureKind.REFUSED, False)


def test_timeout_is_an_unknown_result() -> None:
    with black_hole() as url:
        start = time.monotonic()
        error = fail(url, 0.3)
        assert 0.25 < time.monotonic() - start < 1
    assert (error.failure.kind, error.unknown) == (FailureKind.TIMEOUT, True)


def test_a_reset_is_unknown_and_the_request_is_not_sent_again() -> None:
    with resets() as (url, seen):
        error = fail(url)
        assert (error.failure.kind, error.unknown) == (FailureKind.DROPPED, True)
        time.sleep(0.05)
        assert len(seen) == 1


def test_a_server_that_hangs_up_is_asked_once() -> None:
    with Fake(lambda _body: (0, "")) as server:
        error = fail(server.url)
    assert (error.failure.kind, error.unknown) == (FailureKind.DROPPED, True)
    assert len(server.bodies) == 1


def test_http_status() -> None:
    with Fake(lambda _body: (503, "")) as server:
        error = fail(server.url)
    assert error.failure.kind is FailureKind.HTTP
    assert "503" in error.failure.detail


@pytest.mark.parametrize(
    "text", ["", "hello", "<html/>", "<methodResponse><params/></methodResponse>", success(3)[:80]]
)
def test_no_xml_rpc(text: str) -> None:
    with Fake(lambda _body: (200, text)) as server:
        assert fail(server.url).failure.kind is FailureKind.PROTOCOL


def test_a_document_of_another_kind() -> None:
    with Fake(lambda _body: (200, success("<HOST/>"))) as server, pytest.raises(CallError) as caught:
        Client(server.url, SESSION, 1).raft_status()
    assert caught.value.failure.kind is FailureKind.PROTOCOL


def test_no_such_name() -> None:
    assert fail("http://no-such-host.invalid:2633/RPC2").failure.kind is FailureKind.UNRESOLVED
    assert fail("fe1:2633").failure.kind is FailureKind.UNRESOLVED


def test_proxies_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    with Fake(lambda _body: (200, success("6.10.5"))) as server:
        assert Client(server.url, SESSION, 1).version() == "6.10.5"


def test_endpoint_url() -> None:
    assert endpoint_url("fe1", 2633) == "http://fe1:2633/RPC2"
    assert endpoint_url("::1", 2633) == "http://[::1]:2633/RPC2"


def test_session_file(tmp_path: Path) -> None:
    path = tmp_path / "one_auth"
    path.write_text("oneadmin:a:b\n")
    assert read_session(str(path)) == "oneadmin:a:b"
    for text in ("", "oneadmin", "oneadmin:", ":x"):
        path.write_text(text)
        with pytest.raises(CredentialsError, match="does not hold 'user:password'"):
            read_session(str(path))
    with pytest.raises(CredentialsError, match="does not exist"):
        read_session(str(tmp_path / "no"))
    with pytest.raises(CredentialsError, match="cannot be read"):
        read_session(str(tmp_path))


def test_one_answer_in_full() -> None:
    with oned(0, 3, []) as server:
        answer = ask(server.url, SESSION, 1)
    assert answer.raft is not None and answer.zone is not None
    assert (answer.raft.state, answer.version, answer.failure) == (ServerState.LEADER, "6.10.5", None)


def test_without_a_leader_the_version_stays_unknown() -> None:
    def handler(body: str) -> tuple[int, str]:
        if "one.zone.raftstatus" in body:
            return 200, success(raft_text(0, 1))
        if "one.zone.info" in body:
            return 200, success(zone_text([]))
        return 200, failure("oned cluster in election mode", 8192)

    with Fake(handler) as server:
        answer = ask(server.url, SESSION, 1)
    assert (answer.version, answer.failure) == (None, None)


def test_a_survey_finds_the_others_through_the_first() -> None:
    urls: list[str] = []
    with oned(0, 3, urls) as one, oned(1, 2, urls) as two, oned(2, 2, urls) as three:
        urls += [one.url, two.url, three.url]
        answers = survey([one.url], SESSION, 2)
        assert {answer.endpoint for answer in answers} == set(urls)
        assert judge(answers).healthy
        assert [len(server.bodies) for server in (one, two, three)] == [3, 3, 3]


def test_two_black_holes_of_five_cost_one_timeout() -> None:
    urls: list[str] = []
    with (
        oned(0, 3, urls) as one,
        oned(1, 2, urls) as two,
        oned(2, 2, urls) as three,
        black_hole() as four,
        black_hole() as five,
    ):
        urls += [one.url, two.url, three.url, four, five]
        start = time.monotonic()
        answers = survey([one.url], SESSION, 1.0)
        took = time.monotonic() - start
    assert 0.9 < took < 2.0
    verdict = judge(answers)
    assert (verdict.leader, verdict.answering) == ("fe1", 3)
    silent = [problem.server for problem in verdict.problems if problem.code == "server_unreachable"]
    assert silent == ["fe4", "fe5"]


def test_a_first_server_that_answers_late_leaves_time_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "LATE_GRACE", 0.5)
    urls: list[str] = []
    with oned(0, 3, urls, slow=0.19) as one, oned(1, 2, urls, slow=0.1) as two, oned(2, 2, urls) as three:
        urls += [one.url, two.url, three.url]
        start = time.monotonic()
        answers = survey([one.url], SESSION, 0.6)
        assert time.monotonic() - start < 1.5
    assert all(answer.raft is not None for answer in answers)


def test_the_package_runs_alone(tmp_path: Path) -> None:
    """Copied somewhere else, without Ansible: what the agent will do."""
    source = Path(client_module.__file__).parent
    target = tmp_path / "zone"
    target.mkdir()
    for path in source.glob("*.py"):
        (target / path.name).write_text(path.read_text())
    code = "import zone.client, zone.judge, sys; print(zone.judge.judge([]).state.value, 'ansible' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["no_service", "False"]
