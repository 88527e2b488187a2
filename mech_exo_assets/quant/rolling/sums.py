"""Rolling mean.

What belongs here: first moments. What does not: anything that needs a square.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from mech_exo_assets.quant.panel import Index, Matrix
from mech_exo_assets.quant.rolling.blocks import TILE, blocks, prepared, scratch


def mean(values: Matrix, *, window: int, min_count: int, year_starts: Index) -> Matrix:
    """Mean of the known values of each window.

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        NaN where fewer than `min_count` are known.
    """
    values = prepared(values)
    out = np.empty_like(values)
    _mean(values, blocks(year_starts, len(values), window), window, max(min_count, 1), scratch(window, 2), out)
    return out


@njit(cache=True, error_model="numpy")
def _add(row, sums, new_sums):  # pragma: no cover
    for j in range(len(row)):
        new_sums[0, j] = sums[0, j] + (1.0 if row[j] == row[j] else 0.0)
    for j in range(len(row)):
        new_sums[1, j] = sums[1, j] + (row[j] if row[j] == row[j] else 0.0)


@njit(nogil=True, cache=True, error_model="numpy")
def _mean(values, blocks, window, min_count, scratch, out):  # pragma: no cover
    n_symbols = values.shape[1]
    for low in range(0, n_symbols, TILE):
        high = min(low + TILE, n_symbols)
        for start, stop in blocks:
            reach = min(window - 1, start)
            older, newer = scratch, scratch[window]
            older[0], newer[:] = 0.0, 0.0
            for i in range(1, reach + 1):
                _add(values[start - i, low:high], older[i - 1], older[i])
            for t in range(start, stop):
                _add(values[t, low:high], newer, newer)
                _emit_mean(older[min(window - 1 - (t - start), reach)], newer, min_count, out[t, low:high])


@njit(cache=True, error_model="numpy")
def _emit_mean(older, newer, min_count, row):  # pragma: no cover
    for j in range(len(row)):
        n = older[0, j] + newer[0, j]
        row[j] = (older[1, j] + newer[1, j]) / n if n >= min_count else np.nan
