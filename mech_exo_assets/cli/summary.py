"""What stands in a home, in figures: for the end of a run, and for `status`.

What belongs here: figures read from the lake, and their printing. What does not: computing any of them anew but for the backtest's
summary, which is a fold over its rows.
"""

from __future__ import annotations

from typing import Any

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mech_exo_assets.schemas import factor_columns
from mech_exo_assets.settings import Settings
from mech_exo_assets.storage.lake import Lake


def tables_summary(settings: Settings) -> dict[str, Any]:
    """Rows and versions of all tables, the factors that are there, the strongest of them, what is suspicious, and the backtest."""
    lake = Lake(settings.lake_uri)
    there = lake.tables()
    latest = {key: lake.latest(key) for key in there}
    figures: dict[str, Any] = {
        "tables": {key: {"rows": each.rows, "version": each.version, "written_at": each.written_at} for key, each in latest.items()}
    }
    if "factors/exposures" in there:
        figures["factors"] = factor_columns(lake.scan("factors/exposures").collect_schema().names())
    if "decay/statistics" in there:
        figures["strongest"] = _strongest(lake.read("decay/statistics"))
    if "market/quality" in there:
        counts = lake.read("market/quality").group_by("finding").len().sort("finding")
        figures["quality"] = dict(counts.iter_rows())
    if "strategy/backtest" in there:
        figures["backtest"] = _backtest(lake.read("strategy/backtest"))
    return figures


def print_summary(summary: dict[str, Any], console: Console) -> None:
    """The summary as text: first what was done, then what came out, then where to look."""
    years = summary.get("years_computed")
    done = f"{years[0]} to {years[1]} in {summary['seconds']:.1f} s" if years else "nothing to compute"
    console.print(f"\n[bold]{summary['status'].capitalize()}[/]: {done} ({summary['reason']}).", highlight=False)
    console.print(
        f"{summary['symbols']} symbols, {summary['sessions']} sessions, {summary['first_date']} to {summary['last_date']}, "
        f"from {summary['source']}.",
        highlight=False,
    )
    for note in summary["notes"]:
        console.print(f"  [yellow]note[/] {note}", highlight=False)
    if summary.get("quality"):
        found = ", ".join(f"{count} {finding}" for finding, count in summary["quality"].items())
        console.print(f"  [yellow]quality[/] {found}; listed in market/quality.", highlight=False)
    if "factors" in summary:
        console.print(f"{len(summary['factors'])} factors. Not there: {len(summary['absent_factors'])}.", highlight=False)
        for reason in summary["absent_factors"].values():
            console.print(f"  [dim]{reason}[/]", highlight=False)
    if summary.get("strongest"):
        console.print(_strongest_table(summary["strongest"]))
    if "backtest" in summary:
        _print_backtest(summary["backtest"], console)
    for each in summary["checks_not_passed"]:
        console.print(f"  [yellow]check[/] {each['asset']}, {each['check']}, did not pass: {escape(each['figures'])}", highlight=False)
    console.print(f"\nTables: {summary['lake']}   Mart: {summary['home']}/mech_exo.duckdb", highlight=False)
    if summary["tear_sheet"]:
        console.print(f"Tear sheet: {summary['tear_sheet']}   As a PDF: [bold]mech-exo report quantstats[/]", highlight=False)
    console.print("Look at them: [bold]mech-exo up[/]   Take them: [bold]mech-exo export decay/ic --out ic.csv[/]", highlight=False)


def _strongest(statistics: pl.DataFrame) -> list[dict[str, Any]]:
    ordered = statistics.filter(pl.col("t_hac").is_not_null()).sort(pl.col("t_hac").abs(), descending=True)
    return ordered.head(5).select("factor", "horizon", "mean_ic", "t_hac", "p_value", "q_value").to_dicts()


def _strongest_table(rows: list[dict[str, Any]]) -> Table:
    table = Table(title="Strongest information coefficients", title_justify="left", title_style="", box=None, pad_edge=False)
    for name, justify in (("factor", "left"), ("horizon", "right"), ("mean IC", "right"), ("t (HAC)", "right"), ("q", "right")):
        table.add_column(name, justify=justify)
    for row in rows:
        q = "-" if row["q_value"] is None else f"{row['q_value']:.3f}"
        table.add_row(row["factor"], str(row["horizon"]), f"{row['mean_ic']:+.4f}", f"{row['t_hac']:+.2f}", q)
    return table


def _backtest(table: pl.DataFrame) -> dict[str, Any]:
    from mech_exo_assets.quant.performance import performance

    figures = performance(table["net_return"].to_numpy(), table["date"].to_numpy().astype("datetime64[D]"))
    return {
        "first_date": table["date"].min(),
        "last_date": table["date"].max(),
        "sessions": figures.n_sessions,
        "cagr": figures.cagr,
        "volatility": figures.volatility,
        "sharpe": figures.sharpe,
        "max_drawdown": figures.max_drawdown,
        "mean_daily_turnover": table["turnover"].mean(),
        "nav": table["nav"].item(-1),
    }


def _print_backtest(figures: dict[str, Any], console: Console) -> None:
    sharpe = "not defined" if figures["sharpe"] is None else f"{figures['sharpe']:.2f}"
    volatility = "not defined" if figures["volatility"] is None else f"{figures['volatility']:.1%}"
    console.print(
        f"Backtest {figures['first_date']} to {figures['last_date']}, after costs: CAGR {figures['cagr']:.2%}, volatility {volatility}, "
        f"Sharpe {sharpe}, maximum drawdown {figures['max_drawdown']:.1%}, daily turnover {figures['mean_daily_turnover']:.1%}.",
        highlight=False,
    )
