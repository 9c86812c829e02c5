# Copyright: Nebula HA contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cloud as a picture: its verdict as SVG, users on top and nodes below, health as colours. Pure.

The picture stands alone: fonts of the reader's system, nothing fetched, light or dark as the reader's system is.
A cloud of which no machine answered is drawn in grey: it is the inventory, and says nothing about health.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

WIDTH = 1000
MARGIN = 28
LANE = 84  # beside a tier, where a line passes it
CARD_HEIGHT = 72
CARD_WIDTHS = (150, 216)
GAP = 16
PAD = 16
HEAD = 34  # a tier's title
BETWEEN = 52  # two tiers
CENTER = WIDTH / 2

# Fill or stroke of each class, in light and in dark.
COLOURS: dict[str, tuple[str, str, str]] = {
    "paper": ("fill", "#ffffff", "#10161d"),
    "tier": ("fill", "#f3f6fa", "#18212b"),
    "card": ("fill", "#ffffff", "#212c38"),
    "edge": ("stroke", "#cfd8e3", "#3a4757"),
    "ink": ("fill", "#15202b", "#e8eef4"),
    "soft": ("fill", "#5a6b7c", "#9fb0c0"),
    "line": ("stroke", "#6f8196", "#7f93a8"),
    "tip": ("fill", "#6f8196", "#7f93a8"),
    "deep": ("fill", "#1d4f91", "#2f6fc0"),
    "bright": ("fill", "#ffffff", "#ffffff"),
    "pale": ("fill", "#d5e3f5", "#dbe8f8"),
    "raft": ("stroke", "#1d4f91", "#6ea8ea"),
    "healthy": ("fill", "#1a8f4c", "#3fbf77"),
    "degraded": ("fill", "#c77700", "#f0a73a"),
    "down": ("fill", "#c62f2f", "#f2726b"),
    "unknown": ("fill", "#97a4b1", "#71808f"),
}
STATES = {"healthy": "healthy", "degraded": "degraded", "down": "down", "unknown": "not looked at"}
VERDICTS = {"healthy": "healthy", "degraded": "degraded", "no_service": "down"}
TIERS = {
    "balancers": ("Balancers", "HAProxy, keepalived"),
    "sunstones": ("Web", "Sunstone"),
    "caches": ("Sessions", "memcached"),
    "frontends": ("Front-ends", "oned, each with its own MariaDB"),
    "nodes": ("Nodes", "libvirt, qemu"),
}
BADGES = {"balancers": "holder", "frontends": "leader"}


def cloud_picture(verdict: Mapping[str, Any]) -> str:
    """The verdict of the judge, as plain values, drawn."""
    return _Drawing(verdict).svg()


@dataclass(frozen=True)
class _Box:
    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        return self.x + self.width / 2

    @property
    def bottom(self) -> float:
        return self.y + self.height


class _Drawing:
    def __init__(self, verdict: Mapping[str, Any]) -> None:
        self.verdict = verdict
        self.blind = not verdict["answered"]
        self.shapes: list[str] = []
        self.cards: dict[str, list[tuple[Mapping[str, Any], Mapping[str, Any]]]] = {part: [] for part in TIERS}
        for machine in verdict["machines"]:
            for part in machine["parts"]:
                self.cards[part["part"]].append((machine, part))
        self.places: dict[tuple[str, str], _Box] = {}

    def svg(self) -> str:
        bottom = self._legend(self._tiers(self._users()))
        label = escape(str(self.verdict["sentence"]) if not self.blind else f"The cloud {self.verdict['name']}")
        head = (
            f'<svg class="cloud" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom:g}" role="img" '
            f"aria-label=\"{label}\" font-family=\"system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif\">"
        )
        tips = '<marker id="tip" viewBox="0 0 10 10" refX="8.5" refY="5" markerWidth="7" markerHeight="7" '
        tips += 'orient="auto-start-reverse"><path class="tip" d="M0 1 9 5 0 9z"/></marker>'
        paper = f'<rect class="paper" width="{WIDTH}" height="{bottom:g}" rx="14"/>'
        return "\n".join(
            [head, f"<style>{_style()}</style>", f"<defs>{tips}</defs>", paper, *self.shapes, "</svg>", ""]
        )

    # -- what is drawn, from the top ----------------------------------------------------------------------------------

    def _users(self) -> float:
        """The cloud's name, its users, and the address they come to; returns where the tiers begin."""
        state = "unknown" if self.blind else VERDICTS[self.verdict["state"]]
        words = "not looked at" if self.blind else str(self.verdict["state"]).replace("_", " ")
        self._text(MARGIN, 50, str(self.verdict["name"]), "ink", 22, weight=700)
        self._dot(MARGIN + 6, 72, state)
        self._text(MARGIN + 19, 76.5, words, "soft", 13)
        if not self.blind:
            self._text(WIDTH - MARGIN, 50, str(self.verdict["at"]), "soft", 12, anchor="end")
        for shift in (-13, 13, 0):
            self._person(CENTER - 76 + shift, 46 if shift else 44, 1.0 if shift == 0 else 0.82)
        self._text(CENTER - 38, 46, "Users", "ink", 16, weight=700)
        self._text(CENTER - 38, 64, "browsers, API clients", "soft", 12)
        balancers = self.cards["balancers"]
        if not balancers:
            return 80
        entry = _Box(CENTER - 210, 112, 420, 56)
        self._line([(CENTER, 80), (CENTER, entry.y - 3)], tip=True)
        self.shapes.append(
            f'<rect class="deep" x="{entry.x:g}" y="{entry.y:g}" width="{entry.width:g}" height="{entry.height:g}" '
            f'rx="{entry.height / 2:g}"/>'
        )
        self._text(CENTER, entry.y + 25, str(self.verdict["host"]), "bright", 18, anchor="middle", weight=700)
        kind = "floating address, one balancer holds it" if len(balancers) > 1 else "the balancer's own address"
        ways = [way for way, key in (("web", "web"), ("API", "api")) if self.verdict[key]]
        self._text(CENTER, entry.y + 43, f"{kind} · {' and '.join(ways)} over TLS", "pale", 12, anchor="middle")
        top = entry.bottom + BETWEEN
        bottom = self._tier("balancers", MARGIN, top, WIDTH - 2 * MARGIN)
        for machine, part in balancers:
            place = self.places[("balancers", machine["name"])]
            held = part["marked"] or len(balancers) == 1
            self._line(
                [(CENTER, entry.bottom), (CENTER, entry.bottom + 14), (place.middle, entry.bottom + 14)]
                + [(place.middle, place.y - 3)],
                tip=held,
                dashed=not held,
            )
        return bottom

    def _tiers(self, top: float) -> float:
        """The web tier beside its caches, the front-ends, the share and the nodes; returns where the last one ends."""
        behind, ports = bool(self.cards["balancers"]), self.verdict["ports"]
        web_bottom = top
        lane = MARGIN + LANE if behind else MARGIN
        if self.cards["sunstones"]:
            space = WIDTH - MARGIN - lane
            caches = max(2 * PAD + CARD_WIDTHS[0], space * 0.3) if self.cards["caches"] else 0
            width = space - caches - (LANE if caches else 0)
            begin = top + BETWEEN
            height = max(self._height("sunstones", width), self._height("caches", caches) if caches else 0)
            web_bottom = self._tier("sunstones", lane, begin, width, height)
            middle = begin + height / 2 + PAD / 2
            if caches:
                self._tier("caches", lane + width + LANE, begin, caches, height)
                self._line([(lane + width + 3, middle), (lane + width + LANE - 3, middle)], tip=True)
                self._note(lane + width + LANE / 2, middle - 24, ["fails over", f":{ports['memcached']}"])
            x = lane + width / 2 if behind else CENTER
            self._line([(x, top), (x, begin - 3)], tip=True)
            if behind:
                self._note(
                    x + 12, top + BETWEEN / 2 + 4, [f"web :{ports['sunstone']}, least connections"], anchor="start"
                )
        begin = web_bottom + BETWEEN
        wide = WIDTH - 2 * MARGIN
        bond = 34 if len(self.cards["frontends"]) > 1 else 0
        zone_bottom = self._tier("frontends", MARGIN, begin, wide, self._height("frontends", wide) + bond)
        if behind or not self.cards["sunstones"]:
            x = MARGIN + LANE / 4 if self.cards["sunstones"] else CENTER
            self._line([(x, top), (x, begin - 3)], tip=True)
            self._note(x + 10, (top + begin) / 2 - 2, ["API", f":{ports['oned']}"], anchor="start")
        if self.cards["sunstones"]:
            x = lane + (WIDTH - MARGIN - lane) * 0.35
            self._line([(x, web_bottom), (x, begin - 3)], tip=True)
            self._note(x + 12, web_bottom + BETWEEN / 2 + 4, ["its own oned first, else another"], anchor="start")
        self._raft(zone_bottom)
        return self._below(zone_bottom)

    def _raft(self, bottom: float) -> None:
        """The bond of the front-ends, below their cards."""
        places = [self.places[("frontends", machine["name"])] for machine, _ in self.cards["frontends"]]
        if len(places) < 2:
            return
        last = [place for place in places if place.y == places[-1].y]
        y = bottom - 22
        if len(last) == len(places):
            path = f"M{places[0].middle:g} {y:g}H{places[-1].middle:g}"
            path += "".join(f"M{place.middle:g} {place.bottom:g}V{y:g}" for place in places)
            self.shapes.append(f'<path class="raft" d="{path}" fill="none" stroke-width="2"/>')
            x = (places[0].middle + places[1].middle) / 2
            self._text(x, y + 14, "Raft: a majority agrees", "soft", 11, anchor="middle")
        else:
            self._text(CENTER, y + 14, "Raft: a majority agrees on every change", "soft", 11, anchor="middle")

    def _below(self, top: float) -> float:
        nodes, share = self.cards["nodes"], str(self.verdict["share"] or "")
        if not nodes and not share:
            return top
        bottom, right = top, WIDTH - MARGIN - (2 * LANE if nodes else 0)
        if share:
            band = _Box(MARGIN, top + BETWEEN, right - MARGIN, 50)
            self._line([(band.middle, top), (band.middle, band.y - 3)], tip=True, both=True)
            self.shapes.append(
                f'<g class="edge"><rect class="tier" x="{band.x:g}" y="{band.y:g}" width="{band.width:g}" '
                f'height="{band.height:g}" rx="25" stroke-width="1.5"/></g>'
            )
            self._dot(band.x + 26, band.y + 25, self._share_state())
            self._text(band.x + 42, band.y + 22, "Share", "ink", 14, weight=700)
            self._text(band.x + 42, band.y + 39, _cut(share, 44), "soft", 12)
            self._text(band.x + band.width - 26, band.y + 30, "/var/lib/one/datastores", "soft", 12, anchor="end")
            bottom = band.bottom
        if nodes:
            begin = bottom + BETWEEN
            if share:
                middle = MARGIN + (right - MARGIN) / 2
                self._line([(middle, bottom), (middle, begin - 3)], tip=True, both=True)
            x = WIDTH - MARGIN - LANE if share else CENTER
            self._line([(x, top), (x, begin - 3)], tip=True, both=True)
            middle = (top + begin) / 2
            self._note(x - 12, middle, ["ssh"], anchor="end")
            self._note(x + 12, middle, ["probes", ":4124"], anchor="start")
            bottom = self._tier("nodes", MARGIN, begin, WIDTH - 2 * MARGIN)
        return bottom

    def _share_state(self) -> str:
        if self.blind:
            return "unknown"
        return "degraded" if any(code.startswith("share_") for code in self.verdict["codes"]) else "healthy"

    def _legend(self, top: float) -> float:
        x, y = float(MARGIN), top + 36
        for state, words in STATES.items():
            self._dot(x + 6, y - 4, state)
            self._text(x + 18, y, words, "soft", 12)
            x += 40 + len(words) * 6.6
        return y + 20

    # -- pieces -------------------------------------------------------------------------------------------------------

    def _grid(self, part: str, width: float) -> tuple[int, int, float]:
        """How many rows and columns the cards of a tier make, and how wide each is."""
        count, inner, (least, most) = len(self.cards[part]), width - 2 * PAD, CARD_WIDTHS
        rows = -(-count // max(1, int((inner + GAP) // (least + GAP))))
        columns = -(-count // rows)
        return rows, columns, min(most, (inner - (columns - 1) * GAP) / columns)

    def _height(self, part: str, width: float) -> float:
        rows, _, _ = self._grid(part, width)
        return HEAD + PAD / 2 + rows * CARD_HEIGHT + (rows - 1) * GAP + PAD

    def _tier(self, part: str, x: float, y: float, width: float, height: float = 0) -> float:
        """A tier with a card for each machine in it; returns where it ends."""
        cards = self.cards[part]
        rows, columns, wide = self._grid(part, width)
        height = height or self._height(part, width)
        lower = 0 if part == "frontends" else (height - self._height(part, width)) / 2
        title, words = TIERS[part]
        self.shapes.append(
            f'<g class="edge"><rect class="tier" x="{x:g}" y="{y:g}" width="{width:g}" '
            f'height="{height:g}" rx="12"/></g>'
        )
        self._text(x + PAD, y + 24, title, "ink", 14, weight=700)
        room = int((width - 2 * PAD - len(title) * 9) / 6.4)
        self._text(x + width - PAD, y + 24, _cut(words, room), "soft", 12, anchor="end")
        for row in range(rows):
            line = cards[row * columns : (row + 1) * columns]
            begin = x + (width - len(line) * wide - (len(line) - 1) * GAP) / 2
            for column, (machine, own) in enumerate(line):
                place = _Box(
                    begin + column * (wide + GAP),
                    y + HEAD + PAD / 2 + lower + row * (CARD_HEIGHT + GAP),
                    wide,
                    CARD_HEIGHT,
                )
                self.places[(part, machine["name"])] = place
                self._card(place, machine, own)
        return y + height

    def _card(self, place: _Box, machine: Mapping[str, Any], part: Mapping[str, Any]) -> None:
        state = "unknown" if self.blind else str(part["state"])
        does = "" if self.blind else str(part["does"])
        x, y = place.x, place.y
        told = ": ".join(item for item in (f"{machine['name']} ({machine['address']})", does) if item)
        self.shapes.append(f"<g><title>{escape(told)}</title>")
        self.shapes.append(
            f'<g class="edge"><rect class="card" x="{x:g}" y="{y:g}" width="{place.width:g}" height="{place.height:g}" '
            f'rx="9"/></g>'
            f'<path class="{state}" d="M{x + 6:g} {y:g}a6 6 0 0 0-6 6v{place.height - 12:g}a6 6 0 0 0 6 6z"/>'
        )
        room = place.width - 26
        name = str(machine["name"])
        self._dot(x + 20, y + 20, state)
        self._text(
            x + 32, y + 25, _cut(name, int((room - (70 if part["marked"] else 16)) / 8.2)), "ink", 14.5, weight=700
        )
        self._text(x + 16, y + 43, _cut(str(machine["address"]), int(room / 6)), "soft", 11.5)
        self._text(x + 16, y + 60, _cut(does, int(room / 5.5)), "ink", 11.5)
        if part["marked"] and not self.blind:
            self._badge(place, BADGES[str(part["part"])])
        self.shapes.append("</g>")

    def _badge(self, place: _Box, words: str) -> None:
        width = len(words) * 6.1 + 18
        x, y = place.x + place.width - width - 10, place.y + 10
        self.shapes.append(f'<rect class="deep" x="{x:g}" y="{y:g}" width="{width:g}" height="19" rx="9.5"/>')
        self._text(x + width / 2, y + 13.5, words, "bright", 11, anchor="middle", weight=600)

    def _person(self, x: float, y: float, size: float) -> None:
        self.shapes.append(
            f'<g class="edge" transform="translate({x:g} {y:g}) scale({size:g})"><circle class="deep" r="9" cy="-6"/>'
            '<path class="deep" d="M-16 22a16 17 0 0 1 32 0z"/></g>'
        )

    def _dot(self, x: float, y: float, state: str) -> None:
        self.shapes.append(f'<circle class="{state}" cx="{x:g}" cy="{y:g}" r="5.5"/>')

    def _line(
        self, points: Sequence[tuple[float, float]], tip: bool = False, both: bool = False, dashed: bool = False
    ) -> None:
        path = "M" + "L".join(f"{x:g} {y:g}" for x, y in points)
        more = ' marker-end="url(#tip)"' if tip else ""
        more += ' marker-start="url(#tip)"' if both else ""
        more += ' stroke-dasharray="3 5"' if dashed else ""
        self.shapes.append(f'<path class="line" d="{path}" fill="none" stroke-width="1.8"{more}/>')

    def _note(self, x: float, y: float, lines: Sequence[str], anchor: str = "middle") -> None:
        for number, words in enumerate(lines):
            self._text(x, y + number * 14, words, "soft", 11.5, anchor=anchor)

    def _text(
        self, x: float, y: float, words: str, kind: str, size: float, anchor: str = "start", weight: int = 400
    ) -> None:
        more = "" if anchor == "start" else f' text-anchor="{anchor}"'
        more += "" if weight == 400 else f' font-weight="{weight}"'
        self.shapes.append(
            f'<text class="{kind}" x="{x:g}" y="{y:g}" font-size="{size:g}"{more}>{escape(words)}</text>'
        )


def _style() -> str:
    def rules(index: int) -> str:
        return "".join(f".cloud .{name}{{{of[0]}:{of[index]}}}" for name, of in COLOURS.items())

    return f"{rules(1)}@media (prefers-color-scheme:dark){{{rules(2)}}}"


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: max(room - 1, 1)].rstrip(" ,") + "…"
