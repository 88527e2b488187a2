"""Earlier values: lagged, carried over short gaps, and the change between two lags.

What belongs here: what needs single sessions. What does not: a statistic of a window.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from mech_exo_assets.quant.panel import Matrix
from mech_exo_assets.quant.rolling.blocks import prepared


def lagged(values: Matrix, sessions: int) -> Matrix:
    """values[t - sessions]; NaN where the first session is not reached."""
    out = np.empty_like(values)
    out[:sessions] = np.nan
    out[sessions:] = values[: max(len(values) - sessions, 0)]
    return out


def carried(values: Matrix, limit: int) -> Matrix:
    """The last known value, carried over gaps of at most `limit` sessions."""
    values = prepared(values)
    out = np.empty_like(values)
    _carried(values, limit, out)
    return out


def change(values: Matrix, *, since: int, until: int = 0) -> Matrix:
    """Relative change between two lags, values[t - until] / values[t - since] - 1.

    Parameters
    ----------
    values : ndarray of shape (n_sessions, n_symbols)
        Positive.
    since, until : int
        Lags in sessions, since > until >= 0.

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        NaN where either value is unknown, or the first session is not reached.
    """
    if not since > until >= 0:
        raise ValueError(f"since is {since} and until is {until}; wanted is since > until >= 0")
    values = prepared(values)
    out = np.empty_like(values)
    _change(values, since, until, out)
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def _change(values, since, until, out):  # pragma: no cover
    n_sessions, n_symbols = values.shape
    for t in range(n_sessions):
        row = out[t]
        if t < since:
            row[:] = np.nan
        else:
            late, early = values[t - until], values[t - since]
            for j in range(n_symbols):
                row[j] = late[j] / early[j] - 1.0


@njit(nogil=True, cache=True, error_model="numpy")
def _carried(values, limit, out):  # pragma: no cover
    n_sessions, n_symbols = values.shape
    for t in range(n_sessions):
        out[t] = values[t]
        for j in range(n_symbols):
            for back in range(1, min(limit, t) + 1):
                if not np.isnan(out[t, j]):
                    break
                out[t, j] = values[t - back, j]
