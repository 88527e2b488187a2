"""Maintenance of a whole home: its tables, Dagster's runs, and what each part of it takes on the disk.

What belongs here: in which order, and the sizes. What does not: which versions and runs stay (`tables`, `runs`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from mech_exo_assets.schemas import SIZES
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.ledger import Ledger
from mech_exo_assets.storage.maintenance.runs import Forgotten, compact, forget_runs, named_runs, sqlite_files
from mech_exo_assets.storage.maintenance.tables import GRACE, TableState, maintain_table, named_versions, read_versions

PARTS: Mapping[str, tuple[str, ...]] = {
    "mart": ("mech_exo.duckdb",),
    "ledger": ("ledger.db*", "ledger.head"),
    "searches": ("studies.db*",),
    "models": ("mlflow.db*", "mlflow/**/*"),
    "reports": ("reports/**/*",),
    "dagster/runs": ("dagster/history/runs/*.db*", "dagster/history/runs.db*"),
    "dagster/events": ("dagster/history/runs/index.db*",),
    "dagster/ticks": ("dagster/schedules/**/*",),
    "dagster/output": ("dagster/storage/**/*", "dagster/logs/**/*"),
}
"""What a home holds beside its tables, as files; what is kept in PostgreSQL is not among them."""


@dataclass(frozen=True, slots=True)
class Done:
    """What maintenance has done, or would do.

    Attributes
    ----------
    tables : tuple of TableState
    runs : Forgotten
    compacted : tuple of str
        Dagster's files that were written anew without what had gone from them.
    parts : dict of str to tuple of int
        Of each part of the home that is no table: its files, its bytes before, and its bytes after.
    measured_at : datetime
        UTC.
    keep_days : int
    dry_run : bool
    """

    tables: tuple[TableState, ...]
    runs: Forgotten
    compacted: tuple[str, ...]
    parts: dict[str, tuple[int, int, int]]
    measured_at: dt.datetime
    keep_days: int
    dry_run: bool

    def table(self) -> pl.DataFrame:
        """It all in `schemas.SIZES`."""
        of_tables = [
            {
                "store": each.key,
                "kind": "table",
                "bytes": each.current_bytes + each.old_bytes + each.log_bytes,
                "current_bytes": each.current_bytes,
                "old_bytes": each.old_bytes,
                "log_bytes": each.log_bytes,
                "files": each.files,
                "versions": each.versions,
                "named": each.named,
                "removed_bytes": each.removed_bytes,
                "measured_at": self.measured_at,
            }
            for each in self.tables
        ]
        of_parts = [
            {
                "store": name,
                "kind": "files",
                "bytes": after,
                "files": files,
                "removed_bytes": max(0, before - after),
                "measured_at": self.measured_at,
            }
            for name, (files, before, after) in self.parts.items()
        ]
        return pl.DataFrame([*of_tables, *of_parts], schema=SIZES.dtypes())

    def figures(self) -> dict[str, Any]:
        """It in figures of JSON's types."""
        lake = sum(each.current_bytes + each.old_bytes + each.log_bytes for each in self.tables)
        removed = sum(each.removed_bytes for each in self.tables)
        before, after = (sum(each[at] for each in self.parts.values()) for at in (1, 2))
        return {
            # A dry run leaves what it would remove.
            "lake_bytes_before": lake if self.dry_run else lake + removed,
            "lake_bytes_after": lake - removed if self.dry_run else lake,
            "other_bytes_before": before,
            "other_bytes_after": after,
            "files_removed": sum(each.removed_files for each in self.tables),
            "bytes_removed": removed,
            "versions": sum(each.versions for each in self.tables),
            "versions_named_by_the_ledger": sum(each.named for each in self.tables),
            "most_files_of_a_year": max((each.most_files_of_a_year for each in self.tables), default=0),
            "runs_removed": self.runs.runs,
            "runs_kept": self.runs.kept_young + self.runs.kept_by_ledger + self.runs.kept_by_assets,
            "runs_kept_for_the_ledger": self.runs.kept_by_ledger,
            "runs_kept_for_assets": self.runs.kept_by_assets,
            "compacted": list(self.compacted),
            "keep_days": self.keep_days,
            "dry_run": self.dry_run,
        }


class Upkeep:
    """Maintenance of one home.

    Parameters
    ----------
    home : Path
    keep_days : int
        For how many days old versions of tables, and runs, stay.
    """

    def __init__(self, home: Path, *, keep_days: int) -> None:
        self.home = home
        self.keep_days = keep_days

    def maintain(
        self,
        lake: Lake,
        ledger: Ledger,
        instance: dg.DagsterInstance,
        *,
        before: dt.datetime | None = None,
        grace: dt.timedelta = GRACE,
        dry_run: bool = False,
    ) -> Done:
        """Let go what is old and needed by nothing.

        Parameters
        ----------
        lake, ledger, instance
            Of this home.
        before : datetime, optional
            What was current at this time or later stays. Default: `keep_days` ago.
        grace : timedelta
            Files of tables that are younger are not touched.
        dry_run : bool
            Whether to find out only; nothing is written.
        """
        since = before or dt.datetime.now(dt.UTC) - dt.timedelta(days=self.keep_days)
        events = ledger.events()
        named, read = named_versions(events), read_versions(lake)
        sizes = _sizes(self.home)
        tables = tuple(
            maintain_table(lake, key, before=since, named=named.get(key, ()), read=read.get(key, ()), grace=grace, dry_run=dry_run)
            for key in lake.tables()
        )
        runs = forget_runs(instance, before=since, named=named_runs(events), dry_run=dry_run)
        compacted: tuple[str, ...] = ()
        if not dry_run:
            files = sqlite_files(instance, self.home / "dagster")
            compacted = tuple(name for name, path in files.items() if compact(path))
        after = _sizes(self.home)
        parts = {name: (files, sizes.get(name, (0, 0))[1], size) for name, (files, size) in after.items()}
        return Done(tables, runs, compacted, parts, dt.datetime.now(dt.UTC), self.keep_days, dry_run)


def _sizes(home: Path) -> dict[str, tuple[int, int]]:
    """Files and bytes of each part; one that is not there is left out."""
    found: dict[str, tuple[int, int]] = {}
    counted: set[Path] = set()
    # The most special pattern first: Dagster's events lie among the files of its runs.
    for name in sorted(PARTS, key=lambda each: each != "dagster/events"):
        sizes = []
        for path in sorted({path for pattern in PARTS[name] for path in home.glob(pattern)} - counted):
            counted.add(path)
            size = _size(path)
            if size is not None:
                sizes.append(size)
        if sizes:
            found[name] = (len(sizes), sum(sizes))
    return {name: found[name] for name in PARTS if name in found}


def _size(path: Path) -> int | None:
    """Bytes of a file; None for a folder, and for a file that went meanwhile: SQLite's logs come and go."""
    try:
        return path.stat().st_size if path.is_file() else None
    except FileNotFoundError:
        return None
