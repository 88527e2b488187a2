"""The mart: one DuckDB file that people query, published whole.

What belongs here: building the file from the lake and putting it in place. What does not: what is in the tables.

The file is built beside the published one, as a copy of it in which just the changed years are replaced, and then renamed into place.
A reader who holds the old file open keeps it, undisturbed; the next process to open it sees the new one. No state between can be seen.
Two publishers take turns, by a lock that the system takes back when its holder ends, however it ends. While a weight search is not
finished, its tables stay as they were published before it; everything else is published.

DuckDB reads the files of a lake on this machine by itself. Those of an object store are read by the lake, and handed over in memory: what
DuckDB would need to read them is no part of it.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from mech_exo_assets.errors import MechExoError
from mech_exo_assets.schemas import TABLES, TableSchema
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.one_search import versions_to_show

_BOOKKEEPING = """
CREATE SCHEMA IF NOT EXISTS meta;
CREATE TABLE IF NOT EXISTS meta.tables (
    table_name VARCHAR PRIMARY KEY, version BIGINT NOT NULL, row_count BIGINT NOT NULL, published_at TIMESTAMP NOT NULL
);
CREATE TABLE IF NOT EXISTS meta.files (table_name VARCHAR NOT NULL, year INTEGER, path VARCHAR NOT NULL);
COMMENT ON TABLE meta.tables IS 'Which version of each table of the lake is in this file, and since when (UTC).';
COMMENT ON TABLE meta.files IS 'The files of the lake that each table was read from.';
"""

# A table that did not change keeps the time since when it is there.
_NOTE_VERSION = """
INSERT INTO meta.tables VALUES (?, ?, ?, now() AT TIME ZONE 'UTC')
ON CONFLICT (table_name) DO UPDATE
SET version = excluded.version, row_count = excluded.row_count, published_at = excluded.published_at
WHERE version <> excluded.version OR ?
"""


_MEBIBYTES_PER_THREAD = 256

PUBLISHED = "_mart/mech_exo.duckdb"
"""Where a lake in an object store has the published file, for other machines; no table has this name."""


@dataclass(frozen=True, slots=True)
class Published:
    """What publishing did to one table.

    Attributes
    ----------
    key : str
        `group/name`.
    version : int
        Version of the lake's table that is in the mart now.
    rows : int
        Rows in the mart now.
    replaced : str
        "all", "none", or the years that were replaced.
    """

    key: str
    version: int
    rows: int
    replaced: str


class Mart:
    """The published file and the one that is being built.

    Parameters
    ----------
    path : Path
        The published file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.staging_path = path.with_name(f".{path.name}.building")

    @contextmanager
    def staged(self) -> Generator[Path]:
        """A copy of the published file to write to; put in place when the block ends without an error."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.staging_path.with_name(f".{self.path.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._wal().unlink(missing_ok=True)
            if self.path.exists():
                shutil.copyfile(self.path, self.staging_path)
            else:
                self.staging_path.unlink(missing_ok=True)
            yield self.staging_path
            if self._wal().exists():
                raise MechExoError(f"{self.staging_path} was not closed before it was to be published; the mart is unchanged.")
            self.staging_path.replace(self.path)

    def _wal(self) -> Path:
        return self.staging_path.with_name(f"{self.staging_path.name}.wal")

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Open the published file for reading.

        DuckDB opens a file once for each process: while this process holds an earlier connection, it gets the state of that one.

        Raises
        ------
        MechExoError
            If nothing was published yet.
        """
        if not self.path.exists():
            raise MechExoError(f"{self.path} is not there yet. Run `mech-exo run` first.")
        return duckdb.connect(str(self.path), read_only=True)


def update(connection: duckdb.DuckDBPyConnection, lake: Lake) -> list[Published]:
    """Bring every table of the mart to the lake's latest version, replacing only the years whose files have changed.

    The tables of a weight search that is not finished stay as they are; see `versions_to_show`.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Open for writing on the staged file.
    lake : Lake
        Where the tables come from.

    Returns
    -------
    list of Published
        One for each table of the lake that was brought to its latest version.
    """
    _bound_memory(connection)
    connection.execute(_BOOKKEEPING)
    versions = versions_to_show(lake, (key for key in lake.tables() if TABLES[key].published))
    return [_update_table(connection, lake, TABLES[key], version) for key, version in versions.items()]


def _bound_memory(connection: duckdb.DuckDBPyConnection) -> None:
    """Let DuckDB hold no more than its threads need; by default it would take four fifths of the machine before it writes to the disk."""
    (threads,) = connection.execute("SELECT current_setting('threads')").fetchone() or (1,)
    connection.execute(f"SET memory_limit = '{max(1024, _MEBIBYTES_PER_THREAD * int(threads))}MiB'")
    # To keep rows in the order of the files, which no table promises, takes twice the memory and half as much time again.
    connection.execute("SET preserve_insertion_order = false")


def _update_table(connection: duckdb.DuckDBPyConnection, lake: Lake, schema: TableSchema, version: int) -> Published:
    new = lake.files(schema.key, version=version)
    old = _published_files(connection, schema)
    columns = lake.scan(schema.key, version=version).collect_schema().names()
    kept = [year for year in new if old.get(year) == new[year]]
    changed = sorted({*old, *new} - {*kept}, key=lambda year: year or 0)
    connection.execute("BEGIN")
    if _columns(connection, schema) != columns or (changed and not kept):
        _replace_all(connection, lake, schema, version)
        replaced = "all"
    else:
        for year in changed:
            connection.execute(f"DELETE FROM {_name(schema)} WHERE year({schema.time_column}) = ?", [year])
            if year in new:
                _insert(connection, lake, schema, version, {year: new[year]})
        replaced = ", ".join(map(str, changed)) or "none"
    count = _count(connection, schema)
    connection.execute("DELETE FROM meta.files WHERE table_name = ?", [schema.key])
    entries = [(schema.key, year, path) for year, paths in new.items() for path in paths]
    if entries:
        connection.executemany("INSERT INTO meta.files VALUES (?, ?, ?)", entries)
    connection.execute(_NOTE_VERSION, [schema.key, version, count, replaced != "none"])
    connection.execute("COMMIT")
    return Published(schema.key, version, count, replaced)


def _replace_all(connection: duckdb.DuckDBPyConnection, lake: Lake, schema: TableSchema, version: int) -> None:
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema.key.split('/')[0]}")
    files = lake.files(schema.key, version=version)
    empty = lake.scan(schema.key, version=version).limit(0).collect()
    connection.register("empty", empty.to_arrow())
    connection.execute(f"CREATE OR REPLACE TABLE {_name(schema)} AS FROM empty")
    connection.unregister("empty")
    if files:
        _insert(connection, lake, schema, version, files)
    connection.execute(f"COMMENT ON TABLE {_name(schema)} IS {_literal(schema.row)}")
    for column in schema.columns:
        text = f"{column.meaning} [{column.unit}]" if column.unit else column.meaning
        connection.execute(f"COMMENT ON COLUMN {_name(schema)}.{_quoted(column.name)} IS {_literal(text)}")


def _insert(
    connection: duckdb.DuckDBPyConnection, lake: Lake, schema: TableSchema, version: int, files: dict[int | None, list[str]]
) -> None:
    """Add the rows of these years."""
    if not lake.place.is_remote:
        paths = [path for of_year in files.values() for path in of_year]
        connection.execute(f"INSERT INTO {_name(schema)} BY NAME {_select(paths)}")
        return
    for year in files:
        # One year at a time, so that no more than that is in memory.
        rows = lake.read(schema.key, years=None if year is None else [year], version=version)
        connection.register("rows_of_year", rows.to_arrow())
        connection.execute(f"INSERT INTO {_name(schema)} BY NAME FROM rows_of_year")
        connection.unregister("rows_of_year")


def _published_files(connection: duckdb.DuckDBPyConnection, schema: TableSchema) -> dict[int | None, list[str]]:
    by_year: dict[int | None, list[str]] = {}
    query = "SELECT year, path FROM meta.files WHERE table_name = ? ORDER BY path"
    for year, path in connection.execute(query, [schema.key]).fetchall():
        by_year.setdefault(year, []).append(path)
    return by_year


def _columns(connection: duckdb.DuckDBPyConnection, schema: TableSchema) -> list[str]:
    """Names of the published table's columns; none where it was not published yet."""
    query = "SELECT column_name FROM duckdb_columns() WHERE schema_name = ? AND table_name = ? ORDER BY column_index"
    return [row[0] for row in connection.execute(query, schema.key.split("/")).fetchall()]


def _count(connection: duckdb.DuckDBPyConnection, schema: TableSchema) -> int:
    (count,) = connection.execute(f"SELECT count(*) FROM {_name(schema)}").fetchone() or (0,)
    return int(count)


def _select(files: list[str]) -> str:
    return f"SELECT * FROM read_parquet([{', '.join(map(_literal, files))}], union_by_name = true, hive_partitioning = false)"


def _name(schema: TableSchema) -> str:
    group, name = schema.key.split("/")
    return f"{_quoted(group)}.{_quoted(name)}"


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
