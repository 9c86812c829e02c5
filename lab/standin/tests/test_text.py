"""oned.conf, templates and XML-RPC: text in, structure out."""

from __future__ import annotations

import pytest

from lab.standin.oned import conf, template, wire

CONF = """
# DB = [ BACKEND = "sqlite" ]
DB = [ BACKEND = "mysql",
    # a comment with a ] and a ,
    PASSWD  = "a # b, c] d",  # behind
    PORT = 0 ]
PORT = 2633
EMPTY = ""
LONG = "one,
two"
VM_MAD = [ NAME = "a" ]
VM_MAD = [ NAME = "b" ]
RAFT=[BROADCAST_TIMEOUT_MS=200]
"""


def test_conf_reads_comments_vectors_and_repetitions() -> None:
    found = conf.parse(CONF)
    assert found.vector("DB") == {"BACKEND": "mysql", "PASSWD": "a # b, c] d", "PORT": "0"}
    assert (found.single("PORT", ""), found.single("EMPTY", "x"), found.single("LONG", "")) == ("2633", "", "one,\ntwo")
    assert [value for name, value in found.items if name == "VM_MAD"] == [{"NAME": "a"}, {"NAME": "b"}]
    assert found.single("ABSENT", "default") == "default"


def test_conf_takes_compiled_timers_for_what_is_left_out() -> None:
    assert conf.Timers.of(conf.parse(CONF)) == conf.Timers(election=1.5, broadcast=0.2, rpc=0.1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("PORT 2633\n", "line 1"),
        ("A = 1\nDB = [ BACKEND = mysql,\n", "line 2 has no end"),
        ("A = 1\n\n= 2\n", "line 3"),
    ],
)
def test_conf_names_the_line_of_an_error(text: str, message: str) -> None:
    with pytest.raises(conf.ConfError, match=message):
        conf.parse(text)


def test_conf_refuses_words_for_numbers() -> None:
    with pytest.raises(conf.ConfError, match="ELECTION_TIMEOUT_MS is 'soon'"):
        conf.Timers.of(conf.parse("RAFT = [ ELECTION_TIMEOUT_MS = soon ]"))


def test_running_configuration_is_sorted_and_complete() -> None:
    items = conf.running(conf.parse(CONF), "key")
    names = [name for name, _ in items]
    assert names == sorted(names)
    assert ("ONE_KEY", "key") in items
    db = dict(items)["DB"]
    assert isinstance(db, dict)
    assert db["COMPARE_BINARY"] == "no"
    assert dict(items)["FEDERATION"] == {"MODE": "STANDALONE", "ZONE_ID": "0", "SERVER_ID": "-1", "MASTER_ONED": ""}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('A = "1"\nb=two words\n', [("A", "1"), ("B", "two words")]),
        ('SERVER=[NAME="n",ENDPOINT="http://h:1/RPC2"]', [("SERVER", {"NAME": "n", "ENDPOINT": "http://h:1/RPC2"})]),
        ('A = "never closed', [("A", '"never closed')]),
        ("<TEMPLATE><A>1</A><V><X>2</X></V></TEMPLATE>", [("A", "1"), ("V", {"X": "2"})]),
        ("", []),
    ],
)
def test_template_is_read(text: str, expected: template.Template) -> None:
    assert template.parse(text) == expected


@pytest.mark.parametrize("text", ["no equals sign", "<A><B></A>", "V=[A=1"])
def test_template_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(template.TemplateError):
        template.parse(text)


def test_template_is_rendered_in_order_and_merged_by_name() -> None:
    merged = template.merge([("B", "1"), ("A", "x")], [("B", "2"), ("V", {"Z": "1", "Y": "]]>"})])
    text = "<A><![CDATA[x]]></A><B><![CDATA[2]]></B><V><Y><![CDATA[]]]]><![CDATA[>]]></Y><Z><![CDATA[1]]></Z></V>"
    assert template.body(merged) == text


def test_answer_has_the_recorded_bytes() -> None:
    assert wire.render_answer([False, "a <b> & 'c'", 256, -1, wire.I8(-1)]).decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\r\n<methodResponse>\r\n<params>\r\n<param><value><array><data>\r\n'
        "<value><boolean>0</boolean></value>\r\n<value><string>a &lt;b&gt; &amp; 'c'</string></value>\r\n"
        "<value><i4>256</i4></value>\r\n<value><i4>-1</i4></value>\r\n<value><i8>-1</i8></value>\r\n"
        "</data></array></value></param>\r\n</params>\r\n</methodResponse>\r\n"
    )


def test_call_and_answer_come_back_as_they_were_sent() -> None:
    params = ("s:p", 1, wire.I8(2**40), True, "ü <sql> 'x'")
    call = wire.parse_call(wire.render_call("one.x", params))
    assert (call.method, call.params) == ("one.x", params)
    assert [type(param) for param in call.params] == [str, int, wire.I8, bool, str]
    assert wire.parse_answer(wire.render_answer(params)) == params
    with pytest.raises(wire.Fault, match="defined"):
        wire.parse_answer(wire.render_fault(wire.Fault(-506, "Method 'x' not defined")))
    with pytest.raises(wire.Fault):
        wire.parse_call(b"<methodCall>")
    with pytest.raises(ValueError, match="well-formed"):
        wire.parse_answer(b"")


@pytest.mark.parametrize(
    ("params", "wanted", "message"),
    [
        ((1, 2), "iI", "64-bit integer"),
        (("1",), "i", "integer"),
        ((True,), "i", "integer"),
        ((1,), "ii", "Not enough"),
        ((1, 2, 3), "iiI?b", "64-bit integer"),
    ],
)
def test_parameters_of_a_wrong_type_are_a_fault(params: tuple[wire.Scalar, ...], wanted: str, message: str) -> None:
    with pytest.raises(wire.Fault) as fault:
        wire.check(params, wanted)
    assert message in fault.value.text
    assert fault.value.code == -501


def test_parameters_beyond_the_wanted_are_ignored() -> None:
    assert wire.check((1, True, "x"), "i?b") == (1, True)
    assert wire.check((1,), "i?b") == (1,)
