"""Which revision the tables of each database have, and bringing them to the one that this release writes.

What belongs here: looking and upgrading, by each program's own migrations. What does not: the ledger's migrations (`ledger.migrations`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import sqlalchemy as sa

from mech_exo_assets.errors import InputError
from mech_exo_assets.settings import Settings
from mech_exo_assets.storage import connection as way
from mech_exo_assets.storage.ledger import Ledger, migrations
from mech_exo_assets.storage.models import reach

if TYPE_CHECKING:
    import dagster as dg
    from optuna.storages import RDBStorage


@dataclass(frozen=True, slots=True)
class State:
    """The tables of one database.

    Attributes
    ----------
    name : str
        ledger, searches, MLflow or Dagster.
    where : str
        URL without its password, or the folder of Dagster's files.
    revision, newest : str or None
        What the tables have, None where there are none yet; and what this release writes.
    """

    name: str
    where: str
    revision: str | None
    newest: str

    @property
    def word(self) -> Literal["ok", "not there yet", "to be upgraded"]:
        """What is to be done."""
        return "not there yet" if self.revision is None else "ok" if self.revision == self.newest else "to be upgraded"


def look(settings: Settings) -> list[State]:
    """The state of each database; nothing is changed.

    Raises
    ------
    InputError
        If one cannot be used, or a newer release has made its tables.
    """
    return [_ledger(settings), _searches(settings), _mlflow(settings), _dagster(settings)]


def upgrade(settings: Settings, *, told: Callable[[State], None] = lambda _: None) -> list[State]:
    """Bring the tables of each database to this release; make those that are missing.

    Parameters
    ----------
    settings : Settings
    told : callable
        Called with the state of each database before it is touched.

    Raises
    ------
    InputError
        As `look`. What was upgraded before stays so; another attempt goes on.
    """
    before = look(settings)
    steps = (_upgrade_ledger, _upgrade_searches, _upgrade_mlflow, _upgrade_dagster)
    for state, step in zip(before, steps, strict=True):
        told(state)
        if state.word != "ok":
            step(settings)
    return look(settings)


def _ledger(settings: Settings) -> State:
    ledger = Ledger(settings.ledger_url, settings.ledger_head_path)
    return State("ledger", way.shown(way.parse(settings.ledger_url)), ledger.revision(), migrations.HEAD)


def _upgrade_ledger(settings: Settings) -> None:
    Ledger(settings.ledger_url, settings.ledger_head_path).upgrade()


def _searches(settings: Settings) -> State:
    with _engine(settings.studies_url) as (url, engine), _optuna(settings.studies_url, engine) as storage:
        return _known(State("searches", way.shown(url), _revision(engine), storage.get_head_version()), storage.get_all_versions())


def _upgrade_searches(settings: Settings) -> None:
    from mech_exo_assets.storage.studies.opening import open_database

    with _engine(settings.studies_url) as (url, engine):
        if _revision(engine) is not None:
            with _optuna(settings.studies_url, engine) as storage, way.in_words(url), reach.quietly():
                storage.upgrade()
    opened = open_database(settings.studies_url)
    opened.engine.dispose()


@contextmanager
def _optuna(address: str, engine: sa.Engine) -> Generator[RDBStorage]:
    """Optuna's door to its migrations, on tables of whatever revision, or none: on a memory of its own where they are missing."""
    from optuna.storages import RDBStorage

    there = _revision(engine) is not None
    url = way.with_driver(way.parse(address)) if there else sa.make_url("sqlite://")
    template = url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")
    storage = RDBStorage(template, skip_compatibility_check=True, skip_table_creation=there)
    try:
        yield storage
    finally:
        storage.engine.dispose()


def _mlflow(settings: Settings) -> State:
    reach.load_mlflow()
    from alembic.script import ScriptDirectory
    from mlflow.store.db.utils import _get_alembic_config

    script = ScriptDirectory.from_config(_get_alembic_config(""))
    with _engine(settings.mlflow_url) as (url, engine):
        state = State("MLflow", way.shown(url), _revision(engine), script.get_current_head() or "")
        return _known(state, [each.revision for each in script.walk_revisions()])


def _upgrade_mlflow(settings: Settings) -> None:
    from mlflow.store.db.utils import _upgrade_db

    with _engine(settings.mlflow_url) as (url, engine):
        if _revision(engine) is not None:
            with way.in_words(url), reach.quietly():
                _upgrade_db(engine)
            return
    reach.require_database(settings.mlflow_url)
    reach.prepare_database(settings.mlflow_url)


def _dagster(settings: Settings) -> State:
    from mech_exo_assets.storage.dagster_home import open_instance

    if settings.dagster_url is not None:
        with _engine(settings.dagster_url) as (url, engine):
            return _known(State("Dagster", way.shown(url), _revision(engine), _newest_of_dagster()), _revisions_of_dagster())
    with ExitStack() as closing:
        instance = open_instance(settings)
        if instance is None:
            return State("Dagster", str(settings.dagster_home), None, _newest_of_dagster())
        closing.enter_context(instance)
        found = {_revision_of(storage) for storage in _storages(instance)}
    # Three storages have one set of migrations; the one that is behind counts.
    behind = sorted(revision for revision, newest in found if revision != newest)
    newest = _newest_of_dagster()
    return _known(State("Dagster", str(settings.dagster_home), behind[0] if behind else newest, newest), _revisions_of_dagster())


def _upgrade_dagster(settings: Settings) -> None:
    from mech_exo_assets.storage.dagster_home import run_instance

    if settings.dagster_url is not None:
        with _engine(settings.dagster_url) as (_, engine):
            if _revision(engine) is None:
                _make_dagsters_tables(settings.dagster_url, engine)
                return
    # Dagster tells its progress on standard output, where programs look for ours.
    with run_instance(settings) as instance, reach.quietly(), redirect_stdout(sys.stderr):
        instance.upgrade()


def _make_dagsters_tables(url: str, engine: sa.Engine) -> None:
    """The schema and its tables; the home's `dagster.yaml` leads there from the next command on, and not before."""
    from mech_exo_assets.storage.dagster_home import require_package

    require_package(engine.url)
    with way.writing(engine) as connection:
        way.make_schema(connection, way.schema_of(engine.url))
    from dagster_postgres import DagsterPostgresStorage

    DagsterPostgresStorage(url)


def _storages(instance: dg.DagsterInstance) -> list[object]:
    return [each for each in (instance.run_storage, instance.event_log_storage, instance.schedule_storage) if each is not None]


def _revision_of(storage: object) -> tuple[str, str]:
    revision, newest = storage.alembic_version()  # ty: ignore[missing-attribute]
    return str(revision), str(newest)


def _newest_of_dagster() -> str:
    return _revisions_of_dagster()[0]


def _revisions_of_dagster() -> list[str]:
    """Newest first."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from dagster._core.storage.sql import ALEMBIC_SCRIPTS_LOCATION

    config = Config()
    config.set_main_option("script_location", ALEMBIC_SCRIPTS_LOCATION)
    return [each.revision for each in ScriptDirectory.from_config(config).walk_revisions()]


def _known(state: State, revisions: list[str]) -> State:
    """The state, unless a newer release has made it.

    Raises
    ------
    InputError
        If the revision is none of those that the installed program knows.
    """
    if state.revision is not None and state.revision not in revisions:
        raise InputError(
            f"{state.where}: the tables of {state.name} have revision {state.revision}, which the installed one does not know: a newer "
            "one has made them. Install that one again; tables do not go back."
        )
    return state


@contextmanager
def _engine(address: str) -> Generator[tuple[sa.URL, sa.Engine]]:
    url = way.parse(address)
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
        # To look must leave no file behind.
        engine = sa.create_engine("sqlite://")
    else:
        engine = way.create_engine(url)
    try:
        with way.in_words(url):
            yield url, engine
    finally:
        engine.dispose()


def _revision(engine: sa.Engine) -> str | None:
    """What Alembic has noted in the schema that the connection looks into."""
    from alembic.runtime.migration import MigrationContext

    with way.reading(engine) as connection:
        schema = way.schema_of(engine.url)
        return MigrationContext.configure(connection, opts={"version_table_schema": schema}).get_current_revision()
