"""Pictures of what the machine-learned factor is worth, for its asset pages, as Markdown images.

What belongs here: information coefficients of the models over time, and the weight of `ml_alpha` in the composite. What does not: computing
them (`quant.learning`), and why a model predicts what it does (`learning_figures`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from mech_exo_assets.reports.markdown_image import as_markdown, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NO_SESSION = "No prediction has a known return yet, so that there is nothing to draw."
NO_DECISION = "Nothing was predicted yet, so that no weight was decided on."
_INK, _REFUSED = "#1f3a5f", "#b03a2e"
_STYLES = {
    "lightgbm": ("#009e73", "-", 1.0),
    "xgboost": ("#56b4e9", "-", 1.0),
    "ridge": ("#e0a800", "-", 1.0),
    "ensemble": ("#b03a2e", "-", 1.8),
    "composite": ("#1f3a5f", "-", 1.8),
    "blended": ("#1f3a5f", "--", 1.3),
}
"""Colour, dash and width of each line; what is decided on is thicker."""
_NAMES = {"composite": "composite without ml_alpha", "blended": "composite with it, at gate.weight"}


def cumulative_ic(ic: pl.DataFrame, horizon: int) -> str:
    """Sum of each model's information coefficients until each session, over the horizon.

    Sessions share all but one session of their returns, so that the sum over the horizon is that of returns which do not.

    Parameters
    ----------
    ic : DataFrame
        date, model, ic, as `quant.learning.Judged.ic_table` gives it.
    horizon : int
        Sessions over which a label runs.

    Returns
    -------
    str
        A Markdown image; or a sentence that says why there is none.
    """
    if ic.is_empty():
        return NO_SESSION
    figure = new_figure(8.5, 4.2)
    axes = figure.subplots()
    for model in ic["model"].unique(maintain_order=True):
        rows = ic.filter(pl.col("model") == model).sort("date")
        values = rows["ic"].to_numpy()
        colour, dash, width = _STYLES[model]
        label = f"{_NAMES.get(model, model)}: {values.mean():+.4f}"
        axes.plot(rows["date"].to_numpy(), np.cumsum(values) / horizon, color=colour, linestyle=dash, linewidth=width, label=label)
    axes.axhline(0, color="black", linewidth=0.6)
    _dates(axes)
    axes.set_ylabel(f"sum of information coefficients / {horizon}")
    axes.set_xlabel("session")
    axes.legend(frameon=False, fontsize=8, loc="upper left", title="mean information coefficient", title_fontsize=8)
    axes.grid(alpha=0.25)
    first, last = ic["date"].min(), ic["date"].max()
    axes.set_title(f"Out of sample, on the same sessions and names; label: residual return over {horizon} sessions", fontsize=9)
    return as_markdown(figure, f"Cumulative information coefficient of each model and of the composite, {first} to {last}")


def blend_over_time(blend: pl.DataFrame, *, margin: float, maximum: float) -> str:
    """Weight of `ml_alpha` in the composite, where the gate refused it, and the gain that the gate judged.

    Parameters
    ----------
    blend : DataFrame
        `schemas.BLEND`.
    margin : float
        `learning.gate.ic`: least mean gain.
    maximum : float
        `learning.blend.maximum`: largest weight.

    Returns
    -------
    str
        A Markdown image; or a sentence that says why there is none.
    """
    if blend.is_empty():
        return NO_DECISION
    rows = blend.sort("date")
    dates, weight, refused = rows["date"].to_numpy(), 100 * rows["weight"].to_numpy(), ~rows["gate_passed"].to_numpy()
    gain, low, recent = (rows[name].cast(pl.Float64).fill_null(float("nan")).to_numpy() for name in ("gate_gain", "gate_low", "gain"))
    figure = new_figure(8.5, 5.2)
    above, below = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [1.1, 1]})
    above.step(dates, weight, where="post", color=_INK, linewidth=1.6, label="weight of ml_alpha")
    above.axhline(100 * maximum, color="#5b6672", linewidth=0.8, linestyle=":", label="maximum")
    above.set_ylim(-4 * maximum, 108 * maximum)
    above.set_ylabel("weight in composite (%)")
    below.plot(dates, gain, color=_INK, linewidth=1.6, label="since the first prediction\n(what the gate judges)")
    below.plot(dates, low, color=_INK, linewidth=0.9, linestyle="--", label="its lower bound\n(above 0 to pass)")
    below.plot(dates, recent, color="#9aa5b1", linewidth=1.0, label="of the last blend.sessions", zorder=1.5)
    below.axhline(margin, color="#009e73", linewidth=1.0, linestyle=":", label=f"least gain: {margin:g}")
    below.axhline(0, color="black", linewidth=0.6)
    below.set_ylabel("gain in information\ncoefficient")
    below.set_xlabel("session of the decision")
    _around(below, np.concatenate([gain, recent, [0.0, margin]]), low)
    for axes in (above, below):
        _shade(axes, dates, refused, named=axes is above)
        axes.grid(alpha=0.25)
        axes.legend(frameon=False, fontsize=7.5, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    _dates(below)
    last = rows.row(-1, named=True)
    state = "passes" if last["gate_passed"] else "does not pass"
    above.set_title(f"Weight on {last['date']}: {100 * last['weight']:g} %; the gate {state}", fontsize=9)
    return as_markdown(figure, f"Weight of ml_alpha in the composite and the gain that it follows; {100 * last['weight']:g} % at the end")


def _shade(axes: Axes, dates: np.ndarray, refused: np.ndarray, *, named: bool) -> None:
    """Grey-red where the gate refused, from each such decision to the next one that passed."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], refused, [False]]).astype(np.int8)))
    for number, (start, stop) in enumerate(edges.reshape(-1, 2)):
        until = dates[min(stop, len(dates) - 1)]
        label = "the gate does not pass" if number == 0 and named else None
        axes.axvspan(dates[start], until, color=_REFUSED, alpha=0.09, linewidth=0, label=label)


def _around(axes: Axes, shown: np.ndarray, low: np.ndarray) -> None:
    """The axis follows the gains; a bound of few sessions, far below all of them, runs out of the picture."""
    known = shown[np.isfinite(shown)]
    height = max(float(np.ptp(known)), 1e-4)
    bottom = float(known.min())
    if np.isfinite(low).any():
        bottom = max(min(bottom, float(np.nanmin(low))), bottom - height)
    axes.set_ylim(bottom - 0.08 * height, float(known.max()) + 0.08 * height)


def _dates(axes: Axes) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    ticks = AutoDateLocator(maxticks=8)
    axes.xaxis.set_major_locator(ticks)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(ticks))
