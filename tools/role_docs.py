"""Writes the tables of every role's README: variables from its argument spec, ports from module_utils/ports.py.

And the table of the zone's problems in docs/health.md, from module_utils/zone/problems.py.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import yaml

from plugins.module_utils import ports
from plugins.module_utils.zone import problems

ROOT = Path(__file__).resolve().parent.parent
HEALTH = ROOT / "docs" / "health.md"
LISTENS = {
    ports.ALL: "all addresses",
    ports.OWN: "`one_address`",
    ports.FLOATING: "`one_floating_address`, else `one_address`",
    ports.LOOPBACK: "127.0.0.1",
    ports.YIELDING: "all addresses; `one_address` where the machine is a balancer",
    ports.OUTSIDE: "not a machine of this cloud",
}
SOURCES = {
    ports.ITSELF: "this machine",
    ports.USERS: "users",
    ports.CONTROLLER: "the controller",
}


def options(role: Path) -> dict[str, dict[str, Any]]:
    """The options of the role's main entry point."""
    specs = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    found: dict[str, dict[str, Any]] = specs["argument_specs"]["main"].get("options") or {}
    return found


def sentence(description: str | list[str]) -> str:
    """A description of ansible-doc as Markdown."""
    text = description if isinstance(description, str) else " ".join(description)
    return re.sub(r"\b[CVO]\(([^)]*)\)", r"`\1`", " ".join(text.split())).replace("|", "\\|")


def default(option: dict[str, Any]) -> str:
    if "default" not in option:
        return "required" if option.get("required") else "-"
    value = option["default"]
    text = value.strip() if isinstance(value, str) else yaml.safe_dump(value, default_flow_style=True).split("\n...")[0]
    shown = " ".join(text.split()).replace("|", "\\|")
    return f"`{shown}`" if shown else '`""`'


def table(role: Path) -> str:
    rows = [
        f"| `{name}` | {default(option)} | {sentence(option['description'])} |"
        for name, option in options(role).items()
    ]
    return "\n".join(["| Variable | Default | Meaning |", "|---|---|---|", *rows]) if rows else "None."


def port_number(port: ports.Port) -> str:
    if port.number is None:
        return ", ".join(port.protocols)
    last = f"-{port.last}" if port.last else ""
    variable = f" (`{port.variable}`)" if port.variable else ""
    return f"{port.number}{last}/{', '.join(port.protocols)}{variable}"


def port_table(role: Path) -> str:
    heading = ["| Port | Service | Listens on | From | For |", "|---|---|---|---|---|"]
    rows = [
        f"| {port_number(port)} | {port.service} | {LISTENS[port.listens]} "
        f"| {', '.join(SOURCES.get(source, f'`{source}`') for source in port.sources)} | {port.purpose} |"
        for port in ports.PORTS
        if port.role == role.name
    ]
    return "\n".join([*heading, *rows]) if rows else "None."


def replaced(readme: str, heading: str, body: str) -> str:
    """The README with this section as given; one without it gets it at its end."""
    if not re.search(rf"^{heading}$", readme, re.MULTILINE):
        return f"{readme.rstrip()}\n\n{heading}\n\n{body}\n"
    head, rest = re.split(rf"^{heading}\n", readme, maxsplit=1, flags=re.MULTILINE)
    following = re.search(r"^## ", rest, re.MULTILINE)
    tail = f"\n{rest[following.start() :]}" if following else ""
    return f"{head}{heading}\n\n{body}\n{tail}"


def rendered(readme: str, role: Path) -> str:
    """The README with its sections Variables and Ports as spec and table of ports have them."""
    return replaced(replaced(readme, "## Variables", table(role)), "## Ports", port_table(role))


def code_table() -> str:
    """Every code of a zone's judgement; what a sentence fills in stands in capitals."""
    rows = []
    for code, kind in problems.KINDS.items():
        steps = " Or: ".join(re.sub(r"\{(\w+)\}", lambda match: match.group(1).upper(), step) for step in kind.steps)
        rows.append(f"| `{code}` | {kind.severity.value} | {kind.meaning} | {steps} |")
    return "\n".join(["| Code | Weight | What it means | Next step |", "|---|---|---|---|", *rows])


def health(text: str) -> str:
    """docs/health.md with its table of codes as the judge has them."""
    return replaced(text, "## Codes of a zone", code_table())


def roles() -> list[Path]:
    return sorted(path.parent.parent for path in ROOT.glob("roles/*/meta/argument_specs.yml"))


def main() -> int:
    for role in roles():
        readme = role / "README.md"
        if readme.exists():
            readme.write_text(rendered(readme.read_text(encoding="utf-8"), role), encoding="utf-8")
    HEALTH.write_text(health(HEALTH.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
