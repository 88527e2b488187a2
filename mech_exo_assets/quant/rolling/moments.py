"""Rolling standard deviation and skewness.

What belongs here: central moments of one matrix. What does not: joint moments, which stand in `regression`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from mech_exo_assets.quant.panel import Index, Matrix
from mech_exo_assets.quant.rolling.blocks import TILE, anchor, blocks, prepared, scratch


def standard_deviation(values: Matrix, *, window: int, min_count: int, year_starts: Index) -> Matrix:
    """Sample standard deviation (n - 1) of the known values of each window.

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        At least 0, and exactly 0 for a constant; NaN where fewer than `min_count` (and at least two) are known.
    """
    values = prepared(values)
    out = np.empty_like(values)
    _moments(values, blocks(year_starts, len(values), window), window, max(min_count, 2), False, scratch(window, 6), out)
    return out


def skewness(values: Matrix, *, window: int, min_count: int, year_starts: Index) -> Matrix:
    """Adjusted Fisher-Pearson skewness of the known values of each window.

    G = √(n(n-1)) / (n-2) · m₃ / m₂^(3/2), m_k the k-th central moment.

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        NaN where fewer than `min_count` (and at least three) are known, and for a constant.

    Notes
    -----
    Equals `pandas.DataFrame.skew`. Source: Joanes and Gill (1998).
    """
    values = prepared(values)
    out = np.empty_like(values)
    _moments(values, blocks(year_starts, len(values), window), window, max(min_count, 3), True, scratch(window, 6), out)
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def _moments(values, blocks, window, min_count, third, scratch, out):  # pragma: no cover
    n_symbols = values.shape[1]
    for low in range(0, n_symbols, TILE):
        high = min(low + TILE, n_symbols)
        for start, stop in blocks:
            reach = min(window - 1, start)
            older, newer = scratch, scratch[window]
            centre, away = newer[4], newer[5]
            older[0], newer[:] = 0.0, 0.0
            anchor(values, start - reach, start, stop, low, high, centre)
            for i in range(1, reach + 1):
                _add(values[start - i, low:high], centre, away, older[i - 1], older[i], third)
            for t in range(start, stop):
                _add(values[t, low:high], centre, away, newer, newer, third)
                part = older[min(window - 1 - (t - start), reach)]
                if third:
                    _emit_skewness(part, newer, min_count, out[t, low:high])
                else:
                    _emit_deviation(part, newer, min_count, out[t, low:high])


@njit(cache=True, error_model="numpy")
def _add(row, centre, away, sums, new_sums, third):  # pragma: no cover
    # 0: n, 1: Σx, 2: Σx², 3: Σx³, of what a value is away from its anchor.
    for j in range(len(row)):
        new_sums[0, j] = sums[0, j] + (1.0 if row[j] == row[j] else 0.0)
    for j in range(len(row)):
        away[j] = row[j] - centre[j] if row[j] == row[j] else 0.0
    for j in range(len(row)):
        new_sums[1, j] = sums[1, j] + away[j]
    for j in range(len(row)):
        new_sums[2, j] = sums[2, j] + away[j] * away[j]
    if third:
        for j in range(len(row)):
            new_sums[3, j] = sums[3, j] + away[j] * away[j] * away[j]


@njit(cache=True, error_model="numpy")
def _emit_deviation(older, newer, min_count, row):  # pragma: no cover
    for j in range(len(row)):
        n = older[0, j] + newer[0, j]
        total = older[1, j] + newer[1, j]
        squares = n * (older[2, j] + newer[2, j]) - total * total
        row[j] = np.sqrt(max(squares, 0.0) / (n * (n - 1.0))) if n >= min_count else np.nan


@njit(cache=True, error_model="numpy")
def _emit_skewness(older, newer, min_count, row):  # pragma: no cover
    for j in range(len(row)):
        n = older[0, j] + newer[0, j]
        share = 1.0 / n
        mean = (older[1, j] + newer[1, j]) * share
        raw2 = (older[2, j] + newer[2, j]) * share
        m2 = raw2 - mean * mean
        m3 = (older[3, j] + newer[3, j]) * share - 3.0 * mean * raw2 + 2.0 * mean * mean * mean
        # Below rounding of the raw moment the window is a constant (seen from an anchor that is unlike it).
        dispersed = n >= min_count and m2 > 1e-14 * raw2
        row[j] = m3 / (m2 * (n - 2.0)) * np.sqrt(n * (n - 1.0) / m2) if dispersed else np.nan
