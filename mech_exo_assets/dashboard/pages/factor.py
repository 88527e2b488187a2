"""One factor: whether it works still, since when not, for how long, where.

What belongs here: the page of a factor. What does not: the judgement (`quant.detection`), and all factors together (`factors`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from mech_exo_assets.dashboard import figures
from mech_exo_assets.dashboard.parts import badge, facts, grid_of, link, nothing, origin, page, picture, section, table
from mech_exo_assets.dashboard.view import View
from mech_exo_assets.reports.formats import number, percent
from mech_exo_assets.schemas import ALARMS, BREAKDOWN, MONITOR, QUINTILE_RETURNS, STATISTICS, STATUS, STATUS_HISTORY

if TYPE_CHECKING:
    from dash.development.base_component import Component

ROLLING = 252
"""Sessions of the rolling mean."""


def build(view: View, name: str) -> Component:
    """The page of a factor; a sentence where there is none of that name."""
    back = link("All factors", "/factors")
    if not view.has(STATUS.key):
        return page(name, nothing("No factor is monitored yet.", "A complete run does it:", command="mech-exo run"), back)
    rows = view.query("SELECT * FROM decay.status WHERE factor = ?", name)
    if rows.is_empty():
        return page(
            "No such factor",
            nothing(f"There is no factor '{name}' in this home.", "The table of all factors has those that there are."),
            back,
        )
    status = rows.row(0, named=True)
    return page(
        name,
        back,
        grid_of(_status(view, status), _by_horizon(view, name)),
        _over_time(view, name),
        grid_of(_quintiles(view, name), _by_segment(view, name, "sector")),
        _history(view, name),
        link("Its page in Dagster", view.asset_link(f"decay/{name}"), out=True),
        lead=status["reason"],
    )


def _status(view: View, status: dict[str, Any]) -> Component:
    shown = {
        "status": badge(str(status["status"]), name="factor-status"),
        "since": str(status["since"]),
        "alarm": str(status["alarm_date"] or "none"),
        "change": str(status["change_date"] or "none found"),
        "IC before, after": f"{number(status['ic_before'], 4)}, {number(status['ic_after'], 4)}",
        "expected delay of an alarm": f"{number(status['expected_delay'], 0)} sessions",
    }
    return section("Status", facts(shown), name="status", caption=origin(view, STATUS.key, as_of=view.statuses_until))


def _by_horizon(view: View, name: str) -> Component:
    rows = view.query("SELECT horizon, mean_ic, t_hac, q_value, n_sessions FROM decay.statistics WHERE factor = ? ORDER BY horizon", name)
    if rows.is_empty():
        return section("IC by horizon", nothing("No horizon has enough sessions.", "Give a longer history."), name="horizons")
    errors = [abs(mean / t) * 1.96 if t else float("nan") for mean, t in rows.select("mean_ic", "t_hac").iter_rows()]
    cells = [
        (row["horizon"], number(row["mean_ic"], 4), number(row["t_hac"]), number(row["q_value"], 3), f"{row['n_sessions']:,}")
        for row in rows.iter_rows(named=True)
    ]
    figure = figures.with_interval(
        [str(each) for each in rows["horizon"]], rows["mean_ic"].to_list(), errors, x="horizon (sessions)", y="mean IC", height=280
    )
    figure.update_xaxes(type="category")
    return section(
        "IC by horizon",
        picture(
            "ic-by-horizon", figure, "Mean information coefficient at each horizon, ± 1.96 standard errors that allow for autocorrelation."
        ),
        table(("horizon", "mean IC", "t", "q", "sessions"), cells, label="IC by horizon", numbers=(0, 1, 2, 3, 4), name="horizon-table"),
        name="horizons",
        caption=origin(view, STATISTICS.key, as_of=view.statuses_until),
    )


def _over_time(view: View, name: str) -> Component:
    if not view.has(MONITOR.key):
        return section("Over time", nothing("The monitor has no session yet.", "Give a longer history."), name="over-time", wide=True)
    rows = view.query("SELECT date, ic, statistic, threshold, watch_threshold FROM decay.monitor WHERE factor = ? ORDER BY date", name)
    if rows.is_empty():
        return section(
            "Over time", nothing("This factor has no monitored session.", "It needs scores and known returns."), name="over-time", wide=True
        )
    # A window of which less than half is known says nothing.
    known = pl.col("ic").is_not_null().cast(pl.Float64).rolling_sum(ROLLING, min_samples=1)
    mean, spread = (
        pl.col("ic").rolling_mean(ROLLING, min_samples=ROLLING // 2),
        pl.col("ic").rolling_std(ROLLING, min_samples=ROLLING // 2),
    )
    shown = rows.with_columns(mean=mean, low=mean - 1.96 * spread / known.sqrt(), high=mean + 1.96 * spread / known.sqrt())
    alarms = view.query("SELECT * FROM decay.alarms WHERE factor = ? ORDER BY alarm_date", name) if view.has(ALARMS.key) else ALARMS.empty()
    meaning = (
        f"Above: mean IC of the last {ROLLING} known sessions with ± 1.96 standard errors (as if sessions were independent). Below: the "
        "statistic of the monitor; it sounds at the upper line. Full vertical lines are alarms, dashed ones the estimated change."
    )
    return section(
        "Over time",
        picture("rolling-ic", figures.rolling_ic(shown, sessions=ROLLING, alarms=alarms), meaning),
        name="over-time",
        caption=origin(view, MONITOR.key, ALARMS.key, as_of=rows["date"][-1]),
        wide=True,
    )


def _quintiles(view: View, name: str) -> Component:
    horizon = view.query("SELECT max(horizon) FROM decay.statistics WHERE factor = ? AND horizon <= 21", name).item() or 1
    rows = view.query(
        "SELECT quintile_1, quintile_2, quintile_3, quintile_4, quintile_5, spread FROM decay.statistics WHERE factor = ? AND horizon = ?",
        name,
        horizon,
    )
    title = f"Return by quintile, {horizon} sessions"
    if rows.is_empty() or rows["quintile_1"][0] is None:
        return section(title, nothing("There are too few names for quintiles.", "They take ten names a session."), name="quintiles")
    values = rows.row(0)
    figure = figures.bars(
        ["lowest scores", "2", "3", "4", "highest scores"],
        {"mean return": values[:5]},
        x=f"mean return over {horizon} sessions",
        percent=True,
    )
    figure.update_xaxes(tickformat=".2%")
    return section(
        title,
        picture(
            "quintile-returns",
            figure,
            f"Highest less lowest: {percent(values[5], 3)} over {horizon} sessions, before costs.",
        ),
        name="quintiles",
        caption=origin(view, STATISTICS.key, QUINTILE_RETURNS.key, as_of=view.statuses_until),
    )


def _by_segment(view: View, name: str, dimension: str) -> Component:
    title = f"IC by {dimension}"
    missing = section(
        title,
        nothing(
            f"There is no IC by {dimension}.",
            f"It takes a universe with each symbol's {dimension}, and as many names in one as an IC takes (ic.min_names).",
        ),
        name=f"by-{dimension}",
    )
    if not view.has(BREAKDOWN.key):
        return missing
    rows = view.query(
        "SELECT segment, mean_ic, t_hac, n_sessions FROM decay.breakdown WHERE factor = ? AND dimension = ? AND horizon = "
        "(SELECT max(horizon) FROM decay.breakdown WHERE factor = ? AND dimension = ? AND horizon <= 21) ORDER BY mean_ic DESC",
        *(name, dimension, name, dimension),
    )
    if rows.is_empty():
        return missing
    spans = []
    for row in rows.iter_rows(named=True):
        width = abs(row["mean_ic"] / row["t_hac"]) * 1.96 if row["t_hac"] else None
        ends = (None, None) if width is None else (row["mean_ic"] - width, row["mean_ic"] + width)
        spans.append((row["segment"], row["mean_ic"], *ends))
    return section(
        title,
        picture(
            f"ic-by-{dimension}",
            figures.intervals(spans, x="mean IC"),
            f"Mean information coefficient within each {dimension}, ± 1.96 standard errors.",
        ),
        name=f"by-{dimension}",
        caption=origin(view, BREAKDOWN.key, as_of=view.statuses_until),
    )


def _history(view: View, name: str) -> Component:
    if not view.has(STATUS_HISTORY.key):
        return section("Changes of status", nothing("None yet.", "A status changes when the monitor says so."), name="history", wide=True)
    rows = view.query("SELECT date, previous, status, reason FROM decay.status_history WHERE factor = ? ORDER BY date DESC LIMIT 20", name)
    cells = [(str(date), badge(before) if before else "", badge(status), reason) for date, before, status, reason in rows.iter_rows()]
    return section(
        "Changes of status",
        table(("session", "before", "after", "why"), cells, label="Changes of status"),
        name="history",
        caption=origin(view, STATUS_HISTORY.key, as_of=view.statuses_until),
        wide=True,
    )
