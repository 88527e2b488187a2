"""The trainings of one kind of model, drawn.

What belongs here: information coefficients in and out of sample by training, and the rounds. What does not: what the models are worth
together (`learning_worth`), and why they predict what they predict (`learning_explained`).
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import polars as pl

from mech_exo_assets.reports.markdown_image import as_markdown, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LINES = (
    ("train_ic", "in sample", "#9aa5b1", ":"),
    ("validation_ic", "validation (chose the rounds)", "#e69f00", "--"),
    ("test_ic", "test: out of sample", "#1f3a5f", "-"),
)


def trainings(table: pl.DataFrame, kind: str) -> str:
    """Mean information coefficients of each training, as a Markdown image; or a sentence that says why there is none.

    Parameters
    ----------
    table : DataFrame
        `schemas.LIGHTGBM`.
    kind : str
        Name of the model.
    """
    if table.is_empty():
        return "No model has been trained: see `why`."
    return as_markdown(_drawn(table, kind), f"Information coefficients of each training of {kind}, in and out of sample")


def trainings_png(table: pl.DataFrame, kind: str) -> bytes:
    """The same picture as a PNG; of a table with at least one row."""
    buffer = io.BytesIO()
    _drawn(table, kind).savefig(buffer, format="png")
    return buffer.getvalue()


def _drawn(table: pl.DataFrame, kind: str) -> Figure:
    rows = table.sort("fold")
    dates = rows["test_from"].to_numpy()
    with_rounds = rows["rounds"].null_count() < rows.height
    figure = new_figure(8.5, 4.6 if with_rounds else 3.2)
    panes = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [2.2, 1]}) if with_rounds else [figure.subplots()]
    above = panes[0]
    for name, label, colour, dash in _LINES:
        values = rows[name].cast(pl.Float64)
        mean = values.mean()
        told = "none yet" if mean is None else f"mean {mean:+.4f}"
        above.plot(dates, values.to_numpy(), color=colour, linestyle=dash, marker="o", markersize=3, label=f"{label}: {told}")
    above.axhline(0, color="black", linewidth=0.6)
    above.set_ylabel("mean information coefficient")
    above.set_title(f"{kind}: {rows.height} trainings, each drawn where its test begins", fontsize=9)
    if with_rounds:
        panes[1].step(dates, rows["rounds"].to_numpy(), where="post", color="#1f3a5f", marker="o", markersize=3)
        panes[1].set_ylabel("trees")
        panes[1].set_ylim(bottom=0)
    panes[-1].set_xlabel("first session of the test")
    figure.legend(frameon=False, fontsize=8, loc="outside lower center", ncols=len(_LINES))
    for axes in panes:
        axes.grid(alpha=0.25)
    return figure
