"""Pictures of why models predict what they predict, as Markdown images.

What belongs here: figures that are drawn from the explanations of the group `learning`, and of one name on one session. What does not:
computing them (`quant.explain`), and what the models are worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from mech_exo_assets.quant.explain import SessionExplained, overall
from mech_exo_assets.reports.markdown_image import as_markdown, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _LOSS, _OTHER = "#1f3a5f", "#b03a2e", "#9aa5b1"
_ACROSS = 3
"""Panels beside each other; a feature's name of 40 letters fits over one."""
_NAMED_FOLDS = 20
"""Trainings whose ranks are written out; with more, the numbers would touch."""
NOTHING = "No rows were explained yet, so that there is nothing to draw."


def importances_by_fold(importances: pl.DataFrame, model: str, *, top: int = 20) -> str:
    """The most important features: mean share over all trainings as bars, and share and rank in each training beside them.

    Parameters
    ----------
    importances : DataFrame
        `schemas.EXPLANATIONS`.
    model : str
    top : int
        Features, by their mean share.

    Returns
    -------
    str
        A Markdown image; or a sentence that says why there is none.
    """
    rows = importances.filter(model=model)
    if rows.is_empty():
        return NOTHING
    shares = overall(rows).head(top)
    names, folds = shares["feature"].to_list(), rows["fold"].unique().sort().to_list()
    share, rank = np.full((2, len(names), len(folds)), np.nan)
    place = {name: line for line, name in enumerate(names)}, {fold: column for column, fold in enumerate(folds)}
    for name, fold, value, number in rows.filter(pl.col("feature").is_in(names)).select("feature", "fold", "share", "rank").iter_rows():
        # Features that a model does not use at all share the last ranks in an order that means nothing.
        share[place[0][name], place[1][fold]], rank[place[0][name], place[1][fold]] = 100 * value, number if value > 0 else np.nan
    figure = new_figure(10.5, 1.3 + 0.24 * len(names))
    # Few trainings are few columns, which need not be wide.
    bars, cells = figure.subplots(1, 2, sharey=True, width_ratios=[1.0, min(2.0, 0.25 + 0.13 * len(folds))])
    across = np.arange(len(names))
    drawn = bars.barh(across, 100 * shares["share"].to_numpy(), color=_INK, height=0.7)
    bars.bar_label(drawn, [f"{100 * value:.1f}" for value in shares["share"]], padding=3, fontsize=7)
    bars.set_yticks(across, names, fontsize=8)
    bars.tick_params(axis="x", labelsize=8)
    bars.margins(x=0.12)
    bars.set_xlabel("mean share of all importances (%)", fontsize=8)
    bars.set_axisbelow(True)
    bars.grid(axis="x", alpha=0.25)
    image = cells.imshow(share, aspect="auto", cmap="Blues", vmin=0.0)
    if len(folds) <= _NAMED_FOLDS:
        limit = 0.55 * float(np.nanmax(share))
        for line, column in zip(*np.nonzero(~np.isnan(rank)), strict=True):
            colour = "white" if share[line, column] > limit else "black"
            cells.text(column, line, f"{rank[line, column]:.0f}", ha="center", va="center", fontsize=7, color=colour)
    step = max(1, -(-len(folds) // _NAMED_FOLDS))
    cells.set_xticks(np.arange(0, len(folds), step), [str(fold) for fold in folds[::step]], fontsize=8)
    cells.tick_params(axis="y", left=False)
    cells.set_xlabel("training" + (" (number in a cell: rank; none: not used)" if len(folds) <= _NAMED_FOLDS else ""), fontsize=8)
    cells.set_ylim(len(names) - 0.4, -0.6)
    scale = figure.colorbar(image, ax=cells, pad=0.02)
    scale.set_label("share in the training (%)", fontsize=8)
    scale.ax.tick_params(labelsize=8)
    figure.suptitle(f"{model}: which features move its predictions out of sample (mean |contribution|)", fontsize=9)
    return as_markdown(figure, f"Importance of the {len(names)} most important features of {model} in {len(folds)} trainings")


def dependence(table: pl.DataFrame, model: str) -> str:
    """What each of the top features contributes at which of its values: a panel for each.

    Level lines are the means of ten bins with equally many rows, from the least to the largest value of each; upright ones reach a standard
    deviation up and down, which is what other features make of the same value. Missing values, and each category, have their own place.

    Parameters
    ----------
    table : DataFrame
        `schemas.DEPENDENCE`.
    model : str
    """
    rows = table.filter(model=model)
    if rows.is_empty():
        return NOTHING
    features = rows["feature"].unique(maintain_order=True).to_list()
    down = -(-len(features) // _ACROSS)
    figure = new_figure(10.8, 0.7 + 2.3 * down)
    panels = figure.subplots(down, _ACROSS, squeeze=False).ravel()
    for feature, axes in zip(features, panels, strict=False):
        _panel(axes, rows.filter(feature=feature).sort("bin"), feature)
    for axes in panels[len(features) :]:
        axes.set_visible(False)
    for axes in panels[: len(features) : _ACROSS]:
        axes.set_ylabel("contribution\n(units of the label)", fontsize=7)
    figure.suptitle(
        f"{model}: contribution to the prediction by value of the feature (ten bins of equally many rows: mean ± standard deviation)",
        fontsize=9,
    )
    return as_markdown(figure, f"What the {len(features)} most important features of {model} contribute at which value")


def _panel(axes: Axes, rows: pl.DataFrame, feature: str) -> None:
    mean, spread = rows["contribution"].to_numpy(), rows["deviation"].to_numpy()
    axes.axhline(0, color="black", linewidth=0.6)
    missing = (rows["bin"] == 0).to_numpy()
    categories = rows["category"].drop_nulls().to_list()
    if categories:
        at = np.arange(rows.height, dtype=np.float64)
        labels = ["missing" if name is None else _shortened(name, 16) for name in rows["category"]]
        axes.set_xticks(at, labels, rotation=40, ha="right", rotation_mode="anchor", fontsize=7)
    else:
        low, high = (rows[name].to_numpy().astype(np.float64) for name in ("low", "high"))
        at = 0.5 * (low + high)
        if missing.any():
            ends = np.r_[low[~missing], high[~missing]] if not missing.all() else np.zeros(1)
            at[missing] = ends.max() + 0.12 * (float(np.ptp(ends)) or 1.0)
        axes.hlines(mean[~missing], low[~missing], high[~missing], color=_INK, linewidth=1.4)
        axes.set_xlabel("value", fontsize=7)
    for some, colour, mark in ((~missing, _INK, "o"), (missing, _LOSS, "D")):
        axes.errorbar(at[some], mean[some], spread[some], fmt=mark, color=colour, markersize=3.5, elinewidth=0.7, capsize=1.5)
    if missing.any() and not categories:
        axes.annotate(
            "missing", (at[missing][0], mean[missing][0]), (0, 9), textcoords="offset points", ha="center", fontsize=7, color=_LOSS
        )
    axes.margins(x=0.1)
    axes.tick_params(labelsize=7)
    axes.set_title(feature, fontsize=8)
    axes.grid(alpha=0.25)


def interactions(table: pl.DataFrame, model: str, *, top: int = 15) -> str:
    """The pairs of features that act together the most, as bars.

    Parameters
    ----------
    table : DataFrame
        `schemas.INTERACTIONS`.
    model : str
    top : int
        Pairs.
    """
    rows = table.filter(model=model).sort("strength", descending=True, maintain_order=True).head(top)
    if rows.is_empty():
        return f"{model} has no interactions."
    names = [f"{first}\n× {second}" for first, second in rows.select("first", "second").iter_rows()]
    across = np.arange(rows.height)
    figure = new_figure(8.5, 0.9 + 0.36 * rows.height)
    axes = figure.subplots()
    bars = axes.barh(across, rows["strength"].to_numpy(), color=_INK, height=0.65)
    axes.bar_label(bars, [f"{100 * share:.1f} %" for share in rows["share"]], padding=3, fontsize=7)
    axes.set_yticks(across, names, fontsize=7.5)
    axes.set_ylim(rows.height - 0.4, -0.6)
    axes.margins(x=0.12)
    axes.tick_params(axis="x", labelsize=8)
    axes.set_xlabel("mean |interaction|, in units of the label\nbeside a bar: share of all main effects and interactions", fontsize=8)
    axes.set_axisbelow(True)
    axes.grid(axis="x", alpha=0.25)
    axes.set_title(f"{model}, the model in use: features that act together ({rows['rows'][0]:,} rows)", fontsize=9)
    return as_markdown(figure, f"The {rows.height} strongest interactions of {model}")


def waterfall(explained: SessionExplained, model: str, *, top: int = 12) -> str:
    """From what all names share to the prediction of one name on one session, one contribution after the other.

    Parameters
    ----------
    explained : SessionExplained
    model : str
        One of its models.
    top : int
        Features that are drawn each for itself; the rest is one bar.
    """
    found = explained.of(model)
    first, rest = found.contributions.head(top), found.contributions.tail(-top)
    labels = [
        f"{name} = {shown_value(value, category)}" for name, value, category in first.select("feature", "value", "category").iter_rows()
    ]
    steps = first["contribution"].to_list()
    if rest.height:
        labels.append(f"{rest.height} more")
        steps.append(float(rest["contribution"].sum()))
    ends = found.base + np.cumsum(steps)
    starts = np.r_[found.base, ends[:-1]]
    across = np.arange(len(steps))
    figure = new_figure(9.0, 1.3 + 0.27 * len(steps))
    axes = figure.subplots()
    axes.barh(across, steps, left=starts, color=[_INK if step >= 0 else _LOSS for step in steps], height=0.65)
    _join(axes, across, ends)
    low, high = min(found.base, float(ends.min())), max(found.base, float(ends.max()))
    room = 0.02 * ((high - low) or 1.0)
    for line, (step, start, end) in enumerate(zip(steps, starts, ends, strict=True)):
        axes.text(max(start, end) + room, line, f"{round(step, 3) + 0.0:+.3f}", va="center", fontsize=7)
    axes.axvline(found.base, color=_OTHER, linewidth=1.0, linestyle="--", label=f"mean of the training {found.base:+.3f}")
    axes.axvline(found.prediction, color="black", linewidth=1.0, label=f"prediction {found.prediction:+.3f}")
    axes.set_xlim(low - 3 * room, high + 8 * room)
    axes.set_yticks(across, labels, fontsize=8)
    axes.set_ylim(len(steps) - 0.4, -0.6)
    axes.tick_params(axis="x", labelsize=8)
    axes.set_xlabel("prediction, in units of the label", fontsize=8)
    axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.55 / (0.27 * len(steps))), ncols=2)
    axes.set_axisbelow(True)
    axes.grid(axis="x", alpha=0.25)
    axes.set_title(
        f"{explained.symbol} on {explained.date}: rank {found.rank} of {explained.n} by {model}, {explained.rank} by the ensemble",
        fontsize=9,
    )
    return as_markdown(
        figure,
        f"Why {model} predicts {found.prediction:+.3f} for {explained.symbol} on {explained.date}, rank {found.rank} of {explained.n}",
    )


def shown_value(value: float | None, category: str | None) -> str:
    """A feature's value as people read it."""
    if category is not None:
        return category
    return "missing" if value is None else f"{value:.3g}"


def _join(axes: Axes, across: Sequence[int] | np.ndarray, ends: np.ndarray) -> None:
    """Thin lines from the end of a bar to the start of the next one."""
    for line, end in zip(across[:-1], ends[:-1], strict=True):
        axes.plot([end, end], [line, line + 1], color=_OTHER, linewidth=0.7, zorder=0.5)


def _shortened(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
