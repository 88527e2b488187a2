"""Pictures of the live account for asset pages, as Markdown images.

What belongs here: figures that are drawn from tables of the group `live`. What does not: computing them.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from mech_exo_assets.reports.markdown_image import as_markdown, new_figure

_LIVE, _BACKTEST = "#1f3a5f", "#c77d11"
_PARTS = {"fees": "#7a5195", "slippage": "#c77d11", "timing": "#2a9d8f", "missed_positions": "#b03a2e", "residual": "#888888"}
_NOTHING = "There is no live session yet."


def account_growth(nav: pl.DataFrame) -> str:
    """Net asset value, and the growth of 1, of the account."""
    if nav.is_empty():
        return _NOTHING
    dates = nav["date"].to_numpy()
    figure = new_figure(8.5, 4.6)
    above, below = figure.subplots(2, 1, sharex=True)
    above.plot(dates, nav["nav"].to_numpy() / 1e6, color=_LIVE, linewidth=1.2)
    above.set_ylabel("NAV (million)")
    below.plot(dates, np.cumprod(1 + nav["live_return"].to_numpy()), color=_LIVE, linewidth=1.2)
    below.set_ylabel("growth of 1")
    below.set_xlabel("session")
    for axes in (above, below):
        axes.grid(alpha=0.25)
    return as_markdown(figure, "Net asset value and growth of the live account")


def live_against_backtest(nav: pl.DataFrame, backtest: pl.DataFrame) -> str:
    """Growth of 1, live and by the backtest of what is deployed, and what lies between them; lines where another strategy was deployed."""
    days = nav.select("date", "live_return").join(backtest, on="date", how="inner").sort("date")
    if days.is_empty():
        return _NOTHING
    dates = days["date"].to_numpy()
    live, expected = (np.cumprod(1 + days[name].to_numpy()) for name in ("live_return", "net_return"))
    figure = new_figure(8.5, 4.8)
    above, below = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [2, 1]})
    above.plot(dates, live, color=_LIVE, linewidth=3.0, alpha=0.45, label="live")
    above.plot(dates, expected, color=_BACKTEST, linewidth=1.1, label="backtest of the deployed strategy")
    above.set_ylabel("growth of 1")
    above.legend(loc="best", frameon=False, fontsize=8)
    below.plot(dates, 100 * (live / expected - 1), color=_LIVE, linewidth=1.1)
    below.axhline(0, color="black", linewidth=0.6)
    below.set_ylabel("live ahead (%)")
    below.set_xlabel("session")
    changes = days.filter(pl.col("version") != pl.col("version").shift(1))["date"].to_list()
    for axes in (above, below):
        axes.grid(alpha=0.25)
        for day in changes:
            axes.axvline(day, color="grey", linewidth=0.8, linestyle="--")
    return as_markdown(figure, "Live account against the backtest of the deployed strategy")


def gap_by_part(attribution: pl.DataFrame) -> str:
    """The gap, summed from the first session on, and each of its parts."""
    if attribution.is_empty():
        return _NOTHING
    dates = attribution["date"].to_numpy()
    figure = new_figure(8.5, 3.6)
    axes = figure.subplots()
    axes.plot(dates, 1e4 * attribution["gap"].cum_sum().to_numpy(), color="black", linewidth=1.6, label="gap")
    for name, colour in _PARTS.items():
        axes.plot(dates, 1e4 * attribution[name].cum_sum().to_numpy(), color=colour, linewidth=1.1, label=name.replace("_", " "))
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set_ylabel("sum (basis points)")
    axes.set_xlabel("session")
    axes.grid(alpha=0.25)
    axes.legend(loc="best", frameon=False, fontsize=8, ncols=3)
    return as_markdown(figure, "Why live is not the backtest")
