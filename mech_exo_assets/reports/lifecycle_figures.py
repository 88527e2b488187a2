"""Pictures of the lifecycle for asset pages, as Markdown images.

What belongs here: figures that are drawn from tables of the group `lifecycle`. What does not: computing them.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from mech_exo_assets.reports.markdown_image import as_markdown, new_figure

_COLOURS = {"challenger": "#2a9d8f", "champion": "#1f3a5f", "taken": "#1f3a5f", "never": "#b03a2e", "calendar": "#c77d11"}
_WORDS = {"taken": "path taken", "never": "never retrained", "calendar": "refitted by the calendar"}


def growth_of_both(returns: pl.DataFrame) -> str:
    """Growth of 1 of challenger and champion on the sessions of the comparison.

    Parameters
    ----------
    returns : DataFrame
        `schemas.AB_RETURNS`.
    """
    return _growth(returns, "role", "Challenger and champion on sessions that neither was fitted on")


def growth_of_paths(table: pl.DataFrame) -> str:
    """Growth of 1 of the path taken and of those that were not.

    Parameters
    ----------
    table : DataFrame
        `schemas.BENEFIT`.
    """
    return _growth(table, "path", "The path taken, and those that were not")


def confidence_over_sessions(table: pl.DataFrame) -> str:
    """The difference of Sharpe ratios after each session, with the interval that holds it whenever one looks.

    Parameters
    ----------
    table : DataFrame
        `schemas.LIVE_COMPARISON`, with an interval on one session at least.
    """
    figure = new_figure(8.5, 3.6)
    axes = figure.subplots()
    known = table.filter(pl.col("low").is_not_null())
    days = known["date"].to_numpy()
    axes.plot(days, known["difference"].to_numpy(), color=_COLOURS["challenger"], linewidth=1.3, label="difference so far")
    axes.fill_between(days, known["low"].to_numpy(), known["high"].to_numpy(), color=_COLOURS["challenger"], alpha=0.2, label="confidence")
    axes.axhline(float(known["wanted"][-1]), color=_COLOURS["never"], linewidth=1.0, linestyle="--", label="wanted: above")
    axes.set_ylabel("annual Sharpe ratio,\nchallenger less champion")
    axes.set_xlabel("session")
    axes.grid(alpha=0.25)
    axes.legend(loc="best", frameon=False, fontsize=8)
    return as_markdown(figure, "What is known of the difference after each session")


def _growth(table: pl.DataFrame, by: str, title: str) -> str:
    figure = new_figure(8.5, 3.6)
    axes = figure.subplots()
    for (name,), part in table.sort("date").partition_by(by, as_dict=True, maintain_order=True).items():
        axes.plot(
            part["date"].to_numpy(),
            np.cumprod(1 + part["net_return"].to_numpy()),
            color=_COLOURS[str(name)],
            linewidth=1.3,
            label=_WORDS.get(str(name), str(name)),
        )
    axes.set_ylabel("growth of 1, after costs")
    axes.set_xlabel("session")
    axes.grid(alpha=0.25)
    axes.legend(loc="best", frameon=False, fontsize=8)
    return as_markdown(figure, title)
