"""The gate: whether the machine-learned factor may enter the composite.

What belongs here: what the composite with it must have over the composite without it. What does not: the two series (`judged`), and the
weight that it then has (`blend`).

It is asked of the *composite*, and not of the models: a model that predicts well what the composite knows already adds nothing to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mech_exo_assets.quant.hac import t_of_mean
from mech_exo_assets.quant.learning.inference import lower_bound
from mech_exo_assets.quant.panel import Vector
from mech_exo_assets.settings.learning import Gate

Name = Literal["sessions", "gain", "lower_bound"]


@dataclass(frozen=True, slots=True)
class Measure:
    """A number held against its threshold.

    Attributes
    ----------
    name : {"sessions", "gain", "lower_bound"}
    value : float
        NaN where it cannot be computed, which does not pass.
    threshold : float
        The number passes that is at least so large; of the lower bound, that is above it.
    passed : bool
    meaning : str
        One sentence for a person, the number first.
    """

    name: Name
    value: float
    threshold: float
    passed: bool
    meaning: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says.

    Attributes
    ----------
    n_sessions : int
        Sessions that were judged.
    gain : float
        Mean gain of the composite's information coefficient; NaN without sessions.
    low : float
        One-sided lower bound of it; NaN where there is none.
    t : float
        Its t, with a variance that allows for overlap; NaN where there is none.
    measures : tuple of Measure
        All three, in the order sessions, gain, lower bound.
    """

    n_sessions: int
    gain: float
    low: float
    t: float
    measures: tuple[Measure, ...]

    @property
    def passed(self) -> bool:
        """Whether every measure passes."""
        return all(measure.passed for measure in self.measures)

    @property
    def meaning(self) -> str:
        """All in one paragraph for a person."""
        says = "The machine-learned factor may enter the composite." if self.passed else "The machine-learned factor stays out."
        return " ".join([says, *(measure.meaning for measure in self.measures)])


def gate(ic_composite: Vector, ic_blended: Vector, choices: Gate, *, horizon: int) -> Verdict:
    """Whether the machine-learned factor improves the composite out of sample, by the margin.

    With g_t = IC_t of the composite with it − IC_t of the one without: it passes if and only if there are at least `choices.sessions`
    sessions, mean(g) is at least `choices.ic`, and the one-sided lower bound of the mean at `choices.confidence` is above 0
    (`inference.lower_bound`: Bartlett variance, fixed-b quantile).

    Parameters
    ----------
    ic_composite, ic_blended : ndarray of shape (n_sessions,)
        Of the same sessions, out of sample, in order; a session in which either is NaN is left out.
    choices : Gate
        Section `learning.gate` of the strategy.
    horizon : int
        Sessions over which each label runs.

    Raises
    ------
    ValueError
        If the lengths differ.
    """
    if ic_composite.shape != ic_blended.shape:
        raise ValueError(f"series of shapes {ic_composite.shape} and {ic_blended.shape}; both must be of the same sessions")
    known = ~(np.isnan(ic_composite) | np.isnan(ic_blended))
    without, joined = ic_composite[known], ic_blended[known]
    gains = joined - without
    n = len(gains)
    gain = float(gains.mean()) if n else math.nan
    low = lower_bound(gains, horizon=horizon, confidence=choices.confidence)
    t = math.nan if math.isnan(low) else t_of_mean(gains, horizon=horizon)
    measures = (
        Measure(
            "sessions",
            n,
            choices.sessions,
            n >= choices.sessions,
            f"{n:,} sessions out of sample have a known label. Wanted: at least {choices.sessions:,}.",
        ),
        Measure("gain", gain, choices.ic, gain >= choices.ic, _of_gain(gain, without, joined, choices)),
        Measure("lower_bound", low, 0.0, low > 0.0, _of_bound(low, t, choices)),
    )
    return Verdict(n, gain, low, t, measures)


def _of_gain(gain: float, without: Vector, joined: Vector, choices: Gate) -> str:
    wanted = f"Wanted: at least {choices.ic:g}."
    if not len(without):
        return f"There is no gain to speak of without a session. {wanted}"
    return (
        f"{gain:+.4f} is what ml_alpha at a weight of {choices.weight:g} adds to the composite's mean information coefficient "
        f"({joined.mean():.4f} with it, {without.mean():.4f} without). {wanted}"
    )


def _of_bound(low: float, t: float, choices: Gate) -> str:
    if math.isnan(low):
        return "The gain has no lower bound: there are too few sessions for the horizon, or it is the same in all of them. Wanted: above 0."
    return f"{low:+.4f} is the lower bound of that gain at {choices.confidence:.1%} confidence, one-sided (t {t:.2f}). Wanted: above 0."
