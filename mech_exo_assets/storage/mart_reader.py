"""Reading the published mart for days, while runs publish it anew.

What belongs here: noticing that another file was put in place, and one consistent state for as long as somebody looks. What does not:
building the file (`mart`).
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import OrderedDict
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import duckdb
import polars as pl

KEPT = 256
"""Results of queries that are kept until another file is put in place."""


@dataclass(frozen=True, slots=True)
class Held:
    """Which version of a table the mart holds.

    Attributes
    ----------
    version : int
        Of the lake's table.
    rows : int
    published_at : datetime
        Since when, UTC.
    """

    version: int
    rows: int
    published_at: dt.datetime


class Snapshot:
    """One published state of the mart; the same for all that is read from it. Its methods may be called from any thread."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, stamp: tuple[int, int]) -> None:
        self.stamp = stamp
        self._connection = connection
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, tuple[object, ...]], pl.DataFrame] = OrderedDict()

    @cached_property
    def tables(self) -> Mapping[str, Held]:
        """What it holds, by `group/name`."""
        rows = self._connection.cursor().execute("SELECT table_name, version, row_count, published_at FROM meta.tables").fetchall()
        return {key: Held(version, count, at.replace(tzinfo=dt.UTC)) for key, version, count, at in rows}

    def has(self, *keys: str) -> bool:
        """Whether all of these tables are there, with at least one row each."""
        return all(key in self.tables and self.tables[key].rows for key in keys)

    def query(self, sql: str, parameters: Sequence[object] = ()) -> pl.DataFrame:
        """The rows of a query. Whatever comes from outside goes into `parameters`, never into `sql`."""
        asked = (sql, tuple(parameters))
        with self._lock:
            if asked in self._known:
                self._known.move_to_end(asked)
                return self._known[asked]
        found = pl.DataFrame(self._connection.cursor().sql(sql, params=list(parameters)).to_arrow_table())
        with self._lock:
            self._known[asked] = found
            if len(self._known) > KEPT:
                self._known.popitem(last=False)
        return found

    def close(self) -> None:
        """Let the file go."""
        self._connection.close()


class MartReader:
    """The newest published state, for a process with many threads.

    Parameters
    ----------
    path : Path
        The published file.

    Notes
    -----
    DuckDB opens a path once for each process, so that the file which took its place is seen only after everybody has let go of the one
    before. A look takes milliseconds: those who come when a new file is there wait until all who look at the old one have ended.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._change = threading.Condition()
        self._snapshot: Snapshot | None = None
        self._looking = 0

    @contextmanager
    def snapshot(self) -> Generator[Snapshot | None]:
        """The newest state until the block ends; None where nothing was published yet."""
        with self._change:
            while self._outdated() and self._looking:
                self._change.wait(timeout=0.5)
            self._renew()
            found = self._snapshot
            self._looking += 1
        try:
            yield found
        finally:
            with self._change:
                self._looking -= 1
                self._change.notify_all()

    def _stamp(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns

    def _outdated(self) -> bool:
        return self._stamp() != (None if self._snapshot is None else self._snapshot.stamp)

    def _renew(self) -> None:
        if not self._outdated():
            return
        if self._snapshot is not None:
            self._snapshot.close()
            self._snapshot = None
        stamp = self._stamp()
        if stamp is not None:
            self._snapshot = Snapshot(duckdb.connect(str(self._path), read_only=True), stamp)
