"""How a rolling kernel cuts its work: blocks of sessions and tiles of symbols.

What belongs here: what all kernels share. What does not: a statistic.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mech_exo_assets.quant.panel import Index, Matrix

TILE = 128
"""Symbols that are worked on together: 16 cache lines of a row, and few enough that the sums of a window stay near the core."""


def blocks(year_starts: Index, n_sessions: int, window: int) -> Index:
    """First and one past last session of each block: stretches of `window` sessions from each year's start on.

    Returns
    -------
    ndarray of shape (n_blocks, 2), int64
    """
    return _blocks(tuple(year_starts.tolist()), n_sessions, window)


@lru_cache(maxsize=256)
def _blocks(year_starts: tuple[int, ...], n_sessions: int, window: int) -> Index:
    if window < 1:
        raise ValueError(f"window is {window}; it must be at least 1")
    if n_sessions == 0:
        return np.zeros((0, 2), dtype=np.int64)
    if not year_starts or year_starts[0] != 0:
        raise ValueError("year_starts must begin with 0; pass Panel.year_starts()")
    ends = (*year_starts[1:], n_sessions)
    pairs = [(start, min(start + window, end)) for first, end in zip(year_starts, ends, strict=True) for start in range(first, end, window)]
    return np.array(pairs, dtype=np.int64)


def prepared(values: Matrix) -> Matrix:
    """The matrix itself where a kernel can take it, else a C-contiguous, writable float64 copy."""
    return np.require(values, dtype=np.float64, requirements=["C", "W"])


def scratch(window: int, n_sums: int) -> NDArray[np.float64]:
    """Working memory of a kernel: the sums of every older part of a block, and those of the newer part as its last row.

    Returns
    -------
    ndarray of shape (window + 1, n_sums, TILE)
    """
    return np.empty((window + 1, n_sums, TILE))


@njit(cache=True, error_model="numpy")
def anchor(values, first, start, stop, low, high, out):  # pragma: no cover
    """For each symbol the value at the block's start; if it is unknown, the last before it in reach, else the next in the block, else 0."""
    for j in range(high - low):
        out[j] = values[start, low + j]
    for j in range(high - low):
        if np.isnan(out[j]):
            out[j] = 0.0
            found = False
            t = start - 1
            while t >= first and not found:
                if not np.isnan(values[t, low + j]):
                    out[j] = values[t, low + j]
                    found = True
                t -= 1
            t = start + 1
            while t < stop and not found:
                if not np.isnan(values[t, low + j]):
                    out[j] = values[t, low + j]
                    found = True
                t += 1
