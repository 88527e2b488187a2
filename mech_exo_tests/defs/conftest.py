"""Fixtures for tests of the asset graph."""

from __future__ import annotations

from pathlib import Path

import pytest

from mech_exo_tests.defs.learned import Home, copy_of


@pytest.fixture
def learned(learned_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home of its own in which models were trained."""
    monkeypatch.delenv("MECH_EXO_DB_URL", raising=False)
    return copy_of(learned_home, tmp_path / "home")
