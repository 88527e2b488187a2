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
_LONG_ROW = 1024
"""From this length on, more digits pay: clearing the counters costs less than the runs that fewer leading bits leave."""
_DIGIT_BITS = (10, 11)
"""Two digits of so many bits, for short and for long rows."""
_FEW = 64
"""Below this length, such as the names of one sector, a Shell sort is done before the counters were cleared."""


def average_ranks(values: Matrix) -> Matrix:
    """Rank of each symbol among those known in its session, 1 for the smallest; ties get the average of their ranks.

    Parameters
    ----------
    values : ndarray of shape (n_sessions, n_symbols)
        NaN where unknown. Infinities are ranked; -0 and 0 are equal.

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
        order, doubled, groups = new_ranking(n_symbols)
        rank_row(values[t], order, doubled, groups, new_scratch(n_symbols))
        for i in range(n_symbols):
            out[t, i] = 0.5 * doubled[i] if doubled[i] else np.nan


@njit(cache=True, error_model="numpy")
def new_ranking(n):  # pragma: no cover
    """Arrays for `rank_row` to write a row of length n to."""
    return np.empty(n, np.uint32), np.empty(n, np.uint32), np.empty(n + 1, np.uint32)


@njit(cache=True, error_model="numpy")
def new_scratch(n):  # pragma: no cover
    """Working memory of `rank_row` for rows of length n; one for each thread."""
    return np.empty(n + 1, np.uint64), np.empty(n + 1, np.uint64), np.empty(2 << _DIGIT_BITS[1], np.uint32)


@njit(cache=True, error_model="numpy")
def rank_row(values, order, doubled, groups, scratch):  # pragma: no cover
    """Order, ranks and ties of one row; for kernels.

    Everything that serves as an index is unsigned: numba wraps negative indices around, and looking for them doubles the time.

    Parameters
    ----------
    values : ndarray of shape (n,)
    order : ndarray of shape (n,), uint32, written
        Positions of the known values, smallest first; what lies behind them is undefined.
    doubled : ndarray of shape (n,), uint32, written
        Twice the average rank, which is an integer; 0 where unknown.
    groups : ndarray of shape (n + 1,), uint32, written
        Start and end (not included) in `order` of each run of equal values, pair after pair.
    scratch
        From `new_scratch`.

    Returns
    -------
    n_known, n_groups : int
    """
    n = len(values)
    n_known, n_groups = _sort_few(values, order, groups) if n < _FEW else _sort_row(values, order, groups, scratch)
    for i in range(n):
        doubled[i] = 0
    for p in range(n_known):
        doubled[order[p]] = 2 * (p + 1)
    for g in range(n_groups):
        start, end = np.int64(groups[2 * g]), np.int64(groups[2 * g + 1])
        for p in range(start, end):
            doubled[order[p]] = start + 1 + end
    return n_known, n_groups


@njit(cache=True, error_model="numpy")
def _sort_few(values, order, groups):  # pragma: no cover
    n_known = 0
    for i in range(len(values)):
        if values[i] == values[i]:
            order[n_known] = i
            n_known += 1
    _shell_sort(values, order, 0, n_known)
    return n_known, _note_ties(values, order, 0, n_known, groups, 0)


@njit(cache=True, error_model="numpy")
def _sort_row(values, order, groups, scratch):  # pragma: no cover
    items, spare, counts = scratch  # an item is the key in the upper half, the position in the lower
    digit_bits = _DIGIT_BITS[1] if len(values) >= _LONG_ROW else _DIGIT_BITS[0]
    n_digits = np.uint64(1 << digit_bits)
    mask = np.uint32(n_digits - np.uint64(1))
    low, high = np.uint32(32 - 2 * digit_bits), np.uint32(32 - digit_bits)
    counts[: 2 << digit_bits] = 0
    n_known = np.uint64(0)
    for i in range(len(values)):
        bits = np.float32(values[i] + 0.0).view(np.uint32)  # -0 + 0 is 0
        key = ~bits if bits & _SIGN else bits | _SIGN
        items[n_known] = (np.uint64(key) << np.uint64(32)) | np.uint64(i)
        if values[i] == values[i]:
            n_known += np.uint64(1)
            counts[np.uint64((key >> low) & mask)] += np.uint32(1)
            counts[n_digits + np.uint64(key >> high)] += np.uint32(1)
    known = np.int64(n_known)
    _distribute(items, spare, known, counts[: 1 << digit_bits], 64 - 2 * digit_bits)
    _distribute(spare, items, known, counts[1 << digit_bits : 2 << digit_bits], 64 - digit_bits)
    for p in range(known):
        order[p] = np.uint32(items[p] & np.uint64(0xFFFFFFFF))
    return known, _settle(values, order, items, known, 64 - 2 * digit_bits, groups)


@njit(cache=True, error_model="numpy")
def _distribute(source, target, n, counts, shift):  # pragma: no cover
    """One stable pass of a counting sort, by the digit that starts at bit `shift` and whose values `counts` holds."""
    total = np.uint32(0)
    for c in range(len(counts)):
        count = counts[c]
        counts[c] = total
        total += count
    by, mask = np.uint64(shift), np.uint64(len(counts) - 1)
    for p in range(n):
        item = source[p]
        digit = (item >> by) & mask
        place = counts[digit]
        counts[digit] = place + np.uint32(1)
        target[np.uint64(place)] = item


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
        n_groups = _note_ties(values, order, start, p, groups, n_groups)
        p += 1
    return n_groups


@njit(cache=True, error_model="numpy")
def _note_ties(values, order, start, end, groups, n_groups):  # pragma: no cover
    """Add the runs of equal values in a sorted stretch of `order` to `groups`, which holds so many; how many it holds then."""
    first = start
    for q in range(start + 1, end + 1):
        if q == end or values[order[q]] != values[order[first]]:
            if q - first > 1:
                groups[2 * n_groups], groups[2 * n_groups + 1] = first, q
                n_groups += 1
            first = q
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
