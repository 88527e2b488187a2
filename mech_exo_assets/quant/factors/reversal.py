"""Reversal: what has risen falls back, within weeks or after years.

What belongs here: past returns that predict with the opposite sign. What does not: momentum.
"""

from __future__ import annotations

from mech_exo_assets.quant.factors.declaration import factor
from mech_exo_assets.quant.factors.inputs import FactorPanel
from mech_exo_assets.quant.panel import Matrix


@factor(
    family="reversal",
    inputs=("total_return_index",),
    lookback=10,
    orientation=-1,
    meaning="Return over the last week.",
    source="Lehmann (1990)",
)
def weekly_reversal(panel: FactorPanel) -> Matrix:
    """P[t] / P[t-5] - 1."""
    return panel.change(since=5)


@factor(
    family="reversal",
    inputs=("total_return_index",),
    lookback=26,
    orientation=-1,
    meaning="Return over the last month.",
    source="Jegadeesh (1990)",
)
def short_term_reversal(panel: FactorPanel) -> Matrix:
    """P[t] / P[t-21] - 1."""
    return panel.change(since=21)


@factor(
    family="reversal",
    inputs=("total_return_index",),
    lookback=761,
    orientation=-1,
    meaning="Return over the two years before the last one; long losers recover.",
    source="De Bondt and Thaler (1985)",
)
def long_term_reversal(panel: FactorPanel) -> Matrix:
    """P[t-252] / P[t-756] - 1."""
    return panel.change(since=756, until=252)
