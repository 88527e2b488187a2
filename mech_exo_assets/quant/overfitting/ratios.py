"""Sharpe ratios of many trials at once.

What belongs here: the measure that all tests of overfitting share, and what they ask of their input. What does not: the figures of one
strategy (`mech_exo_assets.quant.performance`).
"""

from __future__ import annotations

import numpy as np

from mech_exo_assets.quant.panel import Matrix, Vector
from mech_exo_assets.quant.performance.inference import NO_VARIATION
from mech_exo_assets.quant.returns import SESSIONS_PER_YEAR

ANNUAL = SESSIONS_PER_YEAR**0.5
"""A Sharpe ratio per session times this is one per year."""


def sharpe_ratios(returns: Matrix) -> Vector:
    """Sharpe ratio of each trial, per session: mean / standard deviation (n − 1).

    Parameters
    ----------
    returns : ndarray of shape (n_sessions, n_trials)
        Simple returns as fractions, without NaN; at least two sessions.

    Returns
    -------
    ndarray of shape (n_trials,)
        NaN where the returns do not vary (standard deviation ≤ 1e-12).
    """
    deviation = returns.std(axis=0, ddof=1)
    ratio = np.full(returns.shape[1], np.nan)
    return np.divide(returns.mean(axis=0), deviation, out=ratio, where=deviation > NO_VARIATION)


def require_trials(returns: Matrix) -> tuple[int, int]:
    """Number of sessions and of trials; ValueError if the returns are no finite matrix."""
    if returns.ndim != 2:
        raise ValueError(f"returns of trials are a matrix (sessions × trials); got {returns.ndim} dimensions")
    if not np.isfinite(returns).all():
        broken = int((~np.isfinite(returns)).any(axis=0).sum())
        raise ValueError(
            f"returns of {broken} of {returns.shape[1]} trials are NaN or infinite somewhere; cut all trials to one span first"
        )
    return returns.shape[0], returns.shape[1]
