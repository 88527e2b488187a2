"""Files that a page links to: reports, tables of the published mart, and small pictures in cells.

What belongs here: which file stands behind which address. What does not: making reports (`reports`).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import polars as pl
from flask import Flask, Response, abort, send_file

from mech_exo_assets.dashboard.access.guard import REPORT_POLICY
from mech_exo_assets.dashboard.figures import sparkline
from mech_exo_assets.dashboard.pages.factors import shown_horizon, trends
from mech_exo_assets.dashboard.watch import Watch
from mech_exo_assets.reports.files import ReportFiles
from mech_exo_assets.schemas import IC, STATISTICS, TABLES

_CHUNK = 50_000
"""Rows of a CSV file that are made at a time."""


def install(server: Flask, watch: Watch) -> None:
    """Serve the files of a home."""
    files = ReportFiles(watch.settings.reports_path)

    @server.get("/reports/tear-sheet")
    def tear_sheet() -> Response:
        return _page(files.tear_sheet)

    @server.get("/reports/weight-search")
    def weight_search() -> Response:
        return _page(files.search)

    @server.get("/reports/quantstats.pdf")
    def quantstats() -> Response:
        _require(files.quantstats)
        return send_file(files.quantstats, mimetype="application/pdf", download_name="quantstats.pdf")

    @server.get("/download/<group>/<name>.<any(csv, parquet):form>")
    def table(group: str, name: str, form: str) -> Response:
        # A key of ours, or nothing: no part of the address becomes a path or a statement.
        key = f"{group}/{name}"
        if key not in TABLES or not TABLES[key].published:
            abort(404, f"There is no table {key!r}.")
        with watch.view() as view:
            if not view.has(key):
                abort(404, f"{key} was not published yet.")
            order = ", ".join(f'"{column}"' for column in TABLES[key].unique)
            rows = view.query(f'SELECT * FROM "{group}"."{name}" ORDER BY {order}')  # noqa: S608 (a key of ours)
            version = view.mart.tables[key].version if view.mart is not None else 0
        disposition = f'attachment; filename="{group}_{name}_v{version}.{form}"'
        if form == "csv":
            lines = (part.write_csv(include_header=at == 0).encode() for at, part in enumerate(_parts(rows)))
            return Response(lines, mimetype="text/csv; charset=utf-8", headers={"Content-Disposition": disposition})
        buffer = io.BytesIO()
        rows.write_parquet(buffer)
        return Response(buffer.getvalue(), mimetype="application/vnd.apache.parquet", headers={"Content-Disposition": disposition})

    @server.get("/trends/<factor>.svg")
    def trend(factor: str) -> Response:
        with watch.view() as view:
            known = trends(view, shown_horizon(view)) if view.has(IC.key, STATISTICS.key) else {}
        if factor not in known:
            abort(404, "There is no such factor.")
        return Response(sparkline(known[factor]), mimetype="image/svg+xml", headers={"Cache-Control": "private, max-age=60"})


def _parts(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    yield from rows.iter_slices(_CHUNK) if len(rows) else [rows]


def _page(path: Path) -> Response:
    _require(path)
    return Response(path.read_bytes(), mimetype="text/html; charset=utf-8", headers={"Content-Security-Policy": REPORT_POLICY})


def _require(path: Path) -> None:
    if not path.is_file():
        abort(404, "This report has not been made yet: `mech-exo report --help` has the command.")
