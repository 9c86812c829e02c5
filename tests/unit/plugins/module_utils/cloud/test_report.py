# SPDX-License-Identifier: Apache-2.0
"""The verdict for people: lines, a page, a picture, a file for programs."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.nebula.ha.plugins.filter.cloud_health import cloud_health
from ansible_collections.nebula.ha.plugins.filter.cloud_report import cloud_report
from ansible_collections.nebula.ha.plugins.filter.health_table import health_table
from ansible_collections.nebula.ha.plugins.module_utils.cloud.picture import WIDTH

from .clouds import GROUPS, Scene

EVERY = ("balancers", "sunstones", "caches", "frontends", "nodes")
SVG = "{http://www.w3.org/2000/svg}"


def broken() -> dict[str, Any]:
    scene = Scene()
    scene.unreachable("lb1")
    scene.fail("cache1", "cache", "connection <refused>")
    verdict: dict[str, Any] = scene.verdict().as_dict()
    return verdict


def clouds() -> dict[str, dict[str, Any]]:
    """Clouds of all shapes, by name."""
    blind = Scene()
    blind.unreachable(*blind.groups)
    blind.zone_known = False
    many = {**GROUPS, **{f"node{n}": ("nodes",) for n in range(3, 31)}}
    return {
        "whole": Scene().verdict().as_dict(),
        "broken": broken(),
        "blind": blind.verdict().as_dict(),
        "compact": Scene({f"fe{n}": EVERY for n in (1, 2, 3)}).verdict().as_dict(),
        "front-ends": Scene({f"fe{n}": ("frontends",) for n in (1, 2, 3)}, floating="").verdict().as_dict(),
        "no balancer": Scene({f"fe{n}": ("frontends", "sunstones") for n in (1, 2, 3)}, floating="")
        .verdict()
        .as_dict(),
        "one balancer": Scene({"fe1": ("frontends", "sunstones"), "lb1": ("balancers",)}, floating="")
        .verdict()
        .as_dict(),
        "large": Scene(many).verdict().as_dict(),
    }


CLOUDS = clouds()


def test_the_table() -> None:
    lines = health_table(broken())
    assert lines[2:6] == [
        "  MACHINE  CARRIES         ADDRESS   HEALTH   WHAT IT DOES",
        "  fe1      web, front-end  10.0.0.1  healthy  serves the web, leads",
        "  fe2      web, front-end  10.0.0.2  healthy  serves the web, follows",
        "  fe3      web, front-end  10.0.0.3  healthy  serves the web, follows",
    ]
    assert "  lb1      balancer        10.0.0.4  down     not reachable" in lines
    assert "  fe1      0  leader       5    100    0  6.10.5   http://10.0.0.1:2633/RPC2" in lines
    assert " ! memcached on cache1 does not answer: connection <refused>; its sessions are lost." in lines
    assert "     On cache1: systemctl status memcached [cache_dead]" in lines
    assert lines[-7:] == [
        "",
        "Web          https://10.0.0.100/",
        "API          https://10.0.0.100:2633/RPC2",
        "Reads        https://10.0.0.100:2643/RPC2",
        "OneFlow      https://10.0.0.100:2474/",
        "OneGate      http://10.0.0.100:5030/",
        "Leads        fe1",
    ]
    assert health_table(CLOUDS["whole"])[-1] == "Holds        lb1, the address 10.0.0.100"


class Page(HTMLParser):
    """What a browser would make of it: nesting, text, addresses that it would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "link", "rect", "circle", "path"}:
            self.open.append(tag)
        self.fetched += [
            value or "" for key, value in attrs if key in {"src", "href", "xlink:href", "data"} and tag != "a"
        ]

    def handle_endtag(self, tag: str) -> None:
        if tag not in {"rect", "circle", "path"}:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.mark.parametrize("name", CLOUDS)
def test_the_page_needs_nothing_but_itself(name: str) -> None:
    text = cloud_report(CLOUDS[name], "x.html")
    page = Page(text)
    assert page.open == []
    assert page.fetched == ["data:,"]
    assert "<script" not in text
    assert "@import" not in text
    assert not re.findall(r"url\((?!#tip\))", text)
    assert 'content="default-src &#x27;none&#x27;' in text
    assert 'name="viewport"' in text


def test_the_page_says_it_all() -> None:
    verdict = broken()
    words = " ".join(Page(cloud_report(verdict, "x.html")).text)
    for machine in verdict["machines"]:
        assert machine["name"] in words
        assert machine["does"] in words
    for problem in verdict["problems"]:
        assert problem["sentence"] in words
        assert problem["next_step"] in words
    assert verdict["sentence"] in words


def test_the_page_says_that_it_is_about_a_double() -> None:
    scene = Scene()
    for name in scene.of("frontends"):
        scene.looks(name)["package"]["version"] = "6.10.5-1+standin1"
    assert "the STAND-IN: a test double" in cloud_report(scene.verdict().as_dict(), "x.html")
    assert "STAND-IN" not in cloud_report(CLOUDS["whole"], "x.html")


def drawn(name: str) -> ElementTree.Element:
    return ElementTree.fromstring(cloud_report(CLOUDS[name], "x.svg"))


def cards(svg: ElementTree.Element) -> list[tuple[str, str]]:
    """What each card says when it is pointed at, and its colour."""
    return [
        (str(group.findtext(f"{SVG}title")), str(path.get("class")))
        for group in svg.iter(f"{SVG}g")
        if group.find(f"{SVG}title") is not None and (path := group.find(f"{SVG}path")) is not None
    ]


@pytest.mark.parametrize("name", CLOUDS)
def test_every_part_of_every_machine_is_a_card_within_the_picture(name: str) -> None:
    svg = drawn(name)
    height = float(str(svg.get("viewBox")).split()[3])
    boxes = [rect for rect in svg.iter(f"{SVG}rect") if rect.get("class") == "card"]
    places = {tuple(float(str(box.get(key))) for key in ("x", "y", "width", "height")) for box in boxes}
    assert len(places) == sum(len(machine["parts"]) for machine in CLOUDS[name]["machines"])
    for x, y, wide, high in places:
        assert x >= 0 and y >= 0 and x + wide <= WIDTH and y + high <= height
        assert not [
            other
            for other in places - {(x, y, wide, high)}
            if x < other[0] + other[2] and other[0] < x + wide and y < other[1] + other[3] and other[1] < y + high
        ]


def test_health_is_a_colour() -> None:
    said = dict(cards(drawn("broken")))
    assert said["lb1 (10.0.0.4): not reachable"] == "down"
    assert said["lb2 (10.0.0.5): stands by, 7 of 7 up"] == "healthy"


def test_ports_are_the_clouds() -> None:
    verdict = Scene().verdict().as_dict()
    verdict["ports"] = {"oned": 1111, "sunstone": 2222, "memcached": 3333}
    text = cloud_report(verdict, "x.svg")
    assert [word in text for word in (":1111", ":2222", ":3333", ":2633", ":9869", ":11211")] == [True] * 3 + [
        False
    ] * 3


def test_a_cloud_that_nobody_saw_is_grey() -> None:
    found = cards(drawn("blind"))
    assert {colour for _, colour in found} == {"unknown"}
    assert ("lb1 (10.0.0.4)", "unknown") in found


def test_a_file_for_programs() -> None:
    for path in ("/x/y.json", ".json"):
        assert json.loads(cloud_report(CLOUDS["whole"], path))["state"] == "healthy"


def test_a_file_of_no_form_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match=r"'cloud\.pdf' names no form: let it end in \.html, \.svg, \.json"):
        cloud_report(CLOUDS["whole"], "cloud.pdf")
    with pytest.raises(AnsibleFilterError, match="cloud_health"):
        cloud_report({"sentence": "of a zone"}, "cloud.svg")


def test_the_filter_reads_what_the_role_registered() -> None:
    groups = {"frontends": ["fe1"], "sunstones": ["fe1"], "caches": ["c1", "old"], "all": ["other"]}
    hostvars = {
        "fe1": {
            "ansible_host": "10.0.0.1",
            "__health_machine": {"looks": {"web": {"failure": None}}},
            "__health_zone": {"msg": "one_auth is missing."},
        },
        "c1": {"one_address": "10.0.0.2", "__health_machine": {"unreachable": True, "msg": "timed out"}},
        "old": {},
    }
    verdict = cloud_health({"web_port": "443"}, groups, hostvars, leaving=["old"])
    assert [(item["name"], item["address"], item["state"]) for item in verdict["machines"]] == [
        ("fe1", "10.0.0.1", "healthy"),
        ("c1", "10.0.0.2", "down"),
    ]
    assert verdict["problems"][0]["sentence"].endswith("(fe1 asked): one_auth is missing.")
    with pytest.raises(AnsibleFilterError, match="front-ends"):
        cloud_health({}, {"caches": ["c1"]}, hostvars)
