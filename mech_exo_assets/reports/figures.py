"""Small pictures for asset pages, as Markdown images.

What belongs here: figures that are drawn from a table of the lake. What does not: computing the table.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from mech_exo_assets.reports.markdown_image import as_markdown, new_figure

_INK = "#1f3a5f"
_LOSS = "#b03a2e"


def ic_overview(statistics: pl.DataFrame) -> str:
    """Mean IC of every factor and horizon as a heat map; a dot marks q ≤ 5 %.

    Parameters
    ----------
    statistics : DataFrame
        `schemas.STATISTICS`.

    Returns
    -------
    str
        A Markdown image; or a sentence that says why there is none.
    """
    if statistics.is_empty():
        return "No factor has an information coefficient yet."
    horizons = sorted(statistics["horizon"].unique())
    order = statistics.group_by("factor").agg(pl.col("t_hac").fill_nan(None).mean().alias("t")).sort("t", nulls_last=False)
    factors = order["factor"].to_list()
    row = {name: i for i, name in enumerate(factors)}
    column = {horizon: i for i, horizon in enumerate(horizons)}
    grid = np.full((len(factors), len(horizons)), np.nan)
    figure = new_figure(7.5, 1.2 + 0.23 * len(factors))
    axes = figure.subplots()
    for name, horizon, mean, q in statistics.select("factor", "horizon", "mean_ic", "q_value").iter_rows():
        grid[row[name], column[horizon]] = mean
        if q is not None and q <= 0.05:
            axes.plot(column[horizon], row[name], "o", color="black", markersize=3)
    limit = float(np.nanmax(np.abs(grid))) or 1.0
    image = axes.imshow(grid, aspect="auto", cmap="RdBu", vmin=-limit, vmax=limit, origin="lower")
    axes.set_yticks(range(len(factors)), factors, fontsize=8)
    axes.set_xticks(range(len(horizons)), [str(horizon) for horizon in horizons])
    axes.set_xlabel("horizon (sessions)")
    axes.set_title("Mean information coefficient (dot: q ≤ 5 %)", fontsize=10)
    figure.colorbar(image, ax=axes, label="mean IC", shrink=min(1.0, 6 / len(factors) + 0.3))
    return as_markdown(figure, "Mean information coefficient by factor and horizon")


def equity_and_drawdown(backtest: pl.DataFrame) -> str:
    """Growth of 1 before and after costs, and the drawdown of the latter.

    Parameters
    ----------
    backtest : DataFrame
        `schemas.BACKTEST`, with at least one row.

    Returns
    -------
    str
        A Markdown image.
    """
    dates = backtest["date"].to_numpy()
    gross, net = (np.cumprod(1 + backtest[name].to_numpy()) for name in ("gross_return", "net_return"))
    drawdown = net / np.maximum.accumulate(np.maximum(net, 1.0)) - 1
    figure = new_figure(8.5, 5.0)
    above, below = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [2.2, 1]})
    above.plot(dates, gross, color="grey", linewidth=0.9, label="before costs")
    above.plot(dates, net, color=_INK, linewidth=1.2, label="after costs")
    above.set_yscale("log")
    above.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    above.yaxis.set_minor_formatter(lambda value, _: f"{value:g}")
    above.tick_params(axis="y", which="minor", labelsize=7)
    above.set_ylabel("growth of 1 (log scale)")
    above.legend(loc="best", frameon=False, fontsize=8)
    below.fill_between(dates, 100 * drawdown, 0, color=_LOSS, alpha=0.6, linewidth=0)
    below.set_ylabel("drawdown (%)")
    below.set_xlabel("session")
    for axes in (above, below):
        axes.grid(alpha=0.25)
    return as_markdown(figure, "Growth of 1 and drawdown of the backtest")
