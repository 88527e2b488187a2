"""Pictures of a weight search for its asset pages, as Markdown images.

What belongs here: figures that are drawn from the tables of the group `weights`. What does not: computing them, and the interactive ones
(`search_page`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mech_exo_assets.reports.markdown_image import as_markdown, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _CHOSEN, _OTHER, _GREEN = "#1f3a5f", "#b03a2e", "#9aa5b1", "#009e73"
_MARKS = ("s", "^", "v", "D", "P", "X")
"""Of the warm starts: told apart by their shape, so that no label has to stand among the trials."""
_STYLES = (("#b03a2e", "-", 1.8), ("#1f3a5f", "-", 1.1), ("#e0a800", "--", 1.1), ("#009e73", ":", 1.4))
"""Colour, dash and width of the lines on the hold-out, the optimised weights first; each shows on the one before it."""
_SHADES = 12
"""Colours of the lines by their Sharpe ratio; a picture has a palette, and an eye tells no more apart."""
MOST_LINES = 1000
"""Trials that are drawn as lines over the factors, the best ones: with more, neither an eye nor a browser comes along."""
NOTHING = "No trial could be judged, so that there is nothing to draw; weights/trials says why."
_SHARPE = "Sharpe ratio (annual, after costs)"


def pareto(trials: pl.DataFrame, chosen: int) -> str:
    """Sharpe ratio against maximum drawdown of all trials; the front, the warm starts and the chosen one marked.

    Parameters
    ----------
    trials : DataFrame
        `schemas.TRIALS`.
    chosen : int
        Number of the chosen trial.

    Returns
    -------
    str
        A Markdown image; or a sentence that says why there is none.
    """
    complete = trials.filter(pl.col("state") == "complete")
    if complete.is_empty():
        return NOTHING
    figure = new_figure(8.5, 4.6)
    axes = figure.subplots()

    def scatter(rows: pl.DataFrame, label: str, **looks: Any) -> None:
        if not rows.is_empty():
            axes.scatter(100 * rows["max_drawdown"].to_numpy(), rows["sharpe"].to_numpy(), label=f"{label} ({rows.height})", **looks)

    proposed = complete.filter(pl.col("feasible"), ~pl.col("on_front"))
    scatter(complete.filter(~pl.col("feasible")), "outside of a limit", s=16, color=_OTHER, marker="x", linewidths=0.8)
    scatter(proposed, "dominated", s=14, color=_OTHER, linewidths=0)
    scatter(complete.filter(pl.col("on_front")), "on the front", s=30, color=_INK, linewidths=0)
    for (start, rows), mark in zip(_starts(complete), _MARKS * 9, strict=False):
        axes.scatter(
            100 * rows["max_drawdown"].to_numpy(),
            rows["sharpe"].to_numpy(),
            s=70,
            marker=mark,
            facecolor="none",
            edgecolor=_GREEN,
            linewidths=1.4,
            label=f"start: {start}",
        )
    picked = complete.filter(pl.col("trial") == chosen)
    axes.scatter(
        100 * picked["max_drawdown"].to_numpy(),
        picked["sharpe"].to_numpy(),
        s=150,
        facecolor="none",
        edgecolor=_CHOSEN,
        linewidths=2,
        label=f"chosen: trial {chosen}",
    )
    axes.set_xlabel("maximum drawdown (%); smaller is better")
    axes.set_ylabel(f"{_SHARPE}; larger is better")
    axes.set_title("Trials of the search. No trial beats one on the front in Sharpe, drawdown and Calmar ratio at once.", fontsize=9)
    _legend_beside(axes)
    axes.grid(alpha=0.25)
    return as_markdown(figure, f"Sharpe ratio against maximum drawdown of {complete.height} trials; trial {chosen} is chosen")


def history(trials: pl.DataFrame) -> str:
    """Sharpe ratio trial by trial, and the best that keeps the limits until then."""
    complete = trials.filter(pl.col("state") == "complete").sort("trial")
    if complete.is_empty():
        return NOTHING
    numbers, sharpe, feasible = (complete[name].to_numpy() for name in ("trial", "sharpe", "feasible"))
    figure = new_figure(8.5, 3.2)
    axes = figure.subplots()
    axes.scatter(numbers[feasible], sharpe[feasible], s=12, color=_OTHER, label="trial", linewidths=0)
    if not feasible.all():
        axes.scatter(numbers[~feasible], sharpe[~feasible], s=16, color=_OTHER, marker="x", linewidths=0.8, label="outside of a limit")
    best = np.maximum.accumulate(np.where(feasible, sharpe, -np.inf))
    known = np.isfinite(best)
    axes.step(numbers[known], best[known], where="post", color=_INK, label="best until then")
    starts = complete.filter(pl.col("start").is_not_null())
    started = starts["trial"].to_numpy(), starts["sharpe"].to_numpy()
    axes.scatter(*started, s=40, facecolor="none", edgecolor=_GREEN, linewidths=1.3, label="warm start")
    axes.set_xlabel("trial")
    axes.set_ylabel("Sharpe ratio\n(annual, after costs)")
    _legend_beside(axes)
    axes.grid(alpha=0.25)
    return as_markdown(figure, "Sharpe ratio by trial, and the best until then")


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
    values = [100 * shares[name] for name in names]
    figure = new_figure(8.5, 0.8 + 0.2 * len(names))
    axes = figure.subplots()
    bars = axes.barh(range(len(names)), values, color=_INK, height=0.7)
    axes.bar_label(bars, [f"{value:.1f}" for value in values], padding=3, fontsize=7)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.margins(x=0.07)
    axes.set_xlabel("share of the variance of the Sharpe ratio over the trials (%, fANOVA)")
    axes.set_axisbelow(True)
    axes.grid(axis="x", alpha=0.25)
    return as_markdown(figure, "Importance of each factor's weight")


def parallel_coordinates(trials: pl.DataFrame, weights: pl.DataFrame, chosen: int) -> str:
    """One line for each trial over the factors' weights, coloured by its Sharpe ratio, the best on top, and the chosen one.

    Factors are ordered by their mean weight in the best tenth of the trials, the largest first.

    Parameters
    ----------
    trials, weights : DataFrame
        `schemas.TRIALS` and `schemas.TRIAL_WEIGHTS`.
    chosen : int
        Number of the chosen trial.
    """
    wide, names = ordered_weights(trials, weights)
    if wide.is_empty():
        return NOTHING
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.collections import LineCollection
    from matplotlib.colors import BoundaryNorm

    # Dagster shows 11 inches beside its margins, and cuts what is wider.
    figure = new_figure(min(max(8.5, 0.36 * len(names) + 1.5), 11.0), 5.2)
    axes = figure.subplots()
    sharpe, values = wide["sharpe"].to_numpy(), 100 * wide.select(names).to_numpy()
    low, high = float(sharpe.min()), float(sharpe.max())
    edges = np.linspace(low, high if high > low else low + 1, _SHADES + 1)
    norm, colours = BoundaryNorm(edges, 256), colormaps["viridis_r"]
    across = np.arange(len(names))
    lines = [np.column_stack([across, line]) for line in values]
    best = sharpe >= np.quantile(sharpe, 0.9)
    axes.add_collection(LineCollection(lines, array=sharpe, cmap=colours, norm=norm, linewidths=np.where(best, 1.2, 0.4)))
    picked = wide.filter(pl.col("trial") == chosen)
    if not picked.is_empty():
        axes.plot(across, 100 * picked.select(names).to_numpy()[0], color=_CHOSEN, linewidth=2, label=f"chosen: trial {chosen}")
        axes.legend(frameon=False, fontsize=8, loc="upper right")
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylim(1.05 * min(float(values.min()), 0.0), 1.05 * max(float(values.max()), 1e-6))
    axes.set_xticks(across, names, rotation=60, ha="right", rotation_mode="anchor", fontsize=8)
    axes.set_ylabel("weight (%)")
    figure.colorbar(ScalarMappable(norm, colours), ax=axes, label=_SHARPE, format="%.2f", pad=0.01)
    axes.grid(axis="x", alpha=0.3)
    axes.set_title("Each line is a trial, the best tenth thicker; factors by their mean weight in it", fontsize=9)
    return as_markdown(figure, f"Weights of {wide.height} trials, coloured by Sharpe ratio; trial {chosen} is chosen")


def ordered_weights(trials: pl.DataFrame, weights: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """The best `MOST_LINES` trials with a column for each factor, the best last, and the factors in order.

    They are ordered by their mean weight in the best tenth, the largest first.
    """
    complete = trials.filter(pl.col("state") == "complete").select("trial", "sharpe")
    wide = weights.pivot("factor", index="trial", values="weight").join(complete, on="trial").sort("sharpe", "trial").tail(MOST_LINES)
    best = wide.tail(max(1, wide.height // 10))
    names = [name for name in wide.columns if name not in ("trial", "sharpe")]
    means = {name: best[name].mean() or 0.0 for name in names}
    return wide, sorted(names, key=lambda name: (-abs(means[name]), name))  # ty: ignore[invalid-argument-type]


def weights_by_factor(optimised: pl.DataFrame) -> str:
    """Bars of the optimised weights, and beside them those that were searched, equal weights and the strategy file's.

    Parameters
    ----------
    optimised : DataFrame
        `schemas.OPTIMISED`.
    """
    if optimised.is_empty():
        return "There are no weights to draw."
    rows = optimised.sort(pl.col("weight").abs(), "factor")
    across = np.arange(rows.height)
    percent = {name: 100 * rows[name].to_numpy() for name in ("weight", "searched", "equal", "configured")}
    figure = new_figure(8.5, 1.0 + 0.21 * rows.height)
    axes = figure.subplots()
    axes.barh(across, percent["weight"], color=_INK, alpha=0.85, height=0.65, label="optimised")
    for name, label, mark, colour in (
        ("searched", "searched, before equal weights were mixed in", "o", _CHOSEN),
        ("configured", "strategy file", "D", _GREEN),
    ):
        axes.scatter(percent[name], across, s=20, marker=mark, color="white", edgecolors=colour, linewidths=1.3, label=label)
    axes.axvline(percent["equal"][0], color="#5b6672", linewidth=1.2, linestyle="--", label="equal", zorder=1.5)
    axes.axvline(0, color="black", linewidth=0.6)
    axes.set_yticks(across, rows["factor"].to_list(), fontsize=8)
    axes.set_ylim(-0.7, rows.height - 0.3)
    axes.set_xlabel("weight (%); absolute weights add up to 100")
    axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, 1 + 0.35 / (0.3 + 0.21 * rows.height)), ncols=4)
    axes.set_axisbelow(True)
    axes.grid(axis="x", alpha=0.25)
    return as_markdown(figure, "Optimised, searched, equal and configured weight of each factor")


def growth_on_holdout(returns: pl.DataFrame, comparison: pl.DataFrame) -> str:
    """Growth of 1 on the hold-out under the optimised weights and each baseline, after costs.

    Parameters
    ----------
    returns : DataFrame
        `schemas.HOLDOUT_RETURNS`.
    comparison : DataFrame
        `schemas.COMPARISON`; gives the order and the Sharpe ratios of the legend.
    """
    if returns.is_empty():
        return "The hold-out has no sessions."
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    figure = new_figure(8.5, 4.0)
    axes = figure.subplots()
    for (name, sharpe), (colour, dash, width) in zip(comparison.select("weights", "sharpe").iter_rows(), _STYLES * 9, strict=False):
        rows = returns.filter(pl.col("weights") == name).sort("date")
        growth = np.cumprod(1 + rows["net_return"].to_numpy())
        label = f"{name}: {growth[-1] - 1:+.1%}, Sharpe {sharpe:.2f}"
        axes.plot(rows["date"].to_numpy(), growth, color=colour, linestyle=dash, linewidth=width, label=label)
    axes.axhline(1, color="black", linewidth=0.6)
    ticks = AutoDateLocator(maxticks=8)
    axes.xaxis.set_major_locator(ticks)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(ticks))
    axes.set_ylabel("growth of 1 (after costs)")
    axes.set_xlabel("session")
    _legend_beside(axes)
    axes.grid(alpha=0.25)
    first, last = returns["date"].min(), returns["date"].max()
    axes.set_title(f"Hold-out {first} to {last}, which no search has seen", fontsize=9)
    return as_markdown(figure, f"Growth of 1 on the hold-out, {first} to {last}")


def _starts(complete: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    started = complete.filter(pl.col("start").is_not_null()).sort("trial")
    return [(str(key[0]), rows) for key, rows in started.partition_by("start", as_dict=True, maintain_order=True).items()]


def _legend_beside(axes: Axes) -> None:
    """A legend right of the axes, where it hides no trial."""
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
