"""The check over published targets finds what breaks a promise, and nothing else."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from mech_exo_assets.quant.portfolio import sessions_off
from mech_exo_assets.schemas import TARGETS
from mech_exo_assets.settings import load_strategy
from mech_exo_assets.settings.portfolio import Construction

SECTORS = {"A": "one", "B": "one", "C": None}


def construction(**changes: object) -> Construction:
    chosen = load_strategy().construction
    limits = chosen.limits.model_copy(update=changes.pop("limits", {}))
    return chosen.model_copy(update={**changes, "limits": limits})


def targets(**weights: float) -> pl.DataFrame:
    rows = [(dt.date(2020, 1, 2), name, weight) for name, weight in weights.items()]
    return pl.DataFrame(rows, schema=TARGETS.dtypes(), orient="row")


@pytest.mark.parametrize(
    ("changes", "weights", "off"),
    [
        ({}, {"A": 0.5, "C": -0.5}, 0),
        ({}, {"A": 0.5, "C": -0.4}, 1),  # short of the gross, for no reason
        ({}, {"A": 0.6, "C": -0.5}, 1),  # above the gross
        ({"sizing": "kelly"}, {"A": 0.5, "C": -0.4}, 0),
        ({"sizing": "kelly"}, {"A": 0.7, "C": -0.4}, 1),
        ({"volatility_target": 0.1}, {"A": 0.9, "C": -0.9}, 0),
        ({"volatility_target": 0.1, "limits": {"gross": 1.5}}, {"A": 0.9, "C": -0.9}, 1),
        ({"limits": {"name": 0.4}}, {"A": 0.4, "C": -0.4}, 0),
        ({"limits": {"name": 0.4}}, {"A": 0.41, "C": -0.4}, 1),
        ({"limits": {"sector": 0.5}}, {"A": 0.3, "B": -0.3, "C": 0.3}, 1),
        ({"limits": {"sector": 0.5}}, {"A": 0.2, "B": -0.3, "C": 0.5}, 0),
        ({"limits": {"net": 0.1}}, {"A": 0.5, "C": -0.3}, 1),
    ],
)
def test_a_session_is_off_just_when_it_breaks_a_promise(changes: dict[str, object], weights: dict[str, float], off: int):
    assert sessions_off(targets(**weights), construction(**changes), sectors=SECTORS) == off


def test_no_targets_break_nothing():
    assert sessions_off(TARGETS.empty(), construction(), sectors=SECTORS) == 0
