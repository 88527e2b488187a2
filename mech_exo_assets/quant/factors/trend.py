"""Trend: where a price stands against its own averages, and how steadily it got there.

What belongs here: moving averages, regression on time, oscillators. What does not: the return between two dates (`momentum`).
"""

from __future__ import annotations

import numpy as np

from mech_exo_assets.quant.factors.declaration import factor
from mech_exo_assets.quant.factors.inputs import FactorPanel
from mech_exo_assets.quant.panel import Matrix


@factor(
    family="trend",
    inputs=("total_return_index",),
    lookback=49,
    orientation=1,
    meaning="Price above its average of 50 sessions.",
    source="Brock, Lakonishok and LeBaron (1992)",
)
def price_to_average_50(panel: FactorPanel) -> Matrix:
    """P[t] / mean₅₀(P) - 1."""
    ratio = panel.index / panel.window(50).mean(panel.index)
    ratio -= 1.0
    return ratio


@factor(
    family="trend",
    inputs=("total_return_index",),
    lookback=199,
    orientation=1,
    meaning="The average of 50 sessions above that of 200.",
    source="Brock, Lakonishok and LeBaron (1992)",
)
def average_50_to_200(panel: FactorPanel) -> Matrix:
    """mean₅₀(P) / mean₂₀₀(P) - 1."""
    ratio = panel.window(50).mean(panel.index)
    ratio /= panel.window(200).mean(panel.index)
    ratio -= 1.0
    return ratio


@factor(
    family="trend",
    inputs=("total_return_index",),
    lookback=125,
    orientation=1,
    meaning="How steadily the price has risen over half a year: t of its trend.",
    source="Clenow (2015)",
)
def trend_t(panel: FactorPanel) -> Matrix:
    """Student's t of the slope of ln P on time over 126 sessions (ordinary least squares)."""
    return panel.window(126).slope_t(panel.log_index, panel.session_numbers)


@factor(
    family="trend",
    inputs=("total_return_index",),
    lookback=14,
    orientation=-1,
    meaning="Share of gains in the moves of 14 sessions; high is overbought.",
    source="Wilder (1978), with Cutler's simple averages",
)
def relative_strength_index(panel: FactorPanel) -> Matrix:
    """100 · mean₁₄(max(r, 0)) / mean₁₄(|r|)."""
    strength = panel.window(14).mean(np.maximum(panel.returns, 0.0))
    strength /= panel.window(14).mean(np.abs(panel.returns))
    strength *= 100.0
    return strength
