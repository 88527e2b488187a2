"""A user's feature, from its file to the factor: used from the day on which it was known, and not a session earlier."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.quant.factors import registry
from mech_exo_assets.quant.factors.known import FEATURE_CARRY_SESSIONS
from mech_exo_assets.quant.factors.tables import exposure_table
from mech_exo_assets.quant.prices import total_return_index
from mech_exo_assets.quant.simulator import Defects, plant, simulate_planted, truth_as_json
from mech_exo_assets.sources.market_folder import write_market
from mech_exo_assets.sources.uri import open_source

NAMES, SESSIONS, DELAY = 12, 120, 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A market whose planted feature becomes known four sessions late."""
    planted = plant(factors=1, dying=0, ic=0.1, sessions=SESSIONS, seed=1)
    market = simulate_planted(planted, names=NAMES, sessions=SESSIONS, seed=1, defects=Defects(feature_delay=DELAY))
    write_market(market, truth_as_json(market), tmp_path / "market", form="csv")
    return tmp_path / "market"


def _factors(folder: Path) -> pl.DataFrame:
    """The factors of the features of a folder."""
    data = open_source(f"files:{folder}").load()
    prices = total_return_index(data.prices)
    of_features = exposure_table(
        prices, data.fundamentals, data.features, years=(2005, 2005), exclude=list(registry()), longest_history=10_000
    )
    return of_features.table.sort("date", "symbol")


def _write_mood(folder: Path, rows: list[tuple[dt.date, str, float, dt.date]]) -> None:
    pl.DataFrame(rows, schema=["date", "symbol", "value", "known_at"], orient="row").write_csv(folder / "features" / "mood.csv")


def test_the_factor_of_a_late_feature_is_the_feature_as_many_sessions_later(folder: Path) -> None:
    feature = pl.read_csv(folder / "features" / "planted_01.csv").sort("date", "symbol")["value"].to_numpy()
    factor = _factors(folder)["planted_01"].to_numpy().reshape(SESSIONS, NAMES)
    assert np.isnan(factor[:DELAY]).all()
    np.testing.assert_array_equal(factor[DELAY:], feature.reshape(SESSIONS - DELAY, NAMES))


def test_a_value_is_not_in_the_factor_before_it_was_known(folder: Path) -> None:
    table = _factors(folder)
    dates, symbols = table["date"].unique().sort().to_list(), table["symbol"].unique().sort().to_list()
    _write_mood(folder, [(dates[3], symbols[0], 7.0, dates[30]), (dates[3], symbols[1], 8.0, dates[3])])
    mood = _factors(folder)["mood"].to_numpy().reshape(SESSIONS, NAMES)
    assert np.isnan(mood[:30, 0]).all()
    np.testing.assert_array_equal(mood[30 : 31 + FEATURE_CARRY_SESSIONS, 0], 7.0)
    assert np.isnan(mood[:3, 1]).all()
    np.testing.assert_array_equal(mood[3:30, 1], 8.0)
    assert np.isnan(mood[:, 2:]).all()


def test_a_value_that_becomes_known_later_changes_no_session_before(folder: Path) -> None:
    table = _factors(folder)
    dates, symbols = table["date"].unique().sort().to_list(), table["symbol"].unique().sort().to_list()
    rows = [(dates[t], symbol, float(t), dates[t + 2]) for t in range(0, 100, 10) for symbol in symbols]
    _write_mood(folder, rows)
    before = _factors(folder)
    _write_mood(folder, [(date, symbol, -99.0 if known >= dates[62] else value, known) for date, symbol, value, known in rows])
    after = _factors(folder)
    earlier = pl.col("date") < dates[62]
    assert before.filter(earlier).equals(after.filter(earlier), null_equal=True)
    assert before.filter(earlier)["mood"].null_count() < before.filter(earlier).height
    assert after.filter(date=dates[62])["mood"].to_list() == [-99.0] * NAMES
