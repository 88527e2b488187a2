"""Whether a training can be put on record: MLflow's database is reached and has its tables, its folder of artifacts can be written.

What belongs here: all that is looked at, or made, before the first record. What does not: records (`registry`).
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import tempfile
import time
import warnings
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from mech_exo_assets.errors import InputError

if TYPE_CHECKING:
    import sqlalchemy as sa

REACH_SECONDS = 3
"""How long a server may take to answer, and another writer to let go of a file, before a training is refused."""

NO_TELEMETRY = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
"""Environment in which MLflow tells nobody about its use."""

_MAKING_SECONDS = 60
"""How long to wait for another process that makes the tables in a file, which takes it a few seconds."""

_PATIENCE = {"connect_timeout": "10", "keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3"}
"""Of MLflow's own connections: a server whose machine is gone sends nothing, and MLflow would wait for ever."""


def load_mlflow() -> None:
    """MLflow's first import: nothing about its use is sent to its makers, and no warning of its own is told to ours."""
    os.environ.update(NO_TELEMETRY)
    with warnings.catch_warnings():
        # MLflow 3.17 declares its tables with a word that SQLAlchemy 2.1 is about to give up.
        warnings.filterwarnings("ignore", r"The ``noload`` loader strategy is deprecated")
        import mlflow.store.model_registry.sqlalchemy_store
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401


def load_pyfunc() -> None:
    """The first import of MLflow's form for any model, without the warning that it has of the type hints of its own classes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*type hint is inferred as AnyType")
        import mlflow.pyfunc  # noqa: F401


def patient(url: str) -> str:
    """The URL for MLflow's own engine, which takes options of a connection from there only."""
    from mech_exo_assets.storage import connection as way

    parsed = way.with_driver(way.parse(url))
    if parsed.get_backend_name() == "postgresql":
        parsed = parsed.set(query={**_PATIENCE, **parsed.query})
    return parsed.render_as_string(hide_password=False)


def require_folder(folder: Path) -> None:
    """Make the folder of artifacts where it is missing, and write into it.

    Raises
    ------
    InputError
        If that is not possible.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"mech-exo")
    except OSError as error:
        mend = "make it writable for this user, or name another home in MECH_EXO_HOME"
        raise InputError(
            f"{folder}: MLflow's artifacts cannot be written there ({error.strerror}); {mend}. Nothing was recorded."
        ) from error


def require_database(url: str) -> None:
    """Reach the database within a few seconds; MLflow itself would try ten times, for more than a minute.

    Raises
    ------
    InputError
        If the URL is wrong, or the database is away, refuses, or cannot be written. The password is not shown.
    """
    from mech_exo_assets.storage import connection as way

    parsed = way.parse(url)
    way.make_folder(parsed)
    with way.in_words(parsed):
        if parsed.get_backend_name() == "sqlite":
            path = Path(str(parsed.database))
            # Where there is no file yet, nobody holds it, and nothing is to be left beside it before all has been looked at.
            with _alone(path) if path.exists() else nullcontext():
                _require_file(path)
        else:
            engine = _engine(parsed)
            try:
                with engine.connect():
                    pass
            finally:
                engine.dispose()


def prepare_database(url: str) -> None:
    """Let MLflow make its tables where they are missing; in PostgreSQL in the schema that the URL names, which is made first.

    Raises
    ------
    InputError
        If the database refuses, or has the tables of another version of MLflow.
    """
    with _locked(url):
        _make_whole(url)
    _require_right_to_write(url)


def _make_whole(url: str) -> None:
    """Make the tables; a new SQLite file is put in place when it has them all: a kill in the middle would leave it broken for ever."""
    from mech_exo_assets.storage import connection as way

    parsed = way.parse(url)
    path = Path(str(parsed.database))
    if parsed.get_backend_name() != "sqlite" or path.exists():
        _make_tables(url)
        return
    staged = path.with_name(f"{path.name}.making")
    for left in path.parent.glob(f"{staged.name}*"):
        # Of one that was killed; nobody else makes it now.
        left.unlink()
    _make_tables(parsed.set(database=str(staged)).render_as_string(hide_password=False))
    staged.replace(path)


def _require_right_to_write(url: str) -> None:
    """Who may only read in PostgreSQL would be refused by the first record, after the training.

    Raises
    ------
    InputError
        If the user lacks the right, or the database takes no writes, as a standby.
    """
    from mech_exo_assets.storage import connection as way

    parsed = way.parse(url)
    if parsed.get_backend_name() == "sqlite":
        return
    engine = _engine(parsed)
    try:
        with way.in_words(parsed), engine.connect() as connection:
            # A transaction that may only read takes the locks below too.
            if connection.exec_driver_sql("SHOW transaction_read_only").scalar() == "on":
                mend = "make it writable, or name another one in MECH_EXO_DB_URL"
                raise InputError(f"{way.shown(parsed)}: the database is read-only; {mend}. Nothing was recorded.")
            for table in ("runs", "metrics", "params", "tags", "logged_models", "model_versions", "registered_model_aliases"):
                # The lock that a write takes, given to those only who may write. Nobody waits for it, and it goes with the connection.
                connection.exec_driver_sql(f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE")
    finally:
        engine.dispose()


@contextmanager
def _alone(path: Path) -> Generator[None]:
    """SQLite locks one statement after another, not a whole migration: of two that make the tables at once, one fails."""
    deadline = time.monotonic() + _MAKING_SECONDS
    try:
        lock = path.with_name(f"{path.name}.lock").open("ab")
    except OSError as error:
        raise sqlite3.OperationalError(f"unable to open database file, {error.strerror}") from error
    with lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise sqlite3.OperationalError("database is locked") from error
                time.sleep(0.05)
        yield


@contextmanager
def _locked(url: str) -> Generator[None]:
    """Make the schema, and let no other machine make tables in it meanwhile: MLflow's own lock is a file, which others do not see."""
    from mech_exo_assets.storage import connection as way

    parsed = way.parse(url)
    if parsed.get_backend_name() == "sqlite":
        with way.in_words(parsed), _alone(Path(str(parsed.database))):
            yield
        return
    engine = _engine(parsed)
    try:
        with way.in_words(parsed), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("SELECT pg_advisory_lock(hashtext('mech_exo_mlflow'))")
            way.make_schema(connection, way.schema_of(parsed))
            yield
    finally:
        engine.dispose()


def _engine(url: sa.URL) -> sa.Engine:
    from mech_exo_assets.storage import connection as way

    return way.create_engine(url.set(query={**url.query, "connect_timeout": str(REACH_SECONDS)}))


def _make_tables(url: str) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    from mech_exo_assets.storage import connection as way

    address = patient(url)
    try:
        with quietly():
            MlflowClient(tracking_uri=address, registry_uri=address).search_experiments(max_results=1)
    except MlflowException as error:
        if "out-of-date database schema" not in str(error):
            raise
        mend = "take a backup, then run mlflow db upgrade with this URL; or name another database"
        raise InputError(
            f"{way.shown(way.parse(url))}: its tables are of another version of MLflow; {mend}. Nothing was recorded."
        ) from error


@contextmanager
def quietly() -> Generator[None]:
    """MLflow and Alembic tell of every migration at the level INFO."""
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _require_file(path: Path) -> None:
    if not path.exists():
        try:
            with tempfile.TemporaryFile(dir=path.parent):
                return
        except OSError as error:
            raise sqlite3.OperationalError(f"unable to open database file, {error.strerror}") from error
    connection = sqlite3.connect(path, timeout=REACH_SECONDS, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
        # Readers, such as MLflow's UI, and a writer side by side; the file remembers it.
        connection.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()
