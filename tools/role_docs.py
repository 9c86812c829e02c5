"""Writes the table of variables into every role's README from its argument spec: one text, two places."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
BEGIN = "<!-- variables: written by make docs from meta/argument_specs.yml -->"
END = "<!-- end of variables -->"


def options(role: Path) -> dict[str, dict[str, Any]]:
    """The options of the role's main entry point."""
    specs = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    found: dict[str, dict[str, Any]] = specs["argument_specs"]["main"].get("options") or {}
    return found


def sentence(description: str | list[str]) -> str:
    text = description if isinstance(description, str) else " ".join(description)
    return " ".join(text.replace("C(", "`").replace(")", "`").split()) if "C(" in text else " ".join(text.split())


def default(option: dict[str, Any]) -> str:
    if "default" not in option:
        return "required" if option.get("required") else "-"
    value = option["default"]
    text = value.strip() if isinstance(value, str) else yaml.safe_dump(value, default_flow_style=True).split("\n...")[0]
    return f"`{' '.join(text.split()) or '(empty)'}`".replace("|", "\\|")


def table(role: Path) -> str:
    rows = [
        f"| `{name}` | {default(option)} | {sentence(option['description'])} |"
        for name, option in options(role).items()
    ]
    return "\n".join(["| Variable | Default | Meaning |", "|---|---|---|", *rows])


def rendered(readme: str, role: Path) -> str:
    """The README with its table as the spec has it; a README without the markers gets them at its end."""
    block = f"{BEGIN}\n{table(role)}\n{END}"
    if BEGIN not in readme:
        return f"{readme.rstrip()}\n\n## Variables\n\n{block}\n"
    head, rest = readme.split(BEGIN, 1)
    return head + block + rest.split(END, 1)[1]


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
