"""All factors in one table: which work, how sure, and what each weighs.

What belongs here: the table. What does not: one factor in depth (`factor`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import polars as pl

from mech_exo_assets.dashboard.parts import as_number, grid, nothing, origin, page, section
from mech_exo_assets.dashboard.view import View
from mech_exo_assets.quant.lifecycle.reigns import versions
from mech_exo_assets.schemas import IC, STATISTICS, STATUS

if TYPE_CHECKING:
    from dash.development.base_component import Component

TITLE = "Factor health"
TREND_POINTS = 24
"""Blocks of sessions that a sparkline shows the mean of."""
_BLOCK = 21
_ORDER = {"decayed": 0, "watch": 1, "recovered": 2, "healthy": 3, "unproven": 4}


def build(view: View) -> Component:
    """The page."""
    if not view.has(STATUS.key, STATISTICS.key):
        return page(
            TITLE,
            section(
                "Factors",
                nothing("No factor is monitored yet.", "A complete run does it:", command="mech-exo run"),
                name="factors",
                wide=True,
            ),
        )
    frame = health(view)
    columns = [
        {"field": "factor", "cellRenderer": "markdown", "minWidth": 170},
        {"field": "status", "cellClassRules": {f"cell-{name}": f"params.value == '{name}'" for name in _ORDER}},
        {"field": "since"},
        {"field": "ic", "headerName": "IC"} | as_number(".4f"),
        {"field": "t_hac", "headerName": "t"} | as_number(".2f"),
        {"field": "q_value", "headerName": "q"} | as_number(".3f"),
        {"field": "half_life", "headerName": "half-life (sessions)"},
        {
            "field": "trend",
            "headerName": f"IC by {_BLOCK} sessions",
            "cellRenderer": "markdown",
            "sortable": False,
            "filter": False,
            "width": 150,
        },
        {"field": "weight", "headerName": "weight"} | as_number(".1%"),
    ]
    horizon = frame["horizon"][0]
    return page(
        TITLE,
        section(
            "Factors",
            grid("factor-grid", frame.drop("horizon"), columns, label="Factors by status"),
            name="factors",
            caption=origin(view, STATUS.key, STATISTICS.key, IC.key, as_of=view.statuses_until),
            wide=True,
        ),
        lead=f"IC: mean rank correlation of score and the return of the next {horizon} sessions. t allows for autocorrelation, q for the "
        "number of factors and horizons. Half-life over the horizon, with its 95 % interval. Weight: share in the champion.",
    )


def health(view: View) -> pl.DataFrame:
    """The rows of the table, the most urgent first; `horizon` is the one that the statistics are of."""
    horizon = shown_horizon(view)
    rows = view.query(
        "SELECT s.factor, s.status, s.since, t.mean_ic AS ic, t.t_hac, t.q_value, t.half_life, t.half_life_low, t.half_life_high "
        "FROM decay.status s LEFT JOIN decay.statistics t ON s.factor = t.factor AND t.horizon = ?",
        horizon,
    )
    now = view.champion
    held = {} if now is None else versions(view.events)[now.version].weights
    total = sum(map(abs, held.values())) or 1.0
    weights = {name: weight / total for name, weight in held.items()}
    drawn = trends(view, horizon) if view.has(IC.key) else {}
    return (
        rows.with_columns(order=pl.col("status").replace_strict(_ORDER, default=9), ic_size=pl.col("ic").fill_null(0))
        .sort("order", "ic_size", descending=[False, True])
        .select(
            pl.format("[{}](/factors/{})", "factor", "factor").alias("factor"),
            "status",
            "since",
            "ic",
            "t_hac",
            "q_value",
            pl.struct("half_life", "half_life_low", "half_life_high").map_elements(_half_life, return_dtype=pl.String).alias("half_life"),
            pl.when(pl.col("factor").is_in(list(drawn)))
            .then(pl.format("![trend of {}](/trends/{}.svg)", "factor", "factor"))
            .otherwise(pl.lit(""))
            .alias("trend"),
            pl.col("factor").replace_strict(weights, default=None, return_dtype=pl.Float64).alias("weight"),
            pl.lit(horizon).alias("horizon"),
        )
    )


def shown_horizon(view: View) -> int:
    """The horizon that the statistics are shown of: the longest up to a month of sessions."""
    found = view.query("SELECT max(horizon) FROM decay.statistics WHERE horizon <= 21").item()
    return found or view.query("SELECT min(horizon) FROM decay.statistics").item()


def _half_life(row: dict[str, float | None]) -> str:
    value, low, high = row["half_life"], row["half_life_low"], row["half_life_high"]
    if value is None or not math.isfinite(value):
        return "not identified"
    upper = "∞" if high is None or not math.isfinite(high) else f"{high:.0f}"
    return f"{value:.0f} ({'0' if low is None else f'{low:.0f}'} to {upper})"


def trends(view: View, horizon: int) -> dict[str, list[float]]:
    """Each factor's mean information coefficient by blocks of sessions, the oldest first; the last blocks of its history."""
    rows = view.query(
        "WITH numbered AS (SELECT factor, date, ic, row_number() OVER (PARTITION BY factor ORDER BY date DESC) - 1 AS back "
        "FROM decay.ic WHERE horizon = ? AND ic IS NOT NULL) "
        "SELECT factor, list(mean ORDER BY block DESC) AS means FROM (SELECT factor, back // ? AS block, avg(ic) AS mean FROM numbered "
        "WHERE back < ? GROUP BY ALL) GROUP BY factor",
        horizon,
        _BLOCK,
        _BLOCK * TREND_POINTS,
    )
    return dict(rows.iter_rows())
