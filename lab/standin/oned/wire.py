"""XML-RPC as oned writes it. Types matter: a 32-bit integer where 64 bits are wanted is an error. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.sax.saxutils import escape

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\r\n'


class I8(int):
    """An integer that travels with 64 bits."""


Scalar = bool | int | str


@dataclass(frozen=True)
class Fault(Exception):
    code: int
    text: str


@dataclass(frozen=True)
class Call:
    method: str
    params: tuple[Scalar, ...]


def _scalar(value: ElementTree.Element) -> Scalar:
    if len(value) == 0:
        return value.text or ""
    kind, text = value[0].tag, value[0].text or ""
    try:
        if kind in ("int", "i4"):
            return int(text)
        if kind in ("i8", "ex.i8"):
            return I8(text)
    except ValueError as error:
        raise Fault(-503, f"Value of <{kind}> is not a number") from error
    if kind == "boolean":
        return text.strip() == "1"
    return text


def parse_call(data: bytes) -> Call:
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise Fault(-503, f"Call is not well-formed XML. {error}") from error
    method = root.findtext("methodName")
    if root.tag != "methodCall" or method is None:
        raise Fault(-503, "Call is not a methodCall")
    return Call(method, tuple(_scalar(value) for value in root.findall("params/param/value")))


def parse_answer(data: bytes) -> tuple[Scalar, ...]:
    """The array of an answer. A fault is raised as one; anything else is a ValueError."""
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise ValueError(f"the answer is not well-formed XML: {error}") from error
    fault = [value.text or "" for value in root.findall("fault/value/struct/member/value/*")]
    if len(fault) == 2:
        raise Fault(int(fault[0]), fault[1])
    return tuple(_scalar(value) for value in root.findall("params/param/value/array/data/value"))


def _value(value: Scalar) -> str:
    if isinstance(value, bool):
        return f"<value><boolean>{int(value)}</boolean></value>"
    if isinstance(value, I8):
        return f"<value><i8>{int(value)}</i8></value>"
    if isinstance(value, int):
        return f"<value><i4>{value}</i4></value>"
    return f"<value><string>{escape(value)}</string></value>"


def render_call(method: str, params: Sequence[Scalar]) -> bytes:
    body = "".join(f"<param>{_value(param)}</param>\r\n" for param in params)
    return (
        f"{HEAD}<methodCall>\r\n<methodName>{method}</methodName>\r\n<params>\r\n{body}</params>\r\n</methodCall>\r\n"
    ).encode()


def render_answer(values: Sequence[Scalar]) -> bytes:
    body = "".join(_value(value) + "\r\n" for value in values)
    return (
        f"{HEAD}<methodResponse>\r\n<params>\r\n<param><value><array><data>\r\n{body}"
        "</data></array></value></param>\r\n</params>\r\n</methodResponse>\r\n"
    ).encode()


def render_fault(fault: Fault) -> bytes:
    return (
        f"{HEAD}<methodResponse>\r\n<fault>\r\n<value><struct>\r\n"
        f"<member><name>faultCode</name>\r\n<value><i4>{fault.code}</i4></value></member>\r\n"
        f"<member><name>faultString</name>\r\n<value><string>{escape(fault.text)}</string></value></member>\r\n"
        "</struct></value>\r\n</fault>\r\n</methodResponse>\r\n"
    ).encode()


# What a call wants, a letter each; what comes after "?" may be left out.
_KINDS: dict[str, tuple[type, str]] = {
    "s": (str, "string"),
    "i": (int, "integer"),
    "I": (I8, "64-bit integer"),
    "b": (bool, "boolean"),
}


def check(params: Sequence[Scalar], wanted: str) -> tuple[Scalar, ...]:
    """The parameters if they have the wanted types; more of them than wanted are ignored, as recorded."""
    must, _, may = wanted.partition("?")
    for value, letter in zip(params, must + may, strict=False):
        kind, name = _KINDS[letter]
        if type(value) is not kind:
            raise Fault(-501, f"Parameter that is supposed to be {name} is not")
    if len(params) < len(must):
        raise Fault(-501, "Not enough parameters")
    return tuple(params[: len(must + may)])
