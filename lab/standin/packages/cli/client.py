"""Calls to oned as the recorded command line makes them, and its table layouts."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
import xmlrpc.client
from pathlib import Path

TIMEOUT = 10


class CommandError(Exception):
    """One line for stderr; the exit status is 255, as recorded for nearly every error."""


class Transport(xmlrpc.client.Transport):
    """A server that does not answer must not hang the terminal."""

    def make_connection(self, host: object) -> object:  # type: ignore[override]
        connection = super().make_connection(host)  # type: ignore[arg-type]
        connection.timeout = TIMEOUT
        return connection


def credentials() -> str:
    """name:password of ONE_AUTH, of the home folder, or of oneadmin when root asks."""
    named = os.environ.get("ONE_AUTH")
    places = [Path(named)] if named else [Path.home() / ".one/one_auth", Path("/var/lib/one/.one/one_auth")]
    for place in places:
        try:
            return place.read_text().strip()
        except (FileNotFoundError, PermissionError):
            continue
    raise CommandError("ONE_AUTH file not present")


def default_endpoint() -> str:
    return os.environ.get("ONE_XMLRPC") or "http://localhost:2633/RPC2"


class Client:
    """One endpoint, one session."""

    def __init__(self, endpoint: str, session: str) -> None:
        self.endpoint = endpoint
        self.session = session

    def call(self, method: str, *arguments: object) -> object:
        """The payload of an answer; a refusal is a CommandError with the server's text."""
        proxy = xmlrpc.client.ServerProxy(self.endpoint, transport=Transport(), allow_none=True)
        try:
            answer = getattr(proxy, f"one.{method}")(self.session, *arguments)
        except OSError as error:
            raise CommandError(f"Failed to reach {self.endpoint}: {error}") from error
        except xmlrpc.client.Error as error:
            raise CommandError(f"{self.endpoint} did not answer as oned does: {error}") from error
        if not isinstance(answer, list) or len(answer) < 2:
            raise CommandError(f"{self.endpoint} did not answer as oned does")
        if not answer[0]:
            raise CommandError(str(answer[1]))
        return answer[1]

    def document(self, method: str, *arguments: object) -> ET.Element:
        return ET.fromstring(str(self.call(method, *arguments)))


def text(element: ET.Element, path: str, default: str = "-") -> str:
    """An element's text; oned leaves elements empty, ElementTree then says None."""
    found = element.find(path)
    return default if found is None else (found.text or "")


def heading(title: str) -> str:
    return title.ljust(80)


def pair(name: str, value: str, width: int = 18) -> str:
    return f"{name.ljust(width)}: {value.ljust(20)}"


def template_lines(template: ET.Element | None) -> list[str]:
    """NAME="value" lines; a vector holds its attributes in brackets."""
    lines = []
    for child in template if template is not None else ():
        if len(child):
            inner = [f'  {part.tag}="{part.text or ""}"' for part in child]
            lines.append(f"{child.tag}=[\n" + ",\n".join(inner) + " ]")
        else:
            lines.append(f'{child.tag}="{child.text or ""}"')
    return lines
