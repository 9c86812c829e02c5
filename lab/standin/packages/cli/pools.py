"""onehost list and show, onedatastore list: what a person or a script asks of the cloud's pools."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .client import Client, CommandError, credentials, default_endpoint, text
from .onezone import ERROR, Parser

HOST_STATES = {"0": "init", "2": "on", "3": "err", "4": "dsbl", "8": "off"}
_TOKEN = re.compile(r"<(/?)([^!<>/]+)(/?)>|((?:<!\[CDATA\[.*?\]\]>|[^<])+)", re.DOTALL)


def indented(document: str) -> str:
    """As the recorded command line prints a document: a leaf stands in a line, what is empty is one tag."""
    lines: list[str] = []
    depth, leaf = 0, False
    for closing, tag, empty, content in _TOKEN.findall(document):
        if content:
            lines[-1] += content
        elif not closing:
            lines.append("  " * depth + f"<{tag}{empty}>")
            depth += not empty
            leaf = not empty
        else:
            depth -= 1
            if not leaf:
                lines.append("  " * depth + f"</{tag}>")
            elif lines[-1].endswith(f"<{tag}>"):
                lines[-1] = lines[-1].replace(f"<{tag}>", f"<{tag}/>")
            else:
                lines[-1] += f"</{tag}>"
            leaf = False
    return "\n".join(lines)


def host_list(client: Client) -> str:
    lines = ["  ID NAME            CLUSTER    TVM      ALLOCATED_CPU      ALLOCATED_MEM STAT"]
    for host in client.document("hostpool.info"):
        cpu, memory = int(text(host, "HOST_SHARE/MAX_CPU")), int(text(host, "HOST_SHARE/MAX_MEM"))
        share = (f"0 / {cpu} (0%)", f"0K / {memory / 2**20:.1f}G (0%)") if cpu else ("-", "-")
        row = f"{text(host, 'ID'):>4} {text(host, 'NAME'):<15} {text(host, 'CLUSTER'):<10} "
        row += f"{text(host, 'HOST_SHARE/RUNNING_VMS'):>3} {share[0]:>18} {share[1]:>18} "
        lines.append(row + HOST_STATES.get(text(host, "STATE"), "update"))
    return "\n".join(lines)


def host_number(client: Client, host: str) -> int:
    """A host by id or name."""
    for found in client.document("hostpool.info"):
        if host in {text(found, "ID"), text(found, "NAME")}:
            return int(text(found, "ID"))
    raise CommandError(f"HOST named {host} not found.")


def parser(program: str) -> Parser:
    top = Parser(prog=program, description="The pools of the zone (OpenNebula stand-in, a test double).")
    verbs = top.add_subparsers(dest="verb", required=True, parser_class=Parser)
    found = verbs.add_parser("list", help="all of them")
    found.add_argument("-x", "--xml", action="store_true", required=program == "onedatastore", help="as XML")
    if program == "onehost":
        show = verbs.add_parser("show", help="one of them")
        show.add_argument("host", help="its id or name")
        show.add_argument("-x", "--xml", action="store_true", required=True, help="as XML")
    for verb in verbs.choices.values():
        verb.add_argument("--endpoint", default=default_endpoint(), help="URL of oned")
    return top


def main(program: str, arguments: Sequence[str]) -> int:
    options = parser(program).parse_args(arguments)
    try:
        client = Client(options.endpoint, credentials())
        if options.verb == "show":
            answer = indented(str(client.call("host.info", host_number(client, options.host), False)))
        elif options.xml:
            answer = indented(str(client.call(f"{program.removeprefix('one')}pool.info")))
        else:
            answer = host_list(client)
    except CommandError as error:
        print(error)
        return ERROR
    print(answer)
    return 0
