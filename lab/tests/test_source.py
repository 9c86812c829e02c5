"""Which OpenNebula: chosen once, kept until destroy."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from lab import source
from lab.hosts.plan import LabError
from lab.source import Choice, choose, wanted_choice

UPSTREAM = "https://repository.example/repo"
STANDIN = Choice("standin", "lab/standin", "/srv/one-repo")


def yes() -> bool:
    return True


def no() -> bool:
    return False


def never() -> bool:
    raise AssertionError("nothing is to be probed when the choice is made")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "opennebula.deb").touch()
    return tmp_path


def test_upstream_where_it_can_be_reached() -> None:
    assert choose("", None, UPSTREAM, yes) == Choice("upstream", UPSTREAM, "upstream")


def test_else_the_standin() -> None:
    assert choose("", None, UPSTREAM, no) == STANDIN


def test_what_was_wanted_is_not_probed() -> None:
    assert choose("standin", None, UPSTREAM, never) == STANDIN
    assert choose("upstream", None, UPSTREAM, never).one_source == "upstream"


def test_a_url_is_what_the_hosts_use() -> None:
    assert wanted_choice("http://packages.example/one", UPSTREAM).one_source == "http://packages.example/one"


def test_a_folder_is_bound_into_the_hosts(folder: Path) -> None:
    assert wanted_choice(str(folder), UPSTREAM) == Choice("folder", str(folder), "/srv/one-repo")


def test_a_folder_without_packages_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"there is no \.deb file"):
        wanted_choice(str(tmp_path), UPSTREAM)


@pytest.mark.parametrize("wanted", ["stand-in", "debs", "ftp://packages.example"])
def test_a_word_that_means_nothing_is_refused(wanted: str) -> None:
    with pytest.raises(LabError, match="say upstream, standin, the URL"):
        wanted_choice(wanted, UPSTREAM)


def test_the_lab_stays_with_its_choice() -> None:
    assert choose("", STANDIN, UPSTREAM, never) == STANDIN
    assert choose("standin", STANDIN, UPSTREAM, never) == STANDIN


def test_another_wish_is_refused_until_destroy(folder: Path) -> None:
    with pytest.raises(LabError) as caught:
        choose(str(folder), STANDIN, UPSTREAM, never)
    assert "STAND-IN" in str(caught.value)
    assert "destroy the lab first" in str(caught.value)


def test_the_standin_says_what_it_is() -> None:
    assert "NOT OpenNebula" in STANDIN.sentence()


def test_upstream_is_named_in_one_place_only() -> None:
    url, key = source.upstream_addresses()
    assert url.startswith("https://")
    assert key.startswith(url)


def test_a_server_that_never_answers_is_not_reachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        assert not source.answers(f"http://127.0.0.1:{silent.getsockname()[1]}/key", seconds=0.5)
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize(("status", "reachable"), [("200 OK", True), ("404 Not Found", False)])
def test_only_an_answer_that_has_the_key_counts(status: str, reachable: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())

        thread = threading.Thread(target=serve)
        thread.start()
        assert source.answers(f"http://127.0.0.1:{server.getsockname()[1]}/key") is reachable
        thread.join()


def test_a_fingerprint_sees_content_and_names(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = source.fingerprint([tmp_path / "a"], tmp_path)
    (tmp_path / "a").write_text("2")
    second = source.fingerprint([tmp_path / "a"], tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert len({first, second, source.fingerprint([tmp_path / "b"], tmp_path)}) == 3
