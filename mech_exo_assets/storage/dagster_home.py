"""Dagster's own storage of a home: its settings file, the pools that its runs take turns in, and where runs, events and schedules are kept.

What belongs here: `dagster.yaml`, and opening what it describes. What does not: how SQLite's event log is written (`event_log`), and what
runs do.

By default Dagster keeps SQLite files in the home. Where MECH_EXO_DB_URL names a PostgreSQL database, the file leads there by a variable of
the environment, `URL_VARIABLE`, so that no password stands in it; every process of ours sets it from the settings.
"""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from mech_exo_assets.errors import InputError
from mech_exo_assets.settings import Settings

if TYPE_CHECKING:
    import dagster as dg
    import sqlalchemy as sa

URL_VARIABLE = "MECH_EXO_DAGSTER_URL"
HOME_POOL, SEARCH_POOL = "home", "search"
"""Dagster's pools: of steps that write the tables of the home, and of those that write what a weight search has found."""
_STORAGE = f"""
# Runs, events and schedules are kept in PostgreSQL. The URL comes from MECH_EXO_DB_URL; mech-exo sets this variable from it.
storage:
  postgres:
    postgres_url:
      env: {URL_VARIABLE}
"""
_POOL = {"statement_timeout": 60_000, "pool_recycle": 3600, "max_overflow": 20}


def prepare(settings: Settings) -> Path:
    """Write the home's `dagster.yaml` where it is missing, let it lead where the settings say, and make that known to this process.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        If the file keeps runs elsewhere than the settings say, or the driver of PostgreSQL is missing.
    """
    path = settings.dagster_home / "dagster.yaml"
    if not path.exists():
        settings.dagster_home.mkdir(parents=True, exist_ok=True)
        text = resources.files("mech_exo_assets").joinpath("dagster.yaml").read_text(encoding="utf-8")
        path.write_text(text + (_STORAGE if settings.on_server else ""), encoding="utf-8")
    storage = _read(path).get("storage")
    if settings.dagster_url is None:
        if storage == _wanted():
            raise InputError(
                f"{path} keeps Dagster's runs in PostgreSQL, and MECH_EXO_DB_URL does not name such a database. Set it, or take `storage:` "
                "out of the file to begin with SQLite files again."
            )
    else:
        if storage is None:
            # A home that has moved (`mech-exo db copy`). What its owner has written in the file stays.
            path.write_text(path.read_text(encoding="utf-8") + _STORAGE, encoding="utf-8")
        elif storage != _wanted():
            raise InputError(f"{path} names a storage of its own. Take `storage:` out of it; MECH_EXO_DB_URL says where runs are kept.")
        os.environ[URL_VARIABLE] = settings.dagster_url
    return path


def run_instance(settings: Settings) -> dg.DagsterInstance:
    """The instance of a home for a process that writes many events: it keeps its connections.

    Raises
    ------
    InputError
        As `prepare`; or if the database is away or refuses.
    """
    prepare(settings)
    if settings.dagster_url is None:
        from mech_exo_assets.storage.event_log import kept_instance

        instance = kept_instance(settings.dagster_home)
    else:
        instance = _on_server(settings)
    _limit_pools(instance)
    return instance


def open_instance(settings: Settings) -> dg.DagsterInstance | None:
    """The instance of a home for a process that looks; None where nothing has run yet.

    Raises
    ------
    InputError
        As `run_instance`.
    """
    if not (settings.dagster_home / "dagster.yaml").exists():
        return None
    prepare(settings)
    if settings.dagster_url is not None:
        return _on_server(settings)
    import dagster as dg

    return dg.DagsterInstance.from_config(str(settings.dagster_home))


def _limit_pools(instance: dg.DagsterInstance) -> None:
    """Give the pools the limit of `dagster.yaml` before any run waits.

    Dagster's daemon does so by itself when it first meets a pool, but that once it launches all runs that wait for it.
    """
    if instance.global_op_concurrency_default_limit is None:
        # A file that was written before there were pools: one run at a time, as it says.
        return
    log = instance.event_log_storage
    limited = {each.name for each in log.get_pool_limits()}
    for pool in (HOME_POOL, SEARCH_POOL):
        if pool not in limited:
            log.initialize_concurrency_limit_to_default(pool)


def _on_server(settings: Settings) -> dg.DagsterInstance:
    import dagster as dg

    from mech_exo_assets.storage import connection as way

    url = way.parse(str(settings.dagster_url))
    with way.in_words(url):
        engine = way.create_engine(url)
        try:
            # Dagster makes its tables where the schema is, and not the schema.
            with way.writing(engine) as connection:
                way.make_schema(connection, way.schema_of(url))
        finally:
            engine.dispose()
        require_package(url)
        instance = dg.DagsterInstance.from_config(str(settings.dagster_home))
        # Dagster makes a connection for each statement, and keeps one only where it is told that it serves pages.
        instance.optimize_for_webserver(**_POOL)
    return instance


def require_package(url: sa.URL) -> None:
    """Refuse PostgreSQL where Dagster's package for it is missing.

    Raises
    ------
    InputError
        With how to install it.
    """
    from importlib.util import find_spec

    from mech_exo_assets.storage import connection as way

    if find_spec("dagster_postgres") is None:
        raise InputError(f"{way.shown(url)}: Dagster needs a package for PostgreSQL; install it with pip install 'mech-exo[postgres]'.")


def _wanted() -> Any:
    return yaml.safe_load(_STORAGE)["storage"]


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not YAML ({' '.join(str(error).split())}). Mend it, or remove it: it is written anew.") from error
    if content is not None and not isinstance(content, dict):
        raise InputError(f"{path} holds no settings by name. Mend it, or remove it: it is written anew.")
    return content or {}
