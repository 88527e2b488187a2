"""When a change came that an alarm tells of, and how sure that is.

What belongs here: the posterior of the change session, as it stands at the alarm. What does not: the alarm (`monitor`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mech_exo_assets.quant.panel import Vector

LEVEL = 0.95
_SIZES = (0.5, 0.75, 1.0, 1.25)
"""Shifts that are thought of, as multiples of the one that was watched for."""


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """Positions in the series: of the first observation after the change.

    Attributes
    ----------
    at : int
        The most probable.
    low, high : int
        Ends of the central 95 % interval, widened to hold `at`.
    """

    at: int
    low: int
    high: int


def change_point(losses: Vector, *, delta: float) -> ChangePoint:
    """Where the mean of a series rose from 0, given that it has.

    p(nu) is proportional to the mean over shifts m of exp(Σ_{t >= nu} (m x_t − m²/2)), for m = delta times 0.5, 0.75, 1 and 1.25, with
    every nu as likely before the data are seen.

    Parameters
    ----------
    losses : ndarray of shape (n,)
        Standard normal before the change, with mean m after it; the last one raised the alarm. n >= 1.
    delta : float
        The shift that was watched for.

    Notes
    -----
    Source: Hinkley (1970) for the likelihood; the interval is that of a flat prior.
    """
    total = np.full(len(losses), -np.inf)
    for size in _SIZES:
        shift = size * delta
        total = np.logaddexp(total, np.cumsum((shift * losses - shift * shift / 2)[::-1])[::-1])
    weights = np.exp(total - total.max())
    cumulative = np.cumsum(weights) / weights.sum()
    tail = (1 - LEVEL) / 2
    at = int(weights.argmax())
    low, high = (int(np.searchsorted(cumulative, share)) for share in (tail, 1 - tail))
    return ChangePoint(at, min(low, at), max(min(high, len(losses) - 1), at))
