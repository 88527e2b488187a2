"""Real prices, with their gaps, splits, listings and reused tickers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.quant.calendar import sessions
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.quant.portfolio import risk
from mech_exo_assets.quant.prices import total_return_index
from mech_exo_tests.quant.portfolio.builders import NAN, table_of, weights_of

REAL = Path(__file__).parents[3].parent / "shared" / "data" / "sp500"
NEUTRAL = {"neutral": ("beta", "sector"), "limits": {"name": 0.02, "sector": 0.2}}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not REAL.exists(), reason="the real prices in ../shared/data/sp500 are not there"),
]


@pytest.fixture(scope="module")
def real() -> tuple[Panel, Panel, dict[str, str]]:
    """Scores by momentum, the market, and the sectors."""
    prices = total_return_index(pl.read_parquet(REAL / "prices.parquet").sort("date", "symbol"))
    days = sessions(np.datetime64("1999-11-01"), np.datetime64("2016-12-30"))
    market = Panel.from_frame(prices, ["total_return_index", "close", "high", "low"], sessions=days)
    index = market["total_return_index"]
    momentum = np.full(index.shape, NAN)
    momentum[252:] = index[231:-21] / index[:-252] - 1
    momentum[np.isnan(index)] = NAN
    momentum[(~np.isnan(momentum)).sum(axis=1) < 10] = NAN
    known = ~np.isnan(momentum).all(axis=1)
    low, high = np.nanquantile(momentum[known], [0.01, 0.99], axis=1)
    clipped = np.clip(momentum[known], low[:, None], high[:, None])
    momentum[known] = (clipped - np.nanmean(clipped, axis=1, keepdims=True)) / np.nanstd(clipped, axis=1, keepdims=True)
    universe = pl.read_csv(REAL / "universe.csv").drop_nulls("sector")
    return Panel(days, market.symbols, {"score": momentum}), market, dict(universe.select("symbol", "sector").iter_rows())


def of_years(panel: Panel, first: int, last: int) -> Panel:
    """Those years, with just the symbols that are observed in them."""
    years = panel.sessions.astype("datetime64[Y]").astype(int) + 1970
    rows = (years >= first) & (years <= last)
    known = np.any([~np.isnan(values[rows]).all(axis=0) for values in panel.fields.values()], axis=0)
    fields = {name: np.ascontiguousarray(values[rows][:, known]) for name, values in panel.fields.items()}
    return Panel(panel.sessions[rows], panel.symbols[known], fields)


@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"kind": "top_n", "top_n": {"leave": 3.0, "min_holding": 240}, "sizing": "atr", "volatility_target": 0.15},
        {"kind": "quantile", "sizing": "inverse_volatility", "beta_window": 500, "risk_window": 250, "volatility_target": 0.1, **NEUTRAL},
    ],
    ids=["default", "top_n", "quantile, neutral"],
)
def test_every_real_year_alone_gives_the_same_targets_to_the_last_bit(real, choices):
    scores, market, sectors = real
    whole = table_of(scores, market, sectors=sectors, **choices)
    for year in range(2001, 2017):
        alone = table_of(
            of_years(scores, year, year),
            of_years(market, year - 2, year),
            sectors=sectors,
            previous=whole.filter(pl.col("date").dt.year() == year - 1),
            **choices,
        )
        assert alone.height > 0
        assert alone.equals(whole.filter(pl.col("date").dt.year() == year)), year


def test_real_targets_are_neutral_and_capped_at_full_gross(real):
    scores, market, sectors = real
    weights = weights_of(scores, market, sectors=sectors, **NEUTRAL)
    there = ~np.isnan(weights[:, 0])
    assert there.sum() > 3900
    held, beta = weights[there], np.nan_to_num(risk.beta(market, window=252)[there])
    np.testing.assert_allclose(np.abs(held).sum(axis=1), 1.0, rtol=1e-9)
    assert np.abs(held).max() <= 0.02 + 1e-12
    assert np.abs((held * beta).sum(axis=1)).max() < 1e-8
    names = [sectors.get(symbol, "none") for symbol in scores.symbols.tolist()]
    for sector in set(names):
        of_sector = held[:, np.array(names) == sector]
        assert np.abs(of_sector.sum(axis=1)).max() < 1e-8
        assert np.abs(of_sector).sum(axis=1).max() <= 0.2 + 1e-12


def test_hold_bands_and_minimum_holding_trade_less(real):
    scores, market, _ = real

    def turnover(**top_n):
        return np.abs(np.diff(weights_of(scores, market, kind="top_n", top_n=top_n)[300:], axis=0)).sum(axis=1).mean()

    bands = turnover(leave=1.5)
    assert bands < 0.5 * turnover(leave=1.0)
    assert turnover(leave=1.5, min_holding=60) < bands
