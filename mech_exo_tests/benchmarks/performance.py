"""Some twenty figures of a series of daily returns, against quantstats called figure by figure."""

from __future__ import annotations

import importlib.metadata

import numpy as np
import pandas as pd

from mech_exo_assets.quant.performance import performance
from mech_exo_tests.benchmarks.measurement import Measurement, median_seconds

SMALL = 2_000
"""Sessions below which nothing is measured: the work does not depend on names, and the size wanted is ten years."""
CALLS = 20
"""Calls of ours in a round: one is too short for a clock on a busy machine."""


def series(n_sessions: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sessions, fat-tailed returns, and a benchmark that explains some of them."""
    rng = np.random.default_rng(0)
    benchmark = 0.0003 + 0.01 * rng.standard_t(5, n_sessions)
    returns = 0.0002 + 0.5 * benchmark + 0.006 * rng.standard_t(5, n_sessions)
    return np.busday_offset(np.datetime64("2010-01-04"), np.arange(n_sessions)), returns, benchmark


def quantstats_figures(returns: pd.Series, benchmark: pd.Series) -> dict[str, object]:
    """The same figures, each by the function of quantstats for it; the rest of ours (errors, t, other dates) it does not have."""
    from quantstats import stats

    greeks = stats.greeks(returns, benchmark, periods=252)
    return {
        "total_return": stats.comp(returns),
        "cagr": stats.cagr(returns, periods=252),
        "volatility": stats.volatility(returns, periods=252),
        "sharpe": stats.sharpe(returns, periods=252),
        "sortino": stats.sortino(returns, periods=252),
        "calmar": stats.calmar(returns, periods=252),
        "max_drawdown": stats.max_drawdown(returns),
        "drawdown_to": stats.to_drawdown_series(returns).idxmin(),
        "hit_rate": stats.win_rate(returns),
        "skew": stats.skew(returns),
        "kurtosis": stats.kurtosis(returns),
        "var_95": stats.value_at_risk(returns),
        "cvar_95": stats.conditional_value_at_risk(returns, method="historical"),
        "best": stats.best(returns),
        "worst": stats.worst(returns),
        "probabilistic_sharpe": stats.probabilistic_sharpe_ratio(returns),
        "alpha": greeks["alpha"],
        "beta": greeks["beta"],
    }


def measure(n_sessions: int, n_symbols: int, *, rounds: int) -> list[Measurement]:
    """One row, at ten years of sessions; the number of names plays no part."""
    if n_sessions < SMALL:
        return []
    sessions, returns, benchmark = series(n_sessions)
    index = pd.DatetimeIndex(sessions)
    theirs, their_benchmark = pd.Series(returns, index=index), pd.Series(benchmark, index=index)
    ours = performance(returns, sessions, benchmark=benchmark)
    equal = quantstats_figures(theirs, their_benchmark)
    for name in ("cagr", "sharpe", "sortino", "calmar", "skew", "kurtosis", "cvar_95", "probabilistic_sharpe", "alpha", "beta"):
        np.testing.assert_allclose(getattr(ours, name), equal[name], rtol=1e-9, err_msg=name)

    def ours_repeatedly() -> None:
        for _ in range(CALLS):
            performance(returns, sessions, benchmark=benchmark)

    return [
        Measurement(
            work=f"{len(equal)} figures of performance (ours: 26)",
            size=f"{n_sessions} returns",
            peer=f"quantstats {importlib.metadata.version('quantstats')}",
            ours=median_seconds(ours_repeatedly, rounds=rounds) / CALLS,
            theirs=median_seconds(lambda: quantstats_figures(theirs, their_benchmark), rounds=rounds),
            target=10.0,
        )
    ]
