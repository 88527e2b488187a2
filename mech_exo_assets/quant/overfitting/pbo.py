"""The probability of backtest overfitting: how the best trial of one half of the history does in the other half.

What belongs here: combinatorially symmetric cross-validation (CSCV). What does not: paths through the history with purge and embargo
(`combinatorial`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.blas import one_blas_thread
from mech_exo_assets.quant.overfitting.ratios import ANNUAL, require_trials
from mech_exo_assets.quant.panel import Matrix, Vector
from mech_exo_assets.quant.performance.inference import NO_VARIATION

MOST_BLOCKS = 20
"""Twenty blocks have 184 756 combinations; more would take minutes and tell nothing more."""
_FEWEST_TRIALS = 2
_FEWEST_PER_BLOCK = 2
_CHUNK = 400_000
"""Sharpe ratios that are held at once: a few megabytes, which stay in the cache."""
_SAME_RATIO = 1e-12
"""Equal trials differ by rounding, far below this."""
_LOST_DIGITS = 1e-6
"""A deviation below this share of the returns' size is what rounding leaves of a constant."""


@dataclass(frozen=True, eq=False, slots=True)
class BacktestOverfitting:
    """What became of the best trial of one half of the history in the other half, over all combinations.

    Attributes
    ----------
    probability : float
        Share of combinations with a logit ≤ 0: the chosen trial is not in the upper half of all trials out of sample.
    logits : ndarray of shape (n_combinations,)
        ln(ω / (1 − ω)), ω = rank out of sample (1 is the worst; ties get average ranks) / (n_trials + 1).
    in_sample, out_of_sample : ndarray of shape (n_combinations,)
        Annual Sharpe ratio of the chosen trial in both halves.
    probability_of_loss : float
        Share of combinations in which the chosen trial loses out of sample.
    degradation_slope, degradation_intercept : float or None
        Least squares of `out_of_sample` on `in_sample`; None where the latter does not vary.
    n_combinations, n_sessions, n_trials, blocks : int
        `n_sessions` counts those that were used.
    """

    probability: float
    logits: Vector
    in_sample: Vector
    out_of_sample: Vector
    probability_of_loss: float
    degradation_slope: float | None
    degradation_intercept: float | None
    n_combinations: int
    n_sessions: int
    n_trials: int
    blocks: int


def probability_of_overfitting(returns: Matrix, *, blocks: int = 16) -> BacktestOverfitting:
    """Probability of backtest overfitting by CSCV, with the Sharpe ratio as the measure.

    The history is cut into S blocks of equal length. For each of the C(S, S/2) choices of half of them, the trial with the largest
    Sharpe ratio on that half is ranked among all trials on the other half. The probability is the share of choices in which it is not in
    the upper half of them.

    Parameters
    ----------
    returns : ndarray of shape (n_sessions, n_trials)
        Simple returns of all trials, as fractions, without NaN. Sessions that do not fill the blocks are left out at the start.
    blocks : int
        S, even, from 2 to 20.

    Raises
    ------
    InputError
        If there are fewer than two trials, or fewer than two sessions for a block.
    ValueError
        If returns are NaN or infinite, or `blocks` is not possible.

    Notes
    -----
    Returns that do not vary on a half have a Sharpe ratio of 0 there. Source: Bailey, Borwein, López de Prado and Zhu (2017), "The
    probability of backtest overfitting", Journal of Computational Finance 20(4).

    A Sharpe ratio needs no more than sums and sums of squares, so each block is summed once and a combination adds blocks up. The
    complement of the i-th combination is the i-th from the end, so that half of them are computed and used in both directions.
    """
    n_sessions, n_trials = require_trials(returns)
    if not 2 <= blocks <= MOST_BLOCKS or blocks % 2:
        raise ValueError(f"blocks is {blocks}; wanted is an even number from 2 to {MOST_BLOCKS}")
    if n_trials < _FEWEST_TRIALS:
        raise InputError(
            f"probability of overfitting: {n_trials} trial, and a choice needs at least {_FEWEST_TRIALS}; raise search.trials."
        )
    length = n_sessions // blocks
    if length < _FEWEST_PER_BLOCK:
        raise InputError(
            f"probability of overfitting: {n_sessions} sessions make {blocks} blocks of {length}, and a block needs at least "
            f"{_FEWEST_PER_BLOCK}; give at least {blocks * _FEWEST_PER_BLOCK} sessions, or lower gates.blocks."
        )
    used = returns[n_sessions - blocks * length :]
    # Less their mean, so that the sums of squares lose no digits; the means are added to the ratio again.
    centre = used.mean(axis=0)
    cut = (used - centre).reshape(blocks, length, n_trials)
    sums, squares = cut.sum(axis=1), np.einsum("bti,bti->bi", cut, cut)
    half = math.comb(blocks, blocks // 2) // 2
    members = np.zeros((half, blocks))
    np.put_along_axis(members, np.array(list(islice(combinations(range(blocks), blocks // 2), half))), 1.0, axis=1)
    n = length * (blocks // 2)
    forward, backward = np.empty((3, half)), np.empty((3, half))
    step = max(1, _CHUNK // n_trials)
    with one_blas_thread():
        for start in range(0, half, step):
            chosen = members[start : start + step]
            one = _ratios(chosen @ sums, chosen @ squares, centre, n)
            other = _ratios((1 - chosen) @ sums, (1 - chosen) @ squares, centre, n)
            forward[:, start : start + step] = _follow(one, other)
            backward[:, start : start + step] = _follow(other, one)
    rank, inside, outside = np.concatenate((forward, backward[:, ::-1]), axis=1)
    logits = np.log(rank / (n_trials + 1 - rank))
    slope, intercept = _line(inside, outside)
    return BacktestOverfitting(
        probability=float(np.mean(logits <= 0)),
        logits=logits,
        in_sample=inside,
        out_of_sample=outside,
        probability_of_loss=float(np.mean(outside < 0)),
        degradation_slope=slope,
        degradation_intercept=intercept,
        n_combinations=2 * half,
        n_sessions=blocks * length,
        n_trials=n_trials,
        blocks=blocks,
    )


def _ratios(sums: Matrix, squares: Matrix, centre: Vector, n: int) -> Matrix:
    """Annual Sharpe ratios of halves of n sessions, (n_combinations, n_trials), from sums of returns less `centre`."""
    mean = sums / n
    variance = (squares - sums * mean) / (n - 1)
    varies = variance > np.maximum(NO_VARIATION**2, _LOST_DIGITS**2 * squares / n)
    mean += centre
    mean *= ANNUAL
    out = np.zeros_like(mean)
    return np.divide(mean, np.sqrt(variance, where=varies, out=np.ones_like(variance)), out=out, where=varies)


def _follow(inside: Matrix, outside: Matrix) -> tuple[Vector, Vector, Vector]:
    """Rank of the best trial inside among all trials outside, and its ratio in both."""
    rows = np.arange(len(inside))
    best = inside.argmax(axis=1)
    ratio = outside[rows, best]
    below = np.count_nonzero(outside < (ratio - _SAME_RATIO)[:, None], axis=1)
    not_above = np.count_nonzero(outside <= (ratio + _SAME_RATIO)[:, None], axis=1)
    return (below + not_above + 1) / 2, inside[rows, best], ratio


def _line(x: Vector, y: Vector) -> tuple[float | None, float | None]:
    moved = x - x.mean()
    spread = float(moved @ moved)
    if math.sqrt(spread / len(x)) <= _SAME_RATIO:
        return None, None
    slope = float(moved @ y) / spread
    return slope, float(y.mean()) - slope * float(x.mean())
