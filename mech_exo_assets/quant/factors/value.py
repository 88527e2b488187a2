"""Value, quality and growth: what a name costs against what it earns, and how well its business does.

What belongs here: dividends, and fundamentals as they were known (`known`). What does not: prices alone.
"""

from __future__ import annotations

import numpy as np

from mech_exo_assets.quant.factors.declaration import factor
from mech_exo_assets.quant.factors.inputs import FactorPanel
from mech_exo_assets.quant.panel import Matrix


@factor(
    family="value",
    inputs=("dividend_amount", "close"),
    lookback=251,
    orientation=1,
    meaning="Dividends of a year over the prices at which they were paid.",
    source="Litzenberger and Ramaswamy (1979)",
)
def dividend_yield(panel: FactorPanel) -> Matrix:
    """252 · mean₂₅₂(D / C).

    An empty dividend counts as none, as sources leave it empty on all other days. Both figures are of one session, so no split moves it.
    A dividend that is wrong in the source stays wrong here: `market/quality` reports it, and winsorising bounds what it does to a score.
    """
    dividends = panel["dividend_amount"]
    paid = np.where(np.isnan(dividends), 0.0, dividends)
    paid /= panel["close"]
    annual = panel.window(252).mean(paid)
    annual *= 252.0
    return annual


@factor(
    family="value",
    inputs=("earnings_yield",),
    lookback=0,
    orientation=1,
    meaning="Earnings for each unit of price, as last reported.",
    source="Basu (1977)",
)
def earnings_yield(panel: FactorPanel) -> Matrix:
    """E / P, as last known."""
    return panel["earnings_yield"]


@factor(
    family="value",
    inputs=("book_to_price",),
    lookback=0,
    orientation=1,
    meaning="Book value for each unit of price, as last reported.",
    source="Fama and French (1992)",
)
def book_to_price(panel: FactorPanel) -> Matrix:
    """B / P, as last known."""
    return panel["book_to_price"]


@factor(
    family="quality",
    inputs=("return_on_equity",),
    lookback=0,
    orientation=1,
    meaning="Earnings for each unit of equity, as last reported.",
    source="Haugen and Baker (1996)",
)
def return_on_equity(panel: FactorPanel) -> Matrix:
    """E / B, as last known."""
    return panel["return_on_equity"]


@factor(
    family="quality",
    inputs=("debt_to_equity",),
    lookback=0,
    orientation=-1,
    meaning="Debt for each unit of equity, as last reported; sound balance sheets have earned more for their risk.",
    source="Asness, Frazzini and Pedersen (2019)",
)
def debt_to_equity(panel: FactorPanel) -> Matrix:
    """D / B, as last known."""
    return panel["debt_to_equity"]


@factor(
    family="growth",
    inputs=("revenue_growth",),
    lookback=0,
    orientation=1,
    meaning="Growth of revenue, as last reported.",
    source="Jegadeesh and Livnat (2006)",
)
def revenue_growth(panel: FactorPanel) -> Matrix:
    """Growth of revenue, as last known."""
    return panel["revenue_growth"]


@factor(
    family="growth",
    inputs=("earnings_growth",),
    lookback=0,
    orientation=1,
    meaning="Growth of earnings, as last reported; prices follow such news slowly.",
    source="Chan, Jegadeesh and Lakonishok (1996)",
)
def earnings_growth(panel: FactorPanel) -> Matrix:
    """Growth of earnings, as last known."""
    return panel["earnings_growth"]
