"""Forward returns without what everybody earned: market and sector, and where wanted all other factors.

What belongs here: residuals of each session's forward returns, and the information coefficients on them. What does not: the rank
correlation itself (`ic`).

A score's IC on plain returns also measures whether its sector or its beta was in favour. That part is noise for the question whether the
score ranks names, and often the larger part. On residual returns the standard deviation of an IC comes near to 1/√names, the least there
is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numba import njit, prange

from mech_exo_assets.quant.ic import ic_table
from mech_exo_assets.quant.panel import Index, Matrix, Panel
from mech_exo_assets.quant.portfolio.risk import aligned, beta
from mech_exo_assets.quant.returns import forward_returns
from mech_exo_assets.schemas import RESIDUAL_IC
from mech_exo_assets.settings.decay import Decay

MARKET, SECTOR, FACTORS = "market", "sector", "factors"


def residual_ic_table(
    scores: Panel,
    market: Panel,
    *,
    horizons: Sequence[int],
    execution_lag: int,
    sectors: Mapping[str, str | None],
    choices: Decay,
    min_names: int,
    years: tuple[int, int],
) -> pl.DataFrame:
    """Information coefficients on residual returns, as a table in `schemas.RESIDUAL_IC`.

    Parameters
    ----------
    scores : Panel
        One field for each factor.
    market : Panel
        With `total_return_index`; with the window of the betas before `years`, and lag and longest horizon behind them, where those
        sessions are there.
    horizons : sequence of int
        In sessions.
    execution_lag : int
        Sessions between the score and its trade.
    sectors : mapping of str to str or None
        Of each symbol; those without one are a group of their own.
    choices : Decay
        `residual` says what is taken out (see `residual_returns`; "factors" are all but the one that is measured), `beta_window` over how
        many sessions a beta is estimated; that of session t ends at t.
    min_names : int
        Fewer names have no information coefficient.
    years : tuple of int
        First and last calendar year of the rows.
    """
    of_years, remove = scores.within(years), choices.residual
    codes = sector_codes(of_years, sectors) if SECTOR in remove else np.zeros(len(of_years.symbols), np.int64)
    betas = aligned(beta(market, window=choices.beta_window), market, of_years) if MARKET in remove else None
    plain = {
        horizon: aligned(forward_returns(market["total_return_index"], horizon=horizon, execution_lag=execution_lag), market, of_years)
        for horizon in horizons
    }
    if not remove:
        return ic_table(of_years.fields, plain, of_years.sessions, min_names=min_names)
    residuals = {horizon: residual_returns(returns, betas, codes) for horizon, returns in plain.items()}
    if FACTORS not in remove:
        return ic_table(of_years.fields, residuals, of_years.sessions, min_names=min_names)
    tables = [RESIDUAL_IC.empty()]
    by_horizon = {horizon: without_other_factors(returns, of_years.fields, betas, codes) for horizon, returns in residuals.items()}
    for factor, matrix in of_years.fields.items():
        own = {horizon: by_factor[factor] for horizon, by_factor in by_horizon.items()}
        tables.append(ic_table({factor: matrix}, own, of_years.sessions, min_names=min_names))
    return pl.concat(tables).sort("date", "factor", "horizon")


def residual_returns(returns: Matrix, betas: Matrix | None, groups: Index) -> Matrix:
    """What is left of each session's returns after least squares on the groups and on beta.

    e_i = (y_i − mean of the group) − b (beta_i − mean beta of the group), b = Σ y~ beta~ / Σ beta~², over the names with a return in that
    session. A name without a beta counts as one with the mean beta of its group.

    Parameters
    ----------
    returns : ndarray of shape (n_sessions, n_symbols)
        Forward returns, as fractions.
    betas : ndarray of shape (n_sessions, n_symbols) or None
        Known at the close of each session; None where only group means are taken out.
    groups : ndarray of shape (n_symbols,), int
        Codes from 0 on.

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        NaN where the return is. A name alone in its group has a residual of exactly 0.
    """
    out = np.full(returns.shape, np.nan)
    exposures = np.zeros((1, 1)) if betas is None else np.require(betas, np.float64, ["C", "W"])
    _residuals(np.require(returns, np.float64, ["C", "W"]), exposures, betas is not None, groups, int(groups.max(initial=0)) + 1, out)
    return out


def without_other_factors(residuals: Matrix, scores: Mapping[str, Matrix], betas: Matrix | None, groups: Index) -> dict[str, Matrix]:
    """For each factor, what is left of the returns after least squares on all other factors, groups and beta.

    With X all factors, groups taken out, e the residual on all of them and b their slopes, the residual without factor f is
    e + b_f · r_f, where r_f is what the others do not explain of f (Frisch and Waugh 1933). A missing score counts as 0, which is neutral.

    Parameters
    ----------
    residuals : ndarray of shape (n_sessions, n_symbols)
        Returns without groups and beta.
    scores : mapping of str to ndarray of shape (n_sessions, n_symbols)
    betas, groups
        As in `residual_returns`.

    Returns
    -------
    dict of str to ndarray of shape (n_sessions, n_symbols)
        NaN throughout a session in which there are not twice as many names as factors, or in which factors are linearly dependent.
    """
    names = list(scores)
    if not names:
        return {}
    out = {name: np.full(residuals.shape, np.nan) for name in names}
    cleaned = [residual_returns(np.where(np.isnan(residuals), np.nan, np.nan_to_num(scores[name])), betas, groups) for name in names]
    for t in range(len(residuals)):
        there = np.flatnonzero(~np.isnan(residuals[t]))
        design = np.column_stack([matrix[t, there] for matrix in cleaned])
        used = np.flatnonzero(np.abs(design).max(axis=0, initial=0.0) > 1e-12)
        if len(there) < 2 * max(len(used), 1):
            continue
        gram = design[:, used].T @ design[:, used]
        if len(used) and np.linalg.cond(gram) > 1e12:
            continue
        inverse = np.linalg.inv(gram)
        slopes = inverse @ (design[:, used].T @ residuals[t, there])
        left = residuals[t, there] - design[:, used] @ slopes
        for column, name in enumerate(names):
            out[name][t, there] = left
            at = np.searchsorted(used, column)
            if at < len(used) and used[at] == column:
                own = design[:, used] @ inverse[:, at] / inverse[at, at]
                out[name][t, there] = left + slopes[at] * own
    return out


def sector_codes(panel: Panel, sectors: Mapping[str, str | None]) -> Index:
    """A code for each symbol's sector, from 0 on; symbols without one share a code of their own."""
    known = sorted({sector for sector in sectors.values() if sector is not None})
    code = {sector: number for number, sector in enumerate(known)}
    return np.array([code.get(sectors.get(str(symbol)) or "", len(known)) for symbol in panel.symbols], dtype=np.int64)


@njit(parallel=True, cache=True, error_model="numpy")
def _residuals(returns, betas, with_beta, groups, n_groups, out):  # pragma: no cover
    n_sessions, n_symbols = returns.shape
    for t in prange(n_sessions):
        counts, sums = np.zeros(n_groups, np.int64), np.zeros(n_groups)
        beta_counts, beta_sums = np.zeros(n_groups, np.int64), np.zeros(n_groups)
        for i in range(n_symbols):
            if not np.isnan(returns[t, i]):
                g = groups[i]
                counts[g] += 1
                sums[g] += returns[t, i]
                if with_beta and not np.isnan(betas[t, i]):
                    beta_counts[g] += 1
                    beta_sums[g] += betas[t, i]
        products, squares = 0.0, 0.0
        for i in range(n_symbols):
            if not np.isnan(returns[t, i]):
                g = groups[i]
                out[t, i] = returns[t, i] - sums[g] / counts[g] if counts[g] > 1 else 0.0
                if with_beta and not np.isnan(betas[t, i]):
                    deviation = betas[t, i] - beta_sums[g] / beta_counts[g]
                    products += out[t, i] * deviation
                    squares += deviation * deviation
        if squares > 0.0:
            slope = products / squares
            for i in range(n_symbols):
                if not np.isnan(returns[t, i]) and not np.isnan(betas[t, i]):
                    g = groups[i]
                    if counts[g] > 1:
                        out[t, i] -= slope * (betas[t, i] - beta_sums[g] / beta_counts[g])
