"""`mech-exo maintain`: let go what a home does not need any more, and say what it takes.

What belongs here: the command. What does not: what may go (`storage.maintenance`).
"""

from __future__ import annotations

import json as json_module
import os
import sys
from typing import Annotated, Any

import polars as pl
import typer
from rich.console import Console
from rich.table import Table

from mech_exo_assets.cli.launch import launch, publish
from mech_exo_assets.cli.options import Home, Json, dagster_instance, only_writer, require_tables, settings_of_home
from mech_exo_assets.defs.runs import ACTOR_TAG, REASON_TAG
from mech_exo_assets.schemas import PRICES, SIZES
from mech_exo_assets.settings import Settings
from mech_exo_assets.storage.lake import Lake

EXAMPLES = """
\b
Examples:
  mech-exo maintain --dry-run           what would go
  mech-exo maintain                     old versions of tables, old runs, and what killed runs have left
  mech-exo maintain --keep-days 90      this time, keep three months
"""

SHOWN = 15
"""Largest parts of the home that are printed."""


def maintain(
    *,
    home: Home = None,
    keep_days: Annotated[
        int | None, typer.Option(min=1, help="Days for which old versions and runs are kept. Default: MECH_EXO_KEEP_DAYS, or 30.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and remove nothing.")] = False,
    json: Json = False,
) -> None:
    """Let old versions of tables and old runs go. What the ledger names stays for ever, so that `mech-exo replay` can read it."""
    if keep_days is not None:
        # Where the graph is loaded anew, as on a cluster, it is with the environment.
        os.environ["MECH_EXO_KEEP_DAYS"] = str(keep_days)
    settings = settings_of_home(home)
    lake = Lake(settings.lake_uri)
    require_tables(lake, settings, [PRICES], command="mech-exo run")
    figures, sizes = _tried(settings, lake) if dry_run else _done(settings, lake, Console(stderr=True, quiet=json))
    if json:
        report = {"home": str(settings.home), **figures, "sizes": sizes.to_dicts()}
        sys.stdout.write(json_module.dumps(report, indent=1, default=str) + "\n")
    else:
        _print(settings, figures, sizes, Console())


def _tried(settings: Settings, lake: Lake) -> tuple[dict[str, Any], pl.DataFrame]:
    from mech_exo_assets.storage.ledger import Ledger
    from mech_exo_assets.storage.maintenance import Upkeep

    ledger = Ledger(settings.ledger_url, settings.ledger_head_path)
    with dagster_instance(settings) as instance:
        found = Upkeep(settings.home, keep_days=settings.keep_days).maintain(lake, ledger, instance, dry_run=True)
    return found.figures(), found.table()


def _done(settings: Settings, lake: Lake, console: Console) -> tuple[dict[str, Any], pl.DataFrame]:
    from mech_exo_assets.definitions import build_definitions
    from mech_exo_assets.defs.jobs import MAINTENANCE
    from mech_exo_assets.defs.maintenance import FIGURES
    from mech_exo_assets.defs.tables import key_of

    tags = {ACTOR_TAG: "mech-exo maintain", REASON_TAG: f"keep {settings.keep_days} days"}
    with only_writer(settings):
        definitions = build_definitions(settings)
        launch(settings, definitions, MAINTENANCE.name, tags=tags, console=console)
        publish(settings, definitions, actor=tags[ACTOR_TAG])
    with dagster_instance(settings) as instance:
        event = instance.get_latest_materialization_event(key_of(SIZES))
    assert event is not None  # noqa: S101
    assert event.asset_materialization is not None  # noqa: S101
    figures: Any = event.asset_materialization.metadata[FIGURES].value
    return dict(figures), lake.read(SIZES.key)


def _print(settings: Settings, figures: dict[str, Any], sizes: pl.DataFrame, console: Console) -> None:
    would = "would go" if figures["dry_run"] else "went"
    console.print(
        f"{figures['files_removed']:,} files of tables {would}, {_megabytes(figures['bytes_removed'])}; {figures['runs_removed']:,} runs "
        f"{would}. Kept: what was current within {figures['keep_days']} days, {figures['versions_named_by_the_ledger']} versions that the "
        f"ledger names, {figures['runs_kept']:,} runs.",
        highlight=False,
        soft_wrap=True,
    )
    console.print(
        f"Tables {_megabytes(figures['lake_bytes_before'])} → {_megabytes(figures['lake_bytes_after'])}; "
        f"all else {_megabytes(figures['other_bytes_before'])} → {_megabytes(figures['other_bytes_after'])}.",
        highlight=False,
        soft_wrap=True,
    )
    table = Table(title="What takes most", title_justify="left", title_style="", box=None, pad_edge=False)
    for name in ("store", "all", "current", "old versions", "log", "files", "versions", "named by the ledger"):
        table.add_column(name, justify="left" if name == "store" else "right", no_wrap=name == "store")
    for row in sizes.sort("bytes", descending=True).head(SHOWN).iter_rows(named=True):
        sized = (_megabytes(row[name]) for name in ("bytes", "current_bytes", "old_bytes", "log_bytes"))
        table.add_row(row["store"], *sized, *("-" if row[name] is None else f"{row[name]:,}" for name in ("files", "versions", "named")))
    console.print(table)
    console.print(
        f"\nAll of it: [bold]mech-exo export {SIZES.key} --out sizes.csv[/]   Home: {settings.home}", highlight=False, soft_wrap=True
    )


def _megabytes(size: int | None) -> str:
    return "-" if size is None else f"{size / 1e6:,.1f} MB"
