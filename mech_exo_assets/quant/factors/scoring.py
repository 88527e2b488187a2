"""From exposures to scores: comparable over factors, neutral to sectors, higher is better.

What belongs here: what is done to the exposures of one session. What does not: how scores of several factors are joined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numba import njit

from mech_exo_assets.quant.factors.threads import in_threads
from mech_exo_assets.quant.panel import Index, Matrix
from mech_exo_assets.quant.rolling.blocks import prepared

NO_SECTOR = -1
# Dispersion below this share of the largest deviation is rounding: the exposures differ by nothing else than their sectors.
_ROUNDING = 1e-12


def sector_codes(sectors: Sequence[str | None]) -> Index:
    """An integer for each symbol's sector, in alphabetical order from 0; `NO_SECTOR` where there is none."""
    codes = {sector: code for code, sector in enumerate(sorted({sector for sector in sectors if sector}))}
    return np.array([codes[sector] if sector else NO_SECTOR for sector in sectors], dtype=np.int64)


def score(exposures: Matrix, *, sector_codes: Index, orientation: int, winsorise: float, min_sector_names: int, min_names: int) -> Matrix:
    """Winsorised, sector-neutral, standardised and oriented exposures, session by session.

    x = exposures clipped at their quantiles q and 1 - q; y = x - mean of x over the name's sector; z = orientation · y / √mean(y²).

    Parameters
    ----------
    exposures : ndarray of shape (n_sessions, n_symbols)
        Finite or NaN.
    sector_codes : ndarray of shape (n_symbols,), int64
        As of `sector_codes`.
    orientation : {1, -1}
        Sign of the factor.
    winsorise : float
        q, in [0, 0.5); quantiles are interpolated linearly, as by `numpy.quantile`.
    min_sector_names : int
        Sectors with fewer known names in a session, and names without a sector, are taken together as one.
    min_names : int
        Known names without which a session has no scores.

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        Mean 0 in each sector and standard deviation (over n) 1 in each session. NaN where the exposure is, in sessions with fewer than
        `min_names`, and in those without dispersion within sectors.
    """
    if orientation not in (1, -1) or not 0.0 <= winsorise < 0.5:
        raise ValueError(f"orientation is {orientation} and winsorise is {winsorise}; wanted are 1 or -1, and a number in [0, 0.5)")
    exposures = prepared(exposures)
    out = np.empty_like(exposures)
    codes = np.ascontiguousarray(sector_codes, dtype=np.int64)
    _score(exposures, codes, float(orientation), winsorise, min_sector_names, max(min_names, 2), out)
    return out


def score_all(
    exposures: Mapping[str, Matrix],
    orientations: Mapping[str, int],
    *,
    sector_codes: Index,
    winsorise: float,
    min_sector_names: int,
    min_names: int,
) -> dict[str, Matrix]:
    """`score` for many factors over the same symbols.

    Parameters
    ----------
    exposures : mapping of str to ndarray of shape (n_sessions, n_symbols)
        By factor.
    orientations : mapping of str to {1, -1}
        For each of them.
    """

    def one(name: str) -> Matrix:
        return score(
            exposures[name],
            sector_codes=sector_codes,
            orientation=orientations[name],
            winsorise=winsorise,
            min_sector_names=min_sector_names,
            min_names=min_names,
        )

    return dict(zip(exposures, in_threads(one, exposures), strict=True))


@njit(nogil=True, cache=True, error_model="numpy")
def _score(exposures, sectors, orientation, winsorise, min_sector_names, min_names, out):  # pragma: no cover
    n_sessions, n_symbols = exposures.shape
    n_sectors = sectors.max() + 1 if n_symbols else 0
    for t in range(n_sessions):
        row = out[t]
        known = np.empty(n_symbols)
        n = 0
        for value in exposures[t]:
            known[n] = value
            n += not np.isnan(value)
        if n < min_names:
            row[:] = np.nan
            continue
        # Seen from one of them: equal exposures become exactly 0.
        origin = known[0]
        low, high = -np.inf, np.inf
        if winsorise > 0.0:
            low, high = _quantiles(known[:n], winsorise)
        reach = 0.0
        for j in range(n_symbols):
            value = exposures[t, j]
            # Written out, since it says what happens to NaN.
            clipped = low if value < low else value  # noqa: FURB136
            row[j] = (high if clipped > high else clipped) - origin  # noqa: FURB136
            reach = max(reach, abs(row[j])) if not np.isnan(value) else reach
        _demean(row, sectors, n_sectors, min_sector_names)
        squares = 0.0
        for value in row:
            squares += value * value if not np.isnan(value) else 0.0
        deviation = np.sqrt(squares / n)
        scale = orientation / deviation if deviation > _ROUNDING * reach else np.nan
        for j in range(n_symbols):
            row[j] *= scale


@njit(cache=True, error_model="numpy")
def _demean(row, sectors, n_sectors, min_sector_names):  # pragma: no cover
    # One more group, the last, for names without a sector and for sectors with too few.
    total, count = np.zeros(n_sectors + 1), np.zeros(n_sectors + 1, dtype=np.int64)
    for j in range(len(row)):
        if not np.isnan(row[j]):
            group = sectors[j] if sectors[j] >= 0 else n_sectors
            total[group] += row[j]
            count[group] += 1
    pooled = np.zeros(n_sectors + 1, dtype=np.bool_)
    pooled[n_sectors] = True
    for group in range(n_sectors):
        if count[group] < min_sector_names:
            pooled[group] = True
            total[n_sectors] += total[group]
            count[n_sectors] += count[group]
    mean = total / count
    for group in range(n_sectors):
        if pooled[group]:
            mean[group] = mean[n_sectors]
    for j in range(len(row)):
        row[j] -= mean[sectors[j] if sectors[j] >= 0 else n_sectors]


@njit(cache=True, error_model="numpy")
def _quantiles(values, share):  # pragma: no cover
    """Quantiles `share` and 1 - `share` of known values, interpolated linearly; the values are put into another order."""
    last = len(values) - 1
    low = int(share * last)
    _select(values, low, 0, last)
    high = int((1.0 - share) * last)
    if high > low:
        _select(values, high, low + 1, last)
    below = _interpolated(values[low], _smallest_from(values, low + 1, values[low]), share * last - low)
    above = _interpolated(values[high], _smallest_from(values, high + 1, values[high]), (1.0 - share) * last - high)
    return below, above


@njit(cache=True, error_model="numpy")
def _smallest_from(values, start, default):  # pragma: no cover
    smallest = values[start] if start < len(values) else default
    for value in values[start:]:
        smallest = min(smallest, value)
    return smallest


@njit(cache=True, error_model="numpy")
def _interpolated(a, b, share):  # pragma: no cover
    return a + (b - a) * share if share < 0.5 else b - (b - a) * (1.0 - share)


@njit(cache=True, error_model="numpy")
def _select(values, k, low, high):  # pragma: no cover
    """Put the k-th smallest of values[low .. high] in its place, nothing larger before it, nothing smaller behind it.

    First in a sample around k, so that nearly all values then fall on one side of the pivot: Floyd and Rivest (1975), one level deep.
    """
    n = high - low + 1
    if n > 600:
        rank = k - low + 1
        size = 0.5 * np.exp(2.0 * np.log(n) / 3.0)
        spread = 0.5 * np.sqrt(np.log(n) * size * (n - size) / n) * (1.0 if 2 * rank >= n else -1.0)
        _partition(values, k, max(low, int(k - rank * size / n + spread)), min(high, int(k + (n - rank) * size / n + spread)))
    _partition(values, k, low, high)


@njit(cache=True, error_model="numpy")
def _partition(values, k, low, high):  # pragma: no cover
    """`_select` by Hoare's partitions, the first of them about values[k]."""
    while low < high:
        pivot = values[k]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            return
