"""Putting other rows into a home's published mart."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import duckdb
import polars as pl

from mech_exo_assets.schemas import TABLES
from mech_exo_assets.settings import Settings
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.mart import Mart, update


def copy_of(home: Path, to: Path) -> Path:
    """A copy of a home without its models; files that are only ever replaced, never written to, are links to the same bytes."""

    def copied(source: str, target: str) -> None:
        if source.endswith((".parquet", ".duckdb")):
            os.link(source, target)
        else:
            shutil.copy2(source, target)

    return Path(shutil.copytree(home, to, copy_function=copied, ignore=shutil.ignore_patterns("mlflow*", "storage")))


def publish(home: Path, **tables: pl.DataFrame) -> None:
    """Write tables (`group__name`) to the lake, and publish all."""
    settings = Settings(home=home)
    lake, mart = Lake(settings.lake_uri), Mart(settings.mart_path)
    for name, frame in tables.items():
        lake.write(TABLES[name.replace("__", "/")], frame)
    with mart.staged() as path, duckdb.connect(str(path)) as connection:
        update(connection, lake)


def mart_of(home: Path) -> duckdb.DuckDBPyConnection:
    """The published mart, as anybody opens it."""
    return Mart(Settings(home=home).mart_path).connect()


def with_drift(home: Path, *statuses: str) -> None:
    """Let the newest rows of `live/drift` have these statuses, shortest window first; the last one counts for the rest."""
    lake = Lake(Settings(home=home).lake_uri)
    drift = lake.read("live/drift").sort("date", "window")
    newest = drift.filter(pl.col("date") == pl.col("date").max())
    changed = newest.with_columns(pl.Series("status", [*statuses, *[statuses[-1]] * newest.height][: newest.height]))
    publish(home, live__drift=pl.concat([drift.filter(pl.col("date") < pl.col("date").max()), changed]))
