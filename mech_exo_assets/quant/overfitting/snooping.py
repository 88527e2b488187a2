"""Hansen's test of superior predictive ability: whether any of many trials truly beats a baseline.

What belongs here: the test against one baseline, against each of several, and against all of them. What does not: the difference of two
Sharpe ratios.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.blas import one_blas_thread
from mech_exo_assets.quant.overfitting.ratios import require_trials
from mech_exo_assets.quant.panel import Matrix, Vector
from mech_exo_assets.quant.performance.inference import NO_VARIATION

_FEWEST_BLOCKS = 10
"""Fewer blocks have too few different resamples."""
_CHUNK = 256
"""Resamples that are drawn before they are summed."""


@dataclass(frozen=True, slots=True)
class SpaTest:
    """Three p-values for: no trial has a higher mean return than the baseline.

    Attributes
    ----------
    lower, consistent, upper : float
        p-values, in (0, 1]. `consistent` is the one to judge by. `lower` takes each trial below the baseline for one that is truly so,
        and `upper` (White's reality check, to scale) none, so that every hopeless trial raises it.
    statistic : float
        Largest of the trials' √n · mean / standard deviation of their differences; below 0 where none has a higher mean.
    best : int
        The trial that has it.
    baseline : str
    resamples, block, n_sessions, n_trials : int
        `block` is the mean length; `n_trials` counts trials that differ from the baseline.
    """

    lower: float
    consistent: float
    upper: float
    statistic: float
    best: int
    baseline: str
    resamples: int
    block: int
    n_sessions: int
    n_trials: int


def superior_predictive_ability(
    benchmark_returns: Vector, returns: Matrix, *, seed: int, resamples: int = 999, block: int | None = None
) -> SpaTest:
    """Hansen's test of superior predictive ability against one baseline, with losses = −returns.

    T = max_k √n · d_k / s_k, with d_k the mean of trial k's returns less the baseline's, and s_k their standard deviation. The p-value is
    (1 + number of resamples whose largest √n·(d*_k − g_k)/s_k is above T) / (1 + resamples), with g_k = max(d_k, 0) for `lower`, d_k for
    `upper`, and for `consistent` d_k where it is at least −ω_k·√(2·ln ln n / n), else 0. ω²_k is the variance of √n·d_k under the
    stationary bootstrap (`bootstrap_variance`). All three are 1 where no trial has a higher mean than the baseline.

    Parameters
    ----------
    benchmark_returns : ndarray of shape (n_sessions,)
        Simple returns of the baseline, as fractions, without NaN.
    returns : ndarray of shape (n_sessions, n_trials)
        Of the trials. One that equals the baseline cannot beat it, and is left out.
    seed : int
        The same seed gives the same p-values.
    resamples : int
    block : int, optional
        Mean length of a block of the stationary bootstrap; max(5, ∛n) by default.

    Raises
    ------
    InputError
        If there are fewer sessions than ten blocks, or every trial equals the baseline.
    ValueError
        If returns are NaN or infinite, or lengths differ.

    Notes
    -----
    Means are compared, not Sharpe ratios: scale trials and baseline to one volatility first if theirs differ.

    Hansen divides by ω_k. That is a noisy estimate, and the largest of many ratios picks those where it came out low: a test at 5 % then
    rejects 6 to 7 % of true nulls over 500 sessions. s_k is as good a scale, for the resamples carry the autocorrelation, and comes nearer
    to the size (docs/overfitting.md).

    `arch` draws the resamples. The statistic is computed here, since `arch.bootstrap.SPA` (8.0) does not scale at all, whatever
    `studentize` says, and averages resample by resample where one product does. Given differences over s_k it gives the same p-values to
    the last count, which a test holds. Source: White (2000), "A reality check for data snooping"; Hansen (2005), "A test for superior
    predictive ability"; Politis and Romano (1994), "The stationary bootstrap".
    """
    return superior_to_each({"the baseline": benchmark_returns}, returns, seed=seed, resamples=resamples, block=block)["the baseline"]


def superior_to_each(
    baselines: Mapping[str, Vector], returns: Matrix, *, seed: int, resamples: int = 999, block: int | None = None
) -> dict[str, SpaTest]:
    """`superior_predictive_ability` against each of several baselines, with the same resamples for all.

    Parameters
    ----------
    baselines : mapping of str to ndarray of shape (n_sessions,)
        At least one.

    Returns
    -------
    dict of str to SpaTest
    """
    n, n_trials = require_trials(returns)
    if not baselines or any(each.shape != (n,) for each in baselines.values()):
        raise ValueError(f"trials have {n} sessions; got baselines of shapes {[each.shape for each in baselines.values()]}")
    require_trials(np.column_stack(list(baselines.values())))
    if resamples < 1 or (block is not None and block < 1) or not n_trials:
        raise ValueError(f"resamples is {resamples}, block {block}, and there are {n_trials} trials; each must be at least 1")
    block = max(5, round(n ** (1 / 3))) if block is None else block
    if n < _FEWEST_BLOCKS * block:
        raise InputError(
            f"superior predictive ability: {n} sessions are fewer than {_FEWEST_BLOCKS} blocks of {block}; give at least "
            f"{_FEWEST_BLOCKS * block} sessions."
        )
    differences = {name: returns - baseline[:, None] for name, baseline in baselines.items()}
    counts = _resampled_counts(n, block=block, resamples=resamples, seed=seed)
    return {name: _test(each, counts, name=name, block=block) for name, each in differences.items()}


def superior_to_all(tests: Mapping[str, SpaTest]) -> SpaTest:
    """The test that decides whether any trial beats all baselines: the one with the largest consistent p-value.

    The null is that no trial beats every baseline, that is, that none beats the truly best one, and nobody knows which that is. Its own
    test has the right size. The largest p-value is never below that test's, so to judge by it keeps the size, whichever baseline is the
    best (intersection-union test: Berger 1982). The p-value against the baseline that *looks* best would not by itself: another can be
    the truly best, and the harder to tell from, because it is less like the trials.

    Parameters
    ----------
    tests : mapping of str to SpaTest
        As `superior_to_each` gives them.
    """
    if not tests:
        raise ValueError("superior_to_all needs the test against at least one baseline")
    return max(tests.values(), key=lambda test: test.consistent)


def bootstrap_variance(differences: Matrix, *, block: int) -> Vector:
    """Variance of √n · mean under the stationary bootstrap, for each column, (n_columns,).

    ω² = C_0 + 2 Σ_i κ_i C_i, κ_i = (1 − i/n)·(1 − 1/block)^i + (i/n)·(1 − 1/block)^(n − i), with C_i the autocovariances over n.
    """
    n = len(differences)
    centred = differences - differences.mean(axis=0)
    # All autocovariances at once; zeros behind the series keep its ends apart.
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(centred, n=size, axis=0)
    covariance = np.fft.irfft(spectrum.real**2 + spectrum.imag**2, n=size, axis=0)[:n] / n
    lag = np.arange(n)
    stays = 1 - 1 / block
    kernel = (1 - lag / n) * stays**lag + lag / n * stays ** (n - lag)
    kernel[1:] *= 2
    kernel[0] = 1
    return kernel @ covariance


def _resampled_counts(n: int, *, block: int, resamples: int, seed: int) -> Matrix:
    """How often each session is drawn, (resamples, n): a resample's mean is then a product."""
    from arch.bootstrap import StationaryBootstrap

    draws = StationaryBootstrap(block, np.arange(n), seed=seed)
    counts = np.empty((resamples, n))
    for i, ((sessions,), _) in enumerate(draws.bootstrap(resamples)):
        counts[i] = np.bincount(sessions, minlength=n)
    return counts


def _test(differences: Matrix, counts: Matrix, *, name: str, block: int) -> SpaTest:
    n, resamples = len(differences), len(counts)
    varies = np.flatnonzero(differences.std(axis=0, ddof=1) > NO_VARIATION)
    if not len(varies):
        raise InputError(
            f"superior predictive ability: each of {differences.shape[1]} trials differs from {name} by nothing or a constant, so none can "
            "be tested; compare with another baseline."
        )
    differences = differences[:, varies]
    scaled = differences / differences.std(axis=0, ddof=1)
    mean = scaled.mean(axis=0)
    relevant = mean >= -np.sqrt(bootstrap_variance(scaled, block=block) * 2 * math.log(math.log(n)) / n)
    above = np.zeros(3)
    with one_blas_thread():
        for start in range(0, resamples, _CHUNK):
            drawn = counts[start : start + _CHUNK] @ scaled / n
            for i, centre in enumerate((np.maximum(mean, 0), np.where(relevant, mean, 0), mean)):
                above[i] += np.count_nonzero((drawn - centre).max(axis=1) > mean.max())
    lower, consistent, upper = ((1 + above) / (1 + resamples)).tolist() if mean.max() > 0 else (1.0, 1.0, 1.0)
    return SpaTest(
        lower=lower,
        consistent=consistent,
        upper=upper,
        statistic=float(mean.max()) * math.sqrt(n),
        best=int(varies[mean.argmax()]),
        baseline=name,
        resamples=resamples,
        block=block,
        n_sessions=n,
        n_trials=len(varies),
    )
