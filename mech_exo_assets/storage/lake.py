"""The lake: Delta tables, one for each asset that has rows, with atomic commits and versions.

What belongs here: writing, reading and naming tables. What does not: what Dagster does with them (`io_manager`), and what people
query (`mart`).

A table with a time axis is partitioned by calendar year, in a column `year` that exists only in the lake. A write replaces whole
years, or the whole table, in one commit: a reader sees the table before or after it, never between. A writer that is killed leaves
files that no commit names, and no reader sees.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import polars as pl
from deltalake import ColumnProperties, CommitProperties, DeltaTable, WriterProperties, write_deltalake
from deltalake.exceptions import DeltaError, TableNotFoundError

from mech_exo_assets.errors import MechExoError
from mech_exo_assets.schemas import TABLES, TableSchema
from mech_exo_assets.storage.contracts import YEAR, ContractError, conform
from mech_exo_assets.storage.table_files import TableFiles

# Checkpoints would otherwise delete commits older than a month, and with them the versions that past decisions were made from. What may
# go, `maintenance` lets go.
_CONFIGURATION: dict[str, str | None] = {"delta.enableExpiredLogCleanup": "false"}

CHOICES = "choices"
"""In a commit's note: the strategy that the table was computed with, as JSON."""
SOURCE = "source"
"""In a commit's note: URI of the source of market data that the table was computed from."""


class Lake:
    """The Delta tables under one root.

    Parameters
    ----------
    root : Path
        Folder of the lake; a table `group/name` lies at `root/group/name`. Created by the first write.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, key: str) -> Path:
        """Where a table lies."""
        return self.root / key

    def exists(self, key: str) -> bool:
        """Whether the table was ever committed."""
        return DeltaTable.is_deltatable(str(self.path(key)))

    def tables(self) -> list[str]:
        """Keys of the tables that are there, in the order of the schemas."""
        return [key for key in TABLES if self.exists(key)]

    def version(self, key: str) -> int:
        """Number of the latest commit of a table, from 0.

        Raises
        ------
        MechExoError
            If the table is not there.
        """
        return self._open(key).version()

    def write(
        self,
        schema: TableSchema,
        frame: pl.DataFrame,
        *,
        years: Sequence[int] | None = None,
        only_these_years: bool = False,
        note: Mapping[str, str] | None = None,
    ) -> int:
        """Replace a table, or some calendar years of it, in one commit.

        Parameters
        ----------
        schema : TableSchema
            What the frame must conform to; see `conform`.
        frame : DataFrame
            The new rows, in any order.
        years : sequence of int, optional
            The years that are replaced, for a table with a time axis; a year without rows in `frame` becomes empty.
        only_these_years : bool
            Whether all other years go, with the columns that only they had.
        note : mapping of str to str, optional
            Kept with the commit: the run, the versions that were read.

        Returns
        -------
        int
            The version that this write committed.

        Raises
        ------
        ContractError
            If the frame does not conform; nothing is written.
        """
        data = conform(schema, frame)
        if schema.time_column is None:
            return self._commit(schema.key, data, note, schema_mode="overwrite")
        if not years:
            raise ContractError(f"{schema.key}: no years were named for a write to a table with a time axis; nothing was written.")
        replaced = sorted(set(years))
        data = data.with_columns(pl.col(schema.time_column).dt.year().cast(pl.Int32).alias(YEAR))
        stray = set(data[YEAR].unique()) - set(replaced)
        if stray:
            raise ContractError(f"{schema.key}: rows of {min(stray)} in a write of {replaced}; nothing was written.")
        if only_these_years or not self.exists(schema.key):
            return self._commit(schema.key, data, note, schema_mode="overwrite", partition_by=[YEAR])
        predicate = f"{YEAR} IN ({', '.join(map(str, replaced))})"
        return self._commit(schema.key, data, note, schema_mode="merge", predicate=predicate)

    def scan(self, key: str, *, years: Iterable[int] | None = None, version: int | None = None) -> pl.LazyFrame:
        """A table, or some years of it, as of now or as of a version; rows in any order.

        Raises
        ------
        MechExoError
            If the table is not there, or not in that version.
        """
        table = self._open(key, version)
        wanted = None if years is None else set(years)
        files = [path for year, paths in self._files_by_year(key, table).items() if wanted is None or year in wanted for path in paths]
        schema = pl.Schema(table.schema().to_arrow())
        schema.pop(YEAR, None)
        if not files:
            return pl.LazyFrame(schema=schema)
        # A column that came after a file was written is not in it, and is null there.
        return pl.scan_parquet(files, schema=schema, missing_columns="insert", hive_partitioning=False, glob=False)

    def read(
        self,
        key: str,
        *,
        columns: Sequence[str] | None = None,
        years: Iterable[int] | None = None,
        version: int | None = None,
    ) -> pl.DataFrame:
        """`scan`, collected, with just the named columns."""
        frame = self.scan(key, years=years, version=version)
        return (frame if columns is None else frame.select(columns)).collect()

    def files(self, key: str, *, version: int | None = None) -> dict[int | None, list[str]]:
        """Paths of the Parquet files that make up a version, by year (None for a table without a time axis)."""
        return self._files_by_year(key, self._open(key, version))

    def paths(self, key: str, *, version: int | None = None) -> set[str]:
        """The same files as `stored` names them: below the table's root."""
        table = self._open(key, version)
        return {unquote(path) for path in pl.DataFrame(table.get_add_actions())["path"].to_list()}

    def stored(self, key: str) -> TableFiles:
        """Everything that is stored for a table, its log and old versions among it.

        Raises
        ------
        MechExoError
            If the table is not there.
        """
        try:
            return TableFiles(str(self.path(key)))
        except TableNotFoundError as error:
            raise MechExoError(self._absent(key)) from error

    def checkpoint(self, key: str, version: int) -> None:
        """Write down the whole state of a version, so that it can be read without the commits before it."""
        self._open(key, version).create_checkpoint()

    def history(self, key: str, *, limit: int | None = None) -> list[dict[str, Any]]:
        """The commits of a table, newest first, each with its version, time and note."""
        # Delta's own counts back from the latest version, as if none had gone.
        files = self.stored(key)
        return [files.about(version) for version in files.commits()[::-1][:limit]]

    def note(self, key: str, version: int) -> dict[str, str]:
        """What was kept with one commit of a table (see `write`), beside what Delta notes of itself."""
        try:
            commit = self.stored(key).about(version)
        except FileNotFoundError as error:
            raise MechExoError(_gone(key, version)) from error
        return {name: value for name, value in commit.items() if isinstance(value, str)}

    def written_at(self, key: str) -> datetime:
        """When the latest version of a table was committed, UTC."""
        return datetime.fromtimestamp(self.history(key, limit=1)[0]["timestamp"] / 1000, tz=UTC)

    def _commit(self, key: str, data: pl.DataFrame, note: Mapping[str, str] | None, **how: Any) -> int:
        table = DeltaTable(str(self.path(key))) if self.exists(key) else None
        write_deltalake(
            str(self.path(key)) if table is None else table,
            data,
            mode="overwrite",
            configuration=_CONFIGURATION,
            commit_properties=CommitProperties(custom_metadata=dict(note or {})),
            writer_properties=_writer(data),
            **how,
        )
        # The handle is at the version that it has just committed, whatever others commit meanwhile.
        return self.version(key) if table is None else table.version()

    def _files_by_year(self, key: str, table: DeltaTable) -> dict[int | None, list[str]]:
        actions = pl.DataFrame(table.get_add_actions(flatten=True)).sort("path")
        years = actions[f"partition.{YEAR}"].to_list() if f"partition.{YEAR}" in actions.columns else [None] * len(actions)
        by_year: dict[int | None, list[str]] = {}
        for year, path in zip(years, actions["path"].to_list(), strict=True):
            # The table's own URI would have a blank in the root as %20.
            by_year.setdefault(year, []).append(f"{self.path(key)}/{unquote(path)}")
        return dict(sorted(by_year.items(), key=lambda item: item[0] or 0))

    def _open(self, key: str, version: int | None = None) -> DeltaTable:
        try:
            table = DeltaTable(str(self.path(key)))
        except TableNotFoundError as error:
            raise MechExoError(self._absent(key)) from error
        if version is not None:
            if not 0 <= version <= table.version():
                raise MechExoError(f"{key} has no version {version}; it has versions 0 to {table.version()}.")
            try:
                table.load_as_version(version)
            except DeltaError as error:
                raise MechExoError(_gone(key, version)) from error
        return table

    def _absent(self, key: str) -> str:
        known = f"It holds: {', '.join(self.tables())}." if self.tables() else "The lake is empty."
        return f"{key} is not in the lake at {self.root}. {known} Run `mech-exo run` first."


def _gone(key: str, version: int) -> str:
    return (
        f"version {version} of {key} is not there any more: maintenance lets go what is older than MECH_EXO_KEEP_DAYS days and named by no "
        "event of the ledger."
    )


def _writer(data: pl.DataFrame) -> WriterProperties:
    """Parquet settings: floats hardly repeat and hardly compress, so that a dictionary of them costs four times the CPU for no bytes."""
    floats = [name for name, dtype in data.schema.items() if dtype in (pl.Float64, pl.Float32)]
    plain = ColumnProperties(dictionary_enabled=False)
    return WriterProperties(compression="LZ4_RAW", column_properties=dict.fromkeys(floats, plain))
