"""Rolling regression of each name on one vector (the market, time), and rolling correlation of two matrices.

What belongs here: joint moments. What does not: what the vector means.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from mech_exo_assets.quant.panel import Index, Matrix, Vector
from mech_exo_assets.quant.rolling.blocks import TILE, anchor, blocks, prepared, scratch

_SLOPE, _RESIDUAL_DEVIATION, _SLOPE_T, _COSKEWNESS = range(4)
# Of a sum of squares about a member of the window: less than this share of it is rounding, not dispersion.
_ROUNDING = 1e-13


def slope(values: Matrix, on: Vector, *, window: int, min_count: int, year_starts: Index) -> Matrix:
    """Slope of the least-squares line of `values` on the vector `on`.

    b = Σ(x-x̄)(m-m̄) / Σ(m-m̄)², over the sessions of the window where both x and m are known.

    Parameters
    ----------
    values : ndarray of shape (n_sessions, n_symbols)
    on : ndarray of shape (n_sessions,)

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        NaN where fewer than `min_count` (and at least three) are known, and where `on` does not move.
    """
    return _of_regression(values, on, _SLOPE, window=window, min_count=min_count, year_starts=year_starts)


def residual_deviation(values: Matrix, on: Vector, *, window: int, min_count: int, year_starts: Index) -> Matrix:
    """Standard deviation (n - 2) of the residuals of the line of `values` on the vector `on`; as `slope`, and at least 0."""
    return _of_regression(values, on, _RESIDUAL_DEVIATION, window=window, min_count=min_count, year_starts=year_starts)


def slope_t(values: Matrix, on: Vector, *, window: int, min_count: int, year_starts: Index) -> Matrix:
    """Slope over its standard error, t = b √Σ(m-m̄)² / s with s the `residual_deviation`; NaN for a perfect fit."""
    return _of_regression(values, on, _SLOPE_T, window=window, min_count=min_count, year_starts=year_starts)


def coskewness(values: Matrix, on: Vector, *, window: int, min_count: int, year_starts: Index) -> Matrix:
    """Standardised coskewness of the residuals with the vector, E[ε (m-m̄)²] / (√E[ε²] E[(m-m̄)²]); NaN for a perfect fit.

    Notes
    -----
    Source: Harvey and Siddique (2000), eq. 11.
    """
    return _of_regression(values, on, _COSKEWNESS, window=window, min_count=min_count, year_starts=year_starts)


def correlation(values: Matrix, others: Matrix, *, window: int, min_count: int, year_starts: Index) -> Matrix:
    """Pearson correlation of two matrices, name by name, over the sessions of the window where both are known.

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        In [-1, 1]; NaN where fewer than `min_count` (and at least three) are known, and where either does not move.
    """
    values, others = prepared(values), prepared(others)
    out = np.empty_like(values)
    _correlation(values, others, blocks(year_starts, len(values), window), window, max(min_count, 3), scratch(window, 8), out)
    return out


def _of_regression(values: Matrix, on: Vector, statistic: int, *, window: int, min_count: int, year_starts: Index) -> Matrix:
    values, on = prepared(values), prepared(on)
    out = np.empty_like(values)
    _regression(values, on, blocks(year_starts, len(values), window), window, max(min_count, 3), statistic, scratch(window, 9), out)
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def _regression(values, on, blocks, window, min_count, statistic, scratch, out):  # pragma: no cover
    n_symbols = values.shape[1]
    third = statistic == _COSKEWNESS
    for low in range(0, n_symbols, TILE):
        high = min(low + TILE, n_symbols)
        for start, stop in blocks:
            reach = min(window - 1, start)
            older, newer = scratch, scratch[window]
            centre = newer[8]
            older[0], newer[:] = 0.0, 0.0
            anchor(values, start - reach, start, stop, low, high, centre)
            on_centre = _anchor_of_vector(on, start - reach, start, stop)
            for i in range(1, reach + 1):
                _add(values[start - i, low:high], centre, on[start - i] - on_centre, older[i - 1], older[i], third)
            for t in range(start, stop):
                _add(values[t, low:high], centre, on[t] - on_centre, newer, newer, third)
                _emit_regression(older[min(window - 1 - (t - start), reach)], newer, min_count, statistic, out[t, low:high])


@njit(cache=True, error_model="numpy")
def _anchor_of_vector(on, first, start, stop):  # pragma: no cover
    for t in range(start, first - 1, -1):
        if not np.isnan(on[t]):
            return on[t]
    for t in range(start, stop):
        if not np.isnan(on[t]):
            return on[t]
    return 0.0


@njit(cache=True, error_model="numpy")
def _add(row, centre, y, sums, new_sums, third):  # pragma: no cover
    # 0: n, 1: Σx, 2: Σx², 3: Σy, 4: Σy², 5: Σxy, 6: Σxy², 7: Σy³; x is a name, y the vector, both about their anchors.
    joint = 0.0 if np.isnan(y) else 1.0
    y = 0.0 if np.isnan(y) else y
    for j in range(len(row)):
        new_sums[0, j] = sums[0, j] + (joint if row[j] == row[j] else 0.0)
    for j in range(len(row)):
        new_sums[1, j] = sums[1, j] + (joint * (row[j] - centre[j]) if row[j] == row[j] else 0.0)
    for j in range(len(row)):
        d = joint * (row[j] - centre[j]) if row[j] == row[j] else 0.0
        new_sums[2, j] = sums[2, j] + d * d
    for j in range(len(row)):
        new_sums[3, j] = sums[3, j] + (y if row[j] == row[j] else 0.0)
    for j in range(len(row)):
        new_sums[4, j] = sums[4, j] + (y * y if row[j] == row[j] else 0.0)
    for j in range(len(row)):
        new_sums[5, j] = sums[5, j] + (y * (row[j] - centre[j]) if row[j] == row[j] else 0.0)
    if third:
        for j in range(len(row)):
            new_sums[6, j] = sums[6, j] + (y * y * (row[j] - centre[j]) if row[j] == row[j] else 0.0)
        for j in range(len(row)):
            new_sums[7, j] = sums[7, j] + (y * y * y if row[j] == row[j] else 0.0)


@njit(cache=True, error_model="numpy")
def _emit_regression(older, newer, min_count, statistic, row):  # pragma: no cover
    if statistic == _SLOPE:
        for j in range(len(row)):
            n = older[0, j] + newer[0, j]
            x, y = older[1, j] + newer[1, j], older[3, j] + newer[3, j]
            raw = older[4, j] + newer[4, j]
            yy = raw - y * y / n
            xy = older[5, j] + newer[5, j] - x * y / n
            row[j] = xy / yy if n >= min_count and yy > _ROUNDING * raw else np.nan
        return
    for j in range(len(row)):
        n = older[0, j] + newer[0, j]
        x, y = older[1, j] + newer[1, j], older[3, j] + newer[3, j]
        raw_x, raw_y = older[2, j] + newer[2, j], older[4, j] + newer[4, j]
        xx, yy = raw_x - x * x / n, raw_y - y * y / n
        xy = older[5, j] + newer[5, j] - x * y / n
        b = xy / yy
        residual = xx - b * xy
        residual = residual if residual > _ROUNDING * raw_x else 0.0
        if not (n >= min_count and yy > _ROUNDING * raw_y):
            row[j] = np.nan
        elif statistic == _RESIDUAL_DEVIATION:
            row[j] = np.sqrt(residual / (n - 2.0))
        elif residual == 0.0:
            row[j] = np.nan
        elif statistic == _SLOPE_T:
            row[j] = b * np.sqrt(yy * (n - 2.0) / residual)
        else:
            x, y = x / n, y / n
            xyy = older[6, j] + newer[6, j] - 2.0 * y * (older[5, j] + newer[5, j]) - x * raw_y + 2.0 * n * x * y * y
            yyy = older[7, j] + newer[7, j] - 3.0 * y * raw_y + 2.0 * n * y * y * y
            row[j] = (xyy - b * yyy) / (np.sqrt(residual / n) * yy)


@njit(nogil=True, cache=True, error_model="numpy")
def _correlation(values, others, blocks, window, min_count, scratch, out):  # pragma: no cover
    n_symbols = values.shape[1]
    for low in range(0, n_symbols, TILE):
        high = min(low + TILE, n_symbols)
        for start, stop in blocks:
            reach = min(window - 1, start)
            older, newer = scratch, scratch[window]
            older[0], newer[:] = 0.0, 0.0
            anchor(values, start - reach, start, stop, low, high, newer[6])
            anchor(others, start - reach, start, stop, low, high, newer[7])
            for i in range(1, reach + 1):
                _add_pair(values[start - i, low:high], others[start - i, low:high], newer[6], newer[7], older[i - 1], older[i])
            for t in range(start, stop):
                _add_pair(values[t, low:high], others[t, low:high], newer[6], newer[7], newer, newer)
                _emit_correlation(older[min(window - 1 - (t - start), reach)], newer, min_count, out[t, low:high])


@njit(cache=True, error_model="numpy")
def _add_pair(row, other, centre, other_centre, sums, new_sums):  # pragma: no cover
    # 0: n, 1: Σx, 2: Σx², 3: Σy, 4: Σy², 5: Σxy. An unknown makes the sum of both NaN, and so neither counts.
    for j in range(len(row)):
        both = row[j] + other[j]
        new_sums[0, j] = sums[0, j] + (0.0 if np.isnan(both) else 1.0)
    for j in range(len(row)):
        both = row[j] + other[j]
        d = 0.0 if np.isnan(both) else row[j] - centre[j]
        new_sums[1, j] = sums[1, j] + d
        new_sums[2, j] = sums[2, j] + d * d
    for j in range(len(row)):
        both = row[j] + other[j]
        d = 0.0 if np.isnan(both) else other[j] - other_centre[j]
        new_sums[3, j] = sums[3, j] + d
        new_sums[4, j] = sums[4, j] + d * d
    for j in range(len(row)):
        product = (row[j] - centre[j]) * (other[j] - other_centre[j])
        new_sums[5, j] = sums[5, j] + (0.0 if np.isnan(product) else product)


@njit(cache=True, error_model="numpy")
def _emit_correlation(older, newer, min_count, row):  # pragma: no cover
    for j in range(len(row)):
        n = older[0, j] + newer[0, j]
        x, y = older[1, j] + newer[1, j], older[3, j] + newer[3, j]
        raw_x, raw_y = older[2, j] + newer[2, j], older[4, j] + newer[4, j]
        xx, yy = raw_x - x * x / n, raw_y - y * y / n
        r = (older[5, j] + newer[5, j] - x * y / n) / np.sqrt(xx * yy)
        both_move = n >= min_count and xx > _ROUNDING * raw_x and yy > _ROUNDING * raw_y
        row[j] = min(max(r, -1.0), 1.0) if both_move else np.nan
