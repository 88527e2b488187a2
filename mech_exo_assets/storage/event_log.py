"""Dagster's event log in SQLite, with one connection kept for each file instead of one made for each event.

What belongs here: the class that a process of one run gives to Dagster in place of its own. What does not: what is in the files, which stay
those of Dagster's own class, so that the UI and the daemon read them as they are.

A refresh of forty years writes about two thousand times. Dagster's class makes an engine and a connection for each of them, and SQLite
then flushes the disk at each commit and, since that connection is the last one, folds its write-ahead log into the file at each close.
Here commits go to the write-ahead log (`synchronous=NORMAL`). A killed process loses nothing by this, and a file cannot be damaged; a
loss of power may lose the last events, as it may lose the last files.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import StaticPool

BUSY_SECONDS = 60


class KeptConnectionEventLog(SqliteEventLogStorage):
    """Dagster's SQLite event log, which keeps its connections until it is disposed of.

    For the process of one run: connections are kept for every file that it touches.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._kept: dict[str, Engine] = {}
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> KeptConnectionEventLog:
        """Dagster's way to construct it."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Generator[Connection]:
        # Dagster's class guards each use with this lock, too, so that the one connection has one user at a time.
        with self._db_lock:
            engine = self._kept.get(shard)
            if engine is None:
                engine = self._kept[shard] = self._engine(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def _engine(self, shard: str) -> Engine:
        engine = create_engine(
            self.conn_string_for_shard(shard), poolclass=StaticPool, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False}
        )
        event.listen(engine, "connect", _flush_at_checkpoints)
        self._initdb(engine, for_index_shard=shard == "index")
        self._initialized_dbs.add(shard)
        return engine

    def dispose(self) -> None:
        """Close the kept connections."""
        for engine in self._kept.values():
            engine.dispose()
        self._kept.clear()
        super().dispose()


def kept_instance(dagster_home: Path) -> dg.DagsterInstance:
    """The instance of a home as `dagster.yaml` describes it, but for the event log, for the process of one run."""
    log = {
        "module": KeptConnectionEventLog.__module__,
        "class": KeptConnectionEventLog.__name__,
        "config": {"base_dir": str(dagster_home / "history" / "runs")},
    }
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(dagster_home), overrides={"event_log_storage": log}))


def _flush_at_checkpoints(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA synchronous=NORMAL")
