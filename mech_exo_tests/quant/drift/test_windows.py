"""Live against backtest over rolling windows: the figures are what they are defined to be."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.quant.calendar import sessions
from mech_exo_assets.quant.drift.windows import drift_table, rolling_t
from mech_exo_assets.quant.hac import t_of_mean
from mech_exo_assets.settings import load_strategy

CHOICES = load_strategy().drift
AXIS = sessions(np.datetime64("2020-01-01"), np.datetime64("2020-12-31"))


def returns(seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    backtest = chance.normal(0.0006, 0.01, len(AXIS))
    return backtest + chance.normal(-0.0001, 0.001, len(AXIS)), backtest


def test_each_figure_is_its_definition():
    live, backtest = returns()
    table = drift_table(AXIS, live, backtest, CHOICES, limit=3.0)
    row = table.filter((pl.col("window") == 21) & (pl.col("date") == AXIS[100].item())).row(0, named=True)
    own, other = live[80:101], backtest[80:101]
    grown = [np.prod(1 + each) ** (252 / 21) - 1 for each in (own, other)]
    difference = own - other
    error = difference.std(ddof=1) * np.sqrt(252)
    assert row["live_return"] == pytest.approx(grown[0])
    assert row["backtest_return"] == pytest.approx(grown[1])
    assert row["drift_pct"] == pytest.approx(100 * (grown[0] - grown[1]) / abs(grown[1]))
    assert row["tracking_error"] == pytest.approx(error)
    assert row["information_ratio"] == pytest.approx(difference.mean() * 252 / error)
    assert row["t_hac"] == pytest.approx(t_of_mean(difference))


@pytest.mark.parametrize("window", [5, 21, 63])
def test_the_rolling_t_is_the_t_of_each_window(window: int):
    values = np.random.default_rng(2).standard_t(4, 200)
    rolled = rolling_t(values, window)
    assert np.isnan(rolled[: window - 1]).all()
    assert np.allclose(rolled[window - 1 :], [t_of_mean(values[end - window : end]) for end in range(window, 201)])


def test_a_window_that_is_not_full_has_no_data():
    live, backtest = returns()
    table = drift_table(AXIS[:10], live[:10], backtest[:10], CHOICES, limit=3.0)
    assert table.filter(window=21)["status"].unique().to_list() == ["NO DATA"]
    assert table.filter(window=5)["status"].to_list()[:4] == ["NO DATA"] * 4
    assert table.filter(window=63)["live_return"].null_count() == 10


def test_the_same_returns_are_ok():
    _, backtest = returns()
    table = drift_table(AXIS, backtest, backtest.copy(), CHOICES, limit=3.0)
    assert set(table.filter(pl.col("status") != "NO DATA")["status"]) == {"OK"}
    assert not table["beyond_chance"].any()


def test_nothing_looks_ahead():
    live, backtest = returns()
    changed = live.copy()
    changed[120:] += 0.01
    one, other = (
        drift_table(AXIS, each, backtest, CHOICES, limit=3.0).filter(pl.col("date") < AXIS[120].item()) for each in (live, changed)
    )
    assert one.equals(other)
