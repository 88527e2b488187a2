"""What the market's past says of each name's risk: volatility, average true range, beta.

What belongs here: measures over a window of sessions, and the way from the market's sessions and symbols to those of the scores. What
does not: what is done with a measure.

A measure is unknown (NaN) where fewer than half of its window's sessions are known.
"""

from __future__ import annotations

import numpy as np

from mech_exo_assets.quant.panel import Dates, Index, Matrix, Panel
from mech_exo_assets.quant.returns import market_return, simple_returns
from mech_exo_assets.quant.rolling.lags import lagged
from mech_exo_assets.quant.rolling.moments import standard_deviation
from mech_exo_assets.quant.rolling.regression import slope
from mech_exo_assets.quant.rolling.sums import mean

HISTORY_YEARS = 2
"""Calendar years before a year that its targets look back to, and no further."""


def known_in(market: Panel, year: int) -> Panel:
    """The market from 1 January of two years before to the end of `year`: what the targets of that year are made from."""
    first, stop = np.searchsorted(
        market.sessions, np.array([f"{year - HISTORY_YEARS:04}-01-01", f"{year + 1:04}-01-01"], dtype="datetime64[D]")
    )
    return Panel(market.sessions[first:stop], market.symbols, {name: matrix[first:stop] for name, matrix in market.fields.items()})


def returns(market: Panel) -> Matrix:
    """Simple return of each session, on the market's axes; a gap is not bridged."""
    return simple_returns(market.observed("total_return_index"))


def volatility(market: Panel, *, window: int) -> Matrix:
    """Standard deviation (n − 1) of a session's return over the last `window` sessions.

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        As a fraction, for one session; exactly 0 for a price that does not move.
    """
    return standard_deviation(returns(market), window=window, min_count=least_known(window), year_starts=market.year_starts())


def average_range(market: Panel, *, window: int) -> Matrix:
    """Average true range over the last `window` sessions, as a fraction of the close.

    ATR / close of prices in units of the total-return index I: high' = high · I / close, low' = low · I / close, and the close itself is
    I. TR_t = max(high'_t, I_{t−1}) − min(low'_t, I_{t−1}), and the measure is mean(TR) / I_t. In those units neither a split nor a
    dividend is a jump.

    On a session on which no name at all has both high and low, the source has no ranges: then TR_t = |I_t − I_{t−1}|.

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        At least 0. The true range of a session is unknown where any of its four prices is.

    Notes
    -----
    Source: Wilder (1978), with a plain mean in place of his smoothing.
    """
    index = market.observed("total_return_index")
    scale = index / market.observed("close")
    high, low = market.observed("high") * scale, market.observed("low") * scale
    without = np.isnan(high + low).all(axis=1, keepdims=True)
    previous = lagged(index, 1)
    true_range = np.maximum(np.where(without, index, high), previous) - np.minimum(np.where(without, index, low), previous)
    return mean(true_range, window=window, min_count=least_known(window), year_starts=market.year_starts()) / index


def beta(market: Panel, *, window: int) -> Matrix:
    """Slope of each name's return on the equal-weighted mean return of all names, over the last `window` sessions."""
    moves = returns(market)
    return slope(moves, market_return(moves), window=window, min_count=least_known(window), year_starts=market.year_starts())


def least_known(window: int) -> int:
    """Half of a window's sessions, rounded up."""
    return (window + 1) // 2


def aligned(measure: Matrix, market: Panel, scores: Panel) -> Matrix:
    """A measure on the market's axes, brought onto those of the scores; NaN for a session or symbol that the market lacks."""
    if _same(market.sessions, scores.sessions) and _same(market.symbols, scores.symbols):
        return measure
    _, rows, wanted_rows = np.intersect1d(market.sessions, scores.sessions, assume_unique=True, return_indices=True)
    out = np.full(scores.shape, np.nan)
    if _same(market.symbols, scores.symbols):
        out[wanted_rows] = measure[rows]
        return out
    _, columns, wanted_columns = np.intersect1d(market.symbols, scores.symbols, assume_unique=True, return_indices=True)
    out[np.ix_(wanted_rows, wanted_columns)] = measure[np.ix_(rows, columns)]
    return out


def last_known(market: Dates, sessions: Dates) -> Index:
    """Position of the market's last session that is not after each session; −1 where there is none."""
    return np.searchsorted(market, sessions, side="right").astype(np.int64) - 1


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return len(one) == len(other) and bool((one == other).all())
