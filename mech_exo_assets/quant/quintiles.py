"""What the best and the worst names by a score returned, and how much of them is exchanged.

What belongs here: mean returns by quintile, their spread, turnover and rank autocorrelation, session by session. What does not: what a
series of them says about a factor (`decay`), and a portfolio that could be held (`portfolio`).

The kernels are compiled by numba, where coverage cannot look; they are marked `no cover` and tested through the public functions. Each
session is ranked once for each factor; all horizons are then gathered in one pass over its names, in the order of symbols, so that names
without any observation do not change even the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numba import njit, prange
from numpy.typing import NDArray

from mech_exo_assets.quant.panel import Matrix, Panel
from mech_exo_assets.quant.portfolio.risk import aligned
from mech_exo_assets.quant.ranks import new_ranking, new_scratch, rank_row
from mech_exo_assets.quant.returns import forward_returns
from mech_exo_assets.schemas import QUINTILE_RETURNS

QUINTILES = 5


@dataclass(frozen=True, slots=True)
class QuintileFigures:
    """Figures of one factor; NaN where there is none.

    Attributes
    ----------
    returns : ndarray of shape (n_horizons, n_sessions, 5)
        Mean forward return of the names in each quintile, worst first, as a fraction.
    turnover : ndarray of shape (n_horizons, n_sessions)
        Share of the names in a quintile that were not in it h sessions before, mean over the best and the worst one.
    rank_autocorrelation : ndarray of shape (n_horizons, n_sessions)
        Correlation of the ranks in a session with those h sessions before, over names that have both.
    n : ndarray of shape (n_horizons, n_sessions), int32
        Names that have a score and a forward return.
    """

    returns: NDArray[np.float64]
    turnover: Matrix
    rank_autocorrelation: Matrix
    n: NDArray[np.int32]


def quintile_figures(scores: Matrix, returns: Sequence[Matrix] | NDArray[np.float64], horizons: Sequence[int]) -> QuintileFigures:
    """Quintile returns, turnover and rank autocorrelation of one factor over all horizons.

    The quintile of a name with rank r (from 0, ties averaged) among the n names that have a score is max(1, ⌈5 r / (n − 1)⌉): the one
    whose interpolated edges hold it, as in `pandas.qcut`. Equal scores share a quintile, so that one may be empty.

    Parameters
    ----------
    scores : ndarray of shape (n_sessions, n_symbols)
        Known at the close of each session; NaN where unknown.
    returns : sequence of ndarray of shape (n_sessions, n_symbols)
        Forward returns over each horizon.
    horizons : sequence of int
        In sessions; also how far back turnover and rank autocorrelation look.

    Returns
    -------
    QuintileFigures

    Notes
    -----
    Without gaps and ties equals alphalens' `mean_return_by_quantile(by_date=True, demeaned=False)`, `quantile_turnover` and
    `factor_rank_autocorrelation`.
    """
    n_sessions, n_symbols = scores.shape
    doubled, known = np.empty((n_sessions, n_symbols), np.uint16 if n_symbols < 2**15 else np.uint32), np.empty(n_sessions, np.int64)
    quintiles = np.empty((n_sessions, n_symbols), np.uint8)
    _rank(np.require(scores, np.float64, ["C", "W"]), doubled, quintiles, known)
    shape = (len(horizons), n_sessions)
    out = QuintileFigures(np.full((*shape, QUINTILES), np.nan), np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape, np.int32))
    for h, horizon in enumerate(horizons):
        forward = np.require(returns[h], np.float64, ["C", "W"])
        _gather((doubled, quintiles, known), forward, horizon, out.returns[h], out.turnover[h], out.rank_autocorrelation[h], out.n[h])
    return out


def quintile_table(
    scores: Panel, market: Panel, *, horizons: Sequence[int], execution_lag: int, min_names: int, years: tuple[int, int]
) -> pl.DataFrame:
    """Quintile figures of all factors over all horizons, as a table in `schemas.QUINTILE_RETURNS`.

    Parameters
    ----------
    scores : Panel
        One field for each factor; with the longest horizon of sessions before `years`, where turnover and rank autocorrelation are
        wanted from the first one on.
    market : Panel
        With `total_return_index`; must reach beyond `years` by lag and longest horizon, where those sessions are there.
    horizons : sequence of int
        In sessions.
    execution_lag : int
        Sessions between the score and its trade.
    min_names : int
        Fewer names with score and return have no row.
    years : tuple of int
        First and last calendar year of the rows.

    Returns
    -------
    DataFrame
        Rows where the spread is known; ordered by factor, horizon and date.
    """
    calendar_year = scores.sessions.astype("datetime64[Y]").astype(int) + 1970
    inside = (calendar_year >= years[0]) & (calendar_year <= years[1])
    returns = [
        aligned(forward_returns(market["total_return_index"], horizon=horizon, execution_lag=execution_lag), market, scores)
        for horizon in horizons
    ]
    tables = [QUINTILE_RETURNS.empty()]
    for factor in sorted(scores.fields):
        figures = quintile_figures(scores[factor], returns, horizons)
        for h, horizon in enumerate(horizons):
            quintiles = figures.returns[h]
            spread = quintiles[:, -1] - quintiles[:, 0]
            rows = np.flatnonzero(inside & (figures.n[h] >= min_names) & ~np.isnan(spread))
            columns = {
                "date": pl.Series(scores.sessions[rows].astype("datetime64[D]")).cast(pl.Date),
                "factor": pl.repeat(factor, len(rows), dtype=pl.String, eager=True),
                "horizon": pl.repeat(horizon, len(rows), dtype=pl.Int32, eager=True),
                **{f"quintile_{q + 1}": pl.Series(quintiles[rows, q], nan_to_null=True) for q in range(QUINTILES)},
                "spread": spread[rows],
                "turnover": pl.Series(figures.turnover[h][rows], nan_to_null=True),
                "rank_autocorrelation": pl.Series(figures.rank_autocorrelation[h][rows], nan_to_null=True),
            }
            tables.append(pl.DataFrame(columns, schema=QUINTILE_RETURNS.dtypes()))
    return pl.concat(tables)


@njit(parallel=True, cache=True, error_model="numpy")
def _rank(scores, doubled, quintiles, known):  # pragma: no cover
    n_sessions, n_symbols = scores.shape
    chunks = 64
    for c in prange(chunks):
        order, ranks, groups = new_ranking(n_symbols)
        scratch = new_scratch(n_symbols)
        for t in range(c * n_sessions // chunks, (c + 1) * n_sessions // chunks):
            known[t], _ = rank_row(scores[t], order, ranks, groups, scratch)
            for i in range(n_symbols):
                doubled[t, i] = ranks[i]
                quintiles[t, i] = _quintile(ranks[i], known[t]) if ranks[i] else 0


@njit(cache=True, error_model="numpy")
def _quintile(doubled, known):  # pragma: no cover
    """From 0 (the worst) to 4; `doubled` is twice the rank from 1, and not 0."""
    if known < 2:
        return 0
    steps = 2 * (known - 1)
    return max(0, (5 * (np.int64(doubled) - 2) + steps - 1) // steps - 1)


@njit(parallel=True, cache=True, error_model="numpy")
def _gather(ranked, forward, horizon, returns, turnover, autocorrelation, n):  # pragma: no cover
    doubled, quintiles, known = ranked
    n_sessions, n_symbols = doubled.shape
    for t in prange(n_sessions):
        sums, counts = np.zeros(5), np.zeros(5, np.int64)
        now, stayed = np.zeros(5, np.int64), np.zeros(5, np.int64)
        earlier = t - horizon
        there = known[earlier] if earlier >= 0 else 0
        # Doubled ranks are integers, and these sums exact.
        common, a, b, aa, bb, ab = 0, 0, 0, 0, 0, 0
        for i in range(n_symbols):
            rank = np.int64(doubled[t, i])
            if rank == 0:
                continue
            q = quintiles[t, i]
            now[q] += 1
            value = forward[t, i]
            if not np.isnan(value):
                sums[q] += value
                counts[q] += 1
            if there > 0:
                before = np.int64(doubled[earlier, i])
                if before > 0:
                    common += 1
                    a += rank
                    b += before
                    aa += rank * rank
                    bb += before * before
                    ab += rank * before
                    if quintiles[earlier, i] == q:
                        stayed[q] += 1
        total = 0
        for q in range(5):
            total += counts[q]
            if counts[q] > 0:
                returns[t, q] = sums[q] / counts[q]
        n[t] = total
        if there > 0 and now[0] > 0 and now[4] > 0:
            turnover[t] = 1.0 - 0.5 * (stayed[0] / now[0] + stayed[4] / now[4])
        variance = np.float64(common * aa - a * a) * np.float64(common * bb - b * b)
        if variance > 0.0:
            autocorrelation[t] = np.float64(common * ab - a * b) / np.sqrt(variance)
