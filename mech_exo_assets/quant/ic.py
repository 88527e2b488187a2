"""The information coefficient: how well a score ranked the returns that followed.

What belongs here: rank correlation of scores and forward returns, session by session, for one factor or for all at once. What does
not: what a series of information coefficients says about a factor (`decay`), and whether that is chance (`hac`).

The kernels are compiled by numba, where coverage cannot look; they are marked `no cover` and tested through the public functions.

How all factors and horizons are done at once. Each session's row is sorted once for each factor and once for each horizon. For a
pair, the names that lack one of the two are left out while the sorted rows are walked, which gives average ranks among the others
in one pass. Twice an average rank is an integer, so sums of products are exact, and the result is the same to the last bit in
whatever order symbols stand, however many threads run, and whatever other sessions there are. Nothing is kept beyond
the session, so that memory beyond input and output is a few rows for each thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numba import njit, prange
from numpy.typing import NDArray

from mech_exo_assets.quant.panel import Dates, Matrix, Vector
from mech_exo_assets.quant.ranks import new_ranking, new_scratch, rank_row
from mech_exo_assets.schemas import IC

_BATCH = 24
"""Matrices of either kind that go into one call of the kernel. A tuple's length is part of its type, so shorter ones are filled up, and
there is one compilation; one call rather than many, because on a busy machine each waits for the slowest thread."""
_CHUNKS = 64
"""Pieces that the sessions are shared out in; each has its own scratch."""


def information_coefficient(scores: Matrix, forward_returns: Matrix, *, min_names: int = 10) -> Vector:
    """Rank correlation of scores with the returns that followed, session by session.

    IC_t = corr(rank(scores[t]), rank(forward_returns[t])), over symbols where both are known; ties get average ranks.

    Parameters
    ----------
    scores : ndarray of shape (n_sessions, n_symbols)
        Known at the close of each session.
    forward_returns : ndarray of shape (n_sessions, n_symbols)
        Simple return from the execution session on, as a fraction (0.01 is one per cent).
    min_names : int
        Fewer names have no information coefficient.

    Returns
    -------
    ndarray of shape (n_sessions,)
        In [-1, 1]; NaN where fewer than `min_names` symbols have both, or where one of the two is the same for all of them.

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    Equals `alphalens.performance.factor_information_coefficient` at `execution_lag=0`. Source: Grinold and Kahn (2000), ch. 6.
    """
    ic, _ = information_coefficients([scores], [forward_returns], min_names=min_names)
    return ic[0, 0]


def information_coefficients(
    scores: Sequence[Matrix] | NDArray[np.float64], forward_returns: Sequence[Matrix] | NDArray[np.float64], *, min_names: int = 10
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Information coefficients of all factors over all horizons at once.

    Parameters
    ----------
    scores : sequence of ndarray of shape (n_sessions, n_symbols)
        One for each factor; or an array with factors first. Nothing is stacked or copied that is C-contiguous, float64 and writable.
    forward_returns : sequence of ndarray of shape (n_sessions, n_symbols)
        One for each horizon; or an array with horizons first.
    min_names : int
        Fewer names have no information coefficient.

    Returns
    -------
    ic : ndarray of shape (n_factors, n_horizons, n_sessions)
        As `information_coefficient` gives it.
    n : ndarray of shape (n_factors, n_horizons, n_sessions), int32
        Names that had both, also where `ic` is NaN.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    n_factors, n_horizons = len(scores), len(forward_returns)
    shapes = {matrix.shape for matrix in (*scores, *forward_returns)}
    if len(shapes) > 1 or any(len(shape) != 2 for shape in shapes):
        raise ValueError(f"scores and forward returns have shapes {sorted(shapes)}; all must be (n_sessions, n_symbols), and the same")
    n_sessions, _ = next(iter(shapes), (0, 0))
    ic = np.full((n_factors, n_horizons, n_sessions), np.nan)
    n = np.zeros(ic.shape, np.int32)
    if not ic.size:
        return ic, n
    for f in range(0, n_factors, _BATCH):
        some_scores = [_prepared(matrix) for matrix in scores[f : f + _BATCH]]
        for h in range(0, n_horizons, _BATCH):
            some_returns = [_prepared(matrix) for matrix in forward_returns[h : h + _BATCH]]
            part = slice(f, f + len(some_scores)), slice(h, h + len(some_returns))
            # Copies, because a slice of an array is another type to numba, and would be compiled for anew.
            some_ic, some_n = ic[part].copy(), n[part].copy()
            _correlate(_filled_up(some_scores), _filled_up(some_returns), min_names, some_ic, some_n)
            ic[part], n[part] = some_ic, some_n
    return ic, n


def ic_table(scores: Mapping[str, Matrix], forward_returns: Mapping[int, Matrix], sessions: Dates, *, min_names: int = 10) -> pl.DataFrame:
    """Information coefficients of all factors over all horizons, as a table.

    Parameters
    ----------
    scores : mapping of str to ndarray of shape (n_sessions, n_symbols)
        By name of the factor.
    forward_returns : mapping of int to ndarray of shape (n_sessions, n_symbols)
        By horizon, in sessions.
    sessions : ndarray of shape (n_sessions,), datetime64[D]
        Increasing.
    min_names : int
        Fewer names have no information coefficient.

    Returns
    -------
    DataFrame
        In `schemas.IC`, where the coefficient is known; ordered by date, factor and horizon.
    """
    factors, horizons = sorted(scores), sorted(forward_returns)
    ic, n = information_coefficients([scores[name] for name in factors], [forward_returns[h] for h in horizons], min_names=min_names)
    if not ic.size:
        return IC.empty()
    by_session = ic.transpose(2, 0, 1).ravel()
    known = np.flatnonzero(~np.isnan(by_session))
    session, pair = np.divmod(known, len(factors) * len(horizons))
    factor, horizon = np.divmod(pair, len(horizons))
    return pl.DataFrame(
        {
            "date": pl.Series(sessions[session].astype("datetime64[D]")).cast(pl.Date),
            "factor": pl.Series(factors, dtype=pl.String).gather(factor),
            "horizon": pl.Series(horizons, dtype=pl.Int32).gather(horizon),
            "ic": by_session[known],
            "n": n.transpose(2, 0, 1).ravel()[known],
        },
        schema=IC.dtypes(),
    )


def _prepared(rows: Matrix) -> Matrix:
    """As the kernels are compiled for; numba would compile anew for read-only or strided input."""
    return np.require(rows, dtype=np.float64, requirements=["C", "W"])


def _filled_up(matrices: list[Matrix]) -> tuple[Matrix, ...]:
    return (*matrices, *[matrices[0]] * (_BATCH - len(matrices)))


@njit(parallel=True, cache=True, error_model="numpy")
def _correlate(scores, returns, min_names, ic, n):  # pragma: no cover
    n_factors, n_horizons, n_sessions = ic.shape
    n_symbols = scores[0].shape[1]
    for c in prange(_CHUNKS):
        scratch = new_scratch(n_symbols)
        score = new_ranking(n_symbols)
        among = np.empty(n_symbols, np.uint32)
        order, doubled = np.empty((n_horizons, n_symbols), np.uint32), np.empty((n_horizons, n_symbols), np.uint32)
        groups, sizes = np.empty((n_horizons, n_symbols + 1), np.uint32), np.empty((n_horizons, 2), np.int64)
        for t in range(c * n_sessions // _CHUNKS, (c + 1) * n_sessions // _CHUNKS):
            for h in range(n_horizons):
                sizes[h, 0], sizes[h, 1] = rank_row(returns[h][t], order[h], doubled[h], groups[h], scratch)
            for f in range(n_factors):
                size = rank_row(scores[f][t], score[0], score[1], score[2], scratch)
                among[:] = 0
                for h in range(n_horizons):
                    common = _both_known(score[1], doubled[h])
                    n[f, h, t] = common
                    if common >= max(min_names, 2):
                        ic[f, h, t] = _correlation(
                            score, size, (order[h], doubled[h], groups[h]), (sizes[h, 0], sizes[h, 1]), common, among
                        )


@njit(cache=True, error_model="numpy")
def _both_known(first, second):  # pragma: no cover
    common = np.int32(0)
    for i in range(len(first)):
        common += np.int32((first[i] > 0) & (second[i] > 0))
    return common


@njit(cache=True, error_model="numpy")
def _correlation(score, score_sizes, returns, return_sizes, common, among):  # pragma: no cover
    """Rank correlation of two rankings (order, doubled ranks, groups) over the names that both know.

    `among` is scratch that must be 0 wherever the score is unknown.
    """
    if common == score_sizes[0]:
        mine, tied = score[1], _tied(score[2], score_sizes[1])
    else:
        mine, tied = among, _ranks_among(score, score_sizes, returns[1], among)
    if common == return_sizes[0]:
        products, returns_tied = _products(mine, returns[1]), _tied(returns[2], return_sizes[1])
    else:
        products, returns_tied = _products_among(returns, return_sizes, mine)
    # With doubled ranks the mean is n + 1, and Σ (rank - mean)² is (n³ - n)/3 less (t³ - t)/3 for each tie of t names.
    n = np.int64(common)
    spread = (n * n * n - n) // 3
    variances = np.float64(spread - tied) * np.float64(spread - returns_tied)
    return np.float64(products - n * (n + 1) * (n + 1)) / np.sqrt(variances) if variances > 0.0 else np.nan


@njit(cache=True, error_model="numpy")
def _tied(groups, n_groups):  # pragma: no cover
    total = np.int64(0)
    for g in range(n_groups):
        size = np.int64(groups[2 * g + 1]) - np.int64(groups[2 * g])
        total += (size * size * size - size) // 3
    return total


@njit(cache=True, error_model="numpy")
def _products(mine, other):  # pragma: no cover
    total = np.uint64(0)
    for i in range(len(mine)):
        total += np.uint64(mine[i]) * np.uint64(other[i])
    return np.int64(total)


@njit(cache=True, error_model="numpy")
def _ranks_among(ranking, sizes, other, ranks):  # pragma: no cover
    """Twice the average ranks among the names that `other` knows; anything for those that it does not. Returns Σ (t³ - t)/3."""
    order, _, groups = ranking
    rank = np.uint32(0)
    tied = np.int64(0)
    position = np.uint64(0)
    for g in range(sizes[1] + 1):
        start, end = _group(groups, g, sizes)
        for p in range(position, start):
            i = np.uint64(order[p])
            rank += np.uint32(other[i] > 0) << np.uint32(1)
            ranks[i] = rank
        size = np.uint32(0)
        for p in range(start, end):
            size += np.uint32(other[order[p]] > 0)
        for p in range(start, end):
            ranks[order[p]] = rank + size + np.uint32(1)
        rank += size << np.uint32(1)
        tied += (np.int64(size) ** 3 - np.int64(size)) // 3
        position = end
    return tied


@njit(cache=True, error_model="numpy")
def _products_among(ranking, sizes, mine):  # pragma: no cover
    """Σ of products of doubled ranks, over names with a rank in `mine` (0 elsewhere), and Σ (t³ - t)/3."""
    order, _, groups = ranking
    rank = np.uint64(0)
    products = np.uint64(0)
    tied = np.int64(0)
    position = np.uint64(0)
    for g in range(sizes[1] + 1):
        start, end = _group(groups, g, sizes)
        for p in range(position, start):
            factor = np.uint64(mine[np.uint64(order[p])])
            rank += np.uint64(factor > 0) << np.uint64(1)
            products += rank * factor
        size = np.uint64(0)
        total = np.uint64(0)
        for p in range(start, end):
            factor = np.uint64(mine[order[p]])
            size += np.uint64(factor > 0)
            total += factor
        products += total * (rank + size + np.uint64(1))
        rank += size << np.uint64(1)
        tied += (np.int64(size) ** 3 - np.int64(size)) // 3
        position = end
    return np.int64(products), tied


@njit(cache=True, error_model="numpy")
def _group(groups, g, sizes):  # pragma: no cover
    """Start and end of tie g; an empty one at the end of the row after the last."""
    if g < sizes[1]:
        return np.uint64(groups[2 * g]), np.uint64(groups[2 * g + 1])
    return np.uint64(sizes[0]), np.uint64(sizes[0])
