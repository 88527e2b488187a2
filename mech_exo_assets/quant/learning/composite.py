"""The composite with the machine-learned factor in it.

What belongs here: which of two ways it enters: at the weight of the blend, or at one that the strategy names as for any other factor. What
does not: how scores are joined (`quant.composite`), and how the blend moves (`blend`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from mech_exo_assets.quant.composite import blended_score, composite_score, composite_weights, names_learned
from mech_exo_assets.quant.learning.blend import blend_weights
from mech_exo_assets.quant.learning.scores import ML_ALPHA, with_learned
from mech_exo_assets.quant.panel import Matrix, Panel, Vector
from mech_exo_assets.schemas import factor_columns
from mech_exo_assets.settings.research import Composite


@dataclass(frozen=True, eq=False)
class Joined:
    """A composite, and what it was made of.

    Attributes
    ----------
    score : ndarray of shape (n_sessions, n_symbols)
    panel : Panel
        Its axes.
    weights : mapping of str to float
        Of the factors, without the blend.
    blend : ndarray of shape (n_sessions,)
        Weight of `ml_alpha` beside them; 0 throughout where the strategy names its weight itself.
    ml_alpha : ndarray of shape (n_sessions, n_symbols)
        Its scores; NaN where they are not known, or have no part in the blend.
    """

    score: Matrix
    panel: Panel
    weights: Mapping[str, float]
    blend: Vector
    ml_alpha: Matrix

    @property
    def used(self) -> list[str]:
        """Factors that some session's score is made of."""
        return [*self.weights, *([ML_ALPHA] if self.blend.any() and ML_ALPHA not in self.weights else [])]


def composite_with_learned(scores: pl.DataFrame, learned: pl.DataFrame, blend: pl.DataFrame, choices: Composite) -> Joined:
    """The composite of some sessions.

    Where `composite.weights` names `ml_alpha`, it is a factor as the others are, and unknown before its first prediction. Otherwise it
    enters beside them, at the weight of the blend (`composite.blended_score`).

    Parameters
    ----------
    scores, learned, blend : DataFrame
        `schemas.SCORES`, `schemas.LEARNED_SCORES`, `schemas.BLEND`.
    choices : Composite
        Section `composite` of the strategy.

    Raises
    ------
    InputError
        If a weight is given to a factor that is not there; `ml_alpha` is there as soon as something was predicted in these sessions.
    """
    factors, there = factor_columns(scores.columns), ML_ALPHA in learned.columns
    weights = composite_weights(choices.weights, factors, learned=there)
    named = names_learned(choices.weights)
    panel = Panel.from_frame(with_learned(scores, learned) if named else scores, [*factors, *([ML_ALPHA] if named and there else [])])
    score = composite_score(panel, weights, min_coverage=choices.min_coverage)
    shares = np.zeros(len(panel.sessions)) if named else blend_weights(blend, panel.sessions)
    alpha = np.full(panel.shape, np.nan)
    if there and shares.any():
        alpha = Panel.from_frame(learned, [ML_ALPHA], sessions=panel.sessions, symbols=panel.symbols).observed(ML_ALPHA)
        score = blended_score(score, alpha, shares)
    return Joined(score, panel, weights, shares, alpha)
