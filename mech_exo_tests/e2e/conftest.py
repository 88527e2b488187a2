"""Fixtures for tests of the whole product. What belongs here: homes that several of them go on from."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from mech_exo_tests.e2e.living_market import write_choices
from mech_exo_tests.homes import filled_once
from mech_exo_tests.learned import done

TRIALS = 10_000
"""Of a search in `recent_home`: as many as may be asked for, which take longer than a test."""


@pytest.fixture(scope="session")
def recent_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home on twelve names whose last session lies in the last calendar year, at which automation looks; tests take a copy.

    It has the planted factors alone.
    """
    source = f"simulator:names=12,sessions=420,first={dt.datetime.now(dt.UTC).year - 3}-06-03"

    def fill(home: Path) -> None:
        search = {"trials": TRIALS, "batch": 20, "holdout_months": 4}
        path = write_choices(home / "mine.yaml", walk_forward={"train_months": 6, "test_months": 3}, search=search)
        done("run", "--home", str(home), "--source", source, "--config", str(path))

    return filled_once(tmp_path_factory, "recent", fill)
