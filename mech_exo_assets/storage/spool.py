"""A table that is made part by part, and waits on disk until it is committed, so that memory holds one part of it.

What belongs here: keeping parts and handing them out again. What does not: committing them (`lake`), and what is in them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, Self

import polars as pl

from mech_exo_assets.schemas import TableSchema
from mech_exo_assets.storage.contracts import conform


class Spool:
    """Parts of one table, each of other rows; a context manager, whose end frees the disk.

    One part alone stays in memory. As soon as there is another one, parts are written to unnamed files in the machine's temporary folder
    (`TMPDIR`).

    Parameters
    ----------
    schema : TableSchema
        What each part must conform to; see `conform`.
    """

    def __init__(self, schema: TableSchema) -> None:
        self.schema = schema
        self._first: pl.DataFrame | None = None
        self._files: list[IO[bytes]] = []
        self._columns: list[list[str]] = []

    def add(self, part: pl.DataFrame) -> None:
        """Take some more rows.

        Raises
        ------
        ContractError
            If they do not conform; the parts of before stay.
        """
        part = conform(self.schema, part)
        self._columns.append(part.columns)
        if len(self._columns) == 1:
            self._first = part
            return
        if self._first is not None:
            self._write(self._first)
            self._first = None
        self._write(part)

    @property
    def columns(self) -> list[str]:
        """Columns of all parts: those of the schema, and behind them the factors that any part has."""
        # A part with all of them has them in the order of a table that was made at once.
        orders = sorted(self._columns, key=len, reverse=True) or [list(self.schema.names)]
        columns = list(orders[0])
        for order in orders[1:]:
            for at, name in enumerate(order):
                if name not in columns:
                    columns.insert(columns.index(order[at - 1]) + 1, name)
        return columns

    def parts(self, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """The parts in the order in which they were added, with all columns or just the named ones; a factor that one lacks is null."""
        wanted = self.columns if columns is None else columns
        for at, there in enumerate(self._columns):
            names = [name for name in wanted if name in there]
            part = self._read(self._files[at], names) if self._first is None else self._first.select(names)
            absent = [pl.lit(None, self.schema.factor_dtype).alias(name) for name in wanted if name not in there]
            yield part.with_columns(absent).select(wanted)

    def close(self) -> None:
        """Free the disk, and forget the parts."""
        for file in self._files:
            file.close()
        self._first, self._files, self._columns = None, [], []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, part: pl.DataFrame) -> None:
        file = tempfile.TemporaryFile(prefix="mech-exo-part-")  # noqa: SIM115 (closed by `close`)
        self._files.append(file)
        part.write_ipc(file)

    @staticmethod
    def _read(file: IO[bytes], names: Sequence[str]) -> pl.DataFrame:
        file.seek(0)
        return pl.read_ipc(file, columns=list(names))
