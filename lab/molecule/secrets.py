"""python -m lab.molecule.secrets [INVENTORY]: the secrets of the scenarios' inventory, made once."""

from __future__ import annotations

import sys

from lab.hosts.state import CHECKOUT
from lab.up import secrets

print(secrets(CHECKOUT / (sys.argv[1:] or ["molecule/inventory"])[0]))
