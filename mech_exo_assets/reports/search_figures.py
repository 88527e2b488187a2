"""Pictures of a weight search for its asset page, as Markdown images.

What belongs here: figures that are drawn from the tables of the group `weights`. What does not: computing them.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from mech_exo_assets.reports.markdown_image import as_markdown, new_figure

_INK, _CHOSEN, _OTHER = "#1f3a5f", "#b03a2e", "#9aa5b1"


def pareto(trials: pl.DataFrame, chosen: int) -> str:
    """Sharpe ratio against maximum drawdown of all trials, the front and the chosen one marked.

    Parameters
    ----------
    trials : DataFrame
        `schemas.TRIALS`.
    chosen : int
        Number of the chosen trial.
    """
    complete = trials.filter(pl.col("state") == "complete")
    if complete.is_empty():
        return "No trial could be judged."
    figure = new_figure(7.5, 4.5)
    axes = figure.subplots()
    groups = (
        ("not on the front", complete.filter(~pl.col("on_front")), _OTHER, 14),
        ("on the front", complete.filter(pl.col("on_front")), _INK, 28),
        ("chosen", complete.filter(pl.col("trial") == chosen), _CHOSEN, 90),
    )
    for label, rows, colour, size in groups:
        axes.scatter(100 * rows["max_drawdown"].to_numpy(), rows["sharpe"].to_numpy(), s=size, color=colour, label=label, alpha=0.85)
    for row in complete.filter(pl.col("start").is_not_null()).iter_rows(named=True):
        axes.annotate(row["start"], (100 * row["max_drawdown"], row["sharpe"]), fontsize=8, xytext=(4, 4), textcoords="offset points")
    axes.set_xlabel("maximum drawdown (%)")
    axes.set_ylabel("Sharpe ratio (annual, after costs)")
    axes.set_title("Trials in the search: the front is the best of Sharpe, drawdown and Calmar", fontsize=10)
    axes.legend(frameon=False, fontsize=8)
    axes.grid(alpha=0.25)
    return as_markdown(figure, "Sharpe ratio against maximum drawdown of all trials")


def history(trials: pl.DataFrame) -> str:
    """Sharpe ratio trial by trial, and the best until then."""
    complete = trials.filter(pl.col("state") == "complete").sort("trial")
    if complete.is_empty():
        return "No trial could be judged."
    numbers, sharpe = complete["trial"].to_numpy(), complete["sharpe"].to_numpy()
    figure = new_figure(7.5, 3.2)
    axes = figure.subplots()
    axes.scatter(numbers, sharpe, s=12, color=_OTHER, label="trial")
    axes.step(numbers, np.maximum.accumulate(sharpe), where="post", color=_INK, label="best until then")
    axes.set_xlabel("trial")
    axes.set_ylabel("Sharpe ratio (annual)")
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    axes.grid(alpha=0.25)
    return as_markdown(figure, "Sharpe ratio by trial")


def importances(shares: dict[str, float]) -> str:
    """Share of the Sharpe ratio's variance over the trials that each factor's weight explains.

    Parameters
    ----------
    shares : dict of str to float
        As `quant.weights.importance.importances` gives them.
    """
    if not shares:
        return "Too few trials, or they do not differ: importances are not computed."
    names = list(shares)[::-1]
    figure = new_figure(7.5, 1.0 + 0.23 * len(names))
    axes = figure.subplots()
    axes.barh(range(len(names)), [100 * shares[name] for name in names], color=_INK)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_xlabel("share of the variance of the Sharpe ratio (%, fANOVA)")
    axes.grid(axis="x", alpha=0.25)
    return as_markdown(figure, "Importance of each factor's weight")


def parallel_coordinates(trials: pl.DataFrame, weights: pl.DataFrame) -> str:
    """One line for each trial over the factors' weights, coloured by its Sharpe ratio; the better half on top."""
    complete = trials.filter(pl.col("state") == "complete").sort("sharpe")
    if complete.is_empty():
        return "No trial could be judged."
    wide = complete.select("trial", "sharpe").join(weights.pivot("factor", index="trial", values="weight"), on="trial").sort("sharpe")
    names = sorted(name for name in wide.columns if name not in ("trial", "sharpe"))
    figure = new_figure(max(7.5, 0.42 * len(names)), 4.6)
    axes = figure.subplots()
    sharpe = wide["sharpe"].to_numpy()
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    norm, colours = Normalize(float(sharpe.min()), float(sharpe.max())), colormaps["viridis"]
    values = 100 * wide.select(names).to_numpy()
    for line, value in zip(values, sharpe, strict=True):
        axes.plot(range(len(names)), line, color=colours(norm(value)), linewidth=0.7, alpha=0.6)
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=8)
    axes.set_ylabel("weight (%)")
    figure.colorbar(ScalarMappable(norm, colours), ax=axes, label="Sharpe ratio (annual)")
    axes.grid(axis="x", alpha=0.3)
    return as_markdown(figure, "Weights of all trials, coloured by Sharpe ratio")
