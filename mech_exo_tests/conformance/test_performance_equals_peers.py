"""Our figures of performance against quantstats itself and against frozen outputs of empyrical."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.quant.performance import drawdown_series, drawdowns, monthly_returns, performance, rolling_sharpe
from mech_exo_tests.conformance import empyrical_frozen
from mech_exo_tests.conformance.sample_prices import sample_prices

TOLERANCE = 1e-9


def sample():
    sessions, prices = sample_prices()
    return sessions.astype("datetime64[D]")[1:], *empyrical_frozen.series(prices)


def assert_near(ours, theirs):
    assert ours.keys() >= theirs.keys()
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, rel=TOLERANCE, abs=1e-12), name


def by_name(figures):
    return {name: getattr(figures, name) for name in figures.__slots__}


@pytest.mark.parametrize("name", ["name 0", "name 7", "name 13", "long-short"])
def test_figures_equal_the_frozen_outputs_of_empyrical(name):
    sessions, judged, benchmark = sample()
    theirs = json.loads(empyrical_frozen.FROZEN.read_text())["figures"][name]
    ours = performance(judged[name], sessions, benchmark=benchmark)
    compounded = theirs.pop("alpha_compounded")
    assert len(theirs) == 10
    assert_near(by_name(ours), theirs)
    # Ours adds the year up, theirs compounds it.
    assert ours.alpha is not None
    assert (1 + ours.alpha / 252) ** 252 - 1 == pytest.approx(compounded, rel=TOLERANCE)


def quantstats_figures(returns, benchmark, index):
    """All that quantstats defines as we do. It takes prices for returns and the reverse by their range, and caches by a hash of them."""
    from quantstats import stats

    series = pd.Series(returns, index=index)
    greeks = stats.greeks(series, pd.Series(benchmark, index=index), periods=252)
    return {
        "total_return": stats.comp(series),
        "cagr": stats.cagr(series, periods=252),
        "volatility": stats.volatility(series, periods=252),
        "sharpe": stats.sharpe(series, periods=252),
        "sortino": stats.sortino(series, periods=252),
        "calmar": stats.calmar(series, periods=252),
        "max_drawdown": stats.max_drawdown(series),
        "hit_rate": stats.win_rate(series),
        "skew": stats.skew(series),
        "kurtosis": stats.kurtosis(series),
        "cvar_95": stats.conditional_value_at_risk(series, method="historical"),
        "best": stats.best(series),
        "worst": stats.worst(series),
        "probabilistic_sharpe": stats.probabilistic_sharpe_ratio(series),
        "alpha": greeks["alpha"],
        "beta": greeks["beta"],
    }


@pytest.mark.parametrize("name", ["name 0", "name 7", "name 13", "long-short"])
def test_figures_equal_quantstats_on_the_sample(name):
    sessions, judged, benchmark = sample()
    ours = performance(judged[name], sessions, benchmark=benchmark)
    assert_near(by_name(ours), quantstats_figures(judged[name], benchmark, pd.DatetimeIndex(sessions)))


def test_figures_equal_quantstats_on_real_prices(sp500_folder):
    prices = pl.read_parquet(sp500_folder / "prices.parquet", columns=["date", "symbol", "adjusted_close"])
    panel = Panel.from_frame(prices, ["adjusted_close"])
    close = panel["adjusted_close"]
    moves = close[1:] / close[:-1] - 1
    benchmark = np.nanmean(moves, axis=1)
    whole = np.flatnonzero(~np.isnan(moves).any(axis=0))[::12]
    assert len(whole) >= 10
    index = pd.DatetimeIndex(panel.sessions[1:])
    for i in whole:
        ours = performance(moves[:, i], panel.sessions[1:], benchmark=benchmark)
        assert_near(by_name(ours), quantstats_figures(moves[:, i], benchmark, index))


small_returns = arrays(np.float64, st.integers(21, 120), elements=st.floats(-0.2, 0.2, allow_subnormal=False).map(lambda x: round(x, 4)))


@given(small_returns, st.integers(0, 2**32 - 1))
def test_figures_equal_quantstats_on_any_returns(returns, seed):
    # quantstats annualises what varies by rounding only, and has no drawdown to divide by; ours says that such figures are not defined.
    assume(returns.std() > 1e-6)
    assume((returns < 0).any())
    benchmark = np.random.default_rng(seed).normal(0, 0.01, len(returns))
    sessions = np.datetime64("2020-01-01") + np.arange(len(returns))
    with warnings.catch_warnings():
        # The probability of a ratio whose variance is negative by its moments; None with us.
        warnings.filterwarnings("ignore", message="invalid value encountered in sqrt", category=RuntimeWarning)
        theirs = quantstats_figures(returns, benchmark, pd.DatetimeIndex(sessions))
    ours = by_name(performance(returns, sessions, benchmark=benchmark))
    if np.isnan(theirs["probabilistic_sharpe"]):
        assert ours["probabilistic_sharpe"] is None
        del theirs["probabilistic_sharpe"]
    assert_near(ours, theirs)


def test_series_and_tables_equal_quantstats():
    from quantstats import stats

    sessions, judged, _ = sample()
    returns = judged["name 7"]
    series = pd.Series(returns, index=pd.DatetimeIndex(sessions))
    depth = stats.to_drawdown_series(series)
    np.testing.assert_allclose(drawdown_series(returns), depth.to_numpy(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(rolling_sharpe(returns, window=126), stats.rolling_sharpe(series, rolling_period=126), rtol=1e-8, atol=1e-9)

    with warnings.catch_warnings():
        # quantstats 0.0.86 sums groups with a deprecated form of pandas' apply; not ours to mend.
        warnings.simplefilter("ignore", category=DeprecationWarning)
        theirs = stats.monthly_returns(series, eoy=False)
    months = list(theirs.columns)
    for row in monthly_returns(returns, sessions).iter_rows(named=True):
        assert row["value"] == pytest.approx(theirs.loc[str(row["year"]), months[row["month"] - 1]], abs=1e-12)

    details = stats.drawdown_details(depth).sort_values("max drawdown").head(5)
    ours = drawdowns(returns, sessions)
    np.testing.assert_allclose(ours["depth"], details["max drawdown"] / 100, atol=1e-12)
    assert [str(day) for day in ours["trough"]] == list(details["valley"])


def test_where_quantstats_means_something_else_the_difference_is_the_documented_one():
    from quantstats import stats

    sessions, judged, _ = sample()
    returns = judged["name 7"]
    series = pd.Series(returns, index=pd.DatetimeIndex(sessions))
    ours = performance(returns, sessions)
    # Its VaR is the normal distribution's quantile, its CVaR by default the normal's tail.
    assert stats.value_at_risk(series) == pytest.approx(returns.mean() - 1.6448536269514722 * returns.std(ddof=1), rel=1e-9)
    assert stats.conditional_value_at_risk(series) != pytest.approx(ours.cvar_95, rel=0.05)
    # A gain of more than 100 % and no loss is taken for prices.
    gains = pd.Series([0.1, 1.2, 0.3], index=series.index[:3])
    assert stats.best(gains) != pytest.approx(1.2)
    assert performance(gains.to_numpy(), sessions[:3]).best == 1.2
    # What is not defined is NaN or infinite with it, and None with us.
    rising = pd.Series([0.01, 0.02, 0.03], index=series.index[:3])
    assert np.isnan(stats.sortino(rising))
    assert performance(rising.to_numpy(), sessions[:3]).sortino is None
