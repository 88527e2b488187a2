"""Risk shared with the market: beta, beta when it falls, coskewness.

What belongs here: joint moments with the market's return (equal-weighted over the names of the panel). What does not: a name's own risk.
"""

from __future__ import annotations

import numpy as np

from mech_exo_assets.quant.factors.declaration import factor
from mech_exo_assets.quant.factors.inputs import FactorPanel
from mech_exo_assets.quant.panel import Matrix

# The market falls on somewhat less than half of all sessions, so half of a year is the most that can be known of them.
_OBSERVED_OF_FALLS = 0.2


@factor(
    family="market",
    inputs=("total_return_index",),
    lookback=252,
    orientation=-1,
    meaning="Sensitivity to the market over a year; low-beta names have earned more than their beta implies.",
    source="Frazzini and Pedersen (2014)",
)
def beta(panel: FactorPanel) -> Matrix:
    """cov₂₅₂(r, m) / var₂₅₂(m)."""
    return panel.window(252).slope(panel.returns, panel.market)


@factor(
    family="market",
    inputs=("total_return_index",),
    lookback=252,
    orientation=1,
    meaning="Sensitivity to the market on the sessions of a year on which it fell, for which investors want to be paid.",
    source="Ang, Chen and Xing (2006)",
)
def downside_beta(panel: FactorPanel) -> Matrix:
    """cov(r, m) / var(m) over the sessions t-251 … t with m < 0, of which at least 51 must be known."""
    falls = np.where(panel.market < 0.0, panel.market, np.nan)
    return panel.window(252, observed=_OBSERVED_OF_FALLS).slope(panel.returns, falls)


@factor(
    family="market",
    inputs=("total_return_index",),
    lookback=252,
    orientation=-1,
    meaning="Whether a name does well when the market moves much; such insurance earns less.",
    source="Harvey and Siddique (2000)",
)
def coskewness(panel: FactorPanel) -> Matrix:
    """E[ε (m-m̄)²] / (√E[ε²] E[(m-m̄)²]) over 252 sessions, r = a + b m + ε."""
    return panel.window(252).coskewness(panel.returns, panel.market)
