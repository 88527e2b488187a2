"""`mech-exo learn`: train the models whose time has come, and say what they are worth.

What belongs here: launching the training and printing what came out. What does not: the models (`quant.models`).
"""

from __future__ import annotations

import json as json_module
import sys
import time
from typing import Annotated, Any

import polars as pl
import typer
from rich.console import Console
from rich.table import Table

from mech_exo_assets.cli.launch import launch
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
from mech_exo_assets.defs.runs import ACTOR_TAG, REASON_TAG, year_range_tags
from mech_exo_assets.schemas import BLEND, DATASET, MODEL_COMPARISON, MODELS, PRICES, STACKING
from mech_exo_assets.settings import Settings
from mech_exo_assets.storage.lake import Lake

EXAMPLES = """
\b
Examples:
  mech-exo learn                           train what is due, and bring up to date what follows from it
  mech-exo learn --config rolling.yaml     other choices in the section learning
  mech-exo learn --show --json             the newest result again, for a program
  mech-exo explain NVDA                    why one name is ranked where it is
"""

_RESULT = (MODELS, STACKING, MODEL_COMPARISON, BLEND)


def learn(
    *,
    home: Home = None,
    source: Source = None,
    config: Config = None,
    show: Annotated[bool, typer.Option("--show", help="Do not train; print the newest result.")] = False,
    json: Json = False,
) -> None:
    """Train LightGBM, XGBoost and a ridge regression walk-forward, and judge them out of sample beside the composite."""
    settings = settings_of_home(home, source, config)
    lake = Lake(settings.lake_uri)
    started = time.perf_counter()
    not_passed: list[dict[str, str]] = []
    if not show:
        require_tables(lake, settings, [DATASET], command="mech-exo run")
        require_choices(settings)
        not_passed = _launch(settings, lake, Console(stderr=True, quiet=json))
    require_tables(lake, settings, _RESULT, command="mech-exo learn")
    report = _report(lake) | {
        "home": str(settings.home),
        "seconds": round(time.perf_counter() - started, 3),
        "checks_not_passed": not_passed,
    }
    if json:
        sys.stdout.write(json_module.dumps(report, indent=1, default=str) + "\n")
    else:
        _print(report, Console())


def _launch(settings: Settings, lake: Lake, console: Console) -> list[dict[str, str]]:
    from mech_exo_assets.definitions import build_definitions
    from mech_exo_assets.defs.jobs import AFTER_LEARNING

    years = [year for year in lake.files(PRICES.key) if year is not None]
    definitions = build_definitions(settings)
    keys = sorted(AFTER_LEARNING.resolve(definitions.resolve_asset_graph()))
    with only_writer(settings):
        tags = {**year_range_tags(min(years), max(years)), ACTOR_TAG: "mech-exo learn", REASON_TAG: "mech-exo learn"}
        return launch(settings, definitions, keys, tags=tags, console=console).not_passed


def _report(lake: Lake) -> dict[str, Any]:
    models, stacking, comparison, blend = (lake.read(schema.key) for schema in _RESULT)
    trainings = models.group_by("model").agg(pl.col("fold").n_unique().alias("trainings"), pl.col("test_from").max().alias("in_use_from"))
    decision = blend.sort("date").tail(1).to_dicts()
    return {
        "trainings": trainings.sort("model").to_dicts(),
        "ensemble": stacking.filter(pl.col("fold") == pl.col("fold").max()).select("model", "weight").to_dicts(),
        "comparison": comparison.filter(pl.col("fold") == 0).to_dicts(),
        "blend": decision[0] if decision else None,
    }


def _print(report: dict[str, Any], console: Console) -> None:
    if not report["trainings"]:
        console.print("\nNo model: the history is too short for a training. `mech-exo up` shows why on learning/models.", highlight=False)
        return
    for row in report["trainings"]:
        console.print(
            f"{row['model']:<10} {row['trainings']} trainings; the model in use predicts from {row['in_use_from']} on", highlight=False
        )
    if report["comparison"]:
        first = report["comparison"][0]
        told = f"Out of sample, {first['first_date']} to {first['last_date']}, {first['n_sessions']} sessions"
        console.print(_table(told, report["comparison"]))
    if report["blend"] is not None:
        decision = report["blend"]
        console.print(
            f"\nWeight of ml_alpha in the composite: [bold]{decision['weight']:.0%}[/] since {decision['date']}. {decision['reason']}",
            highlight=False,
            soft_wrap=True,
        )
    for each in report["checks_not_passed"]:
        if each["asset"].startswith("learning/"):
            console.print(f"  [yellow]check[/] {each['asset']}, {each['check']}, did not pass: {each['figures']}", highlight=False)
    console.print(
        f"\nWhy a name is where it is: [bold]mech-exo explain SYMBOL[/]   Everything: [bold]mech-exo export learning/comparison[/]   "
        f"Home: {report['home']}",
        highlight=False,
        soft_wrap=True,
    )


def _table(title: str, rows: list[dict[str, Any]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="", box=None, pad_edge=False)
    table.add_column("model")
    for name in ("IC", "95 %", "R²", "spread, net", "IC − composite's"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row["model"],
            _shown(row["ic"], "{:+.4f}"),
            "" if row["ic_low"] is None else f"{row['ic_low']:+.3f} to {row['ic_high']:+.3f}",
            _shown(row["r2"], "{:+.2%}"),
            _shown(row["net_spread"], "{:+.1%}"),
            _shown(row["ic_difference"], "{:+.4f}") + _shown(row["dm_p"], ", p {:.2f}"),
        )
    return table


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
