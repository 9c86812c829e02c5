"""onezone: list, show, server-add, server-del, server-reset, in the recorded tables and exit codes."""

from __future__ import annotations

import argparse
import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import NoReturn

from .client import Client, CommandError, credentials, default_endpoint, heading, pair, template_lines, text

ZONE_STATES = ("ENABLED", "DISABLED")
RAFT_STATES = ("solo", "candidate", "follower", "leader")
RAFT_FIELDS = ("STATE", "TERM", "VOTEDFOR", "COMMIT", "LOG_INDEX", "FEDLOG_INDEX")
ERROR = 255


class Parser(argparse.ArgumentParser):
    """A wrong call ends with 255, as recorded."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(ERROR, f"{self.prog}: {message}\n")


def parser() -> Parser:
    top = Parser(prog="onezone", description="The zone's servers (OpenNebula stand-in, a test double).")
    verbs = top.add_subparsers(dest="verb", required=True, parser_class=Parser)
    common = Parser(add_help=False)
    common.add_argument("--endpoint", default=default_endpoint(), help="URL of oned")
    verbs.add_parser("list", parents=[common], help="the zones")
    show = verbs.add_parser("show", parents=[common], help="one zone, with what every server says of itself")
    show.add_argument("zone")
    show.add_argument("-x", "--xml", action="store_true", help="as XML")
    add = verbs.add_parser("server-add", parents=[common], help="add a server to a zone")
    add.add_argument("zone")
    add.add_argument("-n", "--name")
    add.add_argument("-r", "--rpc")
    for verb, what in (("server-del", "remove a server from a zone"), ("server-reset", "replicate to a server anew")):
        more = verbs.add_parser(verb, parents=[common], help=what)
        more.add_argument("zone")
        more.add_argument("server", type=int)
    return top


def zone_id(client: Client, zone: str) -> int:
    """Zones are named by id or by name."""
    if zone.lstrip("-").isdigit():
        return int(zone)
    for element in client.document("zonepool.info"):
        if text(element, "NAME") == zone:
            return int(text(element, "ID"))
    raise CommandError(f"ZONE named {zone} not found.")


def with_raft(zone: ET.Element, session: str) -> ET.Element:
    """The zone's document says nothing of Raft: every server is asked about itself and its answer merged."""
    for server in zone.findall("SERVER_POOL/SERVER"):
        try:
            raft = Client(text(server, "ENDPOINT"), session).document("zone.raftstatus")
        except (CommandError, ET.ParseError):
            raft = ET.Element("RAFT")
        for name in RAFT_FIELDS:
            ET.SubElement(server, name).text = text(raft, name)
    return zone


def state_name(number: str) -> str:
    return RAFT_STATES[int(number)] if number.isdigit() and int(number) < len(RAFT_STATES) else "error"


def table(zone: ET.Element) -> str:
    state = text(zone, "STATE")
    lines = [
        heading(f"ZONE {text(zone, 'ID')} INFORMATION"),
        pair("ID", text(zone, "ID")),
        pair("NAME", text(zone, "NAME")),
        pair("STATE", ZONE_STATES[int(state)] if state in {"0", "1"} else state),
        "",
        "",
    ]
    servers = zone.findall("SERVER_POOL/SERVER")
    if servers:
        lines += [heading("ZONE SERVERS"), "ID NAME            ENDPOINT" + " " * 55]
        lines += [f"{text(s, 'ID'):>2} {text(s, 'NAME'):<15} {text(s, 'ENDPOINT')}" for s in servers]
        lines += ["", heading("HA & FEDERATION SYNC STATUS")]
        lines.append("ID NAME            STATE      TERM       INDEX      COMMIT     VOTE  FED_INDEX ")
        for s in servers:
            row = f"{text(s, 'ID'):>2} {text(s, 'NAME'):<15} {state_name(text(s, 'STATE')):<10} {text(s, 'TERM'):<10} "
            row += f"{text(s, 'LOG_INDEX'):<10} {text(s, 'COMMIT'):<10} {text(s, 'VOTEDFOR'):<5} "
            lines.append(row + text(s, "FEDLOG_INDEX"))
        lines.append("")
    return "\n".join([*lines, heading("ZONE TEMPLATE"), *template_lines(zone.find("TEMPLATE"))])


def as_xml(element: ET.Element, depth: int = 0) -> str:
    """Indented XML; what oned keeps in templates stays in CDATA, what it counts does not."""
    pad = "  " * depth
    if len(element):
        inner = "\n".join(as_xml(child, depth + 1) for child in element)
        return f"{pad}<{element.tag}>\n{inner}\n{pad}</{element.tag}>"
    if element.text is None:
        return f"{pad}<{element.tag}/>"
    marked = depth >= 2 and element.tag not in RAFT_FIELDS
    value = f"<![CDATA[{element.text}]]>" if marked else element.text
    return f"{pad}<{element.tag}>{value}</{element.tag}>"


def zone_list(client: Client) -> str:
    lines = ["C   ID NAME            ENDPOINT                                      FED_INDEX  STAT"]
    fed_index = text(client.document("zone.raftstatus"), "FEDLOG_INDEX")
    for zone in client.document("zonepool.info"):
        endpoint = text(zone, "TEMPLATE/ENDPOINT")
        current = "*" if endpoint == client.endpoint else ""
        stat = "on" if text(zone, "STATE") == "0" else "off"
        row = f"{current:<1} {text(zone, 'ID'):>4} {text(zone, 'NAME'):<15} {endpoint:<45} {fed_index:<10} {stat}"
        lines.append(row)
    return "\n".join(lines)


def run(options: argparse.Namespace) -> str | None:
    session = credentials()
    client = Client(options.endpoint, session)
    if options.verb == "list":
        return zone_list(client)
    zone = zone_id(client, options.zone)
    if options.verb == "show":
        document = with_raft(client.document("zone.info", zone, False), session)
        return as_xml(document) if options.xml else table(document)
    if options.verb == "server-add":
        if not options.name or not options.rpc:
            raise CommandError("To add a server set:\n\t-n <server name>\n\t-r <RPC endpoint>")
        if not options.rpc.startswith(("http://", "https://")):
            raise CommandError("Wrong protocol specified. Only http or https allowed!")
        client.call("zone.addserver", zone, f'SERVER=[NAME="{options.name}",ENDPOINT="{options.rpc}"]')
        return None
    verb = "zone.delserver" if options.verb == "server-del" else "zone.resetserver"
    client.call(verb, zone, options.server)
    return None


def main(arguments: Sequence[str]) -> int:
    options = parser().parse_args(arguments)
    try:
        answer = run(options)
    except CommandError as error:
        print(error)
        return ERROR
    if answer is not None:
        print(answer)
    return 0
