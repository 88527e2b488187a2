"""Liquidity: what it costs to trade a name, and when trading in it is unusual.

What belongs here: figures of dollar volume (raw price times raw volume, which no split moves). What does not: prices alone.
"""

from __future__ import annotations

import numpy as np

from mech_exo_assets.quant.factors.declaration import factor
from mech_exo_assets.quant.factors.inputs import FactorPanel
from mech_exo_assets.quant.panel import Matrix


@factor(
    family="liquidity",
    inputs=("total_return_index", "close", "volume"),
    lookback=252,
    orientation=1,
    meaning="Price impact of a year's trading; holders of illiquid names are paid for it.",
    source="Amihud (2002)",
)
def amihud(panel: FactorPanel) -> Matrix:
    """ln(mean₂₅₂(|r| / (C · V))), over the sessions with trading."""
    impact = np.abs(panel.returns)
    impact /= panel.dollar_volume
    mean = panel.window(252).mean(impact)
    return np.log(mean, out=mean)


@factor(
    family="liquidity",
    inputs=("close", "volume"),
    lookback=62,
    orientation=-1,
    meaning="Money traded in a session of the quarter, on a log scale.",
    source="Brennan, Chordia and Subrahmanyam (1998)",
)
def dollar_volume(panel: FactorPanel) -> Matrix:
    """mean₆₃(ln(C · V)), over the sessions with trading."""
    return panel.window(63).mean(panel.log_dollar_volume)


@factor(
    family="liquidity",
    inputs=("close", "volume"),
    lookback=62,
    orientation=1,
    meaning="How unusual the volume of this session is; attention brings buyers.",
    source="Gervais, Kaniel and Mingelgrin (2001)",
)
def abnormal_volume(panel: FactorPanel) -> Matrix:
    """(x - mean₆₃(x)) / σ₆₃(x), x = ln(C · V)."""
    quarter = panel.window(63)
    surprise = panel.log_dollar_volume - quarter.mean(panel.log_dollar_volume)
    surprise /= quarter.standard_deviation(panel.log_dollar_volume)
    return surprise


@factor(
    family="liquidity",
    inputs=("close", "volume"),
    lookback=251,
    orientation=-1,
    meaning="Volume of the month over that of the year, on a log scale.",
    source="Haugen and Baker (1996)",
)
def volume_trend(panel: FactorPanel) -> Matrix:
    """mean₂₁(x) - mean₂₅₂(x), x = ln(C · V)."""
    trend = panel.window(21).mean(panel.log_dollar_volume)
    trend -= panel.window(252).mean(panel.log_dollar_volume)
    return trend


@factor(
    family="liquidity",
    inputs=("close", "volume"),
    lookback=251,
    orientation=-1,
    meaning="How much the volume of a year's sessions varies.",
    source="Chordia, Subrahmanyam and Anshuman (2001)",
)
def volume_volatility(panel: FactorPanel) -> Matrix:
    """σ₂₅₂(ln(C · V))."""
    return panel.window(252).standard_deviation(panel.log_dollar_volume)


@factor(
    family="liquidity",
    inputs=("total_return_index", "close", "volume"),
    lookback=63,
    orientation=-1,
    meaning="Whether volume comes with gains or with losses, over a quarter.",
    source="Kakushadze (2016)",
)
def price_volume_correlation(panel: FactorPanel) -> Matrix:
    """corr₆₃(r, ln(C · V))."""
    return panel.window(63).correlation(panel.returns, panel.log_dollar_volume)


@factor(
    family="liquidity",
    inputs=("total_return_index",),
    lookback=252,
    orientation=1,
    meaning="Share of a year's sessions on which the price did not move, because trading was not worth its cost.",
    source="Lesmond, Ogden and Trzcinka (1999)",
)
def zero_return_share(panel: FactorPanel) -> Matrix:
    """mean₂₅₂(1 if r = 0 else 0)."""
    zero = np.where(np.isnan(panel.returns), np.nan, panel.returns == 0.0)
    return panel.window(252).mean(zero)
