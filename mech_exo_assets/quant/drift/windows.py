"""Live against backtest over rolling windows.

What belongs here: the figures of each session and window. What does not: their status (`status`), and what is acted on (`budget`).

The kernels are compiled by numba, where coverage cannot look; they are marked `no cover` and tested through the public functions.
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl
from numba import njit

from mech_exo_assets.quant.drift.status import status
from mech_exo_assets.quant.hac import bartlett_lags
from mech_exo_assets.quant.panel import Dates, Vector
from mech_exo_assets.quant.returns import SESSIONS_PER_YEAR
from mech_exo_assets.schemas import DRIFT
from mech_exo_assets.settings.live import Drift

SAME = 1e-15
"""Returns that differ by less than this are equal but for rounding."""


def drift_table(dates: Dates, live: Vector, backtest: Vector, choices: Drift, *, limit: float) -> pl.DataFrame:
    """Each session's windows, in `schemas.DRIFT`.

    live and backtest are compounded over the window and brought to a year:  g = exp(252/n · Σ log(1 + r)) − 1;
    drift_pct = 100 (g_live − g_backtest) / |g_backtest|;  with d the daily difference, tracking_error = std(d) √252,
    information_ratio = 252 mean(d) / tracking_error, t_hac as `hac.t_of_mean`.

    Parameters
    ----------
    dates : ndarray of shape (n,), datetime64[D]
        Sessions of one strategy.
    live, backtest : ndarray of shape (n,)
        Returns of each session, net of costs.
    choices : Drift
    limit : float
        t_hac below −limit is beyond chance; see `budget.breach_limit`.

    Returns
    -------
    DataFrame
        Null figures and NO DATA where fewer sessions are known than the window has, or the backtest's growth is 0. Where live and backtest
        are the same but for rounding, tracking error, ratio and t are 0, and the drift too: that is OK, but for a warn_ratio above 0.
    """
    difference = np.where(np.abs(live - backtest) <= SAME, 0.0, live - backtest)
    days = pl.Series("date", dates.astype("datetime64[D]")).cast(pl.Date)
    parts = []
    for window in choices.windows:
        figures = _window(difference, live, backtest, window)
        rows = {name: pl.Series(values, nan_to_null=True) for name, values in figures.items()}
        frame = pl.DataFrame({"date": days, "window": pl.Series([window] * len(days), dtype=pl.Int32), **rows})
        equal = pl.Series(_all_equal(difference, window))
        pairs = zip(frame["drift_pct"], frame["information_ratio"], equal, strict=True)
        told = [status(drift, math.inf if same and ratio is not None else ratio, choices) for drift, ratio, same in pairs]
        beyond = (frame["t_hac"] < -limit).fill_null(value=False)
        parts.append(frame.with_columns(pl.Series("status", told, dtype=pl.String), beyond.alias("beyond_chance")))
    return pl.concat(parts).sort("date", "window").select(DRIFT.names) if parts else DRIFT.empty()


def rolling_t(difference: Vector, window: int) -> Vector:
    """T of the mean over each window, with Bartlett variance; NaN before the first full window, 0 where nothing varies."""
    out = np.full(len(difference), np.nan)
    if len(difference) >= window:
        _rolling_t(np.ascontiguousarray(difference, dtype=np.float64), window, min(bartlett_lags(window), window - 1), out)
    return out


def _window(difference: Vector, live: Vector, backtest: Vector, window: int) -> dict[str, Vector]:
    n = len(difference)
    empty = np.full(n, np.nan)
    if n < window:
        return dict.fromkeys(("live_return", "backtest_return", "drift_pct", "tracking_error", "information_ratio", "t_hac"), empty)
    grown = [_grown(values, window) for values in (live, backtest)]
    apart = np.divide(100 * (grown[0] - grown[1]), np.abs(grown[1]), out=empty.copy(), where=np.abs(grown[1]) > 0)
    means = np.full(n, np.nan)
    spread = np.full(n, np.nan)
    views = np.lib.stride_tricks.sliding_window_view(difference, window)
    means[window - 1 :] = views.mean(axis=1)
    spread[window - 1 :] = views.std(axis=1, ddof=1) if window > 1 else 0.0
    error = spread * math.sqrt(SESSIONS_PER_YEAR)
    ratio = np.divide(means * SESSIONS_PER_YEAR, error, out=np.where(np.isnan(error), np.nan, 0.0), where=error > 0)
    return {
        "live_return": grown[0],
        "backtest_return": grown[1],
        "drift_pct": apart,
        "tracking_error": error,
        "information_ratio": ratio,
        "t_hac": rolling_t(difference, window),
    }


def _grown(returns: Vector, window: int) -> Vector:
    total = np.concatenate([[0.0], np.cumsum(np.log1p(returns))])
    out = np.full(len(returns), np.nan)
    out[window - 1 :] = np.expm1((total[window:] - total[:-window]) * SESSIONS_PER_YEAR / window)
    return out


def _all_equal(difference: Vector, window: int) -> np.ndarray:
    out = np.zeros(len(difference), dtype=bool)
    if len(difference) >= window:
        out[window - 1 :] = (np.lib.stride_tricks.sliding_window_view(difference, window) == 0).all(axis=1)
    return out


@njit(cache=True, error_model="numpy")
def _rolling_t(difference, window, lags, out):  # pragma: no cover
    centred = np.empty(window)
    for end in range(window, len(difference) + 1):
        mean = 0.0
        for i in range(window):
            mean += difference[end - window + i]
        mean /= window
        for i in range(window):
            centred[i] = difference[end - window + i] - mean
        variance = 0.0
        for i in range(window):
            variance += centred[i] * centred[i]
        for lag in range(1, lags + 1):
            product = 0.0
            for i in range(lag, window):
                product += centred[i] * centred[i - lag]
            variance += 2.0 * (1.0 - lag / (lags + 1.0)) * product
        error = math.sqrt(max(variance, 0.0)) / window
        out[end - 1] = mean / error if error > 0.0 else 0.0
