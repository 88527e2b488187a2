"""Returns: of a session, over a horizon that starts later, and of the market.

What belongs here: what a return is. What does not: what is done with it, and returns net of costs.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from mech_exo_assets.quant.panel import Matrix, Vector
from mech_exo_assets.quant.rolling.lags import change

SESSIONS_PER_YEAR = 252
"""Annualisation, by the field's convention."""


def simple_returns(index: Matrix) -> Matrix:
    """Return of each session over the one before.

    r[t, i] = P[t, i] / P[t-1, i] - 1.

    Parameters
    ----------
    index : ndarray of shape (n_sessions, n_symbols)
        Total-return index, positive.

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        As a fraction; NaN where either price is missing, and in the first session. A gap is not bridged.
    """
    return change(index, since=1)


def forward_returns(index: Matrix, *, horizon: int, execution_lag: int) -> Matrix:
    """Return that a score of each session could earn, from its execution on.

    f[t, i] = P[t + lag + h, i] / P[t + lag, i] - 1.

    Parameters
    ----------
    index : ndarray of shape (n_sessions, n_symbols)
        Total-return index, positive.
    horizon : int
        Sessions over which the return runs, h >= 1.
    execution_lag : int
        Sessions between the score and its trade, lag >= 0.

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        As a fraction; NaN where either price is missing or not yet known.
    """
    if horizon < 1 or execution_lag < 0:
        raise ValueError(f"horizon is {horizon} and execution_lag is {execution_lag}; wanted are horizon >= 1 and execution_lag >= 0")
    forward = np.full(index.shape, np.nan)
    n_known = len(index) - execution_lag - horizon
    if n_known > 0:
        entry, leave = index[execution_lag : execution_lag + n_known], index[execution_lag + horizon :]
        np.divide(leave, entry, out=forward[:n_known])
        forward[:n_known] -= 1.0
    return forward


def market_return(returns: Matrix) -> Vector:
    """Equal-weighted mean return over the names known in each session.

    m[t] = (1 / n_t) Σ_i r[t, i].

    Parameters
    ----------
    returns : ndarray of shape (n_sessions, n_symbols)

    Returns
    -------
    ndarray of shape (n_sessions,)
        NaN where no name is known.

    Notes
    -----
    Summed in the order of symbols, so that names without any observation do not change even the last bit.
    """
    out = np.empty(len(returns))
    _row_means(np.require(returns, dtype=np.float64, requirements=["C", "W"]), out)
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def _row_means(values, out):  # pragma: no cover
    for t in range(len(values)):
        total, n = 0.0, 0
        for value in values[t]:
            if not np.isnan(value):
                total += value
                n += 1
        out[t] = total / n if n else np.nan
