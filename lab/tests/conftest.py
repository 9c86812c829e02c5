from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "lab: makes machines, so it needs root and what lab/bootstrap installs")
