"""The lake: Delta tables, one for each asset that has rows, with atomic commits and versions.

What belongs here: writing, reading and naming tables. What does not: what Dagster does with them (`io_manager`), and what people
query (`mart`).

A table with a time axis is partitioned by calendar year, in a column `year` that exists only in the lake. A write replaces whole
years, or the whole table, in one commit: a reader sees the table before or after it, never between. A writer that is killed leaves
files that no commit names, and no reader sees. Of two writers that meet, one commits after the other: a commit is never lost.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import polars as pl
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, create_table_with_add_actions

from mech_exo_assets.errors import MechExoError
from mech_exo_assets.schemas import TABLES, TableSchema
from mech_exo_assets.storage.contracts import YEAR, ContractError
from mech_exo_assets.storage.data_files import DataFile, TableWriter, Uncommitted
from mech_exo_assets.storage.place import Place
from mech_exo_assets.storage.table_files import TableFiles

# Checkpoints would otherwise delete commits older than a month, and with them the versions that past decisions were made from. What may
# go, `maintenance` lets go.
_CONFIGURATION: dict[str, str | None] = {"delta.enableExpiredLogCleanup": "false"}

_TURNS = 8
"""How often a commit is tried that others were faster than; it waits 6 s in all at the mean."""
_AT_ONCE = 16
"""Requests to an object store at a time."""

CHOICES = "choices"
"""In a commit's note: the strategy that the table was computed with, as JSON."""
SOURCE = "source"
"""In a commit's note: URI of the source of market data that the table was computed from."""
READ = "read:"
"""In a commit's note, before the key of a table: the version of it that was read."""


@dataclass(frozen=True, slots=True)
class Latest:
    """The latest version of a table, from its commits alone.

    Attributes
    ----------
    version : int
        Number of the commit, from 0.
    rows : int
        How many there are.
    written_at : datetime
        When it was committed, UTC.
    """

    version: int
    rows: int
    written_at: datetime


class Lake:
    """The Delta tables under one root.

    Parameters
    ----------
    root : Path or str
        Folder or URI of the lake; a table `group/name` lies at `root/group/name`. A folder is created by the first write, a bucket is not.
    """

    def __init__(self, root: Path | str) -> None:
        self.place = Place(root)

    def uri(self, key: str) -> str:
        """Where a table lies."""
        return self.place.below(key)

    def exists(self, key: str) -> bool:
        """Whether the table was ever committed."""
        # deltalake would keep all other threads waiting for the store's answer.
        return self.place.holds(f"{key}/_delta_log") if self.place.is_remote else DeltaTable.is_deltatable(self.uri(key))

    def tables(self) -> list[str]:
        """Keys of the tables that are there, in the order of the schemas."""
        if not self.place.is_remote:
            return [key for key in TABLES if self.exists(key)]
        # Each is a request, whose time goes by waiting.
        pool = ThreadPoolExecutor(_AT_ONCE)
        try:
            return [key for key, there in zip(TABLES, pool.map(self.exists, TABLES), strict=True) if there]
        finally:
            # Where one was refused, all would be, each after as many retries.
            pool.shutdown(wait=False, cancel_futures=True)

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
        rows: pl.DataFrame | Uncommitted,
        *,
        years: Sequence[int] | None = None,
        only_these_years: bool = False,
        note: Mapping[str, str] | None = None,
    ) -> int:
        """Replace a table, or some calendar years of it, in one commit.

        Parameters
        ----------
        schema : TableSchema
            What the rows must conform to; see `conform`.
        rows : DataFrame or Uncommitted
            The new rows, in any order, or files that `writer` has written of them.
        years : sequence of int, optional
            The years that are replaced, for a table with a time axis; a year without new rows becomes empty.
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
            If the rows do not conform, or are of other years; nothing is committed.
        MechExoError
            If others commit again and again, or the object store refuses; nothing is committed.
        """
        replaced = None if schema.time_column is None else sorted(set(years or ()))
        if replaced is not None and not replaced:
            raise ContractError(f"{schema.key}: no years were named for a write to a table with a time axis; nothing was written.")
        written = rows if isinstance(rows, Uncommitted) else self.writer(schema).files(rows)
        stray = {file.year for file in written.files if file.year is not None}.difference(replaced or ())
        if stray:
            raise ContractError(f"{schema.key}: rows of {min(stray)} in a write of {replaced}; nothing was committed.")
        return self._commit(written, note, years=replaced, whole=only_these_years)

    def writer(self, schema: TableSchema) -> TableWriter:
        """What writes files of a table, here or in another process, for `write` to commit."""
        return TableWriter(self.place.uri, schema.key)

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
        # No provider: credentials come from the variables of the store, as they do for commits.
        options: dict[str, Any] = {"schema": schema, "missing_columns": "insert", "hive_partitioning": False, "glob": False}
        return pl.scan_parquet(files, credential_provider=None, **options)

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
        with self.place.in_words():
            return (frame if columns is None else frame.select(columns)).collect()

    def rows(self, key: str, *, version: int | None = None) -> int:
        """How many rows a version has, from its commits alone."""
        return sum(self._actions(self._open(key, version))["num_records"])

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
        if not self.exists(key):
            raise MechExoError(self._absent(key))
        return TableFiles(self.place, key)

    def checkpoint(self, key: str, version: int) -> None:
        """Write down the whole state of a version, so that it can be read without the commits before it."""
        self._open(key, version).create_checkpoint()

    def history(self, key: str, *, limit: int | None = None) -> list[dict[str, Any]]:
        """The commits of a table, newest first, each with its version, time and note."""
        # Delta's own counts back from the latest version, as if none had gone.
        files = self.stored(key)
        with self.place.in_words():
            return [files.about(version) for version in files.commits()[::-1][:limit]]

    def note(self, key: str, version: int) -> dict[str, str]:
        """What was kept with one commit of a table (see `write`), beside what Delta notes of itself."""
        try:
            with self.place.in_words():
                commit = self.stored(key).about(version)
        except FileNotFoundError as error:
            self._require_version(key, self._open(key), version)
            raise MechExoError(_gone(key, version)) from error
        return {name: value for name, value in commit.items() if isinstance(value, str)}

    def reads(self, key: str, version: int) -> dict[str, int]:
        """The version of each table that one version of this table was computed from, as its commit notes them."""
        return {name.removeprefix(READ): int(read) for name, read in self.note(key, version).items() if name.startswith(READ)}

    def written_at(self, key: str) -> datetime:
        """When the latest version of a table was committed, UTC."""
        return self.latest(key).written_at

    def latest(self, key: str) -> Latest:
        """What there is to say of a table without reading it, with the requests of opening it once."""
        table = self._open(key)
        (commit,) = self._history(table, 1)
        return Latest(
            version=table.version(),
            rows=sum(self._actions(table)["num_records"]),
            written_at=datetime.fromtimestamp(commit["timestamp"] / 1000, tz=UTC),
        )

    def _history(self, table: DeltaTable, limit: int | None) -> list[dict[str, Any]]:
        with self.place.in_words():
            return table.history(limit)

    def _commit(self, written: Uncommitted, note: Mapping[str, str] | None, *, years: Sequence[int] | None, whole: bool) -> int:
        """Commit files that replace these years, or all; again on what others have committed, where they were faster."""
        for turn in range(_TURNS):
            try:
                with self.place.in_words():
                    return self._commit_once(written, note, years=years, whole=whole)
            except CommitFailedError:
                time.sleep(random.uniform(0, 0.05 * 2**turn))  # noqa: S311 - no secret, only turns
        raise MechExoError(
            f"{written.key} in {self.place}: other processes have committed {_TURNS} times while this one tried; nothing was written. Run "
            "again when they have ended."
        )

    def _commit_once(self, written: Uncommitted, note: Mapping[str, str] | None, *, years: Sequence[int] | None, whole: bool) -> int:
        key = written.key
        # What is replaced was looked up in the version before: a commit between would keep rows that this one replaces.
        at_once = CommitProperties(custom_metadata=dict(note or {}), max_commit_retries=0)
        how: dict[str, Any] = {"partition_by": [] if years is None else [YEAR], "commit_properties": at_once}
        schema = _delta_schema(written)
        actions = [_action(file) for file in written.files]
        try:
            table = DeltaTable(self.uri(key))
        except TableNotFoundError:
            self.place.require_conditional_puts()
            try:
                create_table_with_add_actions(self.uri(key), schema, actions, mode="error", configuration=_CONFIGURATION, **how)
            except DeltaError as error:
                if self.exists(key):
                    raise CommitFailedError("others have made the table meanwhile") from error
                raise
            return 0
        version = table.version()
        filters = None
        if years is not None and not whole:
            filters = [(YEAR, "in", [str(year) for year in years])]
            schema = _merged(key, table.schema(), schema)
        table.create_write_transaction([*actions], "overwrite", schema, partition_filters=filters, **how)
        return version + 1

    def _actions(self, table: DeltaTable) -> pl.DataFrame:
        with self.place.in_words():
            return pl.DataFrame(table.get_add_actions(flatten=True))

    def _files_by_year(self, key: str, table: DeltaTable) -> dict[int | None, list[str]]:
        actions = self._actions(table).sort("path")
        years = actions[f"partition.{YEAR}"].to_list() if f"partition.{YEAR}" in actions.columns else [None] * len(actions)
        by_year: dict[int | None, list[str]] = {}
        for year, path in zip(years, actions["path"].to_list(), strict=True):
            # The table's own URI would have a blank in the root as %20.
            by_year.setdefault(year, []).append(f"{self.uri(key)}/{unquote(path)}")
        return dict(sorted(by_year.items(), key=lambda item: item[0] or 0))

    def _open(self, key: str, version: int | None = None) -> DeltaTable:
        with self.place.in_words():
            try:
                table = DeltaTable(self.uri(key))
            except TableNotFoundError as error:
                raise MechExoError(self._absent(key)) from error
            if version is not None:
                self._require_version(key, table, version)
                try:
                    table.load_as_version(version)
                except DeltaError as error:
                    if version in self.stored(key).commits():
                        raise
                    raise MechExoError(_gone(key, version)) from error
            return table

    @staticmethod
    def _require_version(key: str, table: DeltaTable, version: int) -> None:
        if not 0 <= version <= table.version():
            raise MechExoError(f"{key} has no version {version}; it has versions 0 to {table.version()}.")

    def _absent(self, key: str) -> str:
        there = self.tables()
        known = f"It holds: {', '.join(there)}." if there else "The lake is empty."
        return f"{key} is not in the lake at {self.place}. {known} Run `mech-exo run` first."


def _gone(key: str, version: int) -> str:
    return (
        f"version {version} of {key} is not there any more: maintenance lets go what is older than MECH_EXO_KEEP_DAYS days and named by no "
        "event of the ledger."
    )


def _delta_schema(written: Uncommitted) -> Schema:
    """Columns of the files, and the year that each lies in, where the table has a time axis."""
    schema = TABLES[written.key]
    types = schema.dtypes()
    columns = {name: types.get(name, schema.factor_dtype) for name in written.columns}
    if schema.time_column is not None:
        columns[YEAR] = pl.Int32
    return Schema.from_arrow(pl.DataFrame(schema=columns).to_arrow().schema)


def _merged(key: str, old: Schema, new: Schema) -> Schema:
    """The columns that a table has, and behind them those that it has not had yet."""
    there = {field.name: field for field in old.fields}
    for field in new.fields:
        if field.name in there and there[field.name].type != field.type:
            raise ContractError(
                f"{key}: column '{field.name}' has the type {there[field.name].type} in the lake, and {field.type} in years that were "
                "computed now; nothing was committed. Compute all years anew: `mech-exo run --force`."
            )
    return Schema([*old.fields, *(field for field in new.fields if field.name not in there)])


def _action(file: DataFile) -> AddAction:
    return AddAction(
        path=quote(file.path, safe="/="),
        size=file.size,
        partition_values={} if file.year is None else {YEAR: str(file.year)},
        modification_time=int(time.time() * 1000),
        data_change=True,
        stats=json.dumps({"numRecords": file.rows}),
    )
