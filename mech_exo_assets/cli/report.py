"""`mech-exo report`: the reports about the backtest and the weight search, as files.

What belongs here: which report, from which home, to which file. What does not: what stands in a report (`mech_exo_assets.reports`).
"""

from __future__ import annotations

import datetime as dt
import json as json_module
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from mech_exo_assets.cli.options import Config, Home, Json, Source, require_source, settings_from
from mech_exo_assets.reports.files import ReportFiles, write_in_one_step
from mech_exo_assets.storage.lake import Lake

TEARSHEET_EXAMPLES = """
\b
Examples:
  mech-exo report tearsheet
  mech-exo report tearsheet --home mydata --out tear_sheet.html
  mech-exo report tearsheet --json
"""
QUANTSTATS_EXAMPLES = """
\b
Examples:
  mech-exo report quantstats
  mech-exo report quantstats --home mydata --out quantstats.pdf
"""
SEARCH_EXAMPLES = """
\b
Examples:
  mech-exo report search
  mech-exo report search --home mydata --out weight_search.html
"""
_UNKNOWN = "unknown, since no refresh of this home was ever completed"

app = typer.Typer(
    help="Make a report about the backtest or the weight search: an HTML page or a PDF.", no_args_is_help=True, rich_markup_mode=None
)


@app.command(epilog=TEARSHEET_EXAMPLES)
def tearsheet(
    *,
    out: Annotated[Path | None, typer.Option(help="File to write. Default: reports/tear_sheet.html in the home.")] = None,
    home: Home = None,
    source: Source = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Write the tear sheet: one HTML page about the backtest that needs no network, and can be printed."""
    from mech_exo_assets.reports.tear_sheet import gather, tear_sheet

    settings = settings_from(home, source, config)
    held = require_source(settings)
    content = gather(Lake(settings.lake_uri), source=held or _UNKNOWN, written=dt.datetime.now(dt.UTC))
    path = _target(out, ReportFiles(settings.reports_path).tear_sheet)
    page = tear_sheet(content).encode()
    write_in_one_step(path, page)
    _say(path, page, _of_sessions(content.backtest), {**content.versions, **content.inputs}, json=json)


@app.command(epilog=QUANTSTATS_EXAMPLES)
def quantstats(
    *,
    out: Annotated[Path | None, typer.Option(help="File to write. Default: reports/quantstats.pdf in the home.")] = None,
    home: Home = None,
    source: Source = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Write QuantStats' metrics and figures of the backtest and its benchmark, as a PDF."""
    from mech_exo_assets.quant.backtest.benchmark import UNIVERSE
    from mech_exo_assets.reports.quantstats_report import pdf_of_backtest
    from mech_exo_assets.reports.tear_sheet import strategy_behind
    from mech_exo_assets.schemas import BACKTEST

    settings = settings_from(home, source, config)
    held = require_source(settings)
    lake = Lake(settings.lake_uri)
    versions = {BACKTEST.key: lake.version(BACKTEST.key)}
    backtest = lake.read(BACKTEST.key, version=versions[BACKTEST.key])
    path = _target(out, ReportFiles(settings.reports_path).quantstats)
    document = pdf_of_backtest(
        backtest,
        benchmark_name=strategy_behind(lake, BACKTEST, versions[BACKTEST.key]).backtest.benchmark or UNIVERSE,
        source=held or _UNKNOWN,
        written=dt.datetime.now(dt.UTC),
    )
    write_in_one_step(path, document)
    _say(path, document, _of_sessions(backtest), versions, json=json)


@app.command(epilog=SEARCH_EXAMPLES)
def search(
    *,
    out: Annotated[Path | None, typer.Option(help="File to write. Default: reports/weight_search.html in the home.")] = None,
    home: Home = None,
    source: Source = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Write the page of the newest weight search: verdict, hold-out, Pareto front and trials, to be looked at in a browser."""
    from mech_exo_assets.reports.search_page import gather, search_page
    from mech_exo_assets.storage.studies import StudyDatabase

    settings = settings_from(home, source, config)
    held = require_source(settings)
    content = gather(
        Lake(settings.lake_uri),
        source=held or _UNKNOWN,
        database=StudyDatabase(settings.studies_url).shown_url,
        written=dt.datetime.now(dt.UTC),
    )
    path = _target(out, ReportFiles(settings.reports_path).search)
    page = search_page(content).encode()
    write_in_one_step(path, page)
    trials = content.trials.height
    found = {"study": content.record["study"], "trials": trials, "candidate": content.record["passed"]}
    about = (f"{trials:,} trials of the search {content.record['study']}", found)
    _say(path, page, about, content.versions, json=json)


def _target(out: Path | None, default: Path) -> Path:
    return default if out is None else out.expanduser().absolute()


def _of_sessions(backtest: pl.DataFrame) -> tuple[str, dict[str, object]]:
    """What a report about a backtest is about, for a person and for a program."""
    first, last = backtest["date"].min(), backtest["date"].max()
    return f"{len(backtest):,} sessions, {first} to {last}", {"first_date": first, "last_date": last}


def _say(path: Path, content: bytes, about: tuple[str, Mapping[str, object]], versions: Mapping[str, int], *, json: bool) -> None:
    """The path on standard output, where a program may read it; what it holds on standard error."""
    words, figures = about
    if json:
        said = {"path": str(path), "bytes": len(content), **figures, "tables": versions}
        sys.stdout.write(json_module.dumps(said, indent=1, default=str) + "\n")
        return
    sys.stdout.write(f"{path}\n")
    sys.stderr.write(f"{len(content) / 1e6:.1f} MB about {words}\n")
