"""How fast a signal is used up, and how fast a factor dies.

What belongs here: the exponential IC(x) = a·exp(−lambda·x), over the lag of a return behind its score, and over calendar time. What does
not: when a factor stopped at once (`quant.detection`).

The fit. For a given lambda the best a is in closed form, so that only lambda is searched: on a fixed grid, refined by a parabola through
the best point and its neighbours. The grid has no data in it, so that every resample of the bootstrap is one more row of a matrix product.

The interval. Whole blocks of sessions are drawn again, with all that was measured in them, and the fit repeated (block bootstrap, Carlstein
1986). A half-life is "not identified" where the 95 % interval of lambda holds 0, or reaches the end of what is searched:
then the data do not tell a fast decay from none. Without a signal at all lambda is anywhere, and so not identified.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mech_exo_assets.quant.panel import Index, Vector

LEVEL = 0.95
_LN2 = math.log(2)
_FASTEST = 0.5
"""Half-life, in units of the shortest distance between two points, beyond which a decay is over before it is seen."""
_GRID = 160


@dataclass(frozen=True, slots=True)
class HalfLife:
    """A half-life and its 95 % interval, all in sessions; None where it is not identified."""

    sessions: float
    low: float
    high: float


def half_life(lags: Sequence[int], returns_at: Index, ic: NDArray[np.float64], *, resamples: int, seed: int) -> HalfLife | None:
    """Sessions after which half of a signal is used up: IC(lag) = a·exp(−lambda·lag), ln 2 / lambda.

    Weighted least squares over the lags, the weight of each its number of sessions over the variance of its IC.

    Parameters
    ----------
    lags : sequence of int
        Sessions between the first return that the score could earn and the one measured; increasing, at least three.
    returns_at : ndarray of shape (n_sessions,), int
        Position of the session whose return was measured; rows are aligned by it, and not by the score's session. Returns of different
        sessions are all but independent, and so are the rows; those of one session are not, and stay together.
    ic : ndarray of shape (n_sessions, n_lags)
        IC of the score that is `lag` sessions older; NaN where there is none.
    resamples : int
        Of the bootstrap.
    seed : int

    Returns
    -------
    HalfLife or None
        None where it is not identified, or where fewer than 60 sessions are known at any lag.
    """
    known = ~np.isnan(ic)
    counts = known.sum(axis=0)
    if len(lags) < 3 or int(counts.min()) < 60:
        return None
    order = np.argsort(returns_at)
    values, there = np.where(known, ic, 0.0)[order], known[order].astype(np.float64)
    means = values.sum(axis=0) / counts
    variances = (there * (values - means) ** 2).sum(axis=0) / counts
    if (variances <= 0).any():
        return None
    distances = np.array(lags, dtype=np.float64)
    rates = _rates(float(np.diff(distances).min()), float(distances[-1]))
    curves = np.exp(-np.outer(distances, rates))
    draws = _counts(len(values), block=max(5, round(len(values) ** (1 / 3))), resamples=resamples, seed=seed)
    drawn_known = np.vstack([counts.astype(np.float64), draws @ _block_sums(there, draws)])
    drawn_sums = np.vstack([values.sum(axis=0), draws @ _block_sums(values, draws)])
    # A lag that a resample has no session of has no weight in it.
    weights = drawn_known / variances
    numerators = (drawn_sums / variances) @ curves
    denominators = weights @ curves**2
    return _identified(rates, numerators, denominators)


def decline(positions: Index, ic: Vector, *, horizon: int, resamples: int, seed: int) -> HalfLife | None:
    """Sessions in which the IC itself halves: IC_t = a·exp(−lambda·t), ln 2 / lambda, over calendar time.

    Least squares over sessions.

    Parameters
    ----------
    positions : ndarray of shape (n_sessions,), int
        Of the sessions on the exchange's axis, increasing.
    ic : ndarray of shape (n_sessions,)
        Known information coefficients.
    horizon : int
        Sessions over which each return runs; neighbours share the rest, so that blocks are longer.
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    HalfLife or None
        None where it is not identified, or fewer than 250 sessions are known.
    """
    if len(ic) < 250:
        return None
    time = (positions - positions[0]).astype(np.float64)
    # Nothing is told about one that halves within ten sessions, or that takes ten times the history.
    rates = _rates(21.0 / _FASTEST * 0.5, float(time[-1]))
    block = max(21, 3 * horizon, round(len(ic) ** (1 / 3)))
    draws = _counts(len(ic), block=block, resamples=resamples, seed=seed)
    curves, denominators = _curves(time.tobytes(), rates.tobytes(), draws.shape[1], resamples, seed)
    products = _block_sums(curves * ic[:, None], draws)
    numerators = np.vstack([products.sum(axis=0), draws @ products])
    return _identified(rates, numerators, denominators)


@lru_cache(maxsize=2)
def _curves(time: bytes, rates: bytes, blocks: int, resamples: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """exp(−lambda·t), growth scaled to 1 at the end, and the sums of its squares in the data and each resample.

    Many factors have the same sessions.
    """
    at, rate = np.frombuffer(time)[:, None], np.frombuffer(rates)
    curves = np.exp(-np.where(rate > 0, at, at - at[-1]) * rate)
    draws = _drawn(blocks, resamples, seed)
    squares = _block_sums(curves**2, draws)
    return curves, np.vstack([squares.sum(axis=0), draws @ squares])


def _rates(step: float, span: float) -> Vector:
    """The lambdas that are tried: from growth over decay that takes ten spans to decay within half a step; 0 among them."""
    slowest, fastest = _LN2 / (10 * span), _LN2 / (_FASTEST * step)
    decay = np.geomspace(slowest, fastest, _GRID)
    growth = -np.geomspace(slowest, 4 * _LN2 / span, _GRID // 4)[::-1]
    return np.concatenate([growth, [0.0], decay])


def _identified(rates: Vector, numerators: NDArray[np.float64], denominators: NDArray[np.float64]) -> HalfLife | None:
    """From the sums of the fit at each rate (columns), of the data (first row) and of each resample, to the half-life."""
    # a = numerator / denominator; what it explains of the sum of squares, as long as a > 0: a signal of the wrong sign explains nothing.
    explained = np.where(numerators > 0, numerators**2 / np.where(denominators > 0, denominators, np.inf), 0.0)
    fitted = _refined(rates, explained)
    low, high = np.quantile(fitted[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    if not low > 0 or explained[0].max() <= 0 or high >= rates[-2] or fitted[0] <= 0:
        return None
    return HalfLife(_LN2 / float(fitted[0]), _LN2 / float(high), _LN2 / float(low))


def _refined(rates: Vector, explained: NDArray[np.float64]) -> Vector:
    """The best rate of each row: the top of the parabola through the best point of the grid and its neighbours."""
    best = explained.argmax(axis=1)
    inner = np.clip(best, 1, len(rates) - 2)
    rows = np.arange(len(explained))
    x0, x1, x2 = (rates[inner + shift] for shift in (-1, 0, 1))
    y0, y1, y2 = (explained[rows, inner + shift] for shift in (-1, 0, 1))
    bend = (x1 - x0) * (y1 - y2) - (x1 - x2) * (y1 - y0)
    top = x1 - 0.5 * np.divide((x1 - x0) ** 2 * (y1 - y2) - (x1 - x2) ** 2 * (y1 - y0), bend, out=np.zeros_like(x1), where=bend != 0)
    at_edge = (best == 0) | (best == len(rates) - 1)
    return np.where(at_edge, rates[best], np.clip(top, x0, x2))


def _counts(n: int, *, block: int, resamples: int, seed: int) -> NDArray[np.float64]:
    """How often each block of the sample is in each resample, shape (resamples, n_blocks)."""
    return _drawn(max(2, math.ceil(n / block)), resamples, seed)


@lru_cache(maxsize=16)
def _drawn(blocks: int, resamples: int, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).multinomial(blocks, np.full(blocks, 1 / blocks), size=resamples).astype(np.float64)


def _block_length(n: int, draws: NDArray[np.float64]) -> int:
    return math.ceil(n / draws.shape[1])


def _block_sums(rows: NDArray[np.float64], draws: NDArray[np.float64]) -> NDArray[np.float64]:
    sums = np.add.reduceat(rows, np.arange(0, len(rows), _block_length(len(rows), draws)), axis=0)
    return np.vstack([sums, np.zeros((draws.shape[1] - len(sums), rows.shape[1]))])
