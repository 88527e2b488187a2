"""How a relational database is reached: its URL, its engine, its schema, and what went wrong in words.

What belongs here: all that differs between SQLite and PostgreSQL outside of tables. What does not: tables (`ledger`, `studies`, `models`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from optuna.exceptions import StorageInternalError
from sqlalchemy import event, exc

from mech_exo_assets.errors import InputError

BUSY_SECONDS = 60
"""How long a writer of SQLite waits for another; a batch takes milliseconds."""

_WRITES = "mech_exo_writes"
_SECRETS = ("password", "passfile", "sslpassword")

_MENDS = (
    # What the drivers say, in the order in which they are looked for, and what mends it.
    ("password authentication failed", "correct the user or the password"),
    ("no password supplied", "give the password in the URL, or in ~/.pgpass"),
    ("no pg_hba.conf entry", "let the server accept this user from this host (pg_hba.conf)"),
    ("permission denied", "let an administrator grant the user the right to create and write tables there"),
    ("must be owner", "let an administrator grant the user the right to create and write tables there"),
    ("role", "create the user, or correct its name"),
    ("does not exist", "create the database (createdb), or correct its name"),
    ("could not translate host name", "correct the host"),
    ("too many connections", "try again later, or let the server take more connections"),
    ("unable to open database file", "make its folder one that this user may write in, or name another file"),
    ("readonly database", "make the file and its folder writable for this user, or name another file"),
    ("read-only", "make the database writable, or name another one"),
    ("disk I/O error", "see that its disk has room and that files there may grow"),
    ("file is not a database", "move that file away, or name another one"),
    ("disk image is malformed", "restore the file from a backup, or name another one"),
    ("database is locked", "end the process that holds it, or try again later"),
    ("full", "make room on the disk"),
)


def parse(url: str) -> sa.URL:
    """The parts of the URL of a database.

    Raises
    ------
    InputError
        If it is no URL, or that of another kind of database, or of SQLite's memory, which no other process sees.
    """
    form = "give sqlite:////path/studies.db or postgresql://user:password@host/database in MECH_EXO_DB_URL"
    try:
        parsed = sa.make_url(url)
    except (exc.ArgumentError, ValueError) as error:
        # The text itself is not shown: it may hold a password.
        raise InputError(f"the URL of the database cannot be read; {form}.") from error
    backend = parsed.get_backend_name()
    if backend not in {"sqlite", "postgresql"}:
        raise InputError(f"{shown(parsed)}: a database of the kind {backend!r} is not supported; {form}.")
    if backend == "sqlite" and parsed.database in {None, "", ":memory:"}:
        raise InputError(f"{shown(parsed)}: a database in memory is not shared with other processes; {form}.")
    return parsed


def shown(url: sa.URL) -> str:
    """The URL for people: without its password."""
    return url.set(query={name: "***" if name in _SECRETS else value for name, value in url.query.items()}).render_as_string()


def with_driver(url: sa.URL) -> sa.URL:
    """The URL with the driver that the extra `postgres` installs; SQLAlchemy 2.1 would look for another one."""
    return url.set(drivername="postgresql+psycopg2") if url.drivername == "postgresql" else url


def engine_options(url: sa.URL) -> dict[str, object]:
    """What both our engine and Optuna's are made with: they notice a connection that was lost, and do not wait for ever."""
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": BUSY_SECONDS}}
    # A server whose machine is gone sends nothing: the system has to ask for it.
    patience = {"connect_timeout": 10, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 60_000}
    return {"pool_pre_ping": True, "connect_args": {name: value for name, value in patience.items() if name not in url.query}}


def create_engine(url: sa.URL) -> sa.Engine:
    """An engine for the statements of `tables` and `store`.

    Raises
    ------
    InputError
        If the driver is not installed.
    """
    try:
        engine = sa.create_engine(with_driver(url), isolation_level=_isolation(url), **engine_options(url))
    except (ModuleNotFoundError, exc.NoSuchModuleError) as error:
        if with_driver(url).get_driver_name() == "psycopg2":
            raise InputError(f"{shown(url)}: PostgreSQL needs a driver; install it with pip install 'mech-exo[postgres]'.") from error
        mend = "leave the driver out of MECH_EXO_DB_URL, or install it"
        raise InputError(f"{shown(url)}: the driver {url.drivername} is not installed; {mend}.") from error
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _on_connect)
        event.listen(engine, "begin", _on_begin)
    return engine


@contextmanager
def writing(engine: sa.Engine) -> Generator[sa.Connection]:
    """A transaction that may write: committed as a whole at the end, or nothing of it."""
    with engine.connect().execution_options(**{_WRITES: True}) as connection, connection.begin():
        yield connection


@contextmanager
def reading(engine: sa.Engine) -> Generator[sa.Connection]:
    """A transaction that only reads, and waits for no writer."""
    with engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def in_words(url: sa.URL) -> Generator[None]:
    """Tell what the database refused as one line, which names it without its password.

    Raises
    ------
    InputError
        If it is away, wrong, not allowed, full or read-only. A statement that is wrong in itself keeps its own error.
    """
    try:
        yield
    except (exc.DBAPIError, StorageInternalError, sqlite3.DatabaseError) as error:
        # Optuna hides what it caught; a PRAGMA goes to the driver itself.
        cause = error.__cause__ if isinstance(error, StorageInternalError) else error
        cause = cause.orig if isinstance(cause, exc.DBAPIError) else cause
        if cause is None or not _is_the_databases(cause):
            raise
        said = " ".join(str(cause).split("\n")[0].split()).rstrip(".")
        mend = next((mend for words, mend in _MENDS if words in said), "see that the server runs and that MECH_EXO_DB_URL names it")
        raise InputError(f"{shown(url)}: the database cannot be used ({said}); {mend}. Nothing was left half-written.") from error


def schema_of(url: sa.URL) -> str | None:
    """The schema that the URL's `search_path` names first; None where it names none, as in SQLite."""
    _, _, path = str(url.query.get("options", "")).rpartition("search_path=")
    return path.split(",")[0].strip() or None


def make_schema(connection: sa.Connection, schema: str | None) -> None:
    """Make a schema of PostgreSQL where it is missing."""
    if schema is None or connection.dialect.name != "postgresql":
        return
    # Looked for first: to create one, also where it exists, needs a right that this user may not have.
    if connection.exec_driver_sql("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,)).first() is None:
        # Two that make it at once disturb each other, though each looks first. Released with the transaction.
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('mech_exo_schemas'))")
        connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {connection.dialect.identifier_preparer.quote(schema)}")


def make_folder(url: sa.URL) -> None:
    """The folder of a SQLite file, where it is missing.

    Raises
    ------
    InputError
        If it cannot be made.
    """
    if url.get_backend_name() != "sqlite" or "uri" in url.query:
        return
    folder = Path(str(url.database)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        mend = "name another place in MECH_EXO_DB_URL or MECH_EXO_HOME"
        raise InputError(f"{shown(url)}: the folder {folder} cannot be made ({error.strerror}); {mend}.") from error


def _isolation(url: sa.URL) -> str | None:
    """What our locks are written for, whatever the server's default is."""
    return None if url.get_backend_name() == "sqlite" else "READ COMMITTED"


def _is_the_databases(error: BaseException) -> bool:
    """Whether the database or the way to it is at fault, not the statement. Every driver has the same names of errors (PEP 249)."""
    # PostgreSQL's classes: insufficient privilege, no schema to create in, and a transaction that may only read.
    if getattr(error, "pgcode", None) in {"42501", "3F000", "25006"}:
        return True
    names = [each.__name__ for each in type(error).__mro__]
    return names[0] == "DatabaseError" or "OperationalError" in names or "InterfaceError" in names


def _on_connect(connection: object, _record: object) -> None:
    # The driver's own habit of opening transactions late is switched off; `_on_begin` opens them.
    connection.isolation_level = None  # ty: ignore[missing-attribute]
    # In the write-ahead log a commit is safe against a kill, and a loss of power may lose the last batches but not the file.
    connection.execute("PRAGMA synchronous=NORMAL")  # ty: ignore[missing-attribute]


def _on_begin(connection: sa.Connection) -> None:
    # A transaction that reads first and writes then would fail at once where another has written between; so it takes the lock first.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(_WRITES) else "BEGIN")
