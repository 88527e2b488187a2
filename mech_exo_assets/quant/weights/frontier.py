"""The Pareto front of a search, and the rule that picks one of it.

What belongs here: which trials none other dominates, and `choose`. What does not: how much of what was picked is kept (`shrinkage`).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mech_exo_assets.quant.overfitting.ratios import ANNUAL, sharpe_ratios
from mech_exo_assets.quant.panel import Matrix, Vector
from mech_exo_assets.quant.returns import SESSIONS_PER_YEAR

Rule = Literal["sharpe", "calmar", "drawdown", "balanced"]
SHARPE, DRAWDOWN, CALMAR = range(3)
"""Columns of a matrix of objectives."""
_SIGNS = np.array([1.0, -1.0, 1.0])
"""What makes each objective one that is better when larger."""
_BEYOND = 1e12
"""What stands for infinity where distances are compared: far beyond any objective, and its differences are numbers."""


def front(values: Matrix) -> NDArray[np.bool_]:
    """Which rows no other row dominates: none is at least as good in all objectives and better in one.

    Parameters
    ----------
    values : ndarray of shape (n_trials, 3)
        Sharpe ratio (larger is better), maximum drawdown (smaller is better), Calmar ratio (larger is better).

    Returns
    -------
    ndarray of shape (n_trials,), bool
        Rows that are equal are all on the front, or none.
    """
    gains = values * _SIGNS
    at_least = (gains[:, None, :] >= gains[None, :, :]).all(axis=2)
    better = (gains[:, None, :] > gains[None, :, :]).any(axis=2)
    return ~(at_least & better).any(axis=0)


def choose(values: Matrix, rule: Rule) -> int:
    """Position of the row that a rule picks; of equal ones the first.

    sharpe: the largest Sharpe ratio. drawdown: the smallest maximum drawdown. calmar: the largest Calmar ratio. balanced: of the front, the
    row with the smallest distance √Σ_k d_k², d_k the objective's distance from the best on the front over the front's whole range; where
    the best is infinite (a Calmar ratio without a drawdown), d_k is 0 for it and 1 for all others.

    Parameters
    ----------
    values : ndarray of shape (n_trials, 3)
        As in `front`; at least one row.
    """
    gains = values * _SIGNS
    if rule != "balanced":
        return int(np.argmax(gains[:, {"sharpe": SHARPE, "drawdown": DRAWDOWN, "calmar": CALMAR}[rule]]))
    of_front = np.flatnonzero(front(values))
    compared = np.clip(gains[of_front], -_BEYOND, _BEYOND)
    best, worst = compared.max(axis=0), compared.min(axis=0)
    distance = np.divide(best - compared, best - worst, out=np.zeros((len(of_front), 3)), where=best > worst)
    return int(of_front[np.argmin((distance**2).sum(axis=1))])


def objectives(returns: Matrix) -> Matrix:
    """The three objectives of many series of returns.

    Parameters
    ----------
    returns : ndarray of shape (n_sessions, n_series)
        Net returns as fractions.

    Returns
    -------
    ndarray of shape (n_series, 3)
        As in `front`; a Calmar ratio of +∞ where there is no drawdown. Returns that do not vary are those of a candidate that was not
        traded: the worst of all three (−∞, ∞, −∞), so that no rule takes it for one that lost nothing.
    """
    n = len(returns)
    sharpe = ANNUAL * sharpe_ratios(returns)
    varies = ~np.isnan(sharpe)
    value = np.cumprod(1 + returns, axis=0)
    depth = (1 - value / np.maximum(np.maximum.accumulate(value, axis=0), 1.0)).max(axis=0)
    growth: Vector = value[-1] ** (SESSIONS_PER_YEAR / n) - 1
    calmar = np.divide(growth, depth, out=np.full(returns.shape[1], np.inf), where=depth > 0)
    return np.column_stack([np.where(varies, sharpe, -np.inf), np.where(varies, depth, np.inf), np.where(varies, calmar, -np.inf)])
