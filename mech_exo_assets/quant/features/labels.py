"""Labels: what a model learns to predict.

What belongs here: from forward returns to labels. What does not: forward returns (`quant.returns`) and residuals (`quant.residual`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from mech_exo_assets.quant.panel import Index, Matrix, Panel, session_sums
from mech_exo_assets.quant.portfolio.risk import beta
from mech_exo_assets.quant.ranks import average_ranks
from mech_exo_assets.quant.residual import MARKET, SECTOR, residual_returns, sector_codes
from mech_exo_assets.quant.returns import forward_returns

# Dispersion below this share of the largest deviation is rounding.
_ROUNDING = 1e-12


def residual_forward_returns(
    market: Panel,
    sectors: Mapping[str, str | None],
    *,
    horizon: int,
    execution_lag: int,
    residual: Collection[str],
    beta_window: int,
) -> Matrix:
    """What a score of each session could earn from its execution on, less what market and sector earned.

    Parameters
    ----------
    market : Panel
        With `total_return_index`; with the window of the betas before the sessions of interest, and lag and horizon behind them.
    sectors : mapping of str to str or None
        Of each symbol; those without one are a group of their own.
    horizon : int
        Sessions over which the return runs.
    execution_lag : int
        Sessions between the score and its trade.
    residual : collection of {"market", "sector"}
        What is taken out: the part that goes with a name's beta, and the mean of its sector (see `quant.residual.residual_returns`).
        Without "sector" the mean over all names is taken out; with neither, nothing.
    beta_window : int
        Sessions of a beta, which ends at the session of the score.

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        As a fraction; NaN where either price of the return is missing, or not yet known.
    """
    returns = forward_returns(market.observed("total_return_index"), horizon=horizon, execution_lag=execution_lag)
    if not residual:
        return returns
    groups: Index = sector_codes(market, sectors) if SECTOR in residual else np.zeros(len(market.symbols), np.int64)
    betas = beta(market, window=beta_window) if MARKET in residual else None
    return residual_returns(returns, betas, groups)


def labels(returns: Matrix, rows: NDArray[np.bool_], *, label: Literal["rank", "standardised"], min_names: int) -> Matrix:
    """Returns made comparable over sessions, so that a turbulent session counts no more than a calm one.

    "rank": y = Φ⁻¹((rank − 1/2) / n), n the names of the session with a return and a row; ties get the average of their ranks.
    "standardised": y = (r − mean) / standard deviation (over n).

    Parameters
    ----------
    returns : ndarray of shape (n_sessions, n_symbols)
        Residual forward returns.
    rows : ndarray of shape (n_sessions, n_symbols), bool
        Names that have a row of features; no other is ranked.
    label : {"rank", "standardised"}
    min_names : int
        Fewer names have no label.

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        NaN where there is no return or no row, and throughout a session with fewer than `min_names` of them, or whose returns do not
        differ.

    Notes
    -----
    Normal scores have mean 0 (to rounding, and without ties). Their variance is a little below 1 (0.88 at 10 names, 0.94 at 20, 0.995 at
    250) and is left so: it depends on n alone, and rescaling would move the tails of small sessions further out than they are. Source: van
    der Waerden (1952).
    """
    known = np.where(rows, returns, np.nan)
    n = (~np.isnan(known)).sum(axis=1, keepdims=True)
    filled = np.maximum(n, 1)
    centred = known - session_sums(known) / filled
    deviation = np.sqrt(session_sums(centred**2) / filled)
    reach = np.abs(np.nan_to_num(known)).max(axis=1, keepdims=True, initial=0.0)
    enough = (n >= min_names) & (deviation > _ROUNDING * reach)
    if label == "rank":
        return np.where(enough, ndtri((average_ranks(known) - 0.5) / filled), np.nan)
    return np.divide(centred, deviation, out=np.full(known.shape, np.nan), where=enough)
