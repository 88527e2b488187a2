"""What the page of one factor shows: its headline, its picture, its figures by horizon.

What belongs here: the drawing and the words for a page. What does not: any judgement (`quant.detection`), and the asset
(`defs.factor_pages`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mech_exo_assets.reports.markdown_image import as_markdown, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROLLING = 252
"""Observations of the rolling mean."""
COLOURS: Mapping[str, str] = {
    "healthy": "#2e7d32",
    "recovered": "#00838f",
    "watch": "#f9a825",
    "decayed": "#c62828",
    "unproven": "#9e9e9e",
}
"""Colour of each status; it never stands without the word."""
_INK, _BAND = "#1f3a5f", "#9fb3cc"
_WATCH_LINE = "#c77700"
"""The colour of `watch`, dark enough for a thin line."""
_MARGINS = {"left": 0.1, "right": 0.985, "top": 0.945, "bottom": 0.175, "hspace": 0.07}
"""Of the figure, as fractions of its width and height."""


def headline(status: Mapping[str, Any]) -> str:
    """The status in one line: since when, from which IC to which, when it changed and how sure that is."""
    words = f"{status['status']} since {status['since']}"
    if status["change_date"] is not None:
        words += (
            f"; IC {status['ic_before']:.4f} → {status['ic_after']:.4f} at its last change, {status['change_date']} "
            f"(95 %: {status['change_low']} to {status['change_high']})"
        )
    elif status["ic_before"] is not None:
        words += f"; mean IC {status['ic_before']:.4f}"
    if status["expected_delay"] is not None and status["status"] != "decayed":
        words += f"; a loss of the whole IC would be told after {status['expected_delay']:.0f} sessions in the mean"
    return words


def horizon_table(statistics: pl.DataFrame) -> pl.DataFrame:
    """Figures of one factor by horizon, under names for people."""
    return statistics.sort("horizon").select(
        pl.col("horizon").alias("horizon (sessions)"),
        pl.col("mean_ic").alias("mean IC"),
        pl.col("t_hac").alias("t"),
        pl.col("q_value").alias("q"),
        pl.col("residual_ic").alias("residual IC"),
        pl.col("residual_t").alias("residual t"),
        pl.col("residual_q").alias("residual q"),
        pl.col("hit_rate").alias("hit rate"),
        pl.col("spread").alias("spread"),
        pl.col("net_spread").alias("after costs"),
        pl.col("turnover").alias("turnover"),
        pl.col("monotonicity").alias("monotonicity"),
        pl.col("trend").alias("trend a year"),
        pl.col("trend_t").alias("trend t"),
        pl.col("half_life").alias("half-life (sessions)"),
        pl.col("calendar_half_life").alias("calendar half-life (sessions)"),
    )


def factor_figure(factor: str, *, monitor: pl.DataFrame, alarms: pl.DataFrame, history: pl.DataFrame) -> str:
    """Rolling IC with its band, and the detector's statistic with threshold, alarms and change points.

    Parameters
    ----------
    factor : str
    monitor : DataFrame
        `schemas.MONITOR` of the factor.
    alarms, history : DataFrame
        `schemas.ALARMS` and `schemas.STATUS_HISTORY` of the factor.

    Returns
    -------
    str
        A Markdown image; or a sentence that says why there is none.
    """
    if monitor.height < 2:
        return f"{factor} has no series of information coefficients yet."
    rows = monitor.sort("date")
    dates = rows["date"].to_numpy()
    figure = new_figure(9.5, 5.6)
    # The same margins for each factor: finding the least that hold all words takes longer than drawing does.
    figure.set_layout_engine("none")
    above, below = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [1.3, 1]} | _MARGINS)
    for axes in (above, below):
        axes.margins(x=0.01)
        _status_bands(axes, history, rows["date"].item(-1))
        _changes(axes, alarms)
    _intervals(above, alarms)
    _rolling_ic(above, dates, rows["ic"].to_numpy())
    _statistic(below, dates, rows)
    _settle_dates(below)
    now = rows["status"].item(-1)
    since = history.sort("date")["date"].item(-1) if history.height else rows["date"].item(0)
    above.set_title(f"{factor}: {now} since {since}, as of {rows['date'].item(-1)}", fontsize=11, loc="left")
    below.set_xlabel("session at whose close it was known", fontsize=9)
    figure.legend(handles=_keys(history, alarms), loc="lower center", ncol=5, frameon=False, fontsize=8)
    return as_markdown(figure, f"Rolling information coefficient of {factor}, and the statistic that watches it; it is {now}")


def alarm_list(alarms: pl.DataFrame) -> str:
    """The alarms of one factor as a Markdown list, oldest first: lines break where a page is narrow, and a table's columns do not."""
    lines = [
        f"- **{alarm['alarm_date']}, {alarm['kind']}**: IC {alarm['ic_before']:.4f} → {alarm['ic_after']:.4f} since {alarm['change_date']} "
        f"(95 %: {alarm['change_low']} to {alarm['change_high']}); {alarm['detector']} reached {alarm['threshold']:.1f}; a change by "
        f"{alarm['delta']:.2f} standard deviations is told after {alarm['expected_delay']:.0f} sessions in the mean"
        for alarm in alarms.sort("alarm_date").iter_rows(named=True)
    ]
    return "\n".join(lines) or "none"


def history_list(history: pl.DataFrame) -> str:
    """The changes of one factor's status as a Markdown list, oldest first."""
    rows = history.sort("date").select("date", "status", "reason").iter_rows()
    return "\n".join(f"- **{date}, {status}**: {why}" for date, status, why in rows)


def _rolling_ic(axes: Axes, dates: np.ndarray, ic: np.ndarray) -> None:
    width = min(ROLLING, max(len(ic) // 3, 2))
    values = pl.Series(ic)
    mean = values.rolling_mean(width).to_numpy()
    error = (values.rolling_std(width) / np.sqrt(width)).to_numpy()
    axes.fill_between(dates, mean - 2 * error, mean + 2 * error, color=_BAND, alpha=0.6, linewidth=0)
    axes.plot(dates, mean, color=_INK, linewidth=1.2)
    axes.axhline(0.0, color="black", linewidth=0.6)
    axes.set_ylabel(f"IC, mean of {width}\n(band: ± 2 standard errors)", fontsize=9)


def _statistic(axes: Axes, dates: np.ndarray, rows: pl.DataFrame) -> None:
    if rows["statistic"].null_count() == rows.height:
        axes.text(0.5, 0.5, "Not judged yet: too few sessions.", ha="center", va="center", transform=axes.transAxes)
        axes.set_yticks([])
        return
    # As a share of the threshold: the threshold changes with the shift that is watched for.
    share = (rows["statistic"] / rows["threshold"]).to_numpy()
    watched = (rows["watch_threshold"] / rows["threshold"]).to_numpy()
    axes.fill_between(dates, share, 0, color=_INK, alpha=0.25, linewidth=0)
    axes.plot(dates, share, color=_INK, linewidth=0.8)
    axes.plot(dates, watched, color=_WATCH_LINE, linewidth=1.2, linestyle=":")
    axes.axhline(1.0, color=COLOURS["decayed"], linewidth=0.9, linestyle="--")
    axes.set_ylim(0, 1.25)
    axes.set_ylabel("statistic, as a share\nof its threshold", fontsize=9)


def _status_bands(axes: Axes, history: pl.DataFrame, last: Any) -> None:
    changes = history.sort("date")
    starts = changes["date"].to_list()
    for status, start, end in zip(changes["status"], starts, [*starts[1:], last], strict=True):
        axes.axvspan(start, end, color=COLOURS[status], alpha=0.16, linewidth=0)


def _changes(axes: Axes, alarms: pl.DataFrame) -> None:
    for change, alarm in alarms.select("change_date", "alarm_date").iter_rows():
        axes.axvline(change, color="black", linewidth=0.9, linestyle=":")
        axes.axvline(alarm, color="black", linewidth=0.9)


def _intervals(axes: Axes, alarms: pl.DataFrame) -> None:
    """A bracket for each change, beside its dotted line: shading would hide the colours of the statuses, which are what a page is for."""
    for number, (low, high) in enumerate(alarms.sort("alarm_date").select("change_low", "change_high").iter_rows()):
        height = 0.035 + 0.05 * (number % 2)
        axes.plot(
            [low, high], [height, height], color="black", linewidth=1.3, marker="|", markersize=7, transform=axes.get_xaxis_transform()
        )


def _settle_dates(axes: Axes) -> None:
    """Fix the ticks of time where they are: matplotlib would look for them anew at each of fifty questions."""
    ticks = axes.xaxis.get_majorticklocs()
    low, high = axes.get_xlim()
    axes.set_xticks(ticks, axes.xaxis.get_major_formatter().format_ticks(list(ticks)))
    axes.set_xlim(low, high)


def _keys(history: pl.DataFrame, alarms: pl.DataFrame) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    there = set(history["status"])
    keys: list[Any] = [Patch(color=colour, alpha=0.25, label=status) for status, colour in COLOURS.items() if status in there]
    keys += [
        Line2D([], [], color=COLOURS["decayed"], linestyle="--", label="alarm threshold"),
        Line2D([], [], color=_WATCH_LINE, linestyle=":", label="watch threshold"),
    ]
    if alarms.height:
        keys += [
            Line2D([], [], color="black", label="alarm"),
            Line2D([], [], color="black", linestyle=":", label="estimated change, with its 95 % interval"),
        ]
    return keys
