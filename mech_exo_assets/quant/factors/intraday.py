"""The night and the day: returns while the exchange is closed, and while it is open.

What belongs here: figures that need the opening price. What does not: closes alone.
"""

from __future__ import annotations

from mech_exo_assets.quant.factors.declaration import factor
from mech_exo_assets.quant.factors.inputs import FactorPanel
from mech_exo_assets.quant.panel import Matrix


@factor(
    family="intraday",
    inputs=("open", "close", "total_return_index"),
    lookback=21,
    orientation=1,
    meaning="Mean return from close to open over a month: the mood of those who trade at the open, which persists for weeks.",
    source="Aboody, Even-Tov, Lehavy and Trueman (2018)",
)
def overnight_return(panel: FactorPanel) -> Matrix:
    """mean₂₁((1 + r) · O / C - 1)."""
    overnight = panel["open"] / panel["close"]
    overnight *= 1.0 + panel.returns
    overnight -= 1.0
    return panel.window(21).mean(overnight)


@factor(
    family="intraday",
    inputs=("open", "close"),
    lookback=20,
    orientation=-1,
    meaning="Mean return from open to close over a month: the part of a month's return that turns round.",
    source="Lou, Polk and Skouras (2019)",
)
def intraday_return(panel: FactorPanel) -> Matrix:
    """mean₂₁(C / O - 1)."""
    intraday = panel["close"] / panel["open"]
    intraday -= 1.0
    return panel.window(21).mean(intraday)
