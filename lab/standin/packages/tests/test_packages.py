"""The packages against the recorded tables: owners, modes, units, configuration; and that a build is repeatable."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from lab.standin.oned.conf import parse
from lab.standin.packages import LIBRARY, VERSION, build_all, modes, packages, postinst

RECORDED = Path(__file__).parent / "recorded"
PAYLOAD = Path(__file__).parents[1] / "payload"
UNITS = "*/lib/systemd/system/*.*"

# What the stand-in ships and no recorded package does.
OURS = (
    re.compile(rf"/{LIBRARY}(/.*)?"),
    re.compile(r"/usr/share/doc(/opennebula[^/]*(/README\.stand-in)?)?"),
    re.compile(r"/etc/default(/opennebula-standin)?"),
    re.compile(r"/lib/systemd/system/opennebula\.service\.d(/standin\.conf)?"),
    # Recorded as a link: /usr-merge. As a folder in a package dpkg follows the link.
    re.compile(r"/lib"),
)


def recorded(name: str) -> list[list[str]]:
    return [line.split("\t") for line in (RECORDED / name).read_text().splitlines()[1:]]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return build_all(tmp_path_factory.mktemp("debs"))


def listing(deb: Path) -> dict[str, str]:
    """path -> mode as ls prints it."""
    out = subprocess.run(["dpkg-deb", "-c", deb], capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=5) for line in out.splitlines()]
    assert all(row[1] == "root/root" for row in rows), "owners of oneadmin's are set by postinst, after it exists"
    return {row[5].lstrip(".").rstrip("/"): row[0] for row in rows if row[5] != "./"}


def octal(text: str) -> int:
    bits = text[1:10]
    return sum(1 << (8 - i) for i, bit in enumerate(bits) if bit != "-")


def name_of(deb: Path) -> str:
    return deb.name.split("_")[0]


def test_every_shipped_path_has_the_recorded_owner_and_mode_or_is_ours(built: list[Path]) -> None:
    table = {(row[0], row[3]): (int(row[1], 8), row[2]) for row in recorded("package-files.tsv")}
    wrong = []
    for deb in built:
        owners = {entry.path: entry.owner for entry in modes(name_of(deb))}
        for path, mode in listing(deb).items():
            if any(pattern.fullmatch(path) for pattern in OURS):
                continue
            have = (octal(mode), owners.get(path, "root:root"))
            want = table.get((name_of(deb), path))
            if want is None and mode.startswith("d"):
                # Parents that a package lists or not, as its installer pleased.
                want = next((value for (_, recorded_path), value in table.items() if recorded_path == path), None)
            if have != want:
                wrong.append(f"{name_of(deb)} {path}: {have}, recorded {want}")
    assert wrong == []


def test_postinst_sets_every_owner_that_is_not_root() -> None:
    for package in packages():
        script = postinst(package)
        for entry in modes(package.name):
            if entry.owner != "root:root":
                assert f"chown {entry.owner} {entry.path}\n" in script


def test_units_say_what_the_recorded_ones_say() -> None:
    have: list[tuple[str, str, str]] = []
    for unit in sorted(PAYLOAD.glob(UNITS)):
        if unit.is_dir():
            continue
        for line in unit.read_text().splitlines():
            key, separator, value = line.partition("=")
            if separator and key not in {"Description"}:
                have.append((unit.name, key, value))
    want = [(row[0], "ExecStart" if row[1] == "starts" else row[1], row[2]) for row in recorded("units.tsv")]

    def comparable(rows: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
        result = []
        for unit, key, value in rows:
            short = "through a shell" if value.startswith("/bin/sh ") else value.rsplit("/", 1)[-1]
            result.append((unit, key, short if key == "ExecStart" else value))
        return sorted(result)

    assert comparable(have) == comparable(want)


def test_the_default_configuration_has_the_recorded_names_and_values_in_their_order() -> None:
    def squeezed(value: str) -> str:
        return re.sub(r"\s+", " ", value)

    attribute = re.compile(r'(\w+)\s*=\s*("[^"]*"|[^\s,\]#]+)')
    have = parse((PAYLOAD / "opennebula/etc/one/oned.conf").read_text()).items
    rows = recorded("oned.conf.defaults.tsv")
    assert [name for name, _ in have] == [row[0] for row in rows]
    for (name, value), (_, text) in zip(have, rows, strict=True):
        if isinstance(value, dict):
            plain = re.sub(r'# (DEFAULT = "[^"]*",|RESERVED = "[^"]*"|$)', "", text)
            want = {key: found.strip('"') for key, found in attribute.findall(plain)}
            assert {key: squeezed(inner) for key, inner in value.items()} == want, name
        elif text.startswith('"') and not text.endswith('"'):
            assert squeezed(value).startswith(text.strip('"')), name  # the recorded table holds the first line only
        else:
            assert value == text.strip('"'), name


@pytest.mark.parametrize(("package", "name"), [("sunstone", "sunstone"), ("flow", "oneflow"), ("gate", "onegate")])
def test_the_web_services_have_the_recorded_defaults(package: str, name: str) -> None:
    def plain(value: object) -> object:
        """Ruby's symbols, which YAML takes for texts that begin with a colon."""
        if isinstance(value, dict):
            return {str(key).lstrip(":"): plain(inner) for key, inner in value.items()}
        return value

    text = (PAYLOAD / f"opennebula-{package}/etc/one/{name}-server.conf").read_text()
    want = json.loads((RECORDED / f"{name}-server.conf.defaults.json").read_text())
    assert plain(yaml.safe_load(text)) == want


def test_equal_sources_give_equal_packages(built: list[Path], tmp_path: Path) -> None:
    def digests(debs: list[Path]) -> dict[str, str]:
        return {deb.name: hashlib.sha256(deb.read_bytes()).hexdigest() for deb in debs}

    assert digests(build_all(tmp_path)) == digests(built)


def test_every_package_says_that_it_is_not_opennebula(built: list[Path]) -> None:
    assert len(built) == 10
    for deb in built:
        fields = subprocess.run(["dpkg-deb", "-f", deb], capture_output=True, text=True, check=True).stdout
        assert f"Version: {VERSION}\n" in fields
        assert "test double, NOT OpenNebula" in fields
        assert f"/usr/share/doc/{name_of(deb)}/README.stand-in" in listing(deb)


def test_every_file_under_etc_is_a_conffile(built: list[Path]) -> None:
    for deb in built:
        files = {path for path, mode in listing(deb).items() if path.startswith("/etc/") and mode.startswith("-")}
        if files:
            shown = subprocess.run(
                ["dpkg-deb", "-I", deb, "conffiles"], capture_output=True, text=True, check=True
            ).stdout
            assert set(shown.split()) == files
