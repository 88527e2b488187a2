"""Letting old runs of Dagster go, with their events: those that nothing shows, and no condition looks at.

What belongs here: which runs stay, and what goes with the others. What does not: ticks, which Dagster's daemon lets go by itself
(`retention` in `dagster.yaml`).

A run stays while it has not ended, while it is young, where an event of the ledger names it (its link stands on the dashboard), and where
it has the latest event of any kind of any asset, partition or check. So what an asset is (materialised, of which version, passed or not)
stays as it was, and automation, which asks whether there is anything newer than it has seen, sees nothing new.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as sa
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.event_log import SqlEventLogStorage, SqliteEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._core.storage.runs import SqlRunStorage
from dagster._core.storage.runs.schema import RunsTable, RunTagsTable

from mech_exo_assets.storage.event_log import KeptConnectionEventLog
from mech_exo_assets.storage.ledger import Event

AT_A_TIME = 100
"""Runs between two closings of the files that were opened for them."""
BUSY_SECONDS = 60
LOOSE = 0.1
"""Share of a SQLite file that has to be empty before it is written anew without that."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What went of Dagster's runs, or would go.

    Attributes
    ----------
    runs : int
        That went.
    kept_young, kept_by_ledger, kept_by_assets : int
        That stay: since they are young or not ended, since the ledger names them, and since an asset or a check is what they made it.
    """

    runs: int
    kept_young: int
    kept_by_ledger: int
    kept_by_assets: int


def named_runs(events: Iterable[Event]) -> set[str]:
    """Ids of the runs that the events of a ledger name."""
    return {str(event.payload["run_id"]) for event in events if event.payload.get("run_id")}


def forget_runs(instance: dg.DagsterInstance, *, before: dt.datetime, named: Collection[str], dry_run: bool) -> Forgotten:
    """Let the runs go that ended before a time, with their events and logs.

    Parameters
    ----------
    instance : DagsterInstance
    before : datetime
    named : collection of str
        Runs that stay.
    dry_run : bool
        Whether to find out only.
    """
    of_assets = _runs_of_assets(instance)
    ended = instance.get_run_records(dg.RunsFilter(statuses=list(FINISHED_STATUSES)))
    old = [each.dagster_run.run_id for each in ended if each.end_time is not None and each.end_time < before.timestamp()]
    gone = [each for each in old if each not in of_assets and each not in named]
    if not dry_run:
        for number, run_id in enumerate(gone, start=1):
            _forget(instance, run_id)
            if number % AT_A_TIME == 0:
                _close_files(instance)
        _close_files(instance)
        _forget_remains(instance, before)
    by_ledger = sum(each in named for each in old)
    total = instance.get_runs_count()
    young = total + (0 if dry_run else len(gone)) - len(old)
    return Forgotten(len(gone), young, by_ledger, len(old) - len(gone) - by_ledger)


def compact(path: Path, *, force: bool = False) -> bool:
    """Write a SQLite file anew without its empty pages, where there are many; whether that was done. One in use is left."""
    if not path.exists():
        return False
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
        pages, empty = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count"))
        if not empty or (empty < LOOSE * pages and not force):
            return False
        try:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.OperationalError:
            # Another process writes for longer than a minute; the next maintenance does it.
            return False
    return True


def _runs_of_assets(instance: dg.DagsterInstance) -> set[str]:
    """The runs that have the latest event of each kind of each asset and partition, or the latest execution of each check."""
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return {run.run_id for run in instance.get_runs()}
    events, checks = SqlEventLogStorageTable.c, AssetCheckExecutionsTable.c
    latest = (
        sa.select(sa.func.max(events.id))
        .where(events.asset_key.is_not(None))
        .group_by(events.asset_key, events.partition, events.dagster_event_type)
    )
    of_events = sa.select(events.run_id).where(events.id.in_(latest)).distinct()
    executed = sa.select(sa.func.max(checks.id)).group_by(checks.asset_key, checks.check_name, checks.partition)
    # While one is planned, the one before it is the outcome.
    judged = executed.where(checks.execution_status != AssetCheckExecutionRecordStatus.PLANNED.value)
    of_checks = sa.select(checks.run_id).where(checks.id.in_(executed) | checks.id.in_(judged)).distinct()
    with storage.index_connection() as connection:
        return {run_id for query in (of_events, of_checks) for run_id in connection.execute(query).scalars() if run_id}


def _forget(instance: dg.DagsterInstance, run_id: str) -> None:
    """One run with all that Dagster keeps of it."""
    instance.delete_run(run_id)
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    storage = instance.event_log_storage
    if isinstance(storage, SqlEventLogStorage):
        with storage.index_connection() as connection:
            connection.execute(sa.delete(AssetCheckExecutionsTable).where(AssetCheckExecutionsTable.c.run_id == run_id))
    if isinstance(storage, SqliteEventLogStorage):
        # Dagster empties the run's file, and leaves it.
        for ending in ("", "-wal", "-shm"):
            Path(f"{storage.path_for_shard(run_id)}{ending}").unlink(missing_ok=True)


def _close_files(instance: dg.DagsterInstance) -> None:
    storage = instance.event_log_storage
    if isinstance(storage, KeptConnectionEventLog):
        # It opens the file of each run that goes, and would keep all of them open.
        storage.dispose()


def _forget_remains(instance: dg.DagsterInstance, before: dt.datetime) -> None:
    """Files and tags of runs that are not there any more: what an earlier maintenance that was killed, and Dagster, have left."""
    storage, runs = instance.event_log_storage, instance.run_storage
    if isinstance(storage, SqliteEventLogStorage):
        # Asked before the runs are: a run is on record before it has a file.
        files = [Path(storage.path_for_shard(run_id)) for run_id in storage.get_all_run_ids()]
        old = [path for path in files if path.stat().st_mtime < before.timestamp()]
        known = {run.run_id for run in instance.get_runs()}
        for path in old:
            if path.stem not in known:
                _forget(instance, path.stem)
        _close_files(instance)
    if isinstance(runs, SqlRunStorage):
        with runs.connect() as connection:
            # SQLite does not hold the foreign key.
            connection.execute(sa.delete(RunTagsTable).where(RunTagsTable.c.run_id.not_in(sa.select(RunsTable.c.run_id))))


def sqlite_files(instance: dg.DagsterInstance, dagster_home: Path) -> Mapping[str, Path]:
    """The files in which Dagster keeps runs, events of assets, and ticks; those that are not there are left out."""
    storage: Any = instance.event_log_storage
    found = {"runs": dagster_home / "history" / "runs.db", "ticks": dagster_home / "schedules" / "schedules.db"}
    if isinstance(storage, SqliteEventLogStorage):
        found["events"] = Path(storage.path_for_shard("index"))
    return {name: path for name, path in found.items() if path.exists()}
