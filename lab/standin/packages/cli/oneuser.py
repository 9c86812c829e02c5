"""oneuser show: the question with which a person tries that oneadmin's credentials work."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from .client import Client, CommandError, credentials, default_endpoint, heading, pair, template_lines, text
from .onezone import ERROR, Parser


def parser() -> Parser:
    top = Parser(prog="oneuser", description="A user of the zone (OpenNebula stand-in, a test double).")
    verbs = top.add_subparsers(dest="verb", required=True, parser_class=Parser)
    show = verbs.add_parser("show", help="one user; without an id, yourself")
    show.add_argument("user", nargs="?", type=int, default=-1)
    show.add_argument("--endpoint", default=default_endpoint(), help="URL of oned")
    return top


def show(client: Client, user: int) -> str:
    found = client.document("user.info", user, False)
    rows = [
        ("ID", text(found, "ID")),
        ("NAME", text(found, "NAME")),
        ("GROUP", text(found, "GNAME")),
        ("PASSWORD", text(found, "PASSWORD")),
        ("AUTH_DRIVER", text(found, "AUTH_DRIVER")),
        ("ENABLED", "Yes" if text(found, "ENABLED") == "1" else "No"),
    ]
    lines = [heading(f"USER {text(found, 'ID')} INFORMATION"), *(pair(name, value, 16) for name, value in rows), ""]
    return "\n".join([*lines, heading("USER TEMPLATE"), *template_lines(found.find("TEMPLATE"))])


def main(arguments: Sequence[str]) -> int:
    options: argparse.Namespace = parser().parse_args(arguments)
    try:
        print(show(Client(options.endpoint, credentials()), options.user))
    except CommandError as error:
        print(error)
        return ERROR
    return 0
