"""Tails: deep losses, and lottery-like gains. Names bought for their extremes have disappointed.

What belongs here: one-sided risk and asymmetry. What does not: dispersion (`volatility`).
"""

from __future__ import annotations

import numpy as np

from mech_exo_assets.quant.factors.declaration import factor
from mech_exo_assets.quant.factors.inputs import FactorPanel
from mech_exo_assets.quant.panel import Matrix


@factor(
    family="tail",
    inputs=("total_return_index",),
    lookback=252,
    orientation=-1,
    meaning="Root mean square of a year's losses.",
    source="Sortino and Price (1994)",
)
def downside_volatility(panel: FactorPanel) -> Matrix:
    """√mean₂₅₂(min(r, 0)²)."""
    losses = np.minimum(panel.returns, 0.0)
    losses *= losses
    variance = panel.window(252).mean(losses)
    return np.sqrt(variance, out=variance)


@factor(
    family="tail",
    inputs=("total_return_index",),
    lookback=252,
    orientation=-1,
    meaning="Mean loss on the twelve worst sessions of a year; such losses tend to be followed by more.",
    source="Atilgan, Bali, Demirtas and Gunaydin (2020)",
)
def expected_shortfall(panel: FactorPanel) -> Matrix:
    """Mean of the 12 largest of -r over 252 sessions."""
    return panel.window(252).mean_of_largest(-panel.returns, 12)


@factor(
    family="tail",
    inputs=("total_return_index",),
    lookback=251,
    orientation=-1,
    meaning="Deepest fall from a peak within a year.",
    source="Magdon-Ismail and Atiya (2004)",
)
def maximum_drawdown(panel: FactorPanel) -> Matrix:
    """Largest 1 - P[u] / P[s] over t-251 ≤ s ≤ u ≤ t."""
    return panel.window(252).maximum_drawdown(panel.index)


@factor(
    family="tail",
    inputs=("total_return_index",),
    lookback=21,
    orientation=-1,
    meaning="Largest daily return of a month: demand for lotteries.",
    source="Bali, Cakici and Whitelaw (2011)",
)
def maximum_return(panel: FactorPanel) -> Matrix:
    """max₂₁(r)."""
    return panel.window(21).maximum(panel.returns)


@factor(
    family="tail",
    inputs=("total_return_index",),
    lookback=21,
    orientation=-1,
    meaning="Mean of the five largest daily returns of a month: demand for lotteries, with less noise.",
    source="Bali, Brown, Murray and Tang (2017)",
)
def mean_of_five_largest_returns(panel: FactorPanel) -> Matrix:
    """Mean of the 5 largest r over 21 sessions."""
    return panel.window(21).mean_of_largest(panel.returns, 5)


@factor(
    family="tail",
    inputs=("total_return_index",),
    lookback=252,
    orientation=-1,
    meaning="Asymmetry of a year's daily returns; investors overpay for rare gains.",
    source="Boyer, Mitton and Vorkink (2010)",
)
def skewness(panel: FactorPanel) -> Matrix:
    """Adjusted Fisher-Pearson skewness of r over 252 sessions."""
    return panel.window(252).skewness(panel.returns)
