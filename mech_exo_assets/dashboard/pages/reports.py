"""What can be taken away: the tear sheet, the PDF, and every table as a file; and what the home takes on the disk.

What belongs here: links and sizes. What does not: the files themselves (`downloads`).
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from dash import html

from mech_exo_assets.dashboard.parts import as_number, grid, grid_of, link, moment, nothing, page, section, table
from mech_exo_assets.dashboard.view import View
from mech_exo_assets.reports.files import ReportFiles
from mech_exo_assets.schemas import SIZES, TABLES

if TYPE_CHECKING:
    from dash.development.base_component import Component

TITLE = "Reports"
_IN_MEGABYTES = ("bytes", "current_bytes", "old_bytes", "log_bytes")
_COUNTS = ("files", "versions", "named")


def build(view: View) -> Component:
    """The page."""
    files = ReportFiles(view.settings.reports_path)
    return page(
        TITLE,
        grid_of(
            _report(
                "Tear sheet",
                files.tear_sheet,
                "/reports/tear-sheet",
                "Everything about the backtest on one page.",
                "mech-exo report tearsheet",
            ),
            _report(
                "QuantStats report",
                files.quantstats,
                "/reports/quantstats.pdf",
                "QuantStats' metrics and figures as a PDF.",
                "mech-exo report quantstats",
            ),
            _report(
                "Weight search",
                files.search,
                "/reports/weight-search",
                "What was tried, what was chosen, and how it did.",
                "mech-exo report search",
            ),
        ),
        _tables(view),
        _sizes(view),
        lead="Reports are made every night, and by the command that stands beside each.",
    )


def _report(title: str, path: Path, address: str, about: str, command: str) -> Component:
    id_ = address.rpartition("/")[2].replace(".", "-")
    if not path.exists():
        return section(title, nothing("It has not been made yet.", "Make it with", command=command), name=id_)
    found = path.stat()
    made = moment(dt.datetime.fromtimestamp(found.st_mtime, dt.UTC))
    return section(title, html.P(about), link("Open", address, out=True), name=id_, caption=f"made {made} · {found.st_size / 1e6:.1f} MB")


def _tables(view: View) -> Component:
    if view.mart is None:
        return section(
            "Tables", nothing("Nothing was published yet.", "A complete run does it:", command="mech-exo run"), name="tables", wide=True
        )
    rows = [
        (
            key,
            f"{held.rows:,}",
            str(held.version),
            moment(held.published_at),
            html.A("CSV", href=f"/download/{key}.csv", **{"aria-label": f"{key} as CSV"}),
            html.A("Parquet", href=f"/download/{key}.parquet", **{"aria-label": f"{key} as Parquet"}),
            TABLES[key].row,
        )
        for key, held in sorted(view.mart.tables.items())
        if key in TABLES
    ]
    heads = ("table", "rows", "version", "published", "as text", "as columns", "one row is")
    return section(
        "Tables",
        table(heads, rows, label="Tables", numbers=(1, 2), name="tables-list"),
        name="tables",
        caption="the files have every row in full precision, from the published mart",
        wide=True,
    )


def _sizes(view: View) -> Component:
    title, name = "Sizes", "sizes"
    if not view.has(SIZES.key):
        missing = nothing("Nothing was measured yet; maintenance does it every Sunday.", "Or now:", command="mech-exo maintain")
        return section(title, missing, name=name, wide=True)
    rows = view.table(SIZES.key)
    shown = rows.sort("bytes", "store", descending=[True, False]).select(
        pl.col("store"),
        *((pl.col(name) / 1e6).alias(name.replace("bytes", "MB")) for name in _IN_MEGABYTES),
        *_COUNTS,
    )
    total, removed = (sum(rows[name].to_list()) / 1e6 for name in ("bytes", "removed_bytes"))
    columns = [{"field": "store"}, *({"field": each, **as_number(",d" if each in _COUNTS else ",.2f")} for each in shown.columns[1:])]
    return section(
        title,
        html.P(f"Together {total:,.1f} MB. The last maintenance let {removed:,.1f} MB go."),
        grid("sizes-list", shown, columns, label="Sizes of tables and of what else the home holds"),
        name=name,
        caption=f"measured {moment(rows['measured_at'][0])}; in MB (1,000,000 bytes); named: versions that the ledger names, which stay",
        wide=True,
    )
