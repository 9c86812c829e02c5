"""python -m lab.standin.packages OUTDIR: build the stand-in's packages into OUTDIR and print their paths."""

from __future__ import annotations

import sys
from pathlib import Path

from . import BuildError, build_all


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m lab.standin.packages OUTDIR", file=sys.stderr)
        return 2
    try:
        for path in build_all(Path(arguments[0])):
            print(path)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
