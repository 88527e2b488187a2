"""Files of a table, written before a commit names them.

What belongs here: rows that conform become Parquet files in the table's folder, and what is to be known of them. What does not: the commit
(`lake`).

Any process that reaches the lake may write files, several at once; one of them then commits all. What no commit names is in nobody's sight,
and maintenance removes it.
"""

from __future__ import annotations

import datetime as dt
import tempfile
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from mech_exo_assets.schemas import TABLES, TableSchema
from mech_exo_assets.storage.contracts import YEAR, conform
from mech_exo_assets.storage.place import Place


@dataclass(frozen=True, slots=True)
class DataFile:
    """One Parquet file.

    Attributes
    ----------
    path : str
        Below the table's root.
    year : int or None
        Calendar year of its rows; None in a table without a time axis.
    rows : int
    size : int
        Bytes.
    """

    path: str
    year: int | None
    rows: int
    size: int


@dataclass(frozen=True, slots=True)
class Uncommitted:
    """Files of a table that no commit names yet.

    Attributes
    ----------
    key : str
        `group/name` of the table.
    files : tuple of DataFile
    columns : tuple of str
        Those of the schema, and behind them the factors.
    """

    key: str
    files: tuple[DataFile, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Written(Uncommitted):
    """The same, with what is said of their rows where the table is shown: nobody reads them again for it.

    Attributes
    ----------
    duplicated : int
        Rows that share with another one what should be theirs alone (`TableSchema.unique`).
    first, last : date or None
        Ends of the time axis, or of `date`; None without rows.
    """

    duplicated: int
    first: dt.date | None
    last: dt.date | None

    @classmethod
    def joined(cls, key: str, parts: Iterable[Written]) -> Written:
        """Parts that share no row as one, with each factor that any part has."""
        there = [cls(key, (), TABLES[key].names, 0, None, None), *parts]
        return cls(
            key,
            tuple(file for part in there for file in part.files),
            _columns([part.columns for part in there]),
            sum(part.duplicated for part in there),
            min((part.first for part in there if part.first is not None), default=None),
            max((part.last for part in there if part.last is not None), default=None),
        )

    @property
    def rows(self) -> int:
        """How many there are."""
        return sum(file.rows for file in self.files)


class TableWriter:
    """Writes files of one table; can be handed to another process.

    Parameters
    ----------
    root : str
        Of the lake, as `Lake` takes it.
    key : str
        `group/name`.
    """

    def __init__(self, root: str, key: str) -> None:
        self._root, self.key = root, key

    @property
    def schema(self) -> TableSchema:
        """Of the table."""
        return TABLES[self.key]

    def write(self, part: pl.DataFrame) -> Written:
        """Write some rows: a file for each calendar year, or one.

        Raises
        ------
        ContractError
            If they do not conform; nothing is written.
        MechExoError
            If the object store refuses.
        """
        there = self.files(part)
        first, last = period(part, self.schema)
        return Written(there.key, there.files, there.columns, duplicated_rows(part, self.schema), first, last)

    def files(self, rows: pl.DataFrame) -> Uncommitted:
        """The same for rows of which nothing has to be said."""
        schema, place = self.schema, Place(self._root)
        rows = conform(schema, rows)
        if schema.time_column is None:
            pieces: dict[int | None, pl.DataFrame] = {None: rows} if rows.height else {}
        else:
            pieces = _by_year(rows, schema.time_column)
        return Uncommitted(self.key, tuple(self._file(place, year, piece) for year, piece in pieces.items()), tuple(rows.columns))

    def _file(self, place: Place, year: int | None, rows: pl.DataFrame) -> DataFile:
        path = f"{'' if year is None else f'{YEAR}={year}/'}part-{uuid.uuid4()}.parquet"
        if not place.is_remote:
            target = Path(place.below(self.key)) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            return DataFile(path, year, rows.height, _write(rows, target))
        with tempfile.TemporaryDirectory(prefix="mech-exo-part-") as folder:
            target = Path(folder) / "part.parquet"
            size = _write(rows, target)
            place.put(f"{self.key}/{path}", target)
        return DataFile(path, year, rows.height, size)


def period(rows: pl.DataFrame, schema: TableSchema) -> tuple[dt.date | None, dt.date | None]:
    """First and last day of the time axis, or of `date`; None without rows or days."""
    dates = schema.time_column or ("date" if "date" in schema.names else None)
    return rows.select(pl.col(dates).min().alias("first"), pl.col(dates).max().alias("last")).row(0) if dates else (None, None)


def duplicated_rows(rows: pl.DataFrame, schema: TableSchema) -> int:
    """Rows that share with another one what should be theirs alone."""
    # Rows that are the same have the same hash: as many hashes as rows is proof, and five times as fast as comparing rows.
    hashes = rows.select(pl.struct(schema.unique).hash().n_unique()).item()
    return 0 if hashes == len(rows) else int(rows.select(schema.unique).is_duplicated().sum())


def _by_year(part: pl.DataFrame, time_column: str) -> dict[int | None, pl.DataFrame]:
    years = part[time_column].dt.year()
    return {int(year): part.filter(years == year) for year in years.unique().sort()}


def _write(rows: pl.DataFrame, target: Path) -> int:
    rows.write_parquet(target, compression="lz4")
    return target.stat().st_size


def _columns(orders: Sequence[Sequence[str]]) -> tuple[str, ...]:
    # A part with all of them has them in the order of a table that was made at once.
    first, *others = sorted(orders, key=len, reverse=True)
    columns = list(first)
    for order in others:
        for at, name in enumerate(order):
            if name not in columns:
                columns.insert(columns.index(order[at - 1]) + 1, name)
    return tuple(columns)
