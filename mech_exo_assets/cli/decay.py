"""`mech-exo decay`: which factors still work, in the terminal."""

from __future__ import annotations

import datetime as dt
import difflib
import json as json_module
import math
import sys
from itertools import pairwise
from typing import Annotated, Any

import polars as pl
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mech_exo_assets.cli.options import Config, Home, Json, Source, require_source, require_tables, settings_from
from mech_exo_assets.errors import InputError
from mech_exo_assets.reports.factor_page import headline
from mech_exo_assets.schemas import ALARMS, MONITOR, ROTATION, STATISTICS, STATUS, STATUS_HISTORY
from mech_exo_assets.settings import load_strategy
from mech_exo_assets.storage.lake import Lake

EXAMPLES = """
\b
Examples:
  mech-exo decay
  mech-exo decay --factor momentum_12_1
  mech-exo decay --home mydata --json
"""

ORDER = ("decayed", "watch", "recovered", "healthy", "unproven")
_STYLE = {"decayed": "red", "watch": "yellow", "recovered": "cyan", "healthy": "green", "unproven": "dim"}
_TABLES = (STATUS, STATISTICS, MONITOR, ALARMS, STATUS_HISTORY, ROTATION)
_BARS = "▁▂▃▄▅▆▇█"
_POINTS = 16
_WIDTH_OFF_A_TERMINAL = 160
_COLUMNS = ("factor", "status", "since", "IC", "t", "q", "half-life", "before", "after", "delay", "weight", "IC over time")
_OF_WORDS = ("factor", "status", "since", "IC over time")
_LEFT_OUT_FIRST = ("q", "half-life", "delay", "weight", "before", "IC over time", "after", "t")
"""On a terminal that is too narrow for all of them; half a number is worse than none."""
_FIGURES = (
    ("mean_ic", "mean IC", "+.4f"),
    ("t_hac", "t", "+.1f"),
    ("q_value", "q", ".3f"),
    ("residual_ic", "residual IC", "+.4f"),
    ("residual_t", "residual t", "+.1f"),
    ("residual_q", "residual q", ".3f"),
    ("hit_rate", "hit rate", ".1%"),
    ("spread", "spread", "+.2%"),
    ("net_spread", "spread after costs", "+.2%"),
    ("turnover", "turnover", ".1%"),
    ("monotonicity", "monotonicity", "+.1f"),
    ("trend", "trend of the IC a year", "+.4f"),
    ("trend_t", "trend t", "+.1f"),
)


def decay(
    *,
    factor: Annotated[str | None, typer.Option(help="One factor in detail.")] = None,
    home: Home = None,
    source: Source = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Which factors still work, which have stopped, since when, and how sure that is."""
    settings = settings_from(home, source, config)
    require_source(settings)
    lake = Lake(settings.lake_uri)
    require_tables(lake, settings, _TABLES, command="mech-exo run")
    tables = {schema.key: lake.read(schema.key) for schema in _TABLES}
    strategy = load_strategy(settings.config)
    console = Console(width=None if sys.stdout.isatty() else _WIDTH_OFF_A_TERMINAL)
    if factor is None:
        report = _health(tables, strategy.monitored_horizon) | {"false_alarms_per_year": strategy.decay.false_alarms_per_year}
        _write(report) if json else _print_health(report, console)
    else:
        detail = _detail(_known(factor, tables[STATUS.key]), tables)
        _write(detail) if json else _print_detail(detail, console)


def _known(factor: str, status: pl.DataFrame) -> str:
    names = sorted(status["factor"])
    if factor not in names:
        close = difflib.get_close_matches(factor, names, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(names)}."
        raise InputError(f"--factor: no factor '{factor}' is watched in this home; {hint}")
    return factor


def _health(tables: dict[str, pl.DataFrame], horizon: int) -> dict[str, Any]:
    """All factors, the worst first, with what the table of the terminal shows."""
    of_horizon = {row["factor"]: row for row in tables[STATISTICS.key].filter(horizon=horizon).iter_rows(named=True)}
    multipliers = dict(tables[ROTATION.key].select("factor", "multiplier").iter_rows())
    trends = {name: part for (name,), part in tables[MONITOR.key].sort("date").partition_by("factor", as_dict=True).items()}
    rows: list[dict[str, Any]] = []
    for row in tables[STATUS.key].iter_rows(named=True):
        figures = of_horizon.get(row["factor"], {})
        rows.append(
            {
                **row,
                **{name: figures.get(name) for name in ("mean_ic", "residual_ic", "residual_t", "residual_q", "half_life")},
                **{name: figures.get(name) for name in ("half_life_low", "half_life_high", "calendar_half_life")},
                "multiplier": multipliers.get(row["factor"]),
                "ic_by_period": _by_period(trends[row["factor"]]["ic"]) if row["factor"] in trends else [],
            }
        )
    rows.sort(key=lambda row: (ORDER.index(row["status"]), -abs(float(row["t"] or 0.0)), row["factor"]))
    return {
        "last_date": tables[MONITOR.key]["date"].max(),
        "horizon": horizon,
        "counts": {status: sum(row["status"] == status for row in rows) for status in ORDER},
        "factors": rows,
    }


def _by_period(ic: pl.Series) -> list[float]:
    """Mean IC of up to 16 stretches of equal length, oldest first."""
    edges = [round(number * len(ic) / _POINTS) for number in range(_POINTS + 1)]
    return [float(ic[low:high].mean()) for low, high in pairwise(edges) if high > low]  # ty: ignore[invalid-argument-type]


def _sparkline(values: list[float]) -> str:
    """A bar for each stretch; the lowest bar is zero or less, the highest the largest of them."""
    top = max(values, default=0.0)
    if top <= 0:
        return _BARS[0] * len(values)
    return "".join(_BARS[min(max(int(value / top * (len(_BARS) - 1) + 0.5), 0), len(_BARS) - 1)] for value in values)


def _print_health(report: dict[str, Any], console: Console) -> None:
    lines = [_cells(row) for row in report["factors"]]
    left_out = []
    while (table := _table(lines, left_out)).__rich_measure__(console, console.options.update(max_width=10_000)).maximum > console.width:
        if len(left_out) == len(_LEFT_OUT_FIRST):
            break
        left_out.append(_LEFT_OUT_FIRST[len(left_out)])
    console.print(table)
    counts = ", ".join(f"{count} {status}" for status, count in report["counts"].items() if count)
    budget = report["false_alarms_per_year"]
    console.print(
        f"\n{counts}; as known on {report['last_date']}. IC, t and q are those on residual returns over {report['horizon']} "
        f"session{'s' * (report['horizon'] != 1)}; before and after are the ICs around the last change that an "
        "alarm told of. Half-life and delay are in sessions; delay is the mean time from a loss of the whole IC to its alarm. Weight is "
        f"what the factor's weight should be multiplied by. False alarms expected of all factors together: {budget:g} a year. Bars: the "
        "lowest is an IC of zero or less. '-': none, or not identified.",
        highlight=False,
    )
    if left_out:
        console.print(f"Left out at this width: {', '.join(left_out)}. A wider terminal or --json has them.", highlight=False)
    console.print("One factor: [bold]mech-exo decay --factor NAME[/]   Rules: docs/decay.md", highlight=False)


def _cells(row: dict[str, Any]) -> dict[str, str]:
    """What the table shows of one factor, by column."""
    style = _STYLE[row["status"]]
    return {
        "factor": row["factor"],
        "status": f"[{style}]{row['status']}[/]",
        "since": str(row["since"]),
        "IC": _number(row["residual_ic"], "+.4f"),
        "t": _number(row["residual_t"], "+.1f"),
        "q": _number(row["residual_q"], ".3f"),
        "half-life": _number(row["half_life"], ".0f"),
        "before": _number(row["ic_before"] if row["ic_after"] is not None else None, "+.4f"),
        "after": _number(row["ic_after"], "+.4f"),
        "delay": _number(row["expected_delay"], ".0f"),
        "weight": "-" if row["multiplier"] is None else f"× {row['multiplier']:.2f}",
        "IC over time": _sparkline(row["ic_by_period"]),
    }


def _table(lines: list[dict[str, str]], left_out: list[str]) -> Table:
    table = Table(box=None, pad_edge=False)
    shown = [name for name in _COLUMNS if name not in left_out]
    for name in shown:
        table.add_column(name, justify="left" if name in _OF_WORDS else "right", no_wrap=True, overflow="ellipsis")
    for line in lines:
        table.add_row(*(line[name] for name in shown))
    return table


def _detail(factor: str, tables: dict[str, pl.DataFrame]) -> dict[str, Any]:
    rows = {key: table.filter(factor=factor) for key, table in tables.items() if key != MONITOR.key}
    weight = rows[ROTATION.key]
    return {
        **rows[STATUS.key].row(0, named=True),
        "headline": headline(rows[STATUS.key].row(0, named=True)),
        "statistics": rows[STATISTICS.key].sort("horizon").to_dicts(),
        "alarms": rows[ALARMS.key].sort("alarm_date").to_dicts(),
        "history": rows[STATUS_HISTORY.key].sort("date").to_dicts(),
        "rotation": weight.row(0, named=True) if weight.height else None,
    }


def _print_detail(detail: dict[str, Any], console: Console) -> None:
    style = _STYLE[detail["status"]]
    console.print(f"[bold]{detail['factor']}[/]: [{style}]{escape(detail['headline'])}[/]", highlight=False)
    console.print(escape(detail["reason"]), highlight=False)
    if detail["rotation"] is not None:
        before, after = detail["rotation"]["weight_before"], detail["rotation"]["weight_after"]
        console.print(
            f"Weight {before:.4f} → {after:.4f} recommended, scaled so that all weights sum to what they did. Multiplier "
            f"{escape(detail['rotation']['reason'])}",
            highlight=False,
        )
    first = detail["statistics"][0] if detail["statistics"] else {}
    console.print(
        f"Half of the signal is used up after {_interval(first, 'half_life')}; the IC itself halves in "
        f"{_interval(first, 'calendar_half_life')}.",
        highlight=False,
    )
    table = Table(title="\nBy horizon, in sessions", title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    for row in detail["statistics"]:
        table.add_column(str(row["horizon"]), justify="right")
    for name, words, form in _FIGURES:
        table.add_row(words, *(_number(row[name], form) for row in detail["statistics"]))
    console.print(table)
    told = Table(title="\nHistory", title_justify="left", box=None, pad_edge=False)
    for name in ("known on", "status", "why"):
        told.add_column(name)
    for row in detail["history"]:
        told.add_row(str(row["date"]), f"[{_STYLE[row['status']]}]{row['status']}[/]", escape(row["reason"]))
    console.print(told)


def _interval(figures: dict[str, Any], name: str) -> str:
    if figures.get(name) is None:
        return "a time that is not identified"
    return f"{figures[name]:.0f} sessions (95 %: {figures[f'{name}_low']:.0f} to {figures[f'{name}_high']:.0f})"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _write(report: dict[str, Any]) -> None:
    sys.stdout.write(json_module.dumps(_plain(report), indent=1) + "\n")


def _plain(value: Any) -> Any:
    """As JSON has it: dates as ISO text, and null for what is no number."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dt.date):
        return value.isoformat()
    return None if isinstance(value, float) and not math.isfinite(value) else value
