"""Momentum: what has risen goes on rising, over three to twelve months.

What belongs here: past returns that predict with their own sign. What does not: returns that turn round (`reversal`), averages (`trend`).
"""

from __future__ import annotations

import numpy as np

from mech_exo_assets.quant.factors.declaration import factor
from mech_exo_assets.quant.factors.inputs import FactorPanel
from mech_exo_assets.quant.panel import Matrix
from mech_exo_assets.quant.rolling.lags import lagged

# The last month is left out: it reverses (see `reversal.short_term_reversal`).
_SKIPPED = 21


@factor(
    family="momentum",
    inputs=("total_return_index",),
    lookback=257,
    orientation=1,
    meaning="Return over the twelve months before the last one.",
    source="Jegadeesh and Titman (1993)",
)
def momentum_12_1(panel: FactorPanel) -> Matrix:
    """P[t-21] / P[t-252] - 1."""
    return panel.change(since=252, until=_SKIPPED)


@factor(
    family="momentum",
    inputs=("total_return_index",),
    lookback=131,
    orientation=1,
    meaning="Return over the six months before the last one.",
    source="Jegadeesh and Titman (1993)",
)
def momentum_6_1(panel: FactorPanel) -> Matrix:
    """P[t-21] / P[t-126] - 1."""
    return panel.change(since=126, until=_SKIPPED)


@factor(
    family="momentum",
    inputs=("total_return_index",),
    lookback=68,
    orientation=1,
    meaning="Return over the three months before the last one.",
    source="Jegadeesh and Titman (1993)",
)
def momentum_3_1(panel: FactorPanel) -> Matrix:
    """P[t-21] / P[t-63] - 1."""
    return panel.change(since=63, until=_SKIPPED)


@factor(
    family="momentum",
    inputs=("total_return_index",),
    lookback=257,
    orientation=1,
    meaning="Return from twelve to six months ago, which carries much of the momentum.",
    source="Novy-Marx (2012)",
)
def intermediate_momentum(panel: FactorPanel) -> Matrix:
    """P[t-126] / P[t-252] - 1."""
    return panel.change(since=252, until=126)


@factor(
    family="momentum",
    inputs=("total_return_index",),
    lookback=257,
    orientation=1,
    meaning="Momentum for each unit of risk, so that the most volatile names do not fill both ends.",
    source="Rachev, Jašić, Stoyanov and Fabozzi (2007)",
)
def risk_adjusted_momentum(panel: FactorPanel) -> Matrix:
    """(P[t-21] / P[t-252] - 1) / σ₂₅₂(r)."""
    momentum = panel.change(since=252, until=_SKIPPED)
    momentum /= panel.window(252).standard_deviation(panel.returns)
    return momentum


@factor(
    family="momentum",
    inputs=("total_return_index",),
    lookback=252,
    orientation=1,
    meaning="Momentum of what the market does not explain, for each unit of that risk.",
    source="Blitz, Huij and Martens (2011)",
)
def residual_momentum(panel: FactorPanel) -> Matrix:
    """(r̄ - β₂₅₂ m̄) / σ₂₅₂(ε), means over the sessions t-251 … t-21."""
    earlier = panel.window(252 - _SKIPPED)
    of_market = earlier.mean(panel.market[:, None])
    year = panel.window(252)
    residual = lagged(earlier.mean(panel.returns), _SKIPPED)
    residual -= year.slope(panel.returns, panel.market) * lagged(of_market, _SKIPPED)
    residual /= year.residual_deviation(panel.returns, panel.market)
    return residual


@factor(
    family="momentum",
    inputs=("total_return_index",),
    lookback=257,
    orientation=-1,
    meaning="Whether a year's move came in few large steps (high) or many small ones (low), to which people react more slowly.",
    source="Da, Gurun and Warachka (2014)",
)
def information_discreteness(panel: FactorPanel) -> Matrix:
    """-sign(P[t-21]/P[t-252] - 1) · mean of sign(r) over the sessions t-251 … t-21."""
    direction = np.sign(panel.change(since=252, until=_SKIPPED))
    direction *= -lagged(panel.window(252 - _SKIPPED).mean(np.sign(panel.returns)), _SKIPPED)
    return direction


@factor(
    family="momentum",
    inputs=("total_return_index",),
    lookback=251,
    orientation=1,
    meaning="How near the price is to its highest close of the year.",
    source="George and Hwang (2004)",
)
def high_52_week(panel: FactorPanel) -> Matrix:
    """P[t] / max(P[t-251 … t])."""
    return panel.index / panel.window(252).maximum(panel.index)


@factor(
    family="momentum",
    inputs=("total_return_index",),
    lookback=251,
    orientation=-1,
    meaning="Sessions since the highest close of the year; a recent high is a good sign.",
    source="Bhootra and Hur (2013)",
)
def sessions_since_high(panel: FactorPanel) -> Matrix:
    """Sessions from the latest max(P[t-251 … t]) to t."""
    return panel.window(252).sessions_since_maximum(panel.index)
