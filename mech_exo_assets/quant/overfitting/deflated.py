"""The deflated Sharpe ratio: the best of many trials against the best of as many worthless ones.

What belongs here: the hurdle that luck sets, and the probability of being above it. What does not: the standard error of a Sharpe ratio
(`mech_exo_assets.quant.performance.inference`), and how many trials count (`effective`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.overfitting.ratios import ANNUAL, require_trials, sharpe_ratios
from mech_exo_assets.quant.panel import Vector
from mech_exo_assets.quant.performance.figures import shape
from mech_exo_assets.quant.performance.inference import probability_above_zero, sharpe_error
from mech_exo_assets.quant.returns import SESSIONS_PER_YEAR

_FEWEST = 4
"""The kurtosis, adjusted for the number of sessions, needs as many."""


@dataclass(frozen=True, slots=True)
class DeflatedSharpe:
    """A Sharpe ratio against the best that luck gives.

    Attributes
    ----------
    probability : float
        That the true Sharpe ratio is above the hurdle: the deflated Sharpe ratio.
    sharpe, hurdle : float
        Of the returns, and expected of the best of as many worthless trials. Both per session.
    trials : float
        Number of trials that the hurdle counts.
    n_sessions : int
        Sessions of the returns.
    skew, kurtosis : float
        Adjusted for the number of sessions; kurtosis is the excess over the normal's.
    """

    probability: float
    sharpe: float
    hurdle: float
    trials: float
    n_sessions: int
    skew: float
    kurtosis: float

    @property
    def annual_sharpe(self) -> float:
        """The Sharpe ratio, per year."""
        return self.sharpe * ANNUAL

    @property
    def annual_hurdle(self) -> float:
        """The hurdle, per year."""
        return self.hurdle * ANNUAL


def expected_maximum_sharpe(variance: float, trials: float) -> float:
    """Sharpe ratio to expect of the best of so many worthless trials.

    SR₀ = √V · ((1 − g)·Φ⁻¹(1 − 1/N) + g·Φ⁻¹(1 − 1/(N·e))), g = 0.5772… (Euler and Mascheroni's constant).

    Parameters
    ----------
    variance : float
        V, of the trials' Sharpe ratios among each other.
    trials : float
        N, at least 1; need not be whole, since an effective number is not.

    Returns
    -------
    float
        In the unit of time of √V. 0 for one trial: nothing was chosen, so nothing is to be expected of the choice. Never below 0, where
        the formula would be for N below 1.3.

    Raises
    ------
    ValueError
        If the variance is negative or N is below 1.

    Notes
    -----
    Source: Bailey and López de Prado (2014), "The deflated Sharpe ratio", equation 1.
    """
    if not (variance >= 0 and math.isfinite(variance) and trials >= 1 and math.isfinite(trials)):
        raise ValueError(f"variance is {variance} and trials is {trials}; wanted are variance >= 0 and trials >= 1")
    if trials == 1:
        return 0.0
    quantile = NormalDist().inv_cdf
    gamma = float(np.euler_gamma)
    return max(0.0, math.sqrt(variance) * ((1 - gamma) * quantile(1 - 1 / trials) + gamma * quantile(1 - 1 / (trials * math.e))))


def trial_variance(annual_sharpe: Vector) -> float:
    """Variance of the trials' Sharpe ratios per session, out of those per year.

    V = var(SR annual, n − 1) / 252.

    Parameters
    ----------
    annual_sharpe : ndarray of shape (n_trials,)
        NaN where a trial has none, as one that never traded; those do not count.

    Returns
    -------
    float
        0 for fewer than two known ones.
    """
    known = annual_sharpe[~np.isnan(annual_sharpe)]
    return float(np.var(known, ddof=1)) / SESSIONS_PER_YEAR if len(known) > 1 else 0.0


def deflated_probability(sharpe: float, *, sessions: int, skew: float, kurtosis: float, hurdle: float) -> float | None:
    """Probability that the true Sharpe ratio is above a hurdle, from the moments of the returns.

    Φ((SR − SR₀)·√(n − 1) / √(1 − γ₃·SR + (γ₄ − 1)/4·SR²)), γ₄ = kurtosis + 3: the probabilistic Sharpe ratio against the hurdle.

    Parameters
    ----------
    sharpe, hurdle : float
        Per session.
    sessions : int
        n, at least 2.
    skew, kurtosis : float
        γ₃, and the excess over the normal's kurtosis.

    Returns
    -------
    float or None
        None where the variance of the Sharpe ratio is not above zero by these moments.

    Notes
    -----
    Source: Bailey and López de Prado (2014), equation 2.
    """
    error = sharpe_error(sharpe, skew=skew, kurtosis=kurtosis, n=sessions)
    return None if error is None else probability_above_zero(sharpe - hurdle, error)


def deflated_sharpe(returns: Vector, *, trials: float, trial_variance: float) -> DeflatedSharpe:
    """Deflated Sharpe ratio of the chosen trial.

    Parameters
    ----------
    returns : ndarray of shape (n_sessions,)
        Of the chosen trial: simple, as fractions, without NaN.
    trials : float
        All that were ever tried for this strategy, the failed and the forgotten ones too.
    trial_variance : float
        Of their Sharpe ratios per session; `trial_variance` gives it.

    Raises
    ------
    InputError
        If there are fewer than four sessions, the returns do not vary, or their skew and kurtosis allow no standard error.
    ValueError
        If returns are NaN or infinite, or trials or variance are not possible.

    Notes
    -----
    With one trial the hurdle is 0, and the probability is `Performance.probabilistic_sharpe`.
    """
    n_sessions, _ = require_trials(returns[:, None])
    if n_sessions < _FEWEST:
        raise InputError(f"deflated Sharpe ratio: {n_sessions} sessions, and it needs at least {_FEWEST}; give it a longer history.")
    sharpe = float(sharpe_ratios(returns[:, None])[0])
    if math.isnan(sharpe):
        raise InputError(
            f"deflated Sharpe ratio: the {n_sessions} returns of the chosen trial do not vary, so they have none; see whether it trades."
        )
    skew, kurtosis = shape(returns - returns.mean())
    if skew is None or kurtosis is None:  # pragma: no cover
        raise ValueError("skew and kurtosis are defined from four sessions on")
    hurdle = expected_maximum_sharpe(trial_variance, trials)
    probability = deflated_probability(sharpe, sessions=n_sessions, skew=skew, kurtosis=kurtosis, hurdle=hurdle)
    if probability is None:
        raise InputError(
            f"deflated Sharpe ratio: {sharpe:.2f} per session with skew {skew:.1f} and excess kurtosis {kurtosis:.1f} over {n_sessions} "
            "sessions has no standard error; give it a longer history."
        )
    return DeflatedSharpe(probability, sharpe, hurdle, trials, n_sessions, skew, kurtosis)
