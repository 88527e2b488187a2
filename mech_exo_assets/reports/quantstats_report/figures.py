"""QuantStats' figures as SVG.

What belongs here: which figures, and what is set right in them. What does not: drawing any of our own.

Set right, because QuantStats 0.0.86 draws it wrong: the years below the bars of yearly returns; a beta of 0 in the sessions before the
first window is full, and the mean of beta over them; a return of 0.00 in months that have no session.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mech_exo_assets.reports.quantstats_report.library import FONT

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

HALF_YEAR, YEAR = 126, 252
"""Sessions of the moving windows."""
_FAINT, _DARK = "#FEDD78", "#B35900"
"""QuantStats' colour of the benchmark is hardly seen on paper; this one is, and is told from its blue by colour-blind readers."""

LEFT_OUT = (
    "Daily returns: QuantStats 0.0.86 draws their running sum under that name; the cumulative returns are here, compounded.",
    "Return quantiles: QuantStats 0.0.86 loses periods whose last calendar day is no session, and counts others once a session.",
    "Monte Carlo: it shuffles the returns, and its drawdowns are those of returns without any order.",
)
"""QuantStats' figures that the report does not have, and why."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure as a data URI, and its name in words."""

    name: str
    uri: str


@dataclass(frozen=True, slots=True)
class _Plot:
    """One of QuantStats' figures: how it is called, and the fewest sessions that it needs."""

    name: str
    call: Callable[..., Any]
    options: dict[str, Any]
    sessions: int = 0
    correction: Callable[[Figure, pd.DatetimeIndex], None] | None = None
    inches: tuple[float, float] = (8, 3.4)


def pictures(returns: pd.Series, benchmark: pd.Series | None) -> tuple[list[Picture], list[str]]:
    """QuantStats' figures, and the sentences on those that are not there.

    To be called within `quantstats_at_work`.

    Parameters
    ----------
    returns, benchmark : Series
        Simple returns by session, without NaN, on the same sessions; their names are the legend's.
    """
    import pandas as pd

    drawn, missing = [], list(LEFT_OUT)
    for plot in _plots(benchmark):
        if len(returns) < plot.sessions:
            missing.append(f"{plot.name}: needs {plot.sessions} sessions, and there are {len(returns)}.")
            continue
        figure = plot.call(returns, show=False, ylabel="", fontname=FONT, figsize=plot.inches, **plot.options)
        if plot.correction is not None:
            plot.correction(figure, pd.DatetimeIndex(returns.index))
        _darken(figure)
        drawn.append(Picture(plot.name, _uri(figure)))
    if benchmark is None:
        missing.append("Rolling beta, volatility-matched returns: there is no benchmark to compare with.")
    return drawn, missing


def _plots(benchmark: pd.Series | None) -> list[_Plot]:
    from quantstats import plots

    against: dict[str, Any] = {"benchmark": benchmark, "prepare_returns": False, "subtitle": False}
    alone: dict[str, Any] = {"subtitle": False}
    plain: dict[str, Any] = {"compounded": True, "prepare_returns": False}
    rolling = {"period": HALF_YEAR, "periods_per_year": YEAR, "subtitle": False}
    listed = [
        _Plot("Cumulative returns", plots.returns, {**against, "compound": True}),
        _Plot("Cumulative returns, log scale", plots.log_returns, {**against, "compound": True}),
        _Plot("Yearly returns", plots.yearly_returns, {**against, "compounded": True}, correction=_right_years),
        _Plot("Distribution of monthly returns", plots.histogram, {**against, "compounded": True}, sessions=45),
        _Plot("Rolling volatility", plots.rolling_volatility, {**rolling, "benchmark": benchmark}, sessions=HALF_YEAR + 1),
        _Plot("Rolling Sharpe ratio", plots.rolling_sharpe, rolling, sessions=HALF_YEAR + 1),
        _Plot("Rolling Sortino ratio", plots.rolling_sortino, rolling, sessions=HALF_YEAR + 1),
        _Plot("Worst drawdown periods", plots.drawdowns_periods, {**alone, **plain, "title": "Strategy"}),
        _Plot("Underwater", plots.drawdown, alone),
        _Plot(
            "Monthly returns",
            plots.monthly_heatmap,
            {"benchmark": benchmark, "cbar": False, "returns_label": "Strategy", "compounded": True, "active": False},
            correction=_only_months_with_sessions,
        ),
    ]
    if benchmark is not None:
        matched = _Plot("Cumulative returns, volatility matched", plots.returns, {**against, "compound": True, "match_volatility": True})
        windows = {**against, "window1": HALF_YEAR, "window2": YEAR}
        beta = _Plot("Rolling beta", plots.rolling_beta, windows, sessions=YEAR + 1, correction=_only_full_windows)
        listed[2:2] = [matched]
        listed[5:5] = [beta]
    return listed


def _right_years(figure: Figure, sessions: pd.DatetimeIndex) -> None:
    """QuantStats labels ticks that stand elsewhere than the bars; each year's label belongs below the middle of its bars."""
    from matplotlib.patches import Rectangle

    years = sorted(set(sessions.year))
    every = math.ceil(len(years) / 12)
    labels = [str(year) if i % every == 0 else "" for i, year in enumerate(years)]
    (axes,) = figure.axes
    bars = [bar for series in axes.containers for bar in series if isinstance(bar, Rectangle)]
    # Series after series, a bar for each year.
    middles = np.array([bar.get_x() + bar.get_width() / 2 for bar in bars]).reshape(-1, len(years)).mean(axis=0)
    axes.set_xticks(middles, labels, rotation=30, ha="right")
    axes.set_xlim(middles[0] - 0.6, middles[-1] + 0.6)


def _only_full_windows(figure: Figure, sessions: pd.DatetimeIndex) -> None:
    """QuantStats fills beta with 0 until its window is full, and takes the mean over that."""
    (axes,) = figure.axes
    beta, _, mean = axes.lines[:3]
    values = np.asarray(beta.get_ydata(), dtype=float).copy()
    values[: HALF_YEAR - 1] = np.nan
    beta.set_ydata(values)
    mean.set_ydata([np.nanmean(values)] * 2)
    axes.set_xlim(sessions[0], sessions[-1])


def _only_months_with_sessions(figure: Figure, sessions: pd.DatetimeIndex) -> None:
    """QuantStats writes 0.00 in months of the first and last year that have no session; they become empty."""
    (axes,) = figure.axes
    there = set(zip(sessions.year, sessions.month, strict=True))
    years = sorted(set(sessions.year))
    cells = [(year, month) for year in years for month in range(1, 13)]
    (mesh,) = axes.collections
    grid = np.ma.array(np.asarray(mesh.get_array(), dtype=float).reshape(len(years), 12))
    for position, (cell, text) in enumerate(zip(cells, list(axes.texts), strict=True)):
        if cell not in there:
            text.set_text("")
            grid[position // 12, position % 12] = np.ma.masked
    mesh.set_array(grid)


def _darken(figure: Figure) -> None:
    from matplotlib.colors import same_color, to_rgba
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    for line in figure.findobj(Line2D):
        if isinstance(line, Line2D) and same_color(line.get_color(), _FAINT):
            line.set_color(_DARK)
    for patch in figure.findobj(Patch):
        if isinstance(patch, Patch) and same_color(to_rgba(patch.get_facecolor(), alpha=1), _FAINT):
            patch.set_facecolor(to_rgba(_DARK, alpha=to_rgba(patch.get_facecolor())[3]))


def _uri(figure: Figure) -> str:
    buffer = io.BytesIO()
    # Without a date, the same returns give the same bytes.
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(buffer.getvalue()).decode()}"
