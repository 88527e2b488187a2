"""How many independent trials a search amounts to.

What belongs here: the effective number of trials out of how alike their returns are. What does not: what the number does to a hurdle
(`deflated`).
"""

from __future__ import annotations

import numpy as np

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.blas import one_blas_thread
from mech_exo_assets.quant.overfitting.ratios import require_trials
from mech_exo_assets.quant.panel import Matrix
from mech_exo_assets.quant.performance.inference import NO_VARIATION

_FEWEST = 3
"""With two sessions every correlation is 1 or −1."""


def effective_trials(returns: Matrix) -> float:
    """Effective number of independent trials: the participation ratio of the eigenvalues of their correlation matrix.

    (Σλ)² / Σλ² = N² / (N + Σ_{i≠j} ρ²_ij), where each squared correlation is the adjusted one, 1 − (1 − r²)·(n − 1)/(n − 2).

    Parameters
    ----------
    returns : ndarray of shape (n_sessions, n_trials)
        Simple returns as fractions, without NaN. Trials whose returns do not vary are left out.

    Returns
    -------
    float
        From 1 (all alike, or each the other's opposite) to the number of trials that vary (no two alike).

    Raises
    ------
    InputError
        If there are fewer than three sessions, or no trial varies.
    ValueError
        If returns are NaN or infinite.

    Notes
    -----
    The eigenvalues themselves are not needed: Σλ is the trace, and Σλ² the sum of squared entries, of the smaller of the two matrices of
    products. Correlations of independent returns have a mean square of 1/(n − 1), not 0. Left in, it would make N independent trials
    seem N/(1 + (N − 1)/(n − 1)), 185 for 200 over ten years; the adjustment takes it out. Source: Bretherton, Widmann, Dymnikov, Wallace
    and Bladé (1999), "The effective number of spatial degrees of freedom of a time-varying field", Journal of Climate 12; the adjustment
    is that of an adjusted R² (Ezekiel 1930).
    """
    n_sessions, n_trials = require_trials(returns)
    if n_sessions < _FEWEST:
        raise InputError(
            f"effective number of trials: {n_sessions} sessions, and correlations need at least {_FEWEST}; give a longer history."
        )
    centred = returns - returns.mean(axis=0)
    length = np.sqrt(np.einsum("ti,ti->i", centred, centred))
    varies = length > NO_VARIATION * (n_sessions - 1) ** 0.5
    n = int(varies.sum())
    if not n:
        raise InputError(f"effective number of trials: none of {n_trials} trials has returns that vary; see whether any of them trades.")
    unit = centred[:, varies] / length[varies]
    with one_blas_thread():
        products = unit.T @ unit if n <= n_sessions else unit @ unit.T
    squares = float(np.vdot(products, products)) - n
    shrink = (n_sessions - 1) / (n_sessions - 2)
    adjusted = n * (n - 1) * (1 - shrink) + squares * shrink
    return float(np.clip(n**2 / (n + max(adjusted, 0.0)), 1, n))
