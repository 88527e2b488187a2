"""Features that are made from one factor's scores: the score, its change, its rank.

What belongs here: what needs no price. What does not: scores together with the state of the market (`interactions`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mech_exo_assets.quant.features.declaration import Feature, feature_kind
from mech_exo_assets.quant.features.inputs import FeaturePanel
from mech_exo_assets.quant.panel import Matrix
from mech_exo_assets.quant.ranks import average_ranks

LONGEST_CHANGE = 120
"""Sessions that `learning.change_sessions` may be at most."""


@feature_kind(prefix="score", meaning="What each factor says of the name, as it is used in the composite.", inputs=("scores",), lookback=0)
def scores(panel: FeaturePanel) -> Iterator[Feature]:
    """s_f[t, i], the score of each factor f."""
    for factor in panel.factors:
        yield Feature(factor, panel.score(factor), _source(factor))


@feature_kind(
    prefix="change",
    meaning="How each factor's opinion of the name has changed lately: the same score says something else when it is new.",
    inputs=("scores",),
    lookback=LONGEST_CHANGE,
)
def changes(panel: FeaturePanel) -> Iterator[Feature]:
    """s_f[t, i] - s_f[t-k, i], k = learning.change_sessions; NaN where either is."""
    for factor in panel.factors:
        yield Feature(factor, panel.score(factor) - panel.score(factor, lag=panel.change_sessions), _source(factor))


@feature_kind(
    prefix="rank",
    meaning="Where the name stands among all names of the session: the score without its tails.",
    inputs=("scores",),
    lookback=0,
)
def ranks(panel: FeaturePanel) -> Iterator[Feature]:
    """(rank - 1/2) / n - 1/2 of s_f[t, i] among the n names with a score in that session, average ranks for ties; in (-1/2, 1/2)."""
    for factor in panel.factors:
        yield Feature(factor, scaled_ranks(panel.score(factor)), _source(factor))


def scaled_ranks(values: Matrix) -> Matrix:
    """Ranks of each session, scaled to (-1/2, 1/2): (rank - 1/2) / n - 1/2, n the known values.

    Parameters
    ----------
    values : ndarray of shape (n_sessions, n_symbols)

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        The smallest of a session is 1/(2n) - 1/2; ties get the average of their ranks; NaN where unknown.
    """
    rank = average_ranks(values)
    known = np.maximum((~np.isnan(rank)).sum(axis=1, keepdims=True), 1)
    return (rank - 0.5) / known - 0.5


def _source(factor: str) -> tuple[str, ...]:
    return (f"factors/scores.{factor}",)
