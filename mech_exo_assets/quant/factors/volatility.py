"""Volatility: how much a price moves. Calm names have earned more for their risk than restless ones.

What belongs here: dispersion, of closes or of the range of a session. What does not: one-sided risk (`tail`), risk shared with the
market (`market`).
"""

from __future__ import annotations

import numpy as np

from mech_exo_assets.quant.factors.declaration import factor
from mech_exo_assets.quant.factors.inputs import FactorPanel
from mech_exo_assets.quant.panel import Matrix


@factor(
    family="volatility",
    inputs=("total_return_index",),
    lookback=21,
    orientation=-1,
    meaning="Standard deviation of the daily returns of a month.",
    source="Ang, Hodrick, Xing and Zhang (2006)",
)
def volatility_21(panel: FactorPanel) -> Matrix:
    """σ₂₁(r)."""
    return panel.window(21).standard_deviation(panel.returns)


@factor(
    family="volatility",
    inputs=("total_return_index",),
    lookback=63,
    orientation=-1,
    meaning="Standard deviation of the daily returns of a quarter.",
    source="Blitz and van Vliet (2007)",
)
def volatility_63(panel: FactorPanel) -> Matrix:
    """σ₆₃(r)."""
    return panel.window(63).standard_deviation(panel.returns)


@factor(
    family="volatility",
    inputs=("total_return_index",),
    lookback=252,
    orientation=-1,
    meaning="Standard deviation of the daily returns of a year.",
    source="Blitz and van Vliet (2007)",
)
def volatility_252(panel: FactorPanel) -> Matrix:
    """σ₂₅₂(r)."""
    return panel.window(252).standard_deviation(panel.returns)


@factor(
    family="volatility",
    inputs=("total_return_index",),
    lookback=63,
    orientation=-1,
    meaning="Standard deviation of what the market does not explain of a quarter's daily returns.",
    source="Ang, Hodrick, Xing and Zhang (2006)",
)
def idiosyncratic_volatility(panel: FactorPanel) -> Matrix:
    """σ₆₃(ε), r = a + b m + ε, n - 2 degrees of freedom."""
    return panel.window(63).residual_deviation(panel.returns, panel.market)


@factor(
    family="volatility",
    inputs=("high", "low"),
    lookback=62,
    orientation=-1,
    meaning="Volatility from the range of each session, over a quarter.",
    source="Parkinson (1980)",
)
def parkinson_volatility(panel: FactorPanel) -> Matrix:
    """√(mean₆₃(ln²(H/L)) / (4 ln 2))."""
    squared_range = np.log(panel["high"] / panel["low"])
    squared_range *= squared_range
    variance = panel.window(63).mean(squared_range)
    variance /= 4.0 * np.log(2.0)
    return np.sqrt(variance, out=variance)


@factor(
    family="volatility",
    inputs=("high", "low", "close", "total_return_index"),
    lookback=21,
    orientation=-1,
    meaning="Mean true range of a month's sessions, as a fraction of the close.",
    source="Wilder (1978)",
)
def average_true_range(panel: FactorPanel) -> Matrix:
    """mean₂₁((max(H, B) - min(L, B)) / C), B = C / (1 + r) the previous close in today's units, after splits and dividends."""
    previous = 1.0 / (1.0 + panel.returns)
    true_range = np.maximum(panel["high"] / panel["close"], previous)
    true_range -= np.minimum(panel["low"] / panel["close"], previous)
    return panel.window(21).mean(true_range)
