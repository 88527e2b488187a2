"""Seasonality: names that did well in a month of the year do so again.

What belongs here: returns at the same time in earlier years. What does not: anything that uses the current year.
"""

from __future__ import annotations

from mech_exo_assets.quant.factors.declaration import factor
from mech_exo_assets.quant.factors.inputs import FactorPanel
from mech_exo_assets.quant.panel import Matrix

_YEAR, _MONTH = 252, 21


@factor(
    family="seasonality",
    inputs=("total_return_index",),
    lookback=257,
    orientation=1,
    meaning="Return in the month that followed this day a year ago.",
    source="Heston and Sadka (2008)",
)
def annual_seasonality(panel: FactorPanel) -> Matrix:
    """P[t-231] / P[t-252] - 1."""
    return panel.change(since=_YEAR, until=_YEAR - _MONTH)


@factor(
    family="seasonality",
    inputs=("total_return_index",),
    lookback=761,
    orientation=1,
    meaning="Mean return in the month that followed this day in each of the last three years.",
    source="Heston and Sadka (2008)",
)
def three_year_seasonality(panel: FactorPanel) -> Matrix:
    """Mean over k = 1, 2, 3 of P[t-252k+21] / P[t-252k] - 1."""
    mean = panel.change(since=_YEAR, until=_YEAR - _MONTH)
    mean += panel.change(since=2 * _YEAR, until=2 * _YEAR - _MONTH)
    mean += panel.change(since=3 * _YEAR, until=3 * _YEAR - _MONTH)
    mean /= 3.0
    return mean
