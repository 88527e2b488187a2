"""Plots of the dashboard, drawn from tables of the mart.

What belongs here: axes, units, bands. What does not: where the numbers come from (`pages`).

Colours of text, axes and paper follow light and dark by the style sheet; those of lines are told apart by colour-blind readers on both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from mech_exo_assets.reports.web_page.drawing import BLUE, GREEN, GREY, LOSS, ORANGE, PURPLE, SKY, YELLOW, days, growth_axis, plain

PALETTE = (BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW, GREY)
_FONT = {"family": "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif", "size": 12}


def finished(figure: go.Figure, *, height: int, x: str | None = None, y: str | None = None, **layout: Any) -> go.Figure:
    """A figure with the dashboard's looks."""
    figure.update_layout(
        height=height,
        template="none",
        font=_FONT,
        margin={"l": 12, "r": 12, "t": 40, "b": 12},
        hovermode="x unified",
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
        paper_bgcolor="#ffffff",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    figure.update_layout(**layout)
    figure.update_xaxes(automargin=True, gridcolor="#d9dee3", zeroline=False, title_standoff=8)
    figure.update_yaxes(automargin=True, gridcolor="#d9dee3", zeroline=False, title_standoff=8)
    if x is not None:
        figure.update_xaxes(title_text=x)
    if y is not None:
        figure.update_yaxes(title_text=y)
    return figure


def lines(
    frame: pl.DataFrame, columns: Mapping[str, str], *, y: str, height: int = 320, percent: bool = False, zero: bool = False
) -> go.Figure:
    """Columns of a table over its column `date`; names to labels."""
    figure = go.Figure()
    for number, (name, label) in enumerate(columns.items()):
        figure.add_scatter(
            x=days(frame["date"]),
            y=_values(frame[name]),
            name=label,
            mode="lines",
            line={"color": PALETTE[number % len(PALETTE)], "width": 1.6},
            hovertemplate="%{y:.2%}" if percent else "%{y:.4g}",
        )
    if zero:
        figure.add_hline(y=0, line={"color": GREY, "width": 1})
    figure = finished(figure, height=height, x="session", y=y, showlegend=len(columns) > 1)
    if percent:
        figure.update_yaxes(tickformat=".1%")
    return figure


def growth(
    frame: pl.DataFrame, by: str, value: str, labels: Mapping[str, str], *, height: int = 340, marks: Sequence[object] = ()
) -> go.Figure:
    """Growth of 1 of each member of a long table of returns; vertical lines where something changed."""
    figure, known = go.Figure(), [pl.Series([1.0])]
    for number, (name, label) in enumerate(labels.items()):
        rows = frame.filter(pl.col(by) == name, pl.col(value).is_not_null()).sort("date")
        if rows.is_empty():
            continue
        curve = (rows[value] + 1).cum_prod()
        known.append(curve)
        colour = PALETTE[number % len(PALETTE)]
        figure.add_scatter(
            x=days(rows["date"]),
            y=_values(curve),
            name=label,
            mode="lines",
            line={"color": colour, "width": 1.6},
            hovertemplate="%{y:.3f}",
        )
    for mark in marks:
        figure.add_vline(x=str(mark), line={"color": GREY, "width": 1, "dash": "dash"})
    figure = finished(figure, height=height, x="session", y="growth of 1 (log)")
    figure.update_yaxes(**growth_axis(pl.concat(known)))
    return figure


def curves(frame: pl.DataFrame, by: str, at: str, value: str, *, x: str, y: str, height: int = 280) -> go.Figure:
    """A line for each member of a long table."""
    figure = go.Figure()
    for number, ((name,), rows) in enumerate(frame.partition_by(by, as_dict=True, maintain_order=True).items()):
        colour = PALETTE[number % len(PALETTE)]
        figure.add_scatter(
            x=rows[at].to_list(), y=_values(rows[value]), name=str(name), mode="lines+markers", line={"color": colour, "width": 1.6}
        )
    figure.add_hline(y=0, line={"color": GREY, "width": 1})
    return finished(figure, height=height, x=x, y=y)


def band(frame: pl.DataFrame, *, y: str, wanted: float, height: int = 300) -> go.Figure:
    """A value with its interval after each session, and the line that decides; columns date, difference, low, high."""
    figure, x = go.Figure(), days(frame["date"])
    for name, fill in (("high", None), ("low", "tonexty")):
        figure.add_scatter(
            x=x, y=_values(frame[name]), mode="lines", line={"width": 0}, fill=fill, fillcolor="rgba(0,114,178,0.18)", name="confidence",
            showlegend=fill is not None, hoverinfo="skip",
        )  # fmt: skip
    figure.add_scatter(x=x, y=_values(frame["difference"]), mode="lines", line={"color": BLUE, "width": 1.8}, name="difference so far")
    figure.add_hline(
        y=wanted, line={"color": LOSS, "width": 1.4, "dash": "dash"}, annotation_text="wanted: above", annotation_position="top left"
    )
    return finished(figure, height=height, x="session", y=y)


def drawdown(frame: pl.DataFrame, *, height: int = 200) -> go.Figure:
    """How far below its highest point the growth of 1 stands; columns date and net_return."""
    curve = (frame["net_return"] + 1).cum_prod()
    # The highest point is at least where it began.
    depth = curve / curve.cum_max().clip(lower_bound=1.0) - 1
    figure = go.Figure()
    figure.add_scatter(
        x=days(frame["date"]), y=_values(depth), mode="lines", fill="tozeroy", line={"color": LOSS, "width": 1}, hovertemplate="%{y:.2%}"
    )
    figure = finished(figure, height=height, x="session", y="drawdown", showlegend=False)
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    return figure


def bars(
    names: Sequence[str], values: Mapping[str, Sequence[float | None]], *, x: str, height: int | None = None, percent: bool = False
) -> go.Figure:
    """Horizontal bars, the first name on top; several values of a name beside each other."""
    figure = go.Figure()
    for number, (label, each) in enumerate(values.items()):
        figure.add_bar(
            y=plain(names),
            x=list(each),
            orientation="h",
            name=label,
            marker_color=PALETTE[number % len(PALETTE)],
            hovertemplate="%{x:.2%}" if percent else "%{x:.4g}",
        )
    size = height or max(200, 90 + (12 + 12 * len(values)) * len(names))
    figure = finished(figure, height=size, x=x, showlegend=len(values) > 1, hovermode="y unified")
    figure.update_yaxes(autorange="reversed", title_text=None, type="category")
    if percent:
        figure.update_xaxes(tickformat=".1%")
    return figure


def rolling_ic(rows: pl.DataFrame, *, sessions: int, alarms: pl.DataFrame, height: int = 560) -> go.Figure:
    """Rolling mean of a factor's information coefficient with its band, and the statistic of the decay monitor with its thresholds.

    Parameters
    ----------
    rows : DataFrame
        date, mean, low, high, statistic, threshold, watch_threshold; sorted.
    sessions : int
        Over which the mean runs.
    alarms : DataFrame
        In `schemas.ALARMS`, of this factor.
    """
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.6, 0.4], vertical_spacing=0.06)
    x = days(rows["date"])
    for name, fill in (("high", None), ("low", "tonexty")):
        figure.add_scatter(
            x=x,
            y=_values(rows[name]),
            mode="lines",
            line={"width": 0},
            fill=fill,
            fillcolor="rgba(0,114,178,0.18)",
            name="95 % band",
            showlegend=fill is not None,
            hoverinfo="skip",
            row=1,
            col=1,
        )
    figure.add_scatter(
        x=x, y=_values(rows["mean"]), mode="lines", line={"color": BLUE, "width": 1.8}, name=f"mean of {sessions} sessions", row=1, col=1,
        hovertemplate="%{y:.4f}",
    )  # fmt: skip
    for name, label, colour, dash in (
        ("statistic", "CUSUM", PURPLE, "solid"),
        ("threshold", "alarm from here", LOSS, "dash"),
        ("watch_threshold", "watch from here", YELLOW, "dot"),
    ):
        figure.add_scatter(
            x=x, y=_values(rows[name]), mode="lines", line={"color": colour, "width": 1.4, "dash": dash}, name=label, row=2, col=1,
            hovertemplate="%{y:.2f}",
        )  # fmt: skip
    for alarm in alarms.iter_rows(named=True):
        figure.add_vline(x=str(alarm["alarm_date"]), line={"color": LOSS, "width": 1.2})
        if alarm["change_date"] is not None:
            figure.add_vline(x=str(alarm["change_date"]), line={"color": GREY, "width": 1.2, "dash": "dash"})
    figure.add_hline(y=0, line={"color": GREY, "width": 1}, row=1, col=1)
    finished(figure, height=height)
    figure.update_yaxes(title_text="information coefficient", row=1, col=1)
    figure.update_yaxes(title_text="statistic of the monitor", rangemode="tozero", row=2, col=1)
    figure.update_xaxes(title_text="session", row=2, col=1)
    return figure


def with_interval(
    names: Sequence[str], values: Sequence[float], errors: Sequence[float], *, x: str, y: str, height: int = 300
) -> go.Figure:
    """Points with a half-width each."""
    figure = go.Figure()
    figure.add_scatter(
        x=list(names),
        y=list(values),
        mode="markers",
        marker={"color": BLUE, "size": 9},
        error_y={"type": "data", "array": [0 if np.isnan(each) else each for each in errors], "color": BLUE, "thickness": 1.5},
        hovertemplate="%{x}: %{y:.4f}<extra></extra>",
    )
    figure.add_hline(y=0, line={"color": GREY, "width": 1})
    return finished(figure, height=height, x=x, y=y, showlegend=False, hovermode="closest")


def intervals(
    rows: Sequence[tuple[str, float, float | None, float | None]], *, x: str, height: int | None = None, zero: bool = True
) -> go.Figure:
    """A value and its interval for each name, one under the other."""
    figure = go.Figure()
    for name, value, low, high in rows:
        figure.add_scatter(
            x=[each for each in (low, high) if each is not None],
            y=[name] * ((low is not None) + (high is not None)),
            mode="lines",
            line={"color": BLUE, "width": 3},
            opacity=0.45,
            showlegend=False,
            hoverinfo="skip",
        )
        figure.add_scatter(
            x=[value],
            y=[name],
            mode="markers",
            marker={"color": BLUE, "size": 9},
            showlegend=False,
            hovertemplate="%{y}: %{x:.4f}<extra></extra>",
        )
    if zero:
        figure.add_vline(x=0, line={"color": GREY, "width": 1})
    figure = finished(figure, height=height or 110 + 34 * len(rows), x=x, showlegend=False, hovermode="closest")
    figure.update_yaxes(autorange="reversed", title_text=None, type="category")
    return figure


def _values(column: pl.Series) -> np.ndarray:
    """A column as a plot takes it: seven digits are more than a screen shows, and a page is a third of the size."""
    return column.cast(pl.Float32).fill_null(float("nan")).to_numpy()


def sparkline(values: Sequence[float | None], *, width: int = 120, height: int = 26) -> str:
    """A small line as an SVG picture, for a cell; the grey line is zero."""
    known = [(at, value) for at, value in enumerate(values) if value is not None and np.isfinite(value)]
    low, high = (bound((0.0, *(value for _, value in known))) for bound in (min, max))
    span, last = (high - low) or 1.0, max(len(values) - 1, 1)

    def y(value: float) -> float:
        return height - 2 - (value - low) / span * (height - 4)

    points = " ".join(f"{2 + at / last * (width - 4):.1f},{y(value):.1f}" for at, value in known)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">'
        f'<line x1="0" x2="{width}" y1="{y(0.0):.1f}" y2="{y(0.0):.1f}" stroke="#8a949e"/>'
        f'<polyline points="{points}" fill="none" stroke="#3b8fc4" stroke-width="1.6"/></svg>'
    )
