"""How far a figure can be trusted: the error of a Sharpe ratio, and returns explained by a benchmark.

What belongs here: estimates with their errors. What does not: figures that are only counted or added up (`figures`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mech_exo_assets.quant.hac import bartlett_lags, long_run_variance
from mech_exo_assets.quant.panel import Vector

NO_VARIATION = 1e-12
"""Returns that are all equal differ by rounding only, far below this standard deviation."""
_MIN_SESSIONS = 20
"""Fewer sessions have no t: its variance would be estimated from hardly more than two stretches."""


@dataclass(frozen=True, slots=True)
class Regression:
    """Returns on a benchmark's returns by ordinary least squares.

    Attributes
    ----------
    alpha : float
        Intercept, per session.
    beta : float
        Slope.
    alpha_t, beta_t : float or None
        Each over its HAC standard error; None for fewer than 20 sessions, and where the benchmark explains the returns wholly.
    """

    alpha: float
    alpha_t: float | None
    beta: float
    beta_t: float | None


def regression(returns: Vector, benchmark: Vector) -> Regression | None:
    """Alpha and beta over the sessions on which the benchmark is known, with Bartlett (Newey-West) t.

    r_t = alpha + beta · b_t + e_t. The estimates are sums over sessions of  w_t r_t,  so their errors are sums of  w_t e_t, with
    n·w_t = n (b_t − b̄) / Σ (b − b̄)²  for beta and  1 − b̄ · (that)  for alpha. The variance of each is S / n, with S the long-run variance
    of n·w_t e_t at L = ⌈1.3·√n⌉. This is the coefficient's part of the Newey-West sandwich, without a small-sample factor.

    Parameters
    ----------
    returns : ndarray of shape (n_sessions,)
        Simple returns as fractions, without NaN.
    benchmark : ndarray of shape (n_sessions,)
        The same of the benchmark; NaN where it is not known.

    Returns
    -------
    Regression or None
        None for fewer than three sessions with both, and where the benchmark does not vary.

    Notes
    -----
    A t is to be compared with `hac.critical_value` at b = (L + 1) / n, which is above the normal's: 2.03 instead of 1.96 for ten years of
    daily returns. Source: Newey and West (1987); Kiefer and Vogelsang (2005).
    """
    known = ~np.isnan(benchmark)
    if known.all():
        y, x = returns, benchmark
    else:
        y, x = returns[known], benchmark[known]
    n = len(x)
    if n < 3:
        return None
    mean = float(x.mean())
    centred = x - mean
    spread = float(centred @ centred)
    if math.sqrt(spread / (n - 1)) <= NO_VARIATION:
        return None
    beta = float(centred @ y) / spread
    alpha = float(y.mean()) - beta * mean
    residual = y - alpha - beta * x
    if n < _MIN_SESSIONS or math.sqrt(float(residual @ residual) / n) <= NO_VARIATION:
        return Regression(alpha, None, beta, None)
    of_beta = centred * (n / spread)
    of_alpha = 1.0 - mean * of_beta
    return Regression(alpha, _t(alpha, of_alpha * residual), beta, _t(beta, of_beta * residual))


def _t(estimate: float, influence: Vector) -> float:
    n = len(influence)
    return estimate / math.sqrt(long_run_variance(influence, lags=bartlett_lags(n)) / n)


def sharpe_error(sharpe: float, *, skew: float, kurtosis: float, n: int) -> float | None:
    """Standard error of a Sharpe ratio per session, for independent returns of any skew and kurtosis.

    √((1 − γ₃·SR + (γ₄ − 1)/4 · SR²) / (n − 1)), with γ₄ = kurtosis + 3. For normal returns that is Lo's √((1 + SR²/2) / (n − 1)).

    Parameters
    ----------
    sharpe : float
        Mean over standard deviation, not annualised.
    skew, kurtosis : float
        γ₃, and the excess over the normal's kurtosis.
    n : int
        Sessions, at least 2.

    Returns
    -------
    float or None
        None where the formula's variance is not above zero, which the moments of a few sessions can make it.

    Notes
    -----
    Source: Mertens (2002), "Comments on variance of the IID estimator in Lo (2002)"; Bailey and López de Prado (2012), "The Sharpe ratio
    efficient frontier", equation 8.
    """
    variance = (1 - skew * sharpe + (kurtosis + 2) / 4 * sharpe**2) / (n - 1)
    return math.sqrt(variance) if variance > 0 else None


def probability_above_zero(sharpe: float, error: float) -> float:
    """The probabilistic Sharpe ratio against 0: Φ(SR / standard error), in one and the same unit of time."""
    return 0.5 * math.erfc(-sharpe / error / math.sqrt(2))
