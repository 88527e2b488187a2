"""Ranks within each session: the sort under every rank statistic.

What belongs here: from a row of numbers to its order, its average ranks and its ties. What does not: what is done with ranks (`ic`).

The kernels are compiled by numba, where coverage cannot look; they are marked `no cover` and tested through the public functions.
They are written for one row of one session, so that a session's result never depends on what else is in the panel, or on the number
of threads.

How a row is sorted. Each value is rounded to float32 and its bits turned into an unsigned key that sorts as the value does. Stable
counting sorts on the leading bits of the key put the row in order but for values that share those bits; such runs are short, and a
Shell sort on the float64 values themselves puts them right. Ties are found in the same runs, so that a row without ties pays nothing
for them.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from mech_exo_assets.quant.panel import Matrix

_SIGN = np.uint32(0x80000000)
_SMALL_ROW = 1024
"""Rows below this length are sorted by three digits of 8 bits, longer ones by two of 11: clearing the counters costs more than a pass."""
_MAX_DIGIT_BITS = 11


def average_ranks(values: Matrix) -> Matrix:
    """Rank of each symbol among those known in its session, 1 for the smallest; ties get the average of their ranks.

    Parameters
    ----------
    values : ndarray of shape (n_sessions, n_symbols)
        NaN where unknown. Infinities are ranked; −0 and 0 are equal.

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        From 1 to the number of known symbols in the session; NaN where unknown.

    Notes
    -----
    Equals `scipy.stats.rankdata(method="average", nan_policy="omit")`, row by row.
    """
    out = np.empty(values.shape)
    _rank_rows(np.require(values, dtype=np.float64, requirements=["C", "W"]), out)
    return out


@njit(parallel=True, cache=True, error_model="numpy")
def _rank_rows(values, out):  # pragma: no cover
    n_sessions, n_symbols = values.shape
    for t in prange(n_sessions):
        order = np.empty(n_symbols, np.int32)
        doubled = np.empty(n_symbols, np.int32)
        groups = np.empty(n_symbols + 1, np.int32)
        rank_row(values[t], order, doubled, groups)
        for i in range(n_symbols):
            out[t, i] = 0.5 * doubled[i] if doubled[i] else np.nan


@njit(cache=True, error_model="numpy")
def rank_row(values, order, doubled, groups):  # pragma: no cover
    """Order, ranks and ties of one row; for kernels.

    Parameters
    ----------
    values : ndarray of shape (n,)
    order : ndarray of shape (n,), int32, written
        Positions of the known values, smallest first; what lies behind them is undefined.
    doubled : ndarray of shape (n,), int32, written
        Twice the average rank, which is an integer; 0 where unknown.
    groups : ndarray of shape (n + 1,), int32, written
        Start and end (not included) in `order` of each run of equal values, pair after pair.

    Returns
    -------
    n_known, n_groups : int
    """
    n = len(values)
    n_known, n_groups = _sort_row(values, order, groups)
    for i in range(n):
        doubled[i] = 0
    for p in range(n_known):
        doubled[order[p]] = 2 * (p + 1)
    for g in range(n_groups):
        start, end = groups[2 * g], groups[2 * g + 1]
        for p in range(start, end):
            doubled[order[p]] = start + 1 + end
    return n_known, n_groups


@njit(cache=True, error_model="numpy")
def _sort_row(values, order, groups):  # pragma: no cover
    n = len(values)
    rounded = np.empty(n, np.float32)
    for i in range(n):
        rounded[i] = np.float32(values[i] + 0.0)  # −0 + 0 is 0
    bits = rounded.view(np.uint32)
    items = np.empty(n, np.uint64)  # the key in the upper half, the position in the lower
    n_known = 0
    for i in range(n):
        key = bits[i]
        key = ~key if key & _SIGN else key | _SIGN
        items[n_known] = (np.uint64(key) << np.uint64(32)) | np.uint64(i)
        n_known += values[i] == values[i]
    n_digits, digit_bits = (3, 8) if n_known < _SMALL_ROW else (2, _MAX_DIGIT_BITS)
    spare = np.empty(n, np.uint64)
    for digit in range(n_digits):
        _counting_pass(items, spare, n_known, 64 - digit_bits * (n_digits - digit), digit_bits)
        items, spare = spare, items
    for p in range(n_known):
        order[p] = np.int32(items[p] & np.uint64(0xFFFFFFFF))
    return n_known, _settle(values, order, items, n_known, 64 - digit_bits * n_digits, groups)


@njit(cache=True, error_model="numpy")
def _counting_pass(source, target, n, shift, digit_bits):  # pragma: no cover
    counts = np.zeros(1 << _MAX_DIGIT_BITS, np.int32) if digit_bits == _MAX_DIGIT_BITS else np.zeros(256, np.int32)
    by, mask = np.uint64(shift), np.uint64((1 << digit_bits) - 1)
    for p in range(n):
        counts[(source[p] >> by) & mask] += 1
    total = 0
    for c in range(len(counts)):
        count = counts[c]
        counts[c] = total
        total += count
    for p in range(n):
        item = source[p]
        bucket = (item >> by) & mask
        target[counts[bucket]] = item
        counts[bucket] += 1


@njit(cache=True, error_model="numpy")
def _settle(values, order, items, n, shift, groups):  # pragma: no cover
    """Sort the runs that share the leading bits of the key, and note their ties."""
    by = np.uint64(shift)
    n_groups = 0
    p = 1
    while p < n:
        lead = items[p - 1] >> by
        if items[p] >> by != lead:
            p += 1
            continue
        start = p - 1
        while p < n and items[p] >> by == lead:
            p += 1
        _shell_sort(values, order, start, p)
        first = start
        for q in range(start + 1, p + 1):
            if q == p or values[order[q]] != values[order[first]]:
                if q - first > 1:
                    groups[2 * n_groups], groups[2 * n_groups + 1] = first, q
                    n_groups += 1
                first = q
        p += 1
    return n_groups


@njit(cache=True, error_model="numpy")
def _shell_sort(values, order, start, end):  # pragma: no cover
    gap = 1
    while gap < (end - start) // 9:
        gap = 3 * gap + 1
    while gap >= 1:
        for p in range(start + gap, end):
            moved = order[p]
            value = values[moved]
            q = p
            while q >= start + gap and values[order[q - gap]] > value:
                order[q] = order[q - gap]
                q -= gap
            order[q] = moved
        gap //= 3
