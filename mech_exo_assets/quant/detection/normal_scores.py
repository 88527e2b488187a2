"""A series of information coefficients as independent standard normal numbers, by its own past only.

What belongs here: pre-whitening and sequential ranks. What does not: what is done with the numbers (`monitor`).

The sequential normal score of x_t is z_t = Phi^-1((rank of x_t among x_1..x_t - 1/2) / t). For independent values of any continuous
law the sequential ranks are independent and uniform, whatever the mean, the variance and the tails, so that nothing has to be
estimated and a false-alarm rate is what it claims to be. For normal values nothing is lost: a shift by delta standard deviations is a
shift of z by delta. Source: Conover, Tercero-Gómez and Cordero-Franco (2017), "The sequential normal scores transformation".

The kernels are compiled by numba, where coverage cannot look; they are marked `no cover` and tested through the public functions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from scipy.special import ndtri

from mech_exo_assets.quant.hac import bartlett_lags, long_run_variance
from mech_exo_assets.quant.panel import Vector

_LEAST_FITTED = 60
"""Observations before an autoregression is fitted to a whole series; until then it is zero."""


class Whitened(NamedTuple):
    """A series without what its past said of it.

    Attributes
    ----------
    values : ndarray of shape (n,)
        In the unit of the series, with its mean.
    passes : ndarray of shape (n,)
        1 − Σ_j phi_j: how much of a lasting shift of the series arrives in `values`.
    """

    values: Vector
    passes: Vector


def whitened(values: Vector, *, lags: int, least: int) -> Whitened:
    """What of each value its past did not say: e_t = x_t − Σ_j phi_j (x_{t−j} − m), with phi and the mean m of what came before t.

    phi are the slopes of the least-squares regression of x_s on 1, x_{s−1}, …, x_{s−lags} over s < t, computed by recursion. The mean
    stays in: e has the mean of x whatever phi is, so that e before and after a better fit are alike. The first `least` values share
    the fit to themselves; nobody may use them before they are all known.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Known values in order.
    lags : int
        Order of the autoregression; 0 gives the values themselves, as does a series that is not longer than `least`.
    least : int
        Values of the first fit; at least 5 for each lag are used.
    """
    out, passes = values.astype(np.float64).copy(), np.ones(len(values))
    first = max(least, 5 * lags + 1)
    if lags and len(values) > first:
        _whiten(np.require(values, np.float64, ["C", "W"]), lags, first, out, passes)
    return Whitened(out, passes)


def slopes(values: Vector, *, lags: int) -> Vector:
    """Autoregression of a whole series, by least squares with an intercept; zeros where it is too short to fit.

    Returns
    -------
    ndarray of shape (lags,)
    """
    n = len(values)
    if n < max(_LEAST_FITTED, 5 * lags) + lags:
        return np.zeros(lags)
    design = np.column_stack([np.ones(n - lags), *(values[lags - j - 1 : n - j - 1] for j in range(lags))])
    return np.asarray(np.linalg.lstsq(design, values[lags:], rcond=None)[0][1:], dtype=np.float64)


def whitened_by(values: Vector, fitted: Vector) -> Vector:
    """x_t − Σ_j phi_j x_{t−j} with given phi; values before the first count as the first."""
    out = values.astype(np.float64).copy()
    for j, phi in enumerate(fitted, start=1):
        out[j:] -= phi * values[:-j]
        out[:j] -= phi * values[:1]
    return out


def sequential_scores(values: Vector) -> Vector:
    """Sequential normal scores of a series; see the module's docstring.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Known values in order. Ties get the mean of their ranks.

    Returns
    -------
    ndarray of shape (n,)
        Standard normal in control; the first is 0.
    """
    ranks = np.empty(len(values))
    _sequential_ranks(np.require(values, np.float64, ["C", "W"]), ranks)
    return ndtri((ranks - 0.5) / np.arange(1, len(values) + 1))


def signed_scores(values: Vector, reference: Vector) -> Vector:
    """Normal scores about zero: z_t = sign(x_t) · Phi^-1((1 + p_t) / 2), p_t the share of |reference| below |x_t|.

    Standard normal for values that are symmetric about zero and spread like the reference; it tells a return from zero.

    Parameters
    ----------
    values : ndarray of shape (n,)
    reference : ndarray of shape (m,)
        Deviations from their mean of values that are known already, m >= 1.
    """
    spread = np.sort(np.abs(reference))
    below = (np.searchsorted(spread, np.abs(values), side="left") + np.searchsorted(spread, np.abs(values), side="right")) / 2
    return np.sign(values) * ndtri(0.5 + 0.5 * (below + 0.5) / (len(spread) + 1))


def lasting_spread(scores: Vector) -> float:
    """Standard deviation of sums of scores over that of as many independent ones: above 1 where luck comes in long stretches.

    √max(1, S/C_0 − e), S the long-run variance with L lags, C_0 the variance, and e = √(4L/3n) the standard error of S/C_0 for independent
    scores. Scores of two factors that overlap by chance overlap for as long as they persist; that is slower than what an autoregression
    takes out. A detector of shifts sees sums, so that its scores are divided by this.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        In order. Fewer than 60 have a spread of 1.

    Notes
    -----
    The standard error is that of the Bartlett estimate (Priestley 1981, section 6.2.4). It is taken off so that independent scores, whose
    estimate is above 1 half of the time, are hardly ever divided.
    """
    n = len(scores)
    if n < _LEAST_FITTED or np.ptp(scores) == 0.0:
        return 1.0
    lags = bartlett_lags(n)
    ratio = long_run_variance(scores, lags=lags) / float(scores.var())
    return float(np.sqrt(max(1.0, ratio - np.sqrt(4 * lags / (3 * n)))))


@njit(cache=True, error_model="numpy")
def _sequential_ranks(values, ranks):  # pragma: no cover
    ordered = np.empty(len(values))
    for t in range(len(values)):
        value = values[t]
        low = np.searchsorted(ordered[:t], value)
        high = low
        while high < t and ordered[high] == value:
            high += 1
        ranks[t] = 1.0 + 0.5 * (low + high)
        for j in range(t, low, -1):
            ordered[j] = ordered[j - 1]
        ordered[low] = value


@njit(cache=True, error_model="numpy")
def _whiten(values, lags, first, out, passes):  # pragma: no cover
    size = lags + 1
    moments, products = np.zeros((size, size)), np.zeros(size)
    solvable, row, total = np.zeros((size, size)), np.ones(size), 0.0
    for s in range(lags):
        total += values[s]
    for t in range(lags, len(values)):
        for j in range(lags):
            row[j + 1] = values[t - 1 - j]
        if t >= first:
            # A part in 10¹² keeps a constant series solvable; nothing of it shows elsewhere.
            for i in range(1, size):
                solvable[i, i] = 1e-12 * moments[i, i] + 1e-300
            phi = np.linalg.solve(moments + solvable, products)[1:]
            mean = total / t
            # The first values, none of which is used before this one, share the first fit.
            for s in range(lags if t == first else t, t + 1):
                passes[s] = 1.0 - phi.sum()
                for j in range(lags):
                    out[s] -= phi[j] * (values[s - 1 - j] - mean)
        total += values[t]
        for i in range(size):
            products[i] += row[i] * values[t]
            for j in range(size):
                moments[i, j] += row[i] * row[j]
