"""ansible-test sanity on the built collection, at the path it insists on.

Every test runs that needs no service beyond the package index: the list is ansible-test's own, less OMITTED.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import yaml

from tools.build import ROOT, build, dependencies

# ansible-test would download its pip from a place that not every machine reaches.
ENSUREPIP = "import ensurepip\nensurepip.bootstrap(upgrade=True)\n"
OMITTED = {
    "pslint": "there is no PowerShell in the collection, and it wants PowerShell",
}


def pip_script() -> str:
    """The name under which this ansible-test looks for its pip bootstrap script."""
    found = importlib.util.find_spec("ansible_test")
    if found is None or found.origin is None:
        sys.exit("ansible-test is not installed: run make tools.")
    source = Path(found.origin).parent / "_internal" / "python_requirements.py"
    version = re.search(r"\bpip='([\d.]+)'", source.read_text(encoding="utf-8"))
    if version is None:
        sys.exit(f"{source} no longer says which pip it wants: adapt pip_script in tools/sanity.py.")
    return f"get_pip_{version[1].replace('.', '_')}.py"


def main(arguments: list[str]) -> int:
    home = ROOT / ".cache" / "ansible-test"
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    (cache / pip_script()).write_text(ENSUREPIP, encoding="utf-8")
    python = yaml.safe_load((ROOT / "versions.yml").read_text(encoding="utf-8"))["python_controller"]
    with tempfile.TemporaryDirectory(prefix="nebula-sanity-") as folder:
        scratch = Path(folder)
        collection = dependencies(scratch) / "ansible_collections" / "nebula" / "ha"
        collection.mkdir(parents=True)
        with tarfile.open(build(scratch)) as archive:
            archive.extractall(collection, filter="data")
        ignores = ROOT / "tests" / "sanity"
        if ignores.exists():
            shutil.copytree(ignores, collection / "tests" / "sanity")
        environment = {**os.environ, "HOME": str(home), "LC_ALL": "C.UTF-8"}
        environment.pop("ANSIBLE_CONFIG", None)
        command = ["ansible-test", "sanity", "--python", python, "--color", "no", "--truncate", "0"]
        for test in OMITTED:
            command += ["--skip-test", test]
        return subprocess.run([*command, *arguments], cwd=collection, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
