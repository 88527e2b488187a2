"""Fixtures for all tests. What belongs here: what tests of several storeys need."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The machine that runs the tests may be busy with others: a slow example is no failure.
settings.register_profile("mech_exo", deadline=None)
settings.load_profile("mech_exo")

_REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def sp500_folder() -> Path:
    """The real development prices beside the checkout, or below MECH_EXO_SHARED; a test that needs them is skipped without."""
    shared = Path(os.environ.get("MECH_EXO_SHARED", _REPOSITORY.parent / "shared"))
    folder = shared / "data" / "sp500"
    if not (folder / "prices.parquet").is_file():
        pytest.skip(f"the development prices are not at {folder}; set MECH_EXO_SHARED to the folder that holds data/sp500")
    return folder
