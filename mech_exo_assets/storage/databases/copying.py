"""A home's SQLite files into PostgreSQL: ledger, weight searches, MLflow, and Dagster's runs with their events.

What belongs here: reading rows from one and writing them to the other, and comparing both ends. What does not: making tables (`revisions`).

All rows are copied in one transaction, so that an attempt that fails leaves nothing and can be repeated; Dagster's events go before them,
through Dagster itself, which keeps them in one table there and in a file for each run here. A database that holds anything already is not
written to. The files stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from mech_exo_assets.errors import InputError, MechExoError
from mech_exo_assets.settings import Settings
from mech_exo_assets.storage import connection as way
from mech_exo_assets.storage.databases import revisions
from mech_exo_assets.storage.databases.parts import Part, parts
from mech_exo_assets.storage.ledger import Ledger

_ROWS = 1000
"""Rows in one statement."""
_OF_DAGSTERS_RUNS = ("snapshots", "runs", "run_tags", "bulk_actions")
"""What is copied of Dagster's run storage. Cursors, heartbeats and ticks begin anew: they name rows of the tables that they are of."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What went over.

    Attributes
    ----------
    name : str
        Of a part, or Dagster's events.
    rows : int
        Of all tables; 0 where there was nothing to copy.
    """

    name: str
    rows: int


def copy(source: Settings, target: Settings, *, told: Callable[[str], None] = lambda _: None) -> list[Copied]:
    """Copy all that a home has in SQLite files. The caller holds the home's locks.

    Parameters
    ----------
    source : Settings
        Of the home, without a server.
    target : Settings
        Of the same home, with one. Tables that are missing there are made.
    told : callable
        Called with the name of each database before it is copied.

    Raises
    ------
    InputError
        If a table there holds rows already, or tables at either end are not those of this release.
    MechExoError
        If the ledger does not verify here, or is not the same there.
    """
    url = way.parse(target.ledger_url)
    if Ledger(target.ledger_url, target.ledger_head_path).last() is not None:
        # Before the ledger here is looked at: the anchored head has moved on with the one there.
        raise InputError(f"{way.shown(url)}: the ledger there holds rows already; nothing was copied.")
    found = Ledger(source.ledger_url, source.ledger_head_path).verify()
    if not found.ok:
        raise MechExoError(f"the ledger of {source.home} is not whole ({found.fault}); nothing was copied. See `mech-exo ledger verify`.")
    _require_newest(source)
    revisions.upgrade(target)
    history = source.dagster_home / "history"
    files = {
        "ledger": source.ledger_url,
        "searches": source.studies_url,
        "mlflow": source.mlflow_url,
        "dagster": f"sqlite:///{history}/runs.db",
    }
    wanted = [replace(part, tables=_OF_DAGSTERS_RUNS) if part.name == "dagster" else part for part in parts(target)]
    engine = way.create_engine(url)
    try:
        with way.in_words(url), way.writing(engine) as connection:
            for part in wanted:
                held = part.first_held(connection)
                if held is not None:
                    raise InputError(f"{way.shown(url)}: {held} holds rows already; nothing was copied.")
                part.clear_made(connection)
            told("Dagster's events")
            events = _copy_events(history, str(target.dagster_url))
            copied = []
            for part in wanted:
                told(part.name)
                copied.append(Copied(part.name, _copy_part(connection, part, files[part.name])))
    finally:
        engine.dispose()
    there = Ledger(target.ledger_url, target.ledger_head_path).verify(head=found.head_hash)
    if not there.ok or (there.events, there.head_hash) != (found.events, found.head_hash):
        raise MechExoError(f"the ledger at {way.shown(url)} is not what was copied ({there.fault}).")
    return [*copied, Copied("Dagster's events", events)]


def _require_newest(settings: Settings) -> None:
    for state in revisions.look(settings):
        if state.word == "to be upgraded":
            raise InputError(
                f"{state.where}: the tables of {state.name} have revision {state.revision}, and this release writes {state.newest}; run "
                "`mech-exo db upgrade` on the home first. Nothing was copied."
            )


def _copy_events(history: Path, url: str) -> int:
    from dagster._core.storage.event_log import SqliteEventLogStorage
    from dagster._core.storage.runs import SqliteRunStorage
    from dagster_postgres import PostgresEventLogStorage

    if not (history / "runs.db").exists():
        return 0
    runs, here, there = (
        SqliteRunStorage.from_local(str(history)),
        SqliteEventLogStorage(str(history / "runs")),
        PostgresEventLogStorage(url),
    )
    there.optimize_for_webserver(statement_timeout=60_000, pool_recycle=3600, max_overflow=20)
    # What an attempt before may have left: events without their runs.
    there.wipe()
    count = 0
    for run in reversed(runs.get_runs()):
        for entry in here.get_logs_for_run(run.run_id):
            there.store_event(entry)
            count += 1
    return count


def _copy_part(connection: sa.Connection, part: Part, file: str) -> int:
    url = way.parse(file)
    if not Path(str(url.database)).exists():
        return 0
    engine = way.create_engine(url)
    try:
        with way.in_words(url), way.reading(engine) as old:
            known = set(sa.inspect(old).get_table_names())
            return sum(_copy_rows(old, connection, table) for table in part.found(connection) if table.name in known)
    finally:
        engine.dispose()


def _copy_rows(old: sa.Connection, new: sa.Connection, table: sa.Table) -> int:
    # Read with the types that the rows are written with: SQLite itself keeps times as text, and truth as a number.
    columns: list[sa.ColumnClause[Any]] = [sa.column(each.name, each.type.as_generic(allow_nulltype=True)) for each in table.columns]
    found = old.execute(sa.select(*columns).select_from(sa.table(table.name)))
    count = 0
    for rows in found.mappings().partitions(_ROWS):
        new.execute(sa.insert(table), [dict(row) for row in rows])
        count += len(rows)
    for column in table.primary_key.columns:
        go_on_after(new, table, column)
    return count


def go_on_after(connection: sa.Connection, table: sa.Table, column: sa.Column[Any]) -> None:
    """Let a column that counts by itself go on after the largest number that was copied."""
    preparer = connection.dialect.identifier_preparer
    if not isinstance(column.type, sa.Integer):
        return
    sequence = connection.execute(sa.select(sa.func.pg_get_serial_sequence(preparer.format_table(table), column.name))).scalar()
    largest = connection.execute(sa.select(sa.func.max(column))).scalar()
    if sequence is not None and largest is not None:
        connection.execute(sa.select(sa.func.setval(sequence, largest + 1, False)))
