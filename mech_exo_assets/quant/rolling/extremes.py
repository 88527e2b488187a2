"""Rolling maximum and when it was, mean of the largest, and deepest fall from a peak.

What belongs here: statistics of order. What does not: moments.
"""

# ruff: noqa: FURB136 - comparisons are written out, since they say what happens to NaN: it is never higher, lower or deeper

from __future__ import annotations

import numpy as np
from numba import njit

from mech_exo_assets.quant.panel import Index, Matrix
from mech_exo_assets.quant.rolling.blocks import TILE, blocks, prepared, scratch

_MAXIMUM, _SINCE_MAXIMUM, _DRAWDOWN = range(3)


def maximum(values: Matrix, *, window: int, min_count: int, year_starts: Index) -> Matrix:
    """Largest known value of each window; NaN where fewer than `min_count` are known."""
    return _of_peaks(values, _MAXIMUM, window=window, min_count=min_count, year_starts=year_starts)


def sessions_since_maximum(values: Matrix, *, window: int, min_count: int, year_starts: Index) -> Matrix:
    """Sessions since the largest known value of each window, 0 where it is the current one; the latest where several are equal.

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        In [0, window - 1]; NaN where fewer than `min_count` are known.
    """
    return _of_peaks(values, _SINCE_MAXIMUM, window=window, min_count=min_count, year_starts=year_starts)


def maximum_drawdown(values: Matrix, *, window: int, min_count: int, year_starts: Index) -> Matrix:
    """Deepest fall from an earlier peak in each window, max over s ≤ u of 1 - values[u] / values[s].

    Parameters
    ----------
    values : ndarray of shape (n_sessions, n_symbols)
        Positive.

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        In [0, 1); NaN where fewer than `min_count` are known.
    """
    return _of_peaks(values, _DRAWDOWN, window=window, min_count=min_count, year_starts=year_starts)


def mean_of_largest(values: Matrix, count: int, *, window: int, min_count: int, year_starts: Index) -> Matrix:
    """Mean of the `count` largest known values of each window; NaN where fewer than `min_count` (and than `count`) are known."""
    if not 1 <= count <= window:
        raise ValueError(f"count is {count}; it must be in 1 .. window ({window})")
    values = prepared(values)
    out = np.empty_like(values)
    memory = scratch(window, count + 1)
    _mean_of_largest(values, blocks(year_starts, len(values), window), window, max(min_count, count), memory, out)
    return out


def _of_peaks(values: Matrix, statistic: int, *, window: int, min_count: int, year_starts: Index) -> Matrix:
    values = prepared(values)
    out = np.empty_like(values)
    _peaks(values, blocks(year_starts, len(values), window), window, max(min_count, 1), statistic, scratch(window, 4), out)
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def _peaks(values, blocks, window, min_count, statistic, scratch, out):  # pragma: no cover
    # 0: n, 1: maximum, 2: its session, or the minimum for a drawdown, 3: deepest fall.
    n_symbols = values.shape[1]
    for low in range(0, n_symbols, TILE):
        high = min(low + TILE, n_symbols)
        for start, stop in blocks:
            reach = min(window - 1, start)
            older, newer = scratch, scratch[window]
            for part in (older[0], newer):
                part[0], part[1], part[2], part[3] = 0.0, -np.inf, np.inf, 0.0
            for i in range(1, reach + 1):
                _count(values[start - i, low:high], older[i - 1], older[i])
                if statistic == _DRAWDOWN:
                    _fall_before(values[start - i, low:high], older[i - 1], older[i])
                else:
                    _peak_before(values[start - i, low:high], start - i, older[i - 1], older[i])
            for t in range(start, stop):
                part = older[min(window - 1 - (t - start), reach)]
                _count(values[t, low:high], newer, newer)
                if statistic == _DRAWDOWN:
                    _fall_after(values[t, low:high], newer)
                    _emit_drawdown(part, newer, min_count, out[t, low:high])
                else:
                    _peak_after(values[t, low:high], t, newer)
                    _emit_maximum(part, newer, min_count, t, statistic, out[t, low:high])


@njit(cache=True, error_model="numpy")
def _count(row, sums, new_sums):  # pragma: no cover
    for j in range(len(row)):
        new_sums[0, j] = sums[0, j] + (1.0 if row[j] == row[j] else 0.0)


@njit(cache=True, error_model="numpy")
def _peak_before(row, t, later, out):  # pragma: no cover
    for j in range(len(row)):
        higher = row[j] > later[1, j]
        out[1, j] = row[j] if higher else later[1, j]
        out[2, j] = t if higher else later[2, j]


@njit(cache=True, error_model="numpy")
def _peak_after(row, t, state):  # pragma: no cover
    for j in range(len(row)):
        as_high = row[j] >= state[1, j]
        state[1, j] = row[j] if as_high else state[1, j]
        state[2, j] = t if as_high else state[2, j]


@njit(cache=True, error_model="numpy")
def _emit_maximum(older, newer, min_count, t, statistic, row):  # pragma: no cover
    for j in range(len(row)):
        newer_holds_it = newer[1, j] >= older[1, j]
        peak = newer[1, j] if newer_holds_it else older[1, j]
        when = newer[2, j] if newer_holds_it else older[2, j]
        figure = peak if statistic == _MAXIMUM else t - when
        row[j] = figure if older[0, j] + newer[0, j] >= min_count else np.nan


@njit(cache=True, error_model="numpy")
def _fall_before(row, later, out):  # pragma: no cover
    for j in range(len(row)):
        v = row[j]
        lowest = v if v < later[2, j] else later[2, j]
        fall = 1.0 - lowest / v
        out[1, j] = v if v > later[1, j] else later[1, j]
        out[2, j] = lowest
        out[3, j] = fall if fall > later[3, j] else later[3, j]


@njit(cache=True, error_model="numpy")
def _fall_after(row, state):  # pragma: no cover
    for j in range(len(row)):
        v = row[j]
        highest = v if v > state[1, j] else state[1, j]
        fall = 1.0 - v / highest
        state[1, j] = highest
        state[2, j] = v if v < state[2, j] else state[2, j]
        state[3, j] = fall if fall > state[3, j] else state[3, j]


@njit(cache=True, error_model="numpy")
def _emit_drawdown(older, newer, min_count, row):  # pragma: no cover
    for j in range(len(row)):
        across = 1.0 - newer[2, j] / older[1, j] if older[0, j] > 0.0 and newer[0, j] > 0.0 else 0.0
        deepest = max(older[3, j], newer[3, j], across)
        row[j] = deepest if older[0, j] + newer[0, j] >= min_count else np.nan


@njit(nogil=True, cache=True, error_model="numpy")
def _mean_of_largest(values, blocks, window, min_count, scratch, out):  # pragma: no cover
    # Row 0 is n, rows 1 .. count the largest, in falling order.
    n_symbols = values.shape[1]
    for low in range(0, n_symbols, TILE):
        high = min(low + TILE, n_symbols)
        for start, stop in blocks:
            reach = min(window - 1, start)
            older, newer = scratch, scratch[window]
            older[0], newer[:] = -np.inf, -np.inf
            older[0, 0], newer[0] = 0.0, 0.0
            for i in range(1, reach + 1):
                older[i] = older[i - 1]
                _insert(values[start - i, low:high], older[i])
            for t in range(start, stop):
                _insert(values[t, low:high], newer)
                _emit_mean_of_largest(older[min(window - 1 - (t - start), reach)], newer, min_count, out[t, low:high])


@njit(cache=True, error_model="numpy")
def _insert(row, largest):  # pragma: no cover
    for j in range(len(row)):
        largest[0, j] += 1.0 if row[j] == row[j] else 0.0
    carried = np.empty(TILE)
    for j in range(len(row)):
        carried[j] = row[j] if row[j] == row[j] else -np.inf
    for k in range(1, len(largest)):
        for j in range(len(row)):
            high = max(largest[k, j], carried[j])
            carried[j] = min(largest[k, j], carried[j])
            largest[k, j] = high


@njit(cache=True, error_model="numpy")
def _emit_mean_of_largest(older, newer, min_count, row):  # pragma: no cover
    # Of two falling lists of k, the pairwise maxima of one and the other reversed are the k largest of both.
    k = len(older) - 1
    row[:] = 0.0
    for i in range(1, k + 1):
        for j in range(len(row)):
            row[j] += max(older[i, j], newer[k + 1 - i, j])
    for j in range(len(row)):
        row[j] = row[j] / k if older[0, j] + newer[0, j] >= min_count else np.nan
