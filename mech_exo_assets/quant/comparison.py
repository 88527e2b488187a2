"""The difference of two strategies' Sharpe ratios over the same sessions, and whether it is chance.

What belongs here: the difference of two Sharpe ratios with its error, interval and p-value. What does not: the error of one Sharpe ratio
(`performance`), the price of having tried many strategies (`overfitting`), and looking at the same sessions again and again.

The estimate. Let z_t be the returns of one strategy over their standard deviation, and s = mean of z its Sharpe ratio per session. By the
delta method s has the influence u_t = (z_t − s) − s/2 · ((z_t − s)² − 1): a higher return lifts the mean, and one far from the mean lifts
the deviation as well. The difference of two ratios has the difference of their influences, so that the correlation of the strategies is
in it. Its variance is S/n, with S the Bartlett variance of those n values at `hac.bartlett_lags`. That equals the delta method on the HAC
matrix of the four moments (mean and mean square of each), to rounding.

The bootstrap (circular blocks, Politis and Romano 1992; studentised, Ledoit and Wolf 2008). Blocks of sessions, both strategies together,
are drawn from the sample bent to a ring, and t* = (difference* − difference) / error* is computed in each resample **by the same formula**
as t, lags included. Ledoit and Wolf take a pre-whitened kernel for t and the variance between blocks for t*. The same formula on both
sides makes the bootstrap follow the fixed-b distribution, which knows that the variance is estimated (Gonçalves and Vogelsang 2011), and
a kernel this wide needs no pre-whitening. docs/comparison.md has the sizes of both ways.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numba import njit, prange

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.hac import bartlett_lags, long_run_variance
from mech_exo_assets.quant.panel import Vector
from mech_exo_assets.quant.performance.inference import NO_VARIATION
from mech_exo_assets.quant.returns import SESSIONS_PER_YEAR

MIN_SESSIONS = 60
"""A quarter. The size of a 5 % test was measured down to here; fewer sessions have hardly five stretches of the kernel's width."""
POWER = 0.8
"""Of `SharpeDifference.detectable`, by the field's convention (Cohen 1988)."""
_MIN_BLOCKS = 10
"""Fewer blocks have too few ways of being drawn for a tail of a few per cent."""


@dataclass(frozen=True, slots=True)
class SharpeDifference:
    """The Sharpe ratio of one strategy less that of another.

    Attributes
    ----------
    difference : float
        sharpe_one − sharpe_other.
    sharpe_one, sharpe_other : float
        Annual: mean / standard deviation (ddof=1) · √252, as `Performance.sharpe`.
    standard_error : float
        Of the difference, annual; delta method with Bartlett variance.
    low, high : float
        Interval of the true difference at `level`, annual: difference ∓ c · standard_error, with c the quantile of |t*|. Infinite where
        resamples without any error are more than the tail.
    p_value : float
        Two-sided, of equal Sharpe ratios; at least 1 / (resamples + 1). It is at most 1 − level exactly where the interval is off 0.
    detectable : float
        True annual difference that this test finds with a power of 80 %: (c + Φ⁻¹(0.8)) · standard_error. What is smaller may well be
        there, and not be seen in so few sessions.
    level : float
        Of the interval.
    block : int
        Sessions in a block of the bootstrap.
    n_sessions : int
    """

    difference: float
    sharpe_one: float
    sharpe_other: float
    standard_error: float
    low: float
    high: float
    p_value: float
    detectable: float
    level: float
    block: int
    n_sessions: int


def sharpe_difference(
    one: Vector, other: Vector, *, seed: int, resamples: int = 4999, block: int | None = None, level: float = 0.95
) -> SharpeDifference:
    """Sharpe ratio of one strategy less that of another, with a studentised circular-block bootstrap.

    t = difference / standard error;  t* the same in each resample, around the difference found;
    p = (1 + #{|t*| ≥ |t|}) / (resamples + 1).

    Parameters
    ----------
    one, other : ndarray of shape (n_sessions,)
        Simple returns of the same sessions as fractions, net of costs, without NaN; at least 60. Sessions that a strategy was fitted on
        flatter it.
    seed : int
        The same seed gives the same result, whatever the number of threads.
    resamples : int
        Of the bootstrap. A number one less than a round one makes (1 − level)·(resamples + 1) whole, and the test exact.
    block : int, optional
        Sessions in a block, from 1 to a tenth of the sessions. By default the length that is best for the variance of the mean of the
        influences (Politis and White 2004, with the correction of Patton, Politis and White 2009), rounded up, and cut at that tenth.
    level : float
        Of the interval, between 0 and 1.

    Returns
    -------
    SharpeDifference
        Where one series is a positive multiple of the other there is nothing to estimate: difference, error, both ends of the interval
        and `detectable` are 0, p is 1 and the block 1.

    Raises
    ------
    InputError
        For fewer than 60 sessions, and for a strategy whose returns do not vary, which has no Sharpe ratio.
    ValueError
        If the lengths differ, a return is NaN or infinite, the block or the level is out of range, or there are too few resamples for
        the level.

    Notes
    -----
    Leverage changes nothing: all figures stay when one series is multiplied by a positive number. Swapping the series mirrors the
    difference and the interval, and leaves the rest. A resample in which a strategy does not vary, or the two do not differ, has no error;
    it counts as |t*| = ∞, against finding a difference.

    Source: Ledoit and Wolf (2008), "Robust performance hypothesis testing with the Sharpe ratio"; Gonçalves and Vogelsang (2011), "Block
    bootstrap HAC robust tests: the sophistication of the naive bootstrap".
    """
    _require(one, other, resamples=resamples, level=level)
    n = len(one)
    lags = bartlett_lags(n)
    x, y = one / one.std(), other / other.std()
    ratio_x, ratio_y = float(x.mean()), float(y.mean())
    influence = _influence(x) - _influence(y)
    # Per session, with the deviation of n; the n − 1 of `Performance.sharpe` is a factor on ratios and error alike, so that t has none.
    annual = math.sqrt(SESSIONS_PER_YEAR * (n - 1) / n)
    sharpe_one, sharpe_other = annual * ratio_x, annual * ratio_y
    if float(np.abs(influence).max()) <= NO_VARIATION:
        return SharpeDifference(0.0, sharpe_one, sharpe_one, 0.0, 0.0, 0.0, 1.0, 0.0, level, 1, n)
    chosen = _block(influence) if block is None else block
    if not 1 <= chosen <= n // _MIN_BLOCKS:
        raise ValueError(f"block is {block}; for {n} sessions it must be from 1 to {n // _MIN_BLOCKS}")
    error = math.sqrt(long_run_variance(influence, lags=lags) / n)
    starts = np.random.default_rng(seed).integers(n, size=(resamples, math.ceil(n / chosen)), dtype=np.int32)
    drawn = np.sort(np.abs(_resampled(x, y, starts, chosen, lags + 1, ratio_x - ratio_y)))
    beyond = resamples - int(np.searchsorted(drawn, abs(ratio_x - ratio_y) / error, side="left"))
    critical = float(drawn[-_tail(level, resamples)])
    difference, error = sharpe_one - sharpe_other, annual * error
    return SharpeDifference(
        difference=difference,
        sharpe_one=sharpe_one,
        sharpe_other=sharpe_other,
        standard_error=error,
        low=difference - critical * error,
        high=difference + critical * error,
        p_value=(1 + beyond) / (resamples + 1),
        detectable=(critical + NormalDist().inv_cdf(POWER)) * error,
        level=level,
        block=chosen,
        n_sessions=n,
    )


def _require(one: Vector, other: Vector, *, resamples: int, level: float) -> None:
    if one.ndim != 1 or one.shape != other.shape:
        raise ValueError(f"returns of shapes {one.shape} and {other.shape}; two vectors over the same sessions are compared")
    for name, returns in (("one", one), ("other", other)):
        if not np.isfinite(returns).all():
            raise ValueError(f"{name} is not a finite number at position {int(np.argmin(np.isfinite(returns)))}")
    if not 0.0 < level < 1.0:
        raise ValueError(f"level is {level}; it must be between 0 and 1")
    if _tail(level, resamples) < 1:
        needed = math.ceil(round(1 / (1 - level), 6)) - 1
        raise ValueError(f"resamples is {resamples}; an interval at level {level} takes at least {needed}")
    if len(one) < MIN_SESSIONS:
        raise InputError(
            f"comparison of Sharpe ratios: there are {len(one)} sessions, and at least {MIN_SESSIONS} are needed. "
            "Compare over a longer span; nothing was computed."
        )
    for name, returns in (("first", one), ("second", other)):
        if float(returns.std()) <= NO_VARIATION:
            raise InputError(
                f"comparison of Sharpe ratios: the returns of the {name} strategy do not vary over its {len(one)} sessions, so that it has "
                "no Sharpe ratio. Compare over sessions in which it holds something; nothing was computed."
            )


def _tail(level: float, resamples: int) -> int:
    """Which |t*| from the top is the critical value: p ≤ 1 − level exactly where |t| is above it."""
    # 0.05 · 5000 is 250, and not what is left of 1 − 0.95 in binary.
    return math.floor(round((1 - level) * (resamples + 1), 6))


def _influence(scaled: Vector) -> Vector:
    """What each session does to the Sharpe ratio, times n; the standard deviation of `scaled` is 1."""
    ratio = scaled.mean()
    centred = scaled - ratio
    return centred - 0.5 * ratio * (centred * centred - 1.0)


def _block(influence: Vector) -> int:
    """Sessions in a block, by the rule of Politis and White."""
    from arch.bootstrap import optimal_block_length

    best = float(optimal_block_length(influence)["circular"].iloc[0])
    return min(max(1, math.ceil(best)), len(influence) // _MIN_BLOCKS)


@njit(parallel=True, cache=True, error_model="numpy")
def _resampled(x, y, starts, block, width, difference):  # pragma: no cover
    """t* of each resample; infinity where it has no error.

    Parameters
    ----------
    x, y : ndarray of shape (n,)
        Returns over their standard deviation.
    starts : ndarray of shape (resamples, n_blocks), int32
        First position of each block; the last block is cut where the resample is full.
    block : int
    width : int
        Of the Bartlett kernel, L + 1.
    difference : float
        Of the sample's ratios; what a resample's is measured from.
    """
    n = len(x)
    out = np.empty(len(starts))
    for k in prange(len(starts)):
        xs, ys = np.empty(n), np.empty(n)
        at = 0
        for start in starts[k]:
            i = np.int64(start)
            for _ in range(min(block, n - at)):
                xs[at], ys[at] = x[i], y[i]
                at += 1
                i += 1
                if i == n:
                    i = 0
        mean_x, deviation_x = _moments(xs)
        mean_y, deviation_y = _moments(ys)
        ratio_x, ratio_y = mean_x / deviation_x, mean_y / deviation_y
        # Running sums of the influences, over which a window is a difference; see `hac.long_run_variance`.
        running = np.empty(n + 1)
        running[0] = 0.0
        for t in range(n):
            a, b = (xs[t] - mean_x) / deviation_x, (ys[t] - mean_y) / deviation_y
            by_x, by_y = a - 0.5 * ratio_x * (a * a - 1.0), b - 0.5 * ratio_y * (b * b - 1.0)
            running[t + 1] = running[t] + (by_x - by_y)
        squares = 0.0
        for end in range(1, n + width):
            window = running[min(end, n)] - running[max(end - width, 0)]
            squares += window * window
        error = math.sqrt(squares / width) / n
        # The sample's deviation is 1: what is smaller than this is rounding. A comparison with NaN is false.
        measurable = deviation_x > NO_VARIATION and deviation_y > NO_VARIATION and error > NO_VARIATION
        out[k] = (ratio_x - ratio_y - difference) / error if measurable else np.inf
    return out


@njit(cache=True, error_model="numpy")
def _moments(values):  # pragma: no cover
    mean = 0.0
    for value in values:
        mean += value
    mean /= len(values)
    squares = 0.0
    for value in values:
        squares += (value - mean) * (value - mean)
    return mean, math.sqrt(squares / len(values))
