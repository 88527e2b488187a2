"""How large the whole portfolio is: the volatility target.

What belongs here: one factor for each session. What does not: how weights stand to each other.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from mech_exo_assets.quant.panel import Index, Matrix
from mech_exo_assets.quant.portfolio.risk import least_known
from mech_exo_assets.quant.returns import SESSIONS_PER_YEAR
from mech_exo_assets.quant.rolling.blocks import prepared

_STILL = 1e-10
"""Deviation of a session's return, for a gross of 1, below which the portfolio does not move: what is there is rounding."""


def scaled_to_volatility(weights: Matrix, returns: Matrix, last: Index, *, target: float, window: int) -> Matrix:
    """Each session's weights, scaled so that they would have had the target volatility over the last sessions.

    w_t · target / (√252 · std_s(Σ_i w[t, i] r[s, i])), s over the last `window` sessions up to t, std with n − 1.

    A session s counts where the names that carry half of Σ|w| have a return on it; a name without one then adds 0.

    Parameters
    ----------
    weights : ndarray of shape (n_sessions, n_symbols)
        A row of NaN stays.
    returns : ndarray of shape (n_market_sessions, n_symbols)
        NaN where unknown.
    last : ndarray of shape (n_sessions,)
        Row of `returns` at which each session's window ends; −1 for none.
    target : float
        Annual, as a fraction.
    window : int
        Sessions.

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        The row is NaN where fewer than half of the window's sessions (and fewer than two) count, and where the portfolio did not move.
    """
    weights = prepared(weights)
    out = np.empty_like(weights)
    by_symbol = np.ascontiguousarray(returns.T)
    _scale(weights, by_symbol, last, target / math.sqrt(SESSIONS_PER_YEAR), window, max(least_known(window), 2), out)
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def _scale(weights, returns, last, target, window, least, out):  # pragma: no cover
    earned, covered = np.empty(window), np.empty(window)
    for t in range(len(weights)):
        if np.isnan(weights[t, 0]):
            out[t] = np.nan
            continue
        stop = last[t] + 1
        first = max(stop - window, 0)
        n = stop - first
        earned[:], covered[:] = 0.0, 0.0
        gross = 0.0
        for j in np.flatnonzero(weights[t]):
            w = weights[t, j]
            size = np.abs(w)
            gross += size
            past = returns[j, first:stop]
            for s in range(n):
                earned[s] += w * past[s] if past[s] == past[s] else 0.0
            for s in range(n):
                covered[s] += size if past[s] == past[s] else 0.0
        deviation = _deviation(earned[:n], covered[:n], 0.5 * gross * (1.0 - 1e-12), least)
        scale = target / deviation if deviation > _STILL * gross else np.nan
        out[t] = weights[t] * scale


@njit(cache=True, error_model="numpy")
def _deviation(earned, covered, enough, least):  # pragma: no cover
    """Standard deviation of what was earned on sessions that are covered enough; NaN where they are too few."""
    n, total = 0, 0.0
    for s in range(len(earned)):
        if covered[s] >= enough:
            n += 1
            total += earned[s]
    if n < least:
        return np.nan
    mean = total / n
    squares = 0.0
    for s in range(len(earned)):
        if covered[s] >= enough:
            squares += (earned[s] - mean) * (earned[s] - mean)
    return np.sqrt(squares / (n - 1))
