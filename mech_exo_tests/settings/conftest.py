"""What all tests of settings start from."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for name in ("HOME", "SOURCE", "CONFIG", "EXECUTOR", "SLACK_WEBHOOK", "DB_URL"):
        monkeypatch.delenv(f"MECH_EXO_{name}", raising=False)
