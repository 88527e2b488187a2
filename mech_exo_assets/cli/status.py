"""`mech-exo status`: what stands in a home."""

from __future__ import annotations

import json as json_module
import sys
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from mech_exo_assets.cli.options import Config, Home, Json, Source, require_source, settings_from
from mech_exo_assets.cli.summary import tables_summary
from mech_exo_assets.schemas import TABLES
from mech_exo_assets.storage.lake import Lake

EXAMPLES = """
\b
Examples:
  mech-exo status
  mech-exo status --home mydata --json
"""


def status(*, home: Home = None, source: Source = None, config: Config = None, json: Json = False) -> None:
    """Which tables there are, of which version, with how many rows and up to which session."""
    from mech_exo_assets.defs.refresh import completed_at

    settings = settings_from(home, source, config)
    held = require_source(settings)
    lake = Lake(settings.lake_uri)
    report: dict[str, Any] = {
        "home": str(settings.home),
        "lake": settings.lake_uri,
        "source": held,
        "completed_at": completed_at(settings.home),
        **tables_summary(settings),
    }
    for key, figures in report["tables"].items():
        figures["last_date"] = _last_date(lake, key)
    if json:
        sys.stdout.write(json_module.dumps(report, indent=1, default=str) + "\n")
        return
    _print(report, Console())


def _last_date(lake: Lake, key: str) -> object:
    if "date" not in TABLES[key].names:
        return None
    return lake.scan(key).select(pl.col("date").max()).collect().item()


def _print(report: dict[str, Any], console: Console) -> None:
    if not report["tables"]:
        console.print(f"{report['home']} holds no tables yet. Run `mech-exo run` first.", highlight=False)
        return
    refreshed = report["completed_at"] or "never: the last run of the whole chain was interrupted, or only parts were run"
    console.print(f"{report['home']}   source {report['source'] or 'unknown'}   last complete refresh {refreshed}", highlight=False)
    table = Table(box=None, pad_edge=False)
    for name, justify in (("table", "left"), ("rows", "right"), ("version", "right"), ("last session", "left"), ("written (UTC)", "left")):
        table.add_column(name, justify=justify)
    for key, figures in report["tables"].items():
        written = figures["written_at"].strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(key, f"{figures['rows']:,}", str(figures["version"]), str(figures["last_date"] or "-"), written)
    console.print(table)
    missing = [key for key in TABLES if key not in report["tables"]]
    if missing:
        console.print(f"Not there yet: {', '.join(missing)}.", highlight=False)
