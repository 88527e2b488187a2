"""Figures about a series of returns.

What belongs here: definitions of performance. What does not: how the returns came about (`backtest`), and how a figure is shown
(`mech_exo_assets.reports`).
"""

from __future__ import annotations

from mech_exo_assets.quant.performance.drawdowns import drawdown_series, drawdowns
from mech_exo_assets.quant.performance.figures import Performance, performance
from mech_exo_assets.quant.performance.periods import monthly_returns, rolling_sharpe
from mech_exo_assets.quant.performance.table import performance_table

__all__ = [
    "Performance",
    "drawdown_series",
    "drawdowns",
    "monthly_returns",
    "performance",
    "performance_table",
    "rolling_sharpe",
]
