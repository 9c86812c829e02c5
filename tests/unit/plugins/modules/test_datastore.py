# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ..module_utils.zone.servers import free_port
from .conftest import Run
from .oned import SESSION
from .pools import Pools

SSH = {"TM_MAD": "ssh", "DS_MAD": "fs", "LN_TARGET": "SYSTEM"}
SHARED = {"tm_mad": "shared"}


@pytest.fixture
def auth(tmp_path: Path) -> str:
    path = tmp_path / "one_auth"
    path.write_text(SESSION + "\n")
    return str(path)


def go(run: Run, port: int, auth: str, **arguments: Any) -> dict[str, Any]:
    given = {"host": "127.0.0.1", "port": port, "auth_file": auth, "timeout": 1, "wait": 0.6, "template": SHARED}
    return run("datastore", **{**given, **arguments})


def test_only_what_differs_is_written(run: Run, auth: str) -> None:
    with Pools(datastores={0: dict(SSH), 1: dict(SSH)}) as oned:
        result = go(run, oned.port, auth, id=1, template={"TM_MAD": "shared", "DS_MAD": "fs"})
        assert (result["failed"], result["changed"]) == (False, True), result
        assert result["datastore"] == {"id": 1, "name": "ds1", "template": {**SSH, "TM_MAD": "shared"}}
        assert result["diff"]["before"] == 'TM_MAD = "ssh"\nDS_MAD = "fs"\n'
        assert result["diff"]["after"] == 'TM_MAD = "shared"\nDS_MAD = "fs"\n'
        assert oned.fake.bodies[1].count("TM_MAD") == 1 and "DS_MAD" not in oned.fake.bodies[1]
        assert oned.datastores[0] == SSH
        assert go(run, oned.port, auth, name="ds1")["changed"] is False
        assert oned.writes == ["datastore.update"]


def test_check_mode_shows_it_and_writes_nothing(run: Run, auth: str) -> None:
    with Pools(datastores={0: dict(SSH)}) as oned:
        result = go(run, oned.port, auth, id=0, check=True)
        assert result["changed"] and 'TM_MAD = "shared"' in result["diff"]["after"]
        assert oned.writes == []


def test_a_value_that_oned_accepts_and_ignores_is_seen(run: Run, auth: str) -> None:
    with Pools(datastores={0: dict(SSH)}, deaf=("TM_MAD",)) as oned:
        result = go(run, oned.port, auth, id=0)
        assert result["failed"] and "The datastore ds0 does not show TM_MAD shared after 0.6 s" in result["msg"]


@pytest.mark.parametrize(("trouble", "failed"), [("drop", False), ("lose", True)])
def test_a_call_without_an_answer_is_looked_for_and_never_repeated(
    run: Run, auth: str, trouble: str, failed: bool
) -> None:
    with Pools(datastores={0: dict(SSH)}, trouble={"datastore.update": trouble}) as oned:
        result = go(run, oned.port, auth, id=0)
        assert result["failed"] is failed, result
        assert oned.writes == ["datastore.update"]


def test_a_refusal_is_told(run: Run, auth: str) -> None:
    with Pools(datastores={0: dict(SSH)}, trouble={"datastore.update": 'TM_MAD named "x" is not defined'}) as oned:
        result = go(run, oned.port, auth, id=0)
        assert 'refused to give the datastore ds0 TM_MAD shared: TM_MAD named "x" is not defined.' in result["msg"]


def test_a_datastore_that_is_not_there(run: Run, auth: str) -> None:
    with Pools(datastores={0: dict(SSH)}) as oned:
        assert "no datastore with the id 9 (it has: 0 ds0)" in go(run, oned.port, auth, id=9)["msg"]
        assert "no datastore named fast (it has: 0 ds0)" in go(run, oned.port, auth, name="fast")["msg"]


def test_before_the_first_deploy_only_check_mode_has_an_answer(run: Run, auth: str) -> None:
    result = go(run, free_port(), auth, id=0, check=True)
    assert (result["failed"], result["changed"], result["datastore"]) == (False, True, None)
    result = go(run, free_port(), auth, id=0, wait=0)
    assert result["failed"] and "systemctl start opennebula" in result["msg"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "one of the following is required: id, name"),
        ({"id": 0, "name": "x"}, "mutually exclusive"),
        ({"id": 0, "template": {"X": {"Y": "Z"}}}, "X in template holds more than one value"),
    ],
)
def test_parameters_that_mean_nothing(run: Run, auth: str, arguments: dict[str, Any], words: str) -> None:
    result = go(run, free_port(), auth, **arguments)
    assert result["failed"] and words in result["msg"]
