# SPDX-License-Identifier: Apache-2.0
"""Runs a module in this process, as Ansible would."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

Run = Callable[..., "dict[str, Any]"]


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Run:
    """run("zone_info", port=1, check=True) gives what the module returned; `failed` is always in it."""

    def runner(name: str, /, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
        module = importlib.import_module(f"ansible_collections.nebula.ha.plugins.modules.{name}")
        capsys.readouterr()
        # Where they end otherwise depends on what else this process imported of Ansible.
        warnings: list[str] = []
        monkeypatch.setattr(AnsibleModule, "warn", lambda _self, text, **_more: warnings.append(text))
        given = {
            **arguments,
            "_ansible_check_mode": check,
            "_ansible_diff": True,
            "_ansible_remote_tmp": str(tmp_path_factory.mktemp("remote")),
        }
        with patch_module_args(given), pytest.raises(SystemExit):
            module.main()
        result = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
        return {"failed": False, **result, "warnings": warnings}

    return runner
