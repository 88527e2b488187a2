"""A series of information coefficients as independent standard normal numbers, by its own past only.

What belongs here: pre-whitening and sequential ranks. What does not: what is done with the numbers (`monitor`).

The sequential normal score of x_t is z_t = Phi^-1((rank of x_t among x_1..x_t - 1/2) / t). For independent values of any continuous
law the sequential ranks are independent and uniform, whatever the mean, the variance and the tails, so that nothing has to be
estimated and a false-alarm rate is what it claims to be. For normal values nothing is lost: a shift by delta standard deviations is a
shift of z by delta. Source: Conover, Tercero-Gómez and Cordero-Franco (2017), "The sequential normal scores transformation".

The kernels are compiled by numba, where coverage cannot look; they are marked `no cover` and tested through the public functions.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from scipy.special import ndtri

from mech_exo_assets.quant.panel import Vector

_LEAST_FITTED = 60
"""Sessions before an autoregression is estimated; until then it is zero."""


def whitened(values: Vector, *, lags: int) -> Vector:
    """What of each value its past did not say: e_t = x_t − Σ_j phi_j x_{t−j}, with phi fitted to sessions before t.

    phi are the slopes of the least-squares regression of x_s on 1, x_{s−1}, …, x_{s−lags} over s < t, computed by recursion. The mean is
    not taken out; ranks do not need that.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Known values in order.
    lags : int
        Order of the autoregression; 0 gives the values themselves.

    Returns
    -------
    ndarray of shape (n,)
        In the unit of `values`. The first max(lags, 60) are the values less their mean's part of it: phi is zero there.
    """
    out = values.astype(np.float64).copy()
    if lags and len(values) > lags:
        _whiten(np.require(values, np.float64, ["C", "W"]), lags, max(_LEAST_FITTED, 5 * lags), out)
    return out


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
def _whiten(values, lags, least, out):  # pragma: no cover
    size = lags + 1
    moments, products = np.zeros((size, size)), np.zeros(size)
    row = np.ones(size)
    for t in range(lags, len(values)):
        for j in range(lags):
            row[j + 1] = values[t - 1 - j]
        if t >= least + lags:
            slopes = np.linalg.solve(moments, products)
            usual = True
            for j in range(size):
                usual &= np.isfinite(slopes[j])
            if usual:
                for j in range(lags):
                    out[t] -= slopes[j + 1] * row[j + 1]
        for i in range(size):
            products[i] += row[i] * values[t]
            for j in range(size):
                moments[i, j] += row[i] * row[j]
