# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import string
from dataclasses import dataclass

import pytest
from ansible_collections.nebula.ha.plugins.module_utils import oned_conf
from ansible_collections.nebula.ha.plugins.module_utils.oned_conf import ConfError, Section, edit, parse, render
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

# Written for this test in the syntax of the real file: repeated sections, comments inside vectors, odd spacing.
SAMPLE = """\
# Our own text.
   #  An indented comment with = and [ ] and "quotes"
LOG = [
  SYSTEM      = "file",   # where to
  DEBUG_LEVEL = 3,
#  A comment between two keys, with a comma,
  USE_VMS_LOCATION = "NO"
]
PORT = 2633
LISTEN_ADDRESS = "0.0.0.0"

DB = [ BACKEND = "sqlite",
       TIMEOUT = 2500 ]

VNC_PORTS = [
    START    = 5900,
    RESERVED = "32768:65536"
    # RESERVED = "6800, 6801"
]

FEDERATION = [
    MODE = "STANDALONE",
    ZONE_ID = 0,
    SERVER_ID = -1, # changed by hand
    MASTER_ONED = ""
]
VM_MAD = [
    NAME       = "kvm",
    ARGUMENTS  = "-t 15 -r 0 kvm -p"
]
VM_MAD = [ NAME = "qemu", ARGUMENTS = "-t 15 # no comment, 0" ]

VM_RESTRICTED_ATTR = "NIC/MAC"
VM_RESTRICTED_ATTR = "NIC/VLAN_ID"   # why

SOMETHING_NEW = bare words here  # and a comment
HM_MAD = [
    EXECUTABLE = "one_hm",
    ARGUMENTS = "-p 2101"]
LONG = "two
lines with a \\"quote\\""
"""

RAFT = dict.fromkeys(oned_conf.RAFT_KEYS, 1)


def values(text: str) -> list[tuple[str, str | None, tuple[tuple[str, str], ...]]]:
    return [(entry.name, entry.value, tuple((item.key, item.value) for item in entry.items)) for entry in parse(text)]


def find(text: str, name: str, number: int = 0) -> oned_conf.Entry:
    return [entry for entry in parse(text) if entry.name == name][number]


def changed_lines(before: str, after: str) -> list[tuple[str, str]]:
    assert before.count("\n") == after.count("\n")
    return [pair for pair in zip(before.splitlines(), after.splitlines(), strict=True) if pair[0] != pair[1]]


def test_the_sample_is_read() -> None:
    assert find(SAMPLE, "LOG").get("debug_level") == "3"
    assert find(SAMPLE, "DB").get("TIMEOUT") == "2500"
    assert find(SAMPLE, "VNC_PORTS").get("RESERVED") == "32768:65536"
    assert find(SAMPLE, "VM_MAD", 1).get("ARGUMENTS") == "-t 15 # no comment, 0"
    assert find(SAMPLE, "FEDERATION").get("SERVER_ID") == "-1"
    assert find(SAMPLE, "SOMETHING_NEW").value == "bare words here"
    assert find(SAMPLE, "LONG").value == 'two\nlines with a "quote"'
    assert render(SAMPLE, parse(SAMPLE)) == SAMPLE


def test_one_key_of_a_vector_changes_one_line() -> None:
    after = edit(SAMPLE, {"FEDERATION": {"SERVER_ID": 2}})
    assert changed_lines(SAMPLE, after) == [
        ("    SERVER_ID = -1, # changed by hand", "    SERVER_ID = 2, # changed by hand")
    ]
    assert edit(after, {"FEDERATION": {"SERVER_ID": "2"}}) == after


def test_a_scalar_keeps_its_quotes() -> None:
    after = edit(SAMPLE, {"PORT": 2634, "LISTEN_ADDRESS": "10.0.0.1"})
    assert changed_lines(SAMPLE, after) == [
        ("PORT = 2633", "PORT = 2634"),
        ('LISTEN_ADDRESS = "0.0.0.0"', 'LISTEN_ADDRESS = "10.0.0.1"'),
    ]
    assert 'SOMETHING_NEW = "other"  # and a comment' in edit(SAMPLE, {"SOMETHING_NEW": "other"})


def test_the_database_of_a_front_end() -> None:
    after = edit(
        SAMPLE,
        {"DB": {"BACKEND": "mysql", "SERVER": "localhost", "PORT": 0, "PASSWD": "pw#1, ]", "TIMEOUT": None}},
    )
    vector = find(after, "DB")
    assert {item.key: item.value for item in vector.items} == {
        "BACKEND": "mysql",
        "SERVER": "localhost",
        "PORT": "0",
        "PASSWD": "pw#1, ]",
    }
    assert edit(after, {"DB": {"PASSWD": "pw#1, ]", "TIMEOUT": None}}) == after


def test_new_keys_follow_the_style_of_the_vector() -> None:
    after = edit(SAMPLE, {"LOG": {"NEW": "x"}, "HM_MAD": {"THREADS": 8}, "VM_MAD_OTHER": {"A": 1, "B": "b c"}})
    assert '  USE_VMS_LOCATION = "NO",\n  NEW = "x"\n]' in after
    assert '    ARGUMENTS = "-p 2101",\n    THREADS = 8]' in after
    assert after.endswith('VM_MAD_OTHER = [\n    A = 1,\n    B = "b c"\n]\n')


def test_a_new_key_goes_below_the_last_ones_comment() -> None:
    text = "A = [\n  X = 1 # about X\n]\nB = [ X = 1 # about X\n]\n"
    after = edit(text, {"A": {"Y": 2}, "B": {"Y": 2}})
    assert after == "A = [\n  X = 1, # about X\n  Y = 2\n]\nB = [ X = 1, Y = 2 # about X\n]\n"


@pytest.mark.parametrize(
    ("text", "key", "after"),
    [
        ("A = [\n  X = 1,\n  Y = 2\n]\n", "X", "A = [\n  Y = 2\n]\n"),
        ("A = [\n  X = 1,\n  Y = 2\n]\n", "Y", "A = [\n  X = 1\n]\n"),
        ("A = [ X = 1, Y = 2, Z = 3 ]\n", "Y", "A = [ X = 1, Z = 3 ]\n"),
        ("A = [\n  X = 1, # one, two\n  Y = 2\n]\n", "Y", "A = [\n  X = 1 # one, two\n]\n"),
        ("A = [\n  X = 1 # one, two\n  , Y = 2\n]\n", "Y", "A = [\n  X = 1 # one, two\n   \n]\n"),
        ("A = [ X = 1 ]\n", "X", "A = [  ]\n"),
    ],
)
def test_a_key_is_removed_with_its_comma(text: str, key: str, after: str) -> None:
    assert edit(text, {"A": {key: None}}) == after
    parse(after)


def test_a_vector_is_removed_whole() -> None:
    text = 'A = 1\nHOOK = [\n    COMMAND = "x", # why\n    ARGUMENTS = "y" ]\nB = 2\n'
    assert edit(text, {"HOOK": None}) == "A = 1\nB = 2\n"
    assert edit("A = 1\nB = 2\n", {"HOOK": None}) == "A = 1\nB = 2\n"


def test_a_repeated_section_is_addressed_by_its_key() -> None:
    after = edit(SAMPLE, {}, [Section("VM_MAD", {"NAME": "qemu"}, {"ARGUMENTS": "-t 1"}, None, True)])
    assert changed_lines(SAMPLE, after) == [
        (
            'VM_MAD = [ NAME = "qemu", ARGUMENTS = "-t 15 # no comment, 0" ]',
            'VM_MAD = [ NAME = "qemu", ARGUMENTS = "-t 1" ]',
        )
    ]


def test_a_new_section_joins_its_kind() -> None:
    section = Section("VM_MAD", {"NAME": "lxc"}, {"TYPE": "xml"}, None, True)
    after = edit(SAMPLE, {}, [section])
    assert '0" ]\nVM_MAD = [\n    NAME = "lxc",\n    TYPE = "xml"\n]\n\nVM_RESTRICTED_ATTR' in after
    assert edit(after, {}, [section]) == after
    gone = Section("VM_MAD", {"NAME": "lxc"}, {}, None, False)
    assert edit(after, {}, [gone]) == SAMPLE
    assert edit(SAMPLE, {}, [gone]) == SAMPLE


def test_repeated_values() -> None:
    one = Section("VM_RESTRICTED_ATTR", {}, {}, "NIC/BRIDGE", True)
    after = edit(SAMPLE, {}, [one])
    assert 'VLAN_ID"   # why\nVM_RESTRICTED_ATTR = "NIC/BRIDGE"\n' in after
    assert edit(after, {}, [one]) == after
    less = edit(after, {}, [Section("VM_RESTRICTED_ATTR", {}, {}, "NIC/MAC", False)])
    assert [entry.value for entry in parse(less) if entry.name == "VM_RESTRICTED_ATTR"] == ["NIC/VLAN_ID", "NIC/BRIDGE"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A", "line 1: '=' was expected after A"),
        ("A = 1\nB = [ X = 1", "line 2: the bracket that opens B is never closed"),
        ("A = 1\n\nB = [ X = 1 Y = 2 ]", "line 3: something|line 3: ',' or"),
        ('A = "x', "line 1: the quote that opens the value of A is never closed"),
        ("A = [ X = 1, ]", "line 1: a key of A was expected"),
        ("A = [ X = ]", "line 1: A/X has no value"),
        ("A = ", "line 1: A has no value"),
        ("= 1", "line 1: an attribute's name was expected"),
        ('A = "x" y', "line 1: something follows the value of A"),
        ('A = x "y"', "line 1: the value of A has a quote in its middle"),
        ("A = [ X 1 ]", "line 1: '=' was expected after A/X"),
    ],
)
def test_what_is_no_oned_conf_names_its_line(text: str, words: str) -> None:
    if "Y = 2" in text:
        # Without a comma the rest of the line is X's value: oned reads it so, too.
        assert find(text, "B").get("X") == "1 Y = 2"
        return
    with pytest.raises(ConfError, match=words):
        parse(text)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"A": {"X": 'a"b'}}, "A/X: a value of oned.conf cannot hold a double quote"),
        ({"A": "a\\"}, "A: a value of oned.conf cannot hold a backslash"),
        ({"A": "a\nb"}, "A: a value of oned.conf cannot hold a line break"),
        ({"A": "a\x00b"}, "A: a value of oned.conf cannot hold a control character"),
        ({"A": ["x"]}, "a list cannot be a value"),
        ({"A": {"X": {"Y": 1}}}, "a dict cannot be a value"),
        ({"A B": 1}, "'A B' is no name"),
        ({"VM_RESTRICTED_ATTR": "x"}, "occurs 2 times"),
        ({"VM_MAD": {"NAME": "x"}}, r"VM_MAD occurs 2 times \(lines 27, 31\)"),
        ({"PORT": {"X": 1}}, "PORT \\(line 9\\) is a single value"),
        ({"LOG": 1}, "LOG is a vector"),
    ],
)
def test_edits_that_cannot_be_made(wanted: dict[str, object], words: str) -> None:
    with pytest.raises(ConfError, match=words):
        edit(SAMPLE, wanted)


@pytest.mark.parametrize(
    ("given_section", "words"),
    [
        ({"name": "VM_MAD"}, "needs either 'key'"),
        ({"name": "VM_MAD", "key": {"NAME": "a"}, "value": "b"}, "needs either 'key'"),
        ({"name": "X", "value": "b", "values": {"A": 1}}, "can have no 'values'"),
        ({"name": "VM_MAD", "key": {"NAME": "a"}, "values": {"name": "b"}}, "in both"),
    ],
)
def test_sections_that_mean_nothing(given_section: dict[str, object], words: str) -> None:
    with pytest.raises(ConfError, match=words):
        oned_conf.section_from(given_section)


def test_yes_and_no_in_any_case() -> None:
    assert edit('A = "yes"\n', {"A": True}) == 'A = "yes"\n'
    assert edit('A = "yes"\n', {"A": False}) == 'A = "NO"\n'


def test_a_partial_raft_block_is_a_fault() -> None:
    partial = edit("", {"RAFT": {"ELECTION_TIMEOUT_MS": 4000}})
    (fault,) = oned_conf.faults(partial)
    assert "lacks LIMIT_PURGE, LOG_RETENTION" in fault and "ELECTION" not in fault
    assert oned_conf.faults(edit(partial, {"RAFT": RAFT})) == []


def test_a_mysql_database_wants_its_credentials() -> None:
    (fault,) = oned_conf.faults(edit(SAMPLE, {"DB": {"BACKEND": "mysql"}}))
    assert "lacks SERVER, USER, PASSWD, DB_NAME" in fault
    assert oned_conf.faults(SAMPLE) == []


def test_secrets_never_show() -> None:
    one = edit(SAMPLE, {"DB": {"PASSWD": "first-secret"}})
    two = edit(SAMPLE, {"DB": {"PASSWD": "second-secret"}, "PORT": 1})
    for text in (oned_conf.masked(one), oned_conf.masked(two, True), "".join(oned_conf.changes(one, two))):
        assert "secret" not in text
    assert oned_conf.masked(one) != oned_conf.masked(two, True)
    assert oned_conf.changes(one, two) == ["DB/PASSWD: ******** -> ********", "PORT: 2633 -> 1"]
    assert oned_conf.secrets(one) == ["first-secret"]
    assert oned_conf.secret_values({"DB": {"PASSWD": "x", "USER": 2}, "A_TOKEN": 1, "B": 3}) == ["x", 1]


def test_changes_name_the_section() -> None:
    after = edit(SAMPLE, {}, [Section("VM_MAD", {"NAME": "qemu"}, {"ARGUMENTS": "-t 1", "X": "y"}, None, True)])
    assert oned_conf.changes(SAMPLE, after) == [
        "VM_MAD[qemu]/ARGUMENTS: -t 15 # no comment, 0 -> -t 1",
        "VM_MAD[qemu]/X: added y",
    ]


# -- properties

NAMES = st.sampled_from([*string.ascii_uppercase[:12], "A_B", "LONG_NAME"])
BLANKS = st.sampled_from(["", " ", "\t", "   "])
COMMENTS = st.sampled_from(["#\n", "# a, b\n", "#x = [ 1, ]\n", '# "odd\n', "## ] #\n"])
GAPS = st.lists(st.one_of(st.just("\n"), st.just("  \n"), COMMENTS), max_size=3).map("".join)
NEW_VALUES = st.text(string.ascii_letters + string.digits + " #=[],:/-_.'äß", max_size=15)
QUOTED = NEW_VALUES.map('"{}"'.format)
BARE = st.from_regex(r"[A-Za-z0-9:/.-]{1,10}", fullmatch=True)


@dataclass(frozen=True)
class Made:
    """A piece of text, and what reading it must give."""

    text: str
    name: str
    value: str | None
    items: tuple[tuple[str, str], ...]


def meaning(spelled: str) -> str:
    return spelled[1:-1] if spelled.startswith('"') else spelled


@st.composite
def scalars(draw: st.DrawFn) -> Made:
    name, spelled = draw(NAMES), draw(st.one_of(QUOTED, BARE))
    tail = draw(st.one_of(st.just(""), COMMENTS.map(lambda text: " " + text[:-1])))
    text = f"{draw(BLANKS)}{name}{draw(BLANKS)}={draw(BLANKS)}{spelled}{tail}{draw(BLANKS)}\n"
    return Made(text, name, meaning(spelled), ())


@st.composite
def vectors(draw: st.DrawFn) -> Made:
    name = draw(NAMES)
    keys = draw(st.lists(NAMES, max_size=4, unique=True))
    parts, items = [], []
    for number, key in enumerate(keys):
        spelled = draw(st.one_of(QUOTED, BARE))
        comma = "," if number < len(keys) - 1 else ""
        before = draw(st.one_of(BLANKS, GAPS.map("\n{}".format)))
        after = draw(st.one_of(BLANKS, COMMENTS.map(lambda text: " " + text)))
        middle = draw(st.one_of(BLANKS, st.just(" # inside, ]\n")))
        if "#" in after or "\n" in middle:
            parts.append(f"{before} {key} = {spelled}{middle}{comma}{after}")
        else:
            parts.append(f"{before} {key}{draw(BLANKS)}={draw(BLANKS)}{spelled}{comma}{after}")
        items.append((key, meaning(spelled)))
    text = f"{name} ={draw(BLANKS)}[{''.join(parts)}{draw(st.sampled_from(['', ' ', chr(10)]))}]{draw(BLANKS)}\n"
    return Made(text, name, None, tuple(items))


@st.composite
def files(draw: st.DrawFn) -> tuple[str, list[Made]]:
    made = draw(st.lists(st.one_of(scalars(), vectors()), max_size=5))
    return draw(GAPS) + "".join(piece.text + draw(GAPS) for piece in made), made


QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(files())
def test_reading_gives_what_was_written_and_rendering_is_identity(file: tuple[str, list[Made]]) -> None:
    text, made = file
    assert values(text) == [(piece.name, piece.value, piece.items) for piece in made]
    assert render(text, parse(text)) == text


@QUICK
@given(st.text(string.ascii_uppercase[:4] + ' =[]",#\\\n1', max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        entries = parse(text)
    except ConfError as error:
        refusal = str(error)
        assert refusal.startswith("line ")
        return
    assert render(text, entries) == text


@QUICK
@given(files(), st.data(), NEW_VALUES)
def test_an_edit_of_a_key_changes_that_value_and_nothing_else(
    file: tuple[str, list[Made]], data: st.DataObject, value: str
) -> None:
    text, made = file
    names = [piece.name for piece in made]
    editable = [piece for piece in made if piece.items and names.count(piece.name) == 1]
    assume(editable)
    piece = data.draw(st.sampled_from(editable))
    key = data.draw(st.sampled_from([key for key, _value in piece.items]))
    after = edit(text, {piece.name: {key: value}})
    want = [
        (
            other.name,
            other.value,
            tuple((k, value if other is piece and k == key else v) for k, v in other.items),
        )
        for other in made
    ]
    assert values(after) == want
    item = find(text, piece.name).find(key)[0]
    assert after.startswith(text[: item.value_start]) and after.endswith(text[item.end :])
    assert edit(after, {piece.name: {key: value}}) == after


@QUICK
@given(files(), st.data(), NEW_VALUES)
def test_a_new_key_is_added_and_removing_it_changes_nothing_else(
    file: tuple[str, list[Made]], data: st.DataObject, value: str
) -> None:
    text, made = file
    names = [piece.name for piece in made]
    editable = [piece for piece in made if piece.value is None and names.count(piece.name) == 1]
    assume(editable)
    piece = data.draw(st.sampled_from(editable))
    after = edit(text, {piece.name: {"BRAND_NEW": value}})
    want = [
        (other.name, other.value, (*other.items, ("BRAND_NEW", value)) if other is piece else other.items)
        for other in made
    ]
    assert values(after) == want
    assert edit(after, {piece.name: {"BRAND_NEW": value}}) == after
    back = edit(after, {piece.name: {"BRAND_NEW": None}})
    assert values(back) == values(text)
    assert back.count("#") == text.count("#")


@QUICK
@given(files(), st.data())
def test_removing_a_key_leaves_the_others(file: tuple[str, list[Made]], data: st.DataObject) -> None:
    text, made = file
    names = [piece.name for piece in made]
    editable = [piece for piece in made if piece.items and names.count(piece.name) == 1]
    assume(editable)
    piece = data.draw(st.sampled_from(editable))
    key = data.draw(st.sampled_from([key for key, _value in piece.items]))
    after = edit(text, {piece.name: {key: None}})
    want = [
        (other.name, other.value, tuple(pair for pair in other.items if not (other is piece and pair[0] == key)))
        for other in made
    ]
    assert values(after) == want
    assert after.count("#") >= text.count("#") - dict(piece.items)[key].count("#")


@QUICK
@given(files(), NEW_VALUES)
def test_a_new_scalar_and_a_new_section(file: tuple[str, list[Made]], value: str) -> None:
    text, _made = file
    section = Section("BRAND_NEW_TOO", {"NAME": value}, {"A": value}, None, True)
    after = edit(text, {"BRAND_NEW": value}, [section])
    assert values(after) == [
        *values(text),
        ("BRAND_NEW", value, ()),
        ("BRAND_NEW_TOO", None, (("NAME", value), ("A", value))),
    ]
    assert after.startswith(text)
    assert edit(after, {"BRAND_NEW": value}, [section]) == after
    gone = edit(after, {"BRAND_NEW": None}, [Section("BRAND_NEW_TOO", {"NAME": value}, {}, None, False)])
    assert gone == text
