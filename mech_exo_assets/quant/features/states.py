"""The state of the whole market at the close of each session: volatility, dispersion, trend, breadth.

What belongs here: one number for each session, from the prices of all names. What does not: what a name makes of it (`interactions`).

The market is the equal-weighted mean return of all names with a return. Every window must hold eight tenths of its sessions, and starts
afresh each year (see `quant.rolling`); sums over names run in the order of symbols, so that names without any price change no bit. So the
figures of a year do not depend on how much was loaded before its windows, or beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from mech_exo_assets.quant.factors.inputs import Window
from mech_exo_assets.quant.panel import Index, Matrix, Vector, session_sums
from mech_exo_assets.quant.returns import SESSIONS_PER_YEAR, market_return, simple_returns
from mech_exo_assets.quant.rolling import moments, sums

VOLATILITY_SESSIONS, DISPERSION_SESSIONS, TREND_SESSIONS, BREADTH_SESSIONS = 63, 21, 252, 200

STANDARDISED_SESSIONS = 480
"""The longest window that, with the longest state (trend), fits into three years of the shortest exchange year (245 sessions)."""
LEAST_STANDARDISED = 126
"""Half a year: with fewer known sessions a state's mean and deviation say little."""


def volatility(index: Matrix, year_starts: Index) -> Vector:
    """√252 · standard deviation (n − 1) of the market's last 63 returns; annual, as a fraction."""
    market = market_return(simple_returns(index))
    return np.sqrt(SESSIONS_PER_YEAR) * _vector(Window(VOLATILITY_SESSIONS, year_starts).standard_deviation(_column(market)))


def dispersion(index: Matrix, year_starts: Index) -> Vector:
    """Mean over the last 21 sessions of the standard deviation (n − 1) of a session's returns over names; per session, as a fraction."""
    returns = simple_returns(index)
    known = (~np.isnan(returns)).sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):  # no name, or one, has no dispersion: NaN
        squares = session_sums((returns - session_sums(returns) / known) ** 2)
        deviation = np.sqrt(np.where(known > 1, squares / (known - 1.0), np.nan))
    return _vector(Window(DISPERSION_SESSIONS, year_starts).mean(deviation))


def trend(index: Matrix, year_starts: Index) -> Vector:
    """Π(1 + m) − 1 over the market's last 252 returns m, as a fraction; sessions without a return count as the mean of the others."""
    growth = np.log1p(market_return(simple_returns(index)))
    return np.expm1(TREND_SESSIONS * _vector(Window(TREND_SESSIONS, year_starts).mean(_column(growth))))


def breadth(index: Matrix, year_starts: Index) -> Vector:
    """Share of names whose price is above the mean of their last 200 prices, of those that have both; in [0, 1]."""
    mean = Window(BREADTH_SESSIONS, year_starts).mean(index)
    known = (~np.isnan(index) & ~np.isnan(mean)).sum(axis=1)
    return np.divide((index > mean).sum(axis=1), known, out=np.full(len(index), np.nan), where=known > 0)


STATES: Mapping[str, Callable[[Matrix, Index], Vector]] = MappingProxyType(
    {"volatility": volatility, "dispersion": dispersion, "trend": trend, "breadth": breadth}
)
"""Each takes the total-return index, ndarray of shape (n_sessions, n_symbols), and `Panel.year_starts()`."""

LONGEST_STATE = TREND_SESSIONS
"""Earlier prices that the longest of them needs."""


def standardised(state: Vector, year_starts: Index) -> Vector:
    """How far a state is from what was usual: z_t = (s_t − mean) / standard deviation, over the last 480 sessions up to t.

    Parameters
    ----------
    state : ndarray of shape (n_sessions,)
    year_starts : ndarray
        `Panel.year_starts()`.

    Returns
    -------
    ndarray of shape (n_sessions,)
        In standard deviations (n − 1). NaN where fewer than 126 of those sessions are known, and where the state did not move in them.

    Notes
    -----
    A trailing window, and not all of the past, so that a year that is computed alone has the same figures.
    """
    shape = {"window": STANDARDISED_SESSIONS, "min_count": LEAST_STANDARDISED, "year_starts": year_starts}
    column = _column(state)
    deviation = moments.standard_deviation(column, **shape)
    return _vector(np.divide(column - sums.mean(column, **shape), deviation, out=np.full(column.shape, np.nan), where=deviation > 0))


def _column(vector: Vector) -> Matrix:
    return vector[:, None]


def _vector(column: Matrix) -> Vector:
    return column[:, 0]
