"""python -m lab.molecule.secrets: the secrets of the scenarios' inventory, made once."""

from __future__ import annotations

from lab.hosts.state import CHECKOUT
from lab.up import secrets

print(secrets(CHECKOUT / "molecule" / "inventory"))
