"""Figures about a series of returns.

What belongs here: definitions of performance. What does not: how the returns came about.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mech_exo_assets.quant.panel import Dates, Vector

SESSIONS_PER_YEAR = 252
"""Annualisation, by the field's convention."""


@dataclass(frozen=True, slots=True)
class Performance:
    """Annual figures of a series of simple returns per session, as fractions; None where the figure is not defined.

    Attributes
    ----------
    n_sessions : int
    cagr : float
        Compound annual growth rate, Π(1 + r) ** (252 / n) − 1.
    volatility : float or None
        Standard deviation (ddof=1) · √252; None for fewer than two sessions.
    sharpe : float or None
        Mean / standard deviation · √252, no risk-free rate; None where the returns do not vary.
    max_drawdown : float
        Largest loss from a peak of the compounded value (the start counts as one), as a fraction ≤ 0.
    drawdown_from, drawdown_to : datetime64[D] or None
        Sessions of that peak (the last one, where it was reached several times) and that trough; None where there was no drawdown, and
        as peak where it was the start.
    """

    n_sessions: int
    cagr: float
    volatility: float | None
    sharpe: float | None
    max_drawdown: float
    drawdown_from: np.datetime64 | None
    drawdown_to: np.datetime64 | None


def performance(returns: Vector, sessions: Dates) -> Performance:
    """Summary of a series of returns.

    Parameters
    ----------
    returns : ndarray of shape (n_sessions,)
        Simple returns as fractions, without NaN.
    sessions : ndarray of shape (n_sessions,), datetime64[D]

    Raises
    ------
    ValueError
        If there are no returns, or one of them is NaN or below -1.
    """
    if not len(returns) or np.isnan(returns).any():
        raise ValueError(f"performance needs at least one return and no NaN; got {len(returns)} with {np.isnan(returns).sum()} NaN")
    if returns.min() < -1:
        raise ValueError(f"performance needs returns of at least -1, which is all there was; got {returns.min()}")
    wealth = np.concatenate(([1.0], np.cumprod(1 + returns)))
    peak = np.maximum.accumulate(wealth)
    drawdown = wealth / peak - 1
    trough = int(np.argmin(drawdown))
    fallen = drawdown[trough] < 0
    peak_at = trough - int(np.argmax(wealth[trough::-1]))
    deviation = float(np.std(returns, ddof=1)) if len(returns) > 1 else None
    # Returns that are all equal differ by rounding only, far below this.
    varies = deviation is not None and deviation > 1e-12
    return Performance(
        n_sessions=len(returns),
        cagr=float(wealth[-1] ** (SESSIONS_PER_YEAR / len(returns)) - 1),
        volatility=None if deviation is None else deviation * SESSIONS_PER_YEAR**0.5,
        sharpe=float(np.mean(returns)) / deviation * SESSIONS_PER_YEAR**0.5 if varies else None,
        max_drawdown=float(drawdown[trough]),
        drawdown_from=sessions[peak_at - 1] if fallen and peak_at else None,
        drawdown_to=sessions[trough - 1] if fallen else None,
    )
