"""Writes the table of variables into every role's README from its argument spec: one text, two places."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
HEADING = "## Variables"


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
    return "\n".join(["| Variable | Default | Meaning |", "|---|---|---|", *rows])


def rendered(readme: str, role: Path) -> str:
    """The README with its section Variables as the spec has it; a README without one gets it at its end."""
    body = table(role) if options(role) else "None."
    if not re.search(rf"^{HEADING}$", readme, re.MULTILINE):
        return f"{readme.rstrip()}\n\n{HEADING}\n\n{body}\n"
    head, rest = re.split(rf"^{HEADING}\n", readme, maxsplit=1, flags=re.MULTILINE)
    following = re.search(r"^## ", rest, re.MULTILINE)
    tail = f"\n{rest[following.start() :]}" if following else ""
    return f"{head}{HEADING}\n\n{body}\n{tail}"


def roles() -> list[Path]:
    return sorted(path.parent.parent for path in ROOT.glob("roles/*/meta/argument_specs.yml"))


def main() -> int:
    for role in roles():
        readme = role / "README.md"
        if readme.exists():
            readme.write_text(rendered(readme.read_text(encoding="utf-8"), role), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
