"""That the comparison can fail: every kind of change to an answer is found, in every recording that is compared."""

from __future__ import annotations

import dataclasses
import re
from itertools import pairwise

import pytest

from tests.contract import listed
from tests.contract.__main__ import report
from tests.contract.compare import Zone, compare, tokens
from tests.contract.listener import Heard, compare_call, listening
from tests.contract.recording import Answer, Recording, call, load, parse, request

RECORDINGS = load()
COMPARED = {name: r for name, r in RECORDINGS.items() if listed.reason(r.method, name) is None}
# The recorded zone itself, as a zone to compare with.
RECORDED = Zone(("10.98.0.1", "10.98.0.2", "10.98.0.3"))


def answer_of(name: str) -> tuple[Recording, Answer]:
    recording = COMPARED[name]
    assert recording.answer is not None
    # Names and addresses of the second recorded zone, as this zone has them.
    values = tuple(
        (kind, re.sub(r"\bfe([123])\b", r"ob\1", value).replace("10.213.77.1", "10.98.0."))
        for kind, value in recording.answer.values
    )
    return recording, dataclasses.replace(recording.answer, values=values)


def differences(name: str, have: Answer, zone: Zone = RECORDED) -> list[str]:
    recording, _ = answer_of(name)
    assert recording.answer is not None
    return compare(recording.method, recording.answer, have, zone)


def with_value(answer: Answer, position: int, kind: str, value: str) -> Answer:
    values = list(answer.values)
    values[position] = (kind, value)
    return dataclasses.replace(answer, values=tuple(values))


# Recorded values of which nothing is asked: the database's password and the hooks' address.
FREE = {f"<![CDATA[{text}]]>" for text in ("dbpass", "leader host0 10.98.0.100/24", "follower host0 10.98.0.100/24")}
DOCUMENTS = sorted(name for name in COMPARED if answer_of(name)[1].payload.startswith("<"))
VALUES = sorted(name for name in COMPARED if answer_of(name)[1].values)


@pytest.mark.parametrize("name", sorted(COMPARED))
def test_a_recording_equals_itself(name: str) -> None:
    assert differences(name, answer_of(name)[1]) == []


@pytest.mark.parametrize("name", VALUES)
def test_another_flag_errno_or_type_differs(name: str) -> None:
    _, answer = answer_of(name)
    flag = "0" if answer.success else "1"
    assert differences(name, with_value(answer, 0, "boolean", flag))
    kind, errno = answer.values[2]
    assert differences(name, with_value(answer, 2, kind, str(int(errno) + 1)))
    assert differences(name, with_value(answer, 2, "i8" if kind == "i4" else "i4", errno))
    assert differences(name, dataclasses.replace(answer, values=answer.values[:-1]))
    assert differences(name, dataclasses.replace(answer, values=(*answer.values, ("i4", "0"))))
    assert differences(name, Answer(failed="hung"))
    assert differences(name, Answer(fault=(-501, "no")))


@pytest.mark.parametrize("name", [name for name in VALUES if name not in DOCUMENTS])
def test_another_text_or_number_differs(name: str) -> None:
    _, answer = answer_of(name)
    for position in (1, 3):
        if position < len(answer.values):
            kind, value = answer.values[position]
            other = value + "x" if kind == "string" else str(int(value) + 1)
            assert differences(name, with_value(answer, position, kind, other)), position


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_missing_or_moved_element_differs(name: str) -> None:
    _, answer = answer_of(name)
    payload = answer.payload
    leaves = list(re.finditer(r"<(\w+)>(?:[^<]|<!\[CDATA\[.*?\]\]>)*</\1>", payload, re.DOTALL))
    for leaf in (leaves[0], leaves[-1]):
        without = payload[: leaf.start()] + payload[leaf.end() :]
        assert differences(name, with_value(answer, 1, "string", without)), leaf.group(0)
        twice = payload[: leaf.end()] + leaf.group(0) + payload[leaf.end() :]
        assert differences(name, with_value(answer, 1, "string", twice)), leaf.group(0)
    pairs = [(one, two) for one, two in pairwise(leaves) if one.end() == two.start() and one[0] != two[0]]
    assert pairs or len(leaves) == 1  # an empty pool has nothing to move
    for first, second in pairs[:1]:
        moved = payload[: first.start()] + second[0] + first[0] + payload[second.end() :]
        assert differences(name, with_value(answer, 1, "string", moved))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_value_counts_or_is_masked(name: str) -> None:
    _, answer = answer_of(name)
    parts = re.split(r"(<!\[CDATA\[.*?\]\]>|(?<=>)[^<]+(?=<))", answer.payload, flags=re.DOTALL)
    # A configuration has 700 values; some thirty of them, spread over it, are enough.
    for position in range(1, len(parts), 2 * max(1, len(parts) // 60)):
        old = parts[position]
        new = old.replace("]]>", "~]]>") if old.startswith("<!") else old + "~"
        changed = "".join([*parts[:position], new, *parts[position + 1 :]])
        assert old in FREE or differences(name, with_value(answer, 1, "string", changed)), old


def test_cdata_is_not_text_and_an_empty_element_is_not_a_short_one() -> None:
    name = "solo.zonepool.info"
    payload = answer_of(name)[1].payload
    for changed in (
        re.sub(r"<!\[CDATA\[(.*?)\]\]>", r"\1", payload),
        payload.replace("<SERVER_POOL></SERVER_POOL>", "<SERVER_POOL/>"),
        payload.replace("><", ">\n<"),
    ):
        assert changed != payload
        assert differences(name, with_value(answer_of(name)[1], 1, "string", changed))


def raft(name: str, **fields: int) -> list[str]:
    _, answer = answer_of(name)
    payload = answer.payload
    for field, value in fields.items():
        payload, count = re.subn(rf"<{field}>-?\d+<", f"<{field}>{value}<", payload)
        assert count == 1
    return differences(name, with_value(answer, 1, "string", payload))


def test_a_raft_status_may_have_other_numbers_but_not_other_relations() -> None:
    leader = "ha3.zone.raftstatus.leader-ob1"
    assert raft(leader, TERM=9, LOG_TERM=9, COMMIT=500, LOG_INDEX=500) == []
    assert raft(leader, COMMIT=11) == ["COMMIT was equal to LOG_INDEX and is below it"]
    assert raft(leader, TERM=2) == ["LOG_TERM was equal to TERM and is below it"]
    assert raft(leader, STATE=2)
    assert raft(leader, SERVER_ID=1)
    assert raft(leader, VOTEDFOR=1) == ["a leader voted for 1, not for itself"]
    assert raft("ha3.zone.raftstatus.follower-ob2", VOTEDFOR=-1) == []
    assert raft("ha3.zone.raftstatus.follower-ob2", VOTEDFOR=-2)


def test_exact_masks_nothing() -> None:
    name = "ha1.zone.raftstatus.leader"
    _, answer = answer_of(name)
    changed = with_value(answer, 1, "string", answer.payload.replace("<TERM>1<", "<TERM>2<"))
    assert differences(name, changed) == []
    assert differences(name, changed, dataclasses.replace(RECORDED, exact=True))


def test_a_masked_value_keeps_its_form() -> None:
    name = "solo.user.info"
    _, answer = answer_of(name)
    other = re.sub(r"(<TOKEN_PASSWORD><!\[CDATA\[)\w+", r"\g<1>" + "0" * 64, answer.payload)
    assert differences(name, with_value(answer, 1, "string", other)) == []
    assert differences(name, with_value(answer, 1, "string", other.replace("0" * 64, "0" * 40)))
    assert differences(name, with_value(answer, 1, "string", other.replace("0" * 64, "")))


def test_bound_numbers_are_replaced_and_compared() -> None:
    name = "err.group.allocate.duplicate"
    _, answer = answer_of(name)
    other = with_value(answer, 1, "string", answer.payload.replace("102", "100"))
    assert differences(name, other)
    assert differences(name, other, dataclasses.replace(RECORDED, bound={"102": "100"})) == []
    assert differences(name, answer, dataclasses.replace(RECORDED, bound={"102": "100"}))


def test_refused_is_not_hung() -> None:
    assert differences("ha3-down2.write", Answer(failed="refused")) == ["hung is refused"]
    assert differences("ha3-down1.zone.raftstatus.down", Answer(failed="hung")) == ["refused is hung"]
    assert differences("ha3-down2.write", Answer((("boolean", "1"), ("i4", "7"), ("i4", "0"))))


def test_addresses_stand_for_the_zone_s_own_in_their_order() -> None:
    name = "ha3.zonepool.info"
    _, answer = answer_of(name)
    other = {"2": "3", "3": "2"}
    swapped = re.sub(r"10\.98\.0\.([23])", lambda match: f"10.98.0.{other[match[1]]}", answer.payload)
    assert differences(name, with_value(answer, 1, "string", swapped))


def test_the_report_is_red_for_what_is_lost_wrong_or_both(capsys: pytest.CaptureFixture[str]) -> None:
    good: dict[str, list[str]] = {name: [] for name in COMPARED}
    assert report(RECORDINGS, good)
    counted = f"{len(RECORDINGS)} recordings: {len(COMPARED)} compared, {len(COMPARED)} of them equal"
    assert counted in capsys.readouterr().out
    lost = dict(good)
    del lost["solo.zone.info"]
    assert not report(RECORDINGS, lost)
    assert not report(RECORDINGS, good | {"solo.zone.info": ["differs"]})
    assert not report(RECORDINGS, good | {"solo.aclpool.info": []})


def test_every_recording_that_is_not_listed_has_an_answer_to_compare() -> None:
    assert {name for name, recording in COMPARED.items() if recording.answer is None} == set()


def test_the_wire_is_read_as_it_was_written() -> None:
    body = (
        b"<?xml version='1.0'?><methodResponse><params><param><value><array><data><value><boolean>0</boolean></value>"
        b"<value><string>&lt;A&gt;&lt;/A&gt;</string></value><value>bare</value><value><i8>-1</i8></value>"
        b"</data></array></value></param></params></methodResponse>"
    )
    assert parse(body).values == (("boolean", "0"), ("string", "<A></A>"), ("string", "bare"), ("i8", "-1"))
    fault = (
        b"<methodResponse><fault><value><struct><member><name>faultCode</name><value><i4>-506</i4></value></member>"
        b"<member><name>faultString</name><value><string>no</string></value></member></struct></value></fault>"
        b"</methodResponse>"
    )
    assert parse(fault).fault == (-506, "no")
    assert b"<value><string>a&amp;b</string></value>" in request("m", "s", (("string", "a&b"),))


def test_tokens_know_where_they_are() -> None:
    found = tokens("<A_POOL><B><C>1</C></B><B><C><![CDATA[<x>]]></C></B></A_POOL>")
    assert [(t.kind, t.text, t.path) for t in found if t.kind in {"text", "cdata"}] == [
        ("text", "1", "A_POOL/B[1]/C"),
        ("cdata", "<x>", "A_POOL/B[2]/C"),
    ]


RECORD = "raft.replicate.record.ok.3"


def heard(name: str, **changes: str) -> Heard:
    """The recorded request with other values, by position."""
    recording = COMPARED[name]
    arguments = [(kind, changes.get(f"a{i}", value)) for i, (kind, value) in enumerate(recording.arguments)]
    return Heard(recording.method, tuple(arguments))


def test_a_request_may_have_other_numbers_but_not_other_types_zeros_or_statements() -> None:
    assert compare_call(COMPARED[RECORD], heard(RECORD, a1="7", a2="3", a3="9"), {}) == []
    assert compare_call(COMPARED[RECORD], heard(RECORD, a7="0"), {}) == ["argument 8: -1 is 0"]
    assert compare_call(COMPARED[RECORD], heard(RECORD, a8="DO 0"), {})
    beat = "raft.replicate.heartbeat.ok"
    assert compare_call(COMPARED[beat], heard(beat, a3="4"), {}) == ["argument 4: 0 is 4"]
    assert compare_call(COMPARED[beat], heard(beat, a5="4"), {}) == ["argument 6: 0 is 4"]
    call = heard(beat)
    narrow = dataclasses.replace(call, arguments=(*call.arguments[:1], ("i4", "580"), *call.arguments[2:]))
    assert compare_call(COMPARED[beat], narrow, {})
    assert compare_call(COMPARED[beat], dataclasses.replace(call, arguments=call.arguments[:-1]), {})


def test_a_statement_is_compared_with_this_zone_s_id() -> None:
    statement = COMPARED[RECORD].arguments[-1][1].replace("242", "5")
    assert compare_call(COMPARED[RECORD], heard(RECORD, a8=statement), {"242": "5"}) == []
    assert compare_call(COMPARED[RECORD], heard(RECORD, a8=statement), {"242": "6"})


def test_the_listener_keeps_what_it_hears_without_the_secret() -> None:
    with listening("127.0.0.1") as ear:
        recording = COMPARED[RECORD]
        answer = call(ear.url, recording.method, "oneadmin:secret", recording.arguments, 5)
    assert answer.values == (("boolean", "1"), ("i4", recording.arguments[2][1]), ("i4", "0"))
    assert ear.heard == [Heard(recording.method, recording.arguments)]
    assert ear.first(recording, "INSERT INTO document_pool") == ear.heard[0]
    assert ear.first(recording, "") is None
    assert ear.first(COMPARED["raft.voterequest.vote.ok"]) is None
