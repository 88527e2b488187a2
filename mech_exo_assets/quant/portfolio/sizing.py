"""How large the names of a side are.

What belongs here: from sides to weights. What does not: limits (`constraints`), and the size of the whole (`volatility`).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mech_exo_assets.quant.panel import Matrix, session_sums
from mech_exo_assets.quant.portfolio.selection import Distances
from mech_exo_assets.settings.portfolio import LONG_ONLY, Construction

Sizing = Literal["score", "equal", "inverse_volatility", "atr", "kelly"]


def sizing_of(construction: Construction) -> Sizing:
    """The sizing that is meant: `auto` is score for long_short and extension, and equal for the others."""
    if construction.sizing == "auto":
        return "score" if construction.kind in ("long_short", "extension") else "equal"
    return construction.sizing


def budgets(construction: Construction) -> tuple[float, float]:
    """Sum of the longs' and of the shorts' absolute weights, as fractions of NAV."""
    if construction.kind in LONG_ONLY:
        return construction.gross, 0.0
    short = construction.short if construction.kind == "extension" else construction.gross / 2
    return construction.gross - short, short


def linear(distances: Distances, *, gross: float) -> Matrix:
    """Weights in proportion to the score's distance from the session's mean, all names being held.

    w_i = gross · (s_i − s̄) / Σ_j |s_j − s̄|, so that longs and shorts are gross/2 each.

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        0 for a name without a score; the whole row is NaN in a session without scores or without dispersion.
    """
    signed, size = distances.signed, distances.size
    return np.divide(gross * signed, size, out=np.full(signed.shape, np.nan), where=distances.dispersed)


def sizes(sizing: Sizing, sides: Matrix, distances: Distances, risk: Matrix | None) -> Matrix:
    """What the weights of a side are in proportion to, before they are brought to its budget.

    score: the distance from the session's mean score, towards the side. equal: 1. inverse_volatility, atr: 1 / risk.

    Parameters
    ----------
    sizing : {"score", "equal", "inverse_volatility", "atr"}
    sides : ndarray of shape (n_sessions, n_symbols)
        1 long, −1 short, 0 neither.
    distances : Distances
    risk : ndarray of shape (n_sessions, n_symbols)
        Volatility, or average true range over close; positive on every side. Not read by the first two.

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        At least 0; 0 off the sides, and for a name whose score lies on the other side of the mean.
    """
    if sizing == "score":
        return np.maximum(sides * distances.signed, 0.0)
    if risk is None:
        return np.abs(sides)
    return np.divide(1.0, risk, out=np.zeros(sides.shape), where=sides != 0)


def on_budgets(sides: Matrix, size: Matrix, *, long: float, short: float) -> Matrix:
    """Weights in proportion to `size` that add up to `long` over the longs and to −`short` over the shorts.

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        The whole row is NaN where a side that has a budget has no name.
    """
    weights = np.zeros(sides.shape)
    reached = np.ones((len(sides), 1), dtype=bool)
    for sign, budget in ((1.0, long), (-1.0, short)):
        if budget:
            of_side = np.where(sides == sign, size, 0.0)
            total = session_sums(of_side)
            weights += np.divide(sign * budget * of_side, total, out=np.zeros(sides.shape), where=total > 0)
            reached &= total > 0
    return np.where(reached, weights, np.nan)


def kelly(scores: Matrix, sides: Matrix, volatility: Matrix, construction: Construction) -> Matrix:
    """Fractional Kelly weights of names taken one by one.

    w_i = fraction · IC · s_i / v_i, v the volatility: the expected return of a name is IC · v · s (Grinold), its full Kelly weight that
    over v². Correlations between names are not looked at; `fraction` is there for that.

    Parameters
    ----------
    scores : ndarray of shape (n_sessions, n_symbols)
        Standardised.
    sides : ndarray of shape (n_sessions, n_symbols)
        A name whose score does not have the sign of its side is not held.
    volatility : ndarray of shape (n_sessions, n_symbols)
        Of a session's return; positive on every side.

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        Not brought to any budget. The whole row is NaN where no name is held.

    Notes
    -----
    Source: Kelly (1956); Grinold and Kahn (2000), ch. 10.
    """
    believed = construction.kelly.fraction * construction.kelly.information_coefficient
    held = sides * np.nan_to_num(scores) > 0
    weights = np.divide(believed * scores, volatility, out=np.zeros(sides.shape), where=held)
    return np.where(held.any(axis=1, keepdims=True), weights, np.nan)


def holdable(scores: Matrix, sizing: Sizing, *, risk: Matrix | None, beta: Matrix | None, long_only: bool) -> NDArray[np.bool_]:
    """Which names may be held: those with a score, with the risk that the sizing divides by, and with the beta that is made neutral.

    A name whose volatility or average true range is unknown or 0 is not held, whatever its score; nor is one of unknown beta, or, with
    Kelly and without shorts, one whose score is not positive.

    Parameters
    ----------
    scores : ndarray of shape (n_sessions, n_symbols)
    risk, beta : ndarray of shape (n_sessions, n_symbols), or None
        None where the construction does not need it.
    """
    able = ~np.isnan(scores)
    if risk is not None:
        able &= risk > 0
    if beta is not None:
        able &= ~np.isnan(beta)
    if sizing == "kelly" and long_only:
        able &= scores > 0
    return able
