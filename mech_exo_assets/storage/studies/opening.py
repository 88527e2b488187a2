"""How the database is opened: Optuna makes or checks its schema, then our tables are made beside it.

What belongs here: all that happens once, before the first statement. What does not: how the database is reached (`connection`).
"""

from __future__ import annotations

import random
import time
from contextlib import ExitStack
from dataclasses import dataclass

import sqlalchemy as sa
from optuna import __version__ as optuna_version
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy import exc

from mech_exo_assets.errors import InputError
from mech_exo_assets.storage import connection as way
from mech_exo_assets.storage.studies import tables as rows
from mech_exo_assets.storage.studies.tables import Tables

_CREATION_ATTEMPTS = 20


@dataclass(frozen=True)
class Opened:
    """A database that was reached and has its tables."""

    url: sa.URL
    engine: sa.Engine
    storage: RDBStorage
    tables: Tables
    bulk: bool


def open_database(address: str) -> Opened:
    """Reach the database, and make what it lacks: the folder of a SQLite file, Optuna's tables and ours.

    Raises
    ------
    InputError
        If it cannot be used; nothing is changed then that another attempt would not find.
    """
    url = way.parse(address)
    engine = way.create_engine(url)
    way.make_folder(url)
    with ExitStack() as undo:
        undo.callback(engine.dispose)
        with way.in_words(url):
            opened = _prepare(url, engine)
        undo.pop_all()
    return opened


def _prepare(url: sa.URL, engine: sa.Engine) -> Opened:
    """Let Optuna make or check its schema, and make our tables beside it."""
    if url.get_backend_name() == "sqlite":
        # Readers and a writer side by side. The file remembers it; a file that may only be read stays as it is.
        with engine.connect() as connection:
            driver = connection.connection.driver_connection
            if driver is not None and driver.execute("PRAGMA journal_mode").fetchone() != ("wal",):
                driver.execute("PRAGMA journal_mode=WAL")
    if (schema := way.schema_of(url)) is not None:
        with way.writing(engine) as connection:
            way.make_schema(connection, schema)
    storage = _storage(url)
    with way.reading(engine) as connection:
        tables = rows.reflect(connection)
        there = rows.are_there(connection, tables)
    if not there:
        with way.writing(engine) as connection:
            if connection.dialect.name == "postgresql":
                # Two that create a table at the same time disturb each other, though each looks first. Released at the end.
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('mech_exo_tables'))")
            rows.create(connection, tables)
    bulk = storage.get_current_version() == rows.BULK_SCHEMA and int(optuna_version.split(".")[0]) == rows.BULK_OPTUNA
    return Opened(url=url, engine=engine, storage=storage, tables=tables, bulk=bulk)


def _storage(url: sa.URL) -> RDBStorage:
    """Optuna's storage; where several processes create its tables at once, those who come second try again."""
    # Optuna takes the URL for a template, in which braces have a meaning.
    template = way.with_driver(url).render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")
    for attempt in range(_CREATION_ATTEMPTS):
        try:
            return RDBStorage(template, engine_kwargs=way.engine_options(url))
        except (exc.IntegrityError, exc.ProgrammingError, exc.OperationalError, StorageInternalError) as error:
            if attempt == _CREATION_ATTEMPTS - 1 or not any(words in str(error) for words in ("already exists", "UNIQUE", "unique")):
                raise
            time.sleep(random.uniform(0.01, 0.1))  # noqa: S311 - no secret, only turns
        except RuntimeError as error:
            # Optuna's check of its schema: another version of it made this database.
            raise InputError(f"{way.shown(url)}: {' '.join(str(error).split())} Nothing was changed.") from error
    raise AssertionError  # the last attempt has returned or raised
