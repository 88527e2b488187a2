"""Table of the group `operations`: what a home takes on the disk."""

from __future__ import annotations

import polars as pl

from mech_exo_assets.schemas.table import Column, TableSchema


def _of_tables(name: str, meaning: str, unit: str = "") -> Column:
    return Column(name, pl.Int64, f"{meaning}; null for what is no table of the lake.", unit=unit, nullable=True)


SIZES = TableSchema(
    key="operations/sizes",
    row="One table of the lake, or one other part of the home, after the last maintenance.",
    columns=(
        Column("store", pl.String, "The table, as `group/name`, or the part: mart, models, dagster/runs, …"),
        Column("kind", pl.String, "table, or files."),
        Column("bytes", pl.Int64, "All that it takes.", unit="bytes"),
        _of_tables("current_bytes", "Files of the current version", "bytes"),
        _of_tables("old_bytes", "Files that only versions before it name, and files that a writer has not committed yet", "bytes"),
        _of_tables("log_bytes", "Log of the commits", "bytes"),
        Column("files", pl.Int64, "Of the current version; of a part, all."),
        _of_tables("versions", "Versions that can be read"),
        _of_tables("named", "Of them, those that the ledger names, and that stay for ever"),
        Column("removed_bytes", pl.Int64, "What the last maintenance let go.", unit="bytes"),
        Column("measured_at", pl.Datetime("us", "UTC"), "When."),
    ),
    unique=("store",),
)
