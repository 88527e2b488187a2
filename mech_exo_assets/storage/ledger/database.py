"""Appending to the ledger, and reading it.

What belongs here: the door to the ledger. What does not: what an event means (`quant.lifecycle`).
"""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mech_exo_assets.errors import InputError, MechExoError
from mech_exo_assets.storage.ledger import anchor
from mech_exo_assets.storage.ledger.event import GENESIS, Entry, Event, canonical, digest, written
from mech_exo_assets.storage.ledger.verification import Row, Verification, verified

if TYPE_CHECKING:
    import sqlalchemy as sa

_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
_TICK = dt.timedelta(microseconds=1)


class ConflictError(MechExoError):
    """The ledger has gone on since its end was looked at; nothing was appended."""


@dataclass(frozen=True)
class _Opened:
    url: sa.URL
    engine: sa.Engine
    schema: str | None
    table: sa.Table


class Ledger:
    """Events in one append-only table, each with the hash of its content and of the event before it.

    Any number of threads and processes may write: each event is one transaction, under a lock that the database holds.

    Parameters
    ----------
    url : str
        `sqlite:////path/ledger.db`, whose folder is made on first use, or `postgresql://user:password@host/database`, which has the table
        in the schema `ledger`, or in the first one of the URL's `search_path`. Nothing is touched before the first event is written.
    head_path : Path
        File that the head of the chain is kept in, apart from the chain.

    Raises
    ------
    InputError
        From each method: if the database is away or refuses. One line, without the password.
    """

    def __init__(self, url: str, head_path: Path) -> None:
        self._url = url
        self._head_path = head_path
        self._lock = threading.Lock()
        self._opened: _Opened | None = None

    def append(self, entry: Entry, *, expect: int | None = None) -> Event:
        """Write one event.

        Parameters
        ----------
        entry : Entry
            One whose key is there already is not written again; the event that is there is returned.
        expect : int, optional
            Number of the last event that the caller has seen, 0 for none: a decision is made on the state that it was taken from.

        Returns
        -------
        Event
            Its time is the system's, or, where that was set back, just after that of the event before it.

        Raises
        ------
        ConflictError
            If another event was written since `expect`.
        ValueError
            If the payload holds what JSON does not.
        """
        import sqlalchemy as sa

        from mech_exo_assets.storage.connection import in_words, writing
        from mech_exo_assets.storage.ledger import migrations, tables

        payload = canonical(entry.payload)
        opened = self._open(make=True)
        assert opened is not None  # noqa: S101
        table = opened.table
        with in_words(opened.url), writing(opened.engine) as connection:
            tables.lock(connection)
            # Looked at each time: somebody may have upgraded it since it was opened.
            migrations.require_newest(migrations.revision(connection, opened.schema))
            if entry.key is not None:
                there = connection.execute(sa.select(table).where(table.c.key == entry.key)).one_or_none()
                if there is not None:
                    return _event(tuple(there))
            last = connection.execute(sa.select(table.c.id, table.c.time, table.c.hash).order_by(table.c.id.desc()).limit(1)).one_or_none()
            seen, previous = (0, GENESIS) if last is None else (last.id, last.hash)
            if expect is not None and expect != seen:
                raise ConflictError(f"the ledger has gone on to event {seen} since event {expect}; nothing was appended.")
            now = dt.datetime.now(dt.UTC)
            if last is not None:
                now = max(now, _time(last.time) + _TICK)
            time = written(now)
            own = digest(seen + 1, time, (entry.kind, entry.version, entry.actor, entry.key, payload), previous)
            row: Row = (seen + 1, time, entry.kind, entry.version, entry.actor, entry.key, payload, previous, own)
            connection.execute(sa.insert(table).values(dict(zip(table.c.keys(), row, strict=True))))
        anchor.advance(self._head_path, anchor.Head(row[0], own))
        return _event(row)

    def events(self, *, kinds: Iterable[str] | None = None, after: int = 0, until: int | None = None) -> list[Event]:
        """Events by their number: of some kinds, after one number, up to another."""
        return [_event(row) for row in self._rows(kinds=kinds, after=after, until=until)]

    def find(self, key: str) -> Event | None:
        """The event with a key."""
        return next((_event(row) for row in self._rows(key=key)), None)

    def get(self, id: int) -> Event:  # noqa: A002 (the name of the column)
        """The event with a number.

        Raises
        ------
        InputError
            If there is none.
        """
        found = self.events(after=id - 1, until=id)
        if not found:
            last = self.last()
            raise InputError(f"the ledger has no event {id}; it has {'none' if last is None else f'events 1 to {last.id}'}.")
        return found[0]

    def last(self) -> Event | None:
        """The newest event."""
        return next((_event(row) for row in self._rows(newest=True)), None)

    def verify(self, *, head: str | None = None) -> Verification:
        """Walk along the chain, and compare its end with the anchored head.

        Parameters
        ----------
        head : str, optional
            Hash of an event that a person has from elsewhere: from a run's metadata, or a message.

        Returns
        -------
        Verification
            With the first event that is not as it was written.
        """
        from mech_exo_assets.storage.connection import in_words, reading
        from mech_exo_assets.storage.ledger import tables

        opened = self._open(make=False)
        # Before the rows: a head that another writer anchors meanwhile would not be among them.
        anchored = anchor.read(self._head_path)
        known = () if head is None else (head,)
        if opened is None:
            return verified([], anchored=anchored, known=known)
        with in_words(opened.url), reading(opened.engine) as connection:
            guards = tables.missing_guards(connection, opened.schema)
        return verified(self._rows(), anchored=anchored, known=known, guards=guards)

    def _rows(
        self, *, kinds: Iterable[str] | None = None, after: int = 0, until: int | None = None, key: str | None = None, newest: bool = False
    ) -> list[Row]:
        import sqlalchemy as sa

        from mech_exo_assets.storage.connection import in_words, reading

        opened = self._open(make=False)
        if opened is None:
            return []
        columns = opened.table.c
        query = sa.select(opened.table).where(columns.id > after)
        if until is not None:
            query = query.where(columns.id <= until)
        if kinds is not None:
            query = query.where(columns.kind.in_(sorted(kinds)))
        if key is not None:
            query = query.where(columns.key == key)
        query = query.order_by(columns.id.desc()).limit(1) if newest else query.order_by(columns.id)
        with in_words(opened.url), reading(opened.engine) as connection:
            return [tuple(row) for row in connection.execute(query)]

    def _open(self, *, make: bool) -> _Opened | None:
        """The database; None where it holds no ledger yet and none is to be made."""
        from mech_exo_assets.storage import connection as way
        from mech_exo_assets.storage.ledger import migrations, tables

        with self._lock:
            if self._opened is not None:
                return self._opened
            url = way.parse(self._url)
            if not make and url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
                return None
            from sqlalchemy import event

            way.make_folder(url)
            engine = way.create_engine(url)
            if url.get_backend_name() == "sqlite":
                event.listen(engine, "connect", _flush_at_commits)
            schema = tables.schema_of(url)
            try:
                with way.in_words(url):
                    with way.reading(engine) as connection:
                        there = migrations.revision(connection, schema)
                    migrations.require_known(there)
                    if there is None and not make:
                        return None
                    if there is None:
                        _make(engine, schema)
                self._opened = _Opened(url, engine, schema, tables.events_table(schema))
            finally:
                if self._opened is None:
                    engine.dispose()
            return self._opened

    def upgrade(self) -> tuple[str | None, str]:
        """Bring the tables to this release's revision; made where they are missing.

        Returns
        -------
        (str or None, str)
            Revisions before and after; None where there was no ledger.
        """
        from mech_exo_assets.storage.connection import in_words, writing
        from mech_exo_assets.storage.ledger import migrations, tables

        before = self.revision()
        opened = self._open(make=True)
        assert opened is not None  # noqa: S101
        with in_words(opened.url), writing(opened.engine) as connection:
            tables.lock(connection)
            migrations.upgrade(connection, opened.schema)
        return before, migrations.HEAD

    def revision(self) -> str | None:
        """Revision of its tables; None where there are none yet."""
        from mech_exo_assets.storage.connection import in_words, reading
        from mech_exo_assets.storage.ledger import migrations

        opened = self._open(make=False)
        if opened is None:
            return None
        with in_words(opened.url), reading(opened.engine) as connection:
            return migrations.revision(connection, opened.schema)


def _make(engine: sa.Engine, schema: str | None) -> None:
    from mech_exo_assets.storage import connection as way
    from mech_exo_assets.storage.ledger import migrations, tables

    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            driver = connection.connection.driver_connection
            if driver is not None:
                # Readers and a writer side by side.
                driver.execute("PRAGMA journal_mode=WAL")
    with way.writing(engine) as connection:
        tables.lock(connection)
        way.make_schema(connection, schema)
        migrations.upgrade(connection, schema)


def _flush_at_commits(connection: sqlite3.Connection, _record: object) -> None:
    # Elsewhere a loss of power may take the last commits with it. Not here.
    connection.execute("PRAGMA synchronous=FULL")


def _time(text: str) -> dt.datetime:
    return dt.datetime.strptime(text, _FORMAT).replace(tzinfo=dt.UTC)


def _event(row: Row) -> Event:
    id_, time, kind, version, actor, key, payload, previous, own = row
    return Event(id_, _time(time), kind, version, actor, key, json.loads(payload), previous, own)
