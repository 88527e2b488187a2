"""How well predictions rank the labels of each session, for rows of different sessions one after another.

What belongs here: the information coefficient on ragged rows, as trainings have them. What does not: the one on panels (`quant.ic`).

The kernel is compiled by numba, where coverage cannot look; it is marked `no cover` and tested through the public function.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from mech_exo_assets.quant.panel import Index, Vector
from mech_exo_assets.quant.ranks import new_ranking, new_scratch, rank_row


def session_ics(predicted: NDArray[np.float64], label: NDArray[np.float32], starts: Index) -> Vector:
    """Rank correlation of predictions and labels, session by session.

    Parameters
    ----------
    predicted : ndarray of shape (n_rows,)
    label : ndarray of shape (n_rows,)
        Without NaN.
    starts : ndarray of shape (n_sessions + 1,), int64
        Position of the first row of each session, and behind them the number of rows.

    Returns
    -------
    ndarray of shape (n_sessions,)
        NaN where all predictions, or all labels, of a session are the same.
    """
    out = np.empty(len(starts) - 1)
    _correlate(np.ascontiguousarray(predicted, np.float64), np.ascontiguousarray(label, np.float64), starts, out)
    return out


def mean_ic(predicted: NDArray[np.float64], label: NDArray[np.float32], starts: Index) -> float:
    """Mean of `session_ics`; a session in which all predictions are the same counts as 0: nothing was said of it. NaN without rows."""
    ics = session_ics(predicted, label, starts)
    return float(np.nan_to_num(ics).mean()) if len(ics) else float("nan")


@njit(parallel=True, cache=True, error_model="numpy")
def _correlate(predicted, label, starts, out):  # pragma: no cover
    for t in prange(len(out)):
        first, stop = starts[t], starts[t + 1]
        n = stop - first
        order, mine, groups = new_ranking(n)
        _, theirs, _ = new_ranking(n)
        scratch = new_scratch(n)
        rank_row(predicted[first:stop], order, mine, groups, scratch)
        rank_row(label[first:stop], order, theirs, groups, scratch)
        # Doubled ranks have the mean n + 1.
        products, squares, others = 0.0, 0.0, 0.0
        for i in range(n):
            a, b = np.float64(mine[i]) - (n + 1), np.float64(theirs[i]) - (n + 1)
            products += a * b
            squares += a * a
            others += b * b
        out[t] = products / np.sqrt(squares * others) if squares > 0.0 and others > 0.0 else np.nan
