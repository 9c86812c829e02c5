# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cloud's verdict as one HTML page that needs nothing but itself. Pure.

No script, no request to anywhere: the page forbids them to itself. It reads on a phone, in light and in dark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from .model import PARTS
from .picture import cloud_picture

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
WORDS = {"healthy": "healthy", "degraded": "degraded", "no_service": "no service"}
STYLE = """
:root{color-scheme:light dark;--paper:#fff;--soft:#f3f6fa;--edge:#d3dce6;--ink:#15202b;--dim:#566779;--link:#1d4f91;
--healthy:#17803f;--degraded:#a86400;--down:#c02b2b;--unknown:#6c7a88}
@media(prefers-color-scheme:dark){:root{--paper:#10161d;--soft:#18212b;--edge:#344152;--ink:#e8eef4;--dim:#9fb0c0;
--link:#7fb3ee;--healthy:#3fbf77;--degraded:#f0a73a;--down:#f2726b;--unknown:#8c9aa8}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,'Segoe UI',Roboto,sans-serif}
main{max-width:1060px;margin:0 auto;padding:1.5rem 1rem 3rem}
h1{font-size:1.6rem;margin:0 0 .25rem;display:flex;flex-wrap:wrap;gap:.75rem;align-items:center}
h2{font-size:1.1rem;margin:2.25rem 0 .75rem}
p{margin:.25rem 0}
.dim{color:var(--dim);font-size:.875rem}
.state{font-size:.875rem;font-weight:650;white-space:nowrap;color:var(--unknown)}
.state::before{content:"";display:inline-block;width:.65em;height:.65em;border-radius:50%;margin-right:.45em;background:currentColor}
.healthy{color:var(--healthy)}.degraded,.warning{color:var(--degraded)}.down,.no_service,.fatal{color:var(--down)}
h1 .state{border:1.5px solid currentColor;border-radius:2em;padding:.1rem .8rem}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(13rem,1fr));gap:.75rem;margin:1.25rem 0 0}
dl div{background:var(--soft);border:1px solid var(--edge);border-radius:.6rem;padding:.6rem .9rem}
dt{color:var(--dim);font-size:.8rem}dd{margin:0;font-weight:600;overflow-wrap:anywhere}
a{color:var(--link)}
ul{list-style:none;margin:0;padding:0;display:grid;gap:.6rem}
li{background:var(--soft);border:1px solid var(--edge);border-radius:.6rem;padding:.6rem .9rem}
li{border-left:.35rem solid var(--unknown)}
li.fatal{border-left-color:var(--down)}li.warning{border-left-color:var(--degraded)}
li p,li .dim{color:var(--ink);overflow-wrap:anywhere}li .dim{color:var(--dim)}
figure{margin:0;overflow-x:auto;border:1px solid var(--edge);border-radius:.9rem}
figure svg{display:block;width:100%;min-width:44rem;height:auto}
table{border-collapse:collapse;width:100%;font-size:.925rem}
th{text-align:left;color:var(--dim);font-weight:600;font-size:.8rem}
th,td{padding:.5rem .75rem .5rem 0;border-bottom:1px solid var(--edge);vertical-align:top}
td{overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
@media(max-width:44rem){thead{display:none}tr{display:block;border-bottom:1px solid var(--edge);padding:.6rem 0}
td{display:flex;gap:.75rem;border:0;padding:.1rem 0}
td::before{content:attr(data-is);flex:0 0 6rem;color:var(--dim);font-size:.8rem}}
"""


def cloud_page(verdict: Mapping[str, Any]) -> str:
    """The page of a verdict that is plain values."""
    state = str(verdict["state"])
    name = escape(str(verdict["name"]))
    body = [
        f'<h1>{name} <span class="state {state}">{WORDS[state]}</span></h1>',
        f"<p>{escape(str(verdict['sentence']))}</p>",
        f'<p class="dim">{escape(str(verdict["at"]))}{_package(verdict)}</p>',
        _ways(verdict),
        _problems(verdict["problems"]),
        f"<h2>The cloud</h2><figure>{cloud_picture(verdict)}</figure>",
        "<h2>Machines</h2>" + _table(_machine_rows(verdict["machines"])),
        _zone(verdict["zone"]),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{name}: {WORDS[state]}</title><link rel="icon" href="data:,"><style>{STYLE}</style></head>\n'
        "<body><main>\n" + "\n".join(item for item in body if item) + "\n</main></body></html>\n"
    )


def _package(verdict: Mapping[str, Any]) -> str:
    version = verdict["package"]
    if not version:
        return ""
    stands_in = ", the STAND-IN: a test double, not OpenNebula" if "standin" in version else ""
    return escape(f" · OpenNebula {version}{stands_in}")


def _ways(verdict: Mapping[str, Any]) -> str:
    def link(address: str) -> str:
        return f'<a href="{escape(address)}">{escape(address)}</a>'

    ways = {
        "Web": link(str(verdict["web"])) if verdict["web"] else "",
        "API": escape(str(verdict["api"] or "")),
        "API for reads": escape(str(verdict["reads"] or "")),
        "OneFlow": escape(str(verdict["flow"] or "")),
        "OneGate": escape(str(verdict["gate"] or "")),
        "Leads the zone": escape(str(verdict["leader"] or "nobody")),
        "Holds the address": escape(str(verdict["holder"] or "unknown")) if verdict["address"] else "",
    }
    return (
        "<dl>" + "".join(f"<div><dt>{key}</dt><dd>{value}</dd></div>" for key, value in ways.items() if value) + "</dl>"
    )


def _problems(problems: Sequence[Mapping[str, Any]]) -> str:
    if not problems:
        return ""
    items = "".join(
        f'<li class="{escape(item["severity"])}"><p>{escape(item["sentence"])}</p>'
        f'<p class="dim">{escape(item["next_step"])} <code>{escape(item["code"])}</code></p></li>'
        for item in problems
    )
    return f"<h2>What is to be done</h2><ul>{items}</ul>"


def _machine_rows(machines: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [
        {
            "Machine": f"<strong>{escape(str(machine['name']))}</strong>",
            "Carries": escape(", ".join(PARTS[part["part"]] for part in machine["parts"])),
            "Address": escape(str(machine["address"])),
            "Health": f'<span class="state {machine["state"]}">{machine["state"]}</span>',
            "What it does": escape(str(machine["does"])),
        }
        for machine in machines
    ]


def _zone(zone: Mapping[str, Any] | None) -> str:
    servers = [] if zone is None else zone["servers"]
    if not servers:
        return ""
    keys = {"Server": "name", "State": "state", "Term": "term", "Index": "index", "Lag": "lag", "Version": "version"}
    rows = [
        {title: escape("-" if server[key] is None else str(server[key])) for title, key in keys.items()}
        for server in servers
    ]
    return f"<h2>Servers of the zone</h2><p class=dim>{escape(str(zone and zone['sentence']))}</p>" + _table(rows)


def _table(rows: Sequence[Mapping[str, str]]) -> str:
    head = "".join(f"<th>{title}</th>" for title in rows[0])
    body = "".join(
        "<tr>" + "".join(f'<td data-is="{title}"><span>{cell}</span></td>' for title, cell in row.items()) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
