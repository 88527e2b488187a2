"""The rows of a home's four databases in PostgreSQL, as one state of them, and back into an empty database.

What belongs here: reading and writing rows, by COPY. What does not: making tables (`databases.revisions`).

PostgreSQL's own programs are not used: they have to be of the server's version or newer, a container would have to have them, and they take
the password from an environment or a file. COPY goes through the connection that is there. Rows are put into tables of the same revision.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from mech_exo_assets.errors import InputError
from mech_exo_assets.settings import Settings
from mech_exo_assets.storage import connection as way
from mech_exo_assets.storage.databases.copying import go_on_after
from mech_exo_assets.storage.databases.parts import Part, parts

FOLDER = "rows"
_EXACT = ("SET LOCAL client_encoding TO 'UTF8'", "SET LOCAL datestyle TO 'ISO, YMD'", "SET LOCAL extra_float_digits TO 3")


@contextmanager
def one_state(settings: Settings) -> Generator[sa.Connection]:
    """A connection that sees one state of the database, whatever others write, and writes nothing."""
    url = way.parse(settings.ledger_url)
    engine = way.create_engine(url)
    try:
        with _in_words(url), engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            _exactly(connection)
            yield connection
    finally:
        engine.dispose()


def dump(connection: sa.Connection, settings: Settings, folder: Path) -> dict[str, list[str]]:
    """Write the rows of each table to a file below a folder.

    Returns
    -------
    dict
        The columns in each file, by its name: `<program>/<table>`.
    """
    columns = {}
    for part in parts(settings):
        for table in part.found(connection):
            path = folder / part.name / table.name
            path.parent.mkdir(parents=True, exist_ok=True)
            # What the server computes from other columns it computes again.
            names = [column.name for column in table.columns if column.computed is None]
            with path.open("wb") as file:
                _cursor(connection).copy_expert(f"COPY {_target(connection, table, names)} TO STDOUT", file)
            columns[f"{part.name}/{table.name}"] = names
    return columns


def require_empty(settings: Settings) -> None:
    """Refuse a database in which a table of ours holds rows.

    Raises
    ------
    InputError
        Naming the first one.
    """
    url = way.parse(settings.ledger_url)
    engine = way.create_engine(url)
    try:
        with _in_words(url), way.reading(engine) as connection:
            for part in parts(settings):
                held = part.first_held(connection)
                if held is not None:
                    raise InputError(f"{way.shown(url)}: {held} holds rows. Restore into an empty database; nothing was restored.")
    finally:
        engine.dispose()


@contextmanager
def filled(settings: Settings, folder: Path, columns: Mapping[str, list[str]]) -> Generator[sa.Connection]:
    """Put the rows of a dump into the tables, which are there and empty; committed when the block ends without an error.

    Raises
    ------
    InputError
        If a table or a column of the dump is not there.
    """
    url = way.parse(settings.ledger_url)
    engine = way.create_engine(url)
    try:
        with _in_words(url), way.writing(engine) as connection:
            _exactly(connection)
            for part in parts(settings):
                _fill(connection, part, folder, columns)
            yield connection
    finally:
        engine.dispose()


def _fill(connection: sa.Connection, part: Part, folder: Path, columns: Mapping[str, list[str]]) -> None:
    found = part.found(connection)
    names = {f"{part.name}/{table.name}": table for table in found}
    for name in columns:
        if name.startswith(f"{part.name}/") and not set(columns[name]) <= set(names[name].columns.keys() if name in names else ()):
            raise InputError(f"the backup has rows of {name} which the tables of this release do not take. Nothing was restored.")
    part.clear_made(connection)
    for name, table in names.items():
        if name not in columns:
            continue
        with (folder / name).open("rb") as file:
            _cursor(connection).copy_expert(f"COPY {_target(connection, table, columns[name])} FROM STDIN", file)
        for column in table.primary_key.columns:
            go_on_after(connection, table, column)


@contextmanager
def _in_words(url: sa.URL) -> Generator[None]:
    """As `connection.in_words`, also for what the driver's own cursor tells."""
    import psycopg2

    try:
        with way.in_words(url):
            yield
    except psycopg2.Error as error:
        said = " ".join(str(error).split("\n")[0].split()).rstrip(".")
        raise InputError(f"{way.shown(url)}: the rows cannot be copied ({said}). Nothing was left half-written.") from error


def _exactly(connection: sa.Connection) -> None:
    for statement in _EXACT:
        connection.exec_driver_sql(statement)


def _cursor(connection: sa.Connection) -> Any:
    """The driver's own, in the same transaction."""
    return connection.connection.cursor()


def _target(connection: sa.Connection, table: sa.Table, columns: list[str]) -> str:
    preparer = connection.dialect.identifier_preparer
    return f"{preparer.format_table(table)} ({', '.join(preparer.quote(name) for name in columns)})"
