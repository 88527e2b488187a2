"""Contributions must sum to the prediction.

What belongs here: the check, and contributions that have passed it. What does not: what is made of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mech_exo_assets.quant.models.fitted import Model, Rows32

TOLERANCE = 1e-5
"""Of a prediction of size 1 or less; larger ones, as rankings have, in proportion. XGBoost computes in single precision."""


def additivity_gap(
    contributions: NDArray[np.float64], prediction: NDArray[np.float64], *, where: str, tolerance: float = TOLERANCE
) -> float:
    """Largest |Σ contributions − prediction| over rows, in units of max(1, |prediction|).

    Parameters
    ----------
    contributions : ndarray of shape (n_rows, n_features + 1)
        The last column is what all rows share.
    prediction : ndarray of shape (n_rows,)
    where : str
        Which model, for the error.
    tolerance : float

    Returns
    -------
    float
        0 for no rows.

    Raises
    ------
    ValueError
        If the gap of a row is above the tolerance, or not a number; names the row and the gap.
    """
    gap = np.abs(contributions.sum(axis=1) - prediction) / np.maximum(1.0, np.abs(prediction))
    wrong = np.flatnonzero(~(gap <= tolerance))
    if len(wrong):
        row = int(wrong[0])
        raise ValueError(
            f"{where}, row {row}: contributions sum to {contributions[row].sum():.8g}, the prediction is {prediction[row]:.8g}, a gap of "
            f"{gap[row]:.3g} where {tolerance:g} is allowed; {len(wrong)} of {len(gap)} rows are wrong"
        )
    return float(gap.max(initial=0.0))


def checked_contributions(
    model: Model, rows: Rows32, *, where: str, tolerance: float = TOLERANCE
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Contributions and predictions of some rows, and the largest gap between their sums (see `additivity_gap`).

    Returns
    -------
    contributions : ndarray of shape (n_rows, n_features + 1)
    prediction : ndarray of shape (n_rows,)
    gap : float
    """
    if not len(rows):
        return np.empty((0, len(model.features.names) + 1)), np.empty(0), 0.0
    contributions, prediction = model.contributions(rows), model.predict(rows)
    return contributions, prediction, additivity_gap(contributions, prediction, where=where, tolerance=tolerance)
