"""Returns by calendar month, and figures over a moving window.

What belongs here: series and tables that a reader of a report looks along. What does not: one figure for all sessions (`figures`).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from mech_exo_assets.quant.panel import Dates, Vector
from mech_exo_assets.quant.performance.inference import NO_VARIATION
from mech_exo_assets.quant.returns import SESSIONS_PER_YEAR


def monthly_returns(returns: Vector, sessions: Dates) -> pl.DataFrame:
    """Compounded return of each calendar month.

    Parameters
    ----------
    returns : ndarray of shape (n_sessions,)
        Simple returns as fractions, without NaN.
    sessions : ndarray of shape (n_sessions,), datetime64[D]
        Increasing.

    Returns
    -------
    DataFrame
        `year`, `month` (1 to 12), `value` (fraction), in order; a month without a session has no row, and the first and the last one hold
        what there is of them.
    """
    months = sessions.astype("datetime64[M]")
    starts = np.flatnonzero(np.concatenate(([True], months[1:] != months[:-1]))[: len(months)])
    value = np.multiply.reduceat(1 + returns, starts) - 1 if len(starts) else np.zeros(0)
    number = months[starts].astype(np.int64)
    return pl.DataFrame(
        {"year": 1970 + number // 12, "month": number % 12 + 1, "value": value},
        schema={"year": pl.Int32, "month": pl.Int32, "value": pl.Float64},
    )


def rolling_sharpe(returns: Vector, *, window: int) -> Vector:
    """Annual Sharpe ratio of the last `window` sessions.

    Parameters
    ----------
    returns : ndarray of shape (n_sessions,)
        Simple returns as fractions; NaN where one is not known.
    window : int
        Sessions, at least 2.

    Returns
    -------
    ndarray of shape (n_sessions,)
        NaN until there are `window` sessions, where a return of the window is not known, and where its returns do not vary.
    """
    if window < 2:
        raise ValueError(f"window is {window}; a Sharpe ratio needs at least 2 sessions")
    ratio = np.full(len(returns), np.nan)
    if len(returns) < window:
        return ratio
    windows = np.lib.stride_tricks.sliding_window_view(returns, window)
    deviation = windows.std(axis=1, ddof=1)
    annual = windows.mean(axis=1) * SESSIONS_PER_YEAR**0.5
    np.divide(annual, deviation, out=ratio[window - 1 :], where=deviation > NO_VARIATION)
    return ratio
