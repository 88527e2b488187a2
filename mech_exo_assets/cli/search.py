"""`mech-exo search`: look for better factor weights, and say how much of what was found is chance.

What belongs here: launching the search and printing what came out. What does not: the search (`quant.weights`).
"""

from __future__ import annotations

import json as json_module
import sys
import time
from collections.abc import Mapping
from typing import Annotated, Any

import polars as pl
import typer
from rich.console import Console
from rich.table import Table

from mech_exo_assets.cli.launch import launch, publish
from mech_exo_assets.cli.options import (
    Config,
    Home,
    Json,
    Source,
    only_writer,
    require_choices,
    require_tables,
    settings_of_home,
)
from mech_exo_assets.defs.runs import ACTOR_TAG, REASON_TAG
from mech_exo_assets.schemas import COMPARISON, HISTORY, IC, MONITOR, OPTIMISED, OVERFITTING, PRICES, RESIDUAL_IC, SCORES, TRIALS, UNIVERSE
from mech_exo_assets.settings import Settings
from mech_exo_assets.storage.lake import Lake

EXAMPLES = """
\b
Examples:
  mech-exo search                                   search on the tables of the home
  mech-exo search --config more_trials.yaml         other choices in the sections search and gates
  mech-exo search --show --json                     the newest result again, for a program
  MECH_EXO_DB_URL=postgresql://me@db/studies mech-exo search   several machines on one study
"""

_WANTED = (SCORES, PRICES, UNIVERSE, IC, RESIDUAL_IC, MONITOR)
_RESULT = (TRIALS, OPTIMISED, OVERFITTING, COMPARISON, HISTORY)


def search(
    *,
    home: Home = None,
    source: Source = None,
    config: Config = None,
    show: Annotated[bool, typer.Option("--show", help="Do not search; print the newest result.")] = False,
    json: Json = False,
) -> None:
    """Search factor weights on the history before the hold-out, and compare the result with equal weights and the strategy file's on it."""
    from mech_exo_assets.reports.search_page import versions_of_one_search

    settings = settings_of_home(home, source, config)
    lake = Lake(settings.lake_uri)
    started = time.perf_counter()
    not_passed: list[dict[str, str]] = []
    if not show:
        require_tables(lake, settings, _WANTED, command="mech-exo run")
        require_choices(settings)
        not_passed = _launch(settings, Console(stderr=True, quiet=json))
    report = _report(lake, versions_of_one_search(lake)) | {
        "home": str(settings.home),
        "seconds": round(time.perf_counter() - started, 3),
        "checks_not_passed": not_passed,
    }
    if json:
        sys.stdout.write(json_module.dumps(report, indent=1, default=str) + "\n")
    else:
        _print(report, Console())


def _launch(settings: Settings, console: Console) -> list[dict[str, str]]:
    from mech_exo_assets.definitions import build_definitions
    from mech_exo_assets.defs.jobs import WEIGHT_SEARCH

    with only_writer(settings):
        tags = {ACTOR_TAG: "mech-exo search", REASON_TAG: "mech-exo search"}
        definitions = build_definitions(settings)
        not_passed = launch(settings, definitions, WEIGHT_SEARCH.name, tags=tags, console=console).not_passed
        publish(settings, definitions, actor=tags[ACTOR_TAG])
        return not_passed


def _report(lake: Lake, versions: Mapping[str, int]) -> dict[str, Any]:
    trials, optimised, overfitting, comparison, history = (lake.read(schema.key, version=versions[schema.key]) for schema in _RESULT)
    newest = history.sort("searched_at").tail(1).to_dicts()[0]
    return {
        "candidate": newest["passed"],
        "search": {name: newest[name] for name in HISTORY.names if name not in ("weights", "construction")},
        "trials": {"done": trials.height, "failed": trials.filter(pl.col("state") == "failed").height},
        "weights": optimised.sort(pl.col("weight").abs(), descending=True).to_dicts(),
        "construction": json_module.loads(newest["construction"]),
        "overfitting": overfitting.to_dicts(),
        "comparison": comparison.to_dicts(),
    }


def _print(report: dict[str, Any], console: Console) -> None:
    found = report["search"]
    verdict = "[green]passes the gate[/]" if report["candidate"] else "[yellow]does not pass the gate, and is no candidate[/]"
    console.print(
        f"\n{report['trials']['done']} trials on {found['searched_from']} to {found['searched_to']} ({found['trials_ever']} ever). "
        f"The result {verdict}.",
        highlight=False,
    )
    console.print(
        f"In the search: Sharpe {found['sharpe']:.2f}, maximum drawdown {found['max_drawdown']:.1%}, Calmar {found['calmar']:.2f}, with "
        f"{found['share']:.0%} of equal weights mixed in.",
        highlight=False,
    )
    console.print(_table("Weights", ("factor", "weight", "equal", "configured"), report["weights"], "{:.1%}"))
    console.print("\nHow much of it is chance", highlight=False)
    for row in report["overfitting"]:
        mark = {True: "[green]passed[/]    ", False: "[red]failed[/]    ", None: "[dim]not judged[/]"}[row["passed"]]
        console.print(f"  {mark} {row['measure']}: {row['meaning']}", highlight=False)
    first = report["comparison"][0]
    console.print(
        f"\nHold-out {first['first_date']} to {first['last_date']}, {first['n_sessions']} sessions, look number {first['looks']}",
        highlight=False,
    )
    for row in report["comparison"]:
        told = ""
        if row["difference"] is not None:
            low, high = ("unknown" if row[name] is None else f"{row[name]:+.2f}" for name in ("difference_low", "difference_high"))
            told = f"; optimised is {row['difference']:+.2f} ahead (95 %: {low} to {high})"
        console.print(f"  {row['weights']:<10} Sharpe {row['sharpe']:+.2f}{told}", highlight=False)
    for each in report["checks_not_passed"]:
        console.print(f"  [yellow]check[/] {each['asset']}, {each['check']}, did not pass: {each['figures']}", highlight=False, markup=True)
    console.print(
        f"\nFigures: [bold]mech-exo report search[/]   Everything: [bold]mech-exo export weights/trials[/]   Home: {report['home']}",
        highlight=False,
        soft_wrap=True,
    )


def _table(title: str, columns: tuple[str, ...], rows: list[dict[str, Any]], form: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="", box=None, pad_edge=False)
    for name in columns:
        table.add_column(name, justify="left" if name == columns[0] else "right")
    for row in rows:
        table.add_row(row[columns[0]], *(form.format(row[name]) for name in columns[1:]))
    return table
