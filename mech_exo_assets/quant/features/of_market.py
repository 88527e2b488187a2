"""Features from prices and volumes: the state of the market, what it makes of scores, and how much a name is traded.

What belongs here: kinds that need `market/prices`. What does not: how a state is computed (`states`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mech_exo_assets.quant.features.declaration import Feature, feature_kind
from mech_exo_assets.quant.features.inputs import FeaturePanel
from mech_exo_assets.quant.features.of_scores import scaled_ranks
from mech_exo_assets.quant.features.states import LONGEST_STATE, STANDARDISED_SESSIONS, STATES
from mech_exo_assets.quant.panel import Matrix

LIQUIDITY_SESSIONS = 21

_INDEX = "market/prices.total_return_index"


@feature_kind(
    prefix="market",
    meaning="What kind of market it is; the same for all names of a session, so it tells when other features count, and not which name.",
    inputs=("total_return_index",),
    lookback=LONGEST_STATE,
)
def market(panel: FeaturePanel) -> Iterator[Feature]:
    """Volatility, dispersion, trend and breadth of the market, as `states` defines them."""
    for state in STATES:
        yield Feature(state, np.broadcast_to(panel.state(state)[:, None], panel.shape), (_INDEX,))


@feature_kind(
    prefix="interaction",
    meaning="What a family of factors says, times how unusual the market is: premia that come and go, as a linear model can use them.",
    inputs=("scores", "total_return_index"),
    lookback=LONGEST_STATE + STANDARDISED_SESSIONS - 1,
)
def interactions(panel: FeaturePanel) -> Iterator[Feature]:
    """Mean over the family's known scores of s_f[t, i] × z[t], z the state over its mean and deviation of the last 480 sessions."""
    for family, factors in panel.families.items():
        mean = _mean_score(panel, factors)
        sources = (*(f"factors/scores.{factor}" for factor in factors), _INDEX)
        for state in STATES:
            yield Feature(f"{family}_{state}", mean * panel.state(state, standardised=True)[:, None], sources)


@feature_kind(
    prefix="liquidity",
    meaning="How much money changes hands in the name, against the others: what predicts small names may not predict large ones.",
    inputs=("close", "volume"),
    lookback=LIQUIDITY_SESSIONS - 1,
)
def liquidity(panel: FeaturePanel) -> Iterator[Feature]:
    """(rank - 1/2) / n - 1/2 of the mean of close × volume over 21 sessions, among the n names of the session that have both."""
    mean = panel.window(LIQUIDITY_SESSIONS).mean(panel.price("close") * panel.price("volume"))[panel.wanted]
    mean[~panel.rows] = np.nan
    yield Feature("dollar_volume", scaled_ranks(mean), ("market/prices.close", "market/prices.volume"))


@feature_kind(
    prefix="sector",
    meaning="Sector of the name, a category: trees can let a factor count in one sector and not in another.",
    inputs=("sector",),
    lookback=0,
)
def sector(panel: FeaturePanel) -> Iterator[Feature]:  # noqa: ARG001 - as all kinds
    """The sector as market/universe has it; the column `sector` itself and no matrix, since it is a word."""
    yield from ()


def _mean_score(panel: FeaturePanel, factors: tuple[str, ...]) -> Matrix:
    """Mean of the known scores of some factors; one of their matrices is held at a time."""
    total, known = np.zeros(panel.shape), np.zeros(panel.shape)
    for factor in factors:
        score = panel.score(factor)
        there = ~np.isnan(score)
        known += there
        np.add(total, score, out=total, where=there)
    return np.divide(total, known, out=np.full(panel.shape, np.nan), where=known > 0)
