"""One study as the store of a search's trials: claims, leases, and batches that are written as a whole.

What belongs here: `StudyStore`, a `TrialStore` for several processes and machines. What does not: rows of a trial (`tables`).

Every change locks the study first: its row on PostgreSQL, which is also what Optuna locks when it adds a trial, and the whole file on
SQLite. So numbers have no holes, and a batch is completed once.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import optuna
import sqlalchemy as sa
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.weights.store import check_batch, numbered
from mech_exo_assets.storage.connection import in_words, reading, shown, writing
from mech_exo_assets.storage.studies import tables as rows
from mech_exo_assets.storage.studies.opening import Opened
from mech_exo_assets.storage.studies.owners import is_gone, this_process

LEASE = timedelta(seconds=60)
RENEWAL_SECONDS = 20.0
"""Held claims are renewed by a thread, not at the next call: a batch may take longer than the lease, and calls nothing meanwhile."""

_logger = logging.getLogger(__name__)


class StudyStore:
    """A `TrialStore` in a study of the database. `StudyDatabase.open` makes it.

    Attributes
    ----------
    study : optuna.Study
        The same study by Optuna's public interface, for its figures and importances. What it reads is always whole batches.

    Notes
    -----
    All methods raise `InputError` where the database is away; a batch is then stored or not stored as a whole, and the store may be
    used again when the database is back. May be used by several threads. After a fork, the child opens the study anew.
    """

    def __init__(self, opened: Opened, study: optuna.Study, study_id: int) -> None:
        self.study = study
        self._opened = opened
        self._id = study_id
        self._objectives = len(study.directions)
        self._owner = this_process()
        self._lock = threading.RLock()
        self._cache: dict[int, list[FrozenTrial]] = {}
        self._distributions: dict[str, BaseDistribution] = {}
        self._held: set[int] = set()
        self._all_completed_below = 0
        self._renewal: threading.Thread | None = None

    def trials(self) -> list[FrozenTrial]:
        """Those of completed batches, by batch and slot; what this store has seen is not read again."""
        batches = self._opened.tables.batches
        with self._lock, in_words(self._opened.url):
            with reading(self._opened.engine) as connection:
                query = sa.select(batches.c.batch).where(batches.c.study_id == self._id, batches.c.completed)
                missing = set(connection.scalars(query)) - self._cache.keys()
            if missing:
                self._read(missing)
            return [trial for batch in sorted(self._cache) for trial in self._cache[batch]]

    def claim(self, batches: int) -> int | None:
        """Hold the lowest batch that is free, that was held by a process of this host that is gone, or whose lease has run out."""
        with self._lock, in_words(self._opened.url), writing(self._opened.engine) as connection:
            now = self._lock_study(connection)
            found = self._marks(connection, batches)
            for batch in range(self._all_completed_below, batches):
                mark = found.get(batch)
                if mark is None or (not mark.completed and (mark.lease_until <= now or is_gone(mark.owner))):
                    self._mark(connection, batch, now, there=mark is not None, completed=False)
                    break
            else:
                return None
        with self._lock:
            self._held.add(batch)
            self._renew_from_now_on()
        return batch

    def complete(self, batch: int, trials: Sequence[FrozenTrial]) -> bool:
        """Store the batch in one transaction. False where another had completed it; then nothing is written.

        A claim that was lost does not matter as long as the batch is open: whose trials come first are the batch.
        """
        check_batch(batch, trials)
        rows.check_trials(trials, self._objectives)
        with self._lock, in_words(self._opened.url):
            written = self._insert(batch, trials) if self._opened.bulk else self._add(batch, trials)
            self._held.discard(batch)
            return written

    def finished(self, batches: int) -> bool:
        """Whether all batches are completed."""
        with self._lock, in_words(self._opened.url), reading(self._opened.engine) as connection:
            self._marks(connection, batches)
            return self._all_completed_below >= batches

    def release(self, batch: int) -> None:
        """Give a claim back.

        Where the database is away this is only logged: it must not hide why the batch was given up, and the lease ends by itself.
        """
        table = self._opened.tables.batches
        mine = sa.and_(table.c.study_id == self._id, table.c.batch == batch, table.c.owner == self._owner, ~table.c.completed)
        with self._lock:
            self._held.discard(batch)
            try:
                with in_words(self._opened.url), writing(self._opened.engine) as connection:
                    connection.execute(sa.delete(table).where(mine))
            except InputError as error:
                _logger.warning("The claim on batch %d could not be given back; it ends within %d s. %s", batch, LEASE.seconds, error)

    def _lock_study(self, connection: sa.Connection) -> datetime:
        """Keep others from changing the study until the transaction ends; the time (UTC) by the clock that all its users share."""
        studies = self._opened.tables.studies
        # Not PostgreSQL's `now()`, which is when the transaction began. All users of a SQLite file are on one host, with one clock.
        sqlite = connection.dialect.name == "sqlite"
        clock = sa.literal(datetime.now(UTC).replace(tzinfo=None)) if sqlite else sa.func.timezone("UTC", sa.func.clock_timestamp())
        # SQLite has no such lock, and needs none: the transaction has locked the file from its beginning.
        now = connection.scalar(sa.select(clock).select_from(studies).where(studies.c.study_id == self._id).with_for_update(of=studies))
        if now is None:
            name, url = self.study.study_name, shown(self._opened.url)
            raise InputError(f"{url}: the study {name!r} was deleted while it was in use; start the search again. Nothing was written.")
        return now

    def _marks(self, connection: sa.Connection, batches: int) -> dict[int, sa.Row]:
        """The rows of batches that are held or completed, by batch; those below the first open one are skipped from the next call on."""
        table = self._opened.tables.batches
        query = sa.select(table.c.batch, table.c.owner, table.c.lease_until, table.c.completed).where(
            table.c.study_id == self._id, table.c.batch >= self._all_completed_below, table.c.batch < batches
        )
        found = {row.batch: row for row in connection.execute(query)}
        while (row := found.get(self._all_completed_below)) is not None and row.completed:
            self._all_completed_below += 1
        return found

    def _mark(self, connection: sa.Connection, batch: int, now: datetime, *, there: bool, completed: bool) -> None:
        table = self._opened.tables.batches
        values = {"owner": self._owner, "lease_until": now + LEASE, "completed": completed}
        if there:
            connection.execute(sa.update(table).where(table.c.study_id == self._id, table.c.batch == batch).values(values))
        else:
            connection.execute(sa.insert(table).values(study_id=self._id, batch=batch, **values))

    def _mark_of(self, connection: sa.Connection, batch: int) -> sa.Row | None:
        table = self._opened.tables.batches
        query = sa.select(table.c.owner, table.c.completed).where(table.c.study_id == self._id, table.c.batch == batch)
        return connection.execute(query).first()

    def _insert(self, batch: int, trials: Sequence[FrozenTrial]) -> bool:
        with writing(self._opened.engine) as connection:
            now = self._lock_study(connection)
            mark = self._mark_of(connection, batch)
            if mark is not None and mark.completed:
                return False
            known = dict(self._distributions)
            rows.check_distributions(connection, self._opened.tables, self._id, trials, known)
            numbers, ids = rows.insert_trials(connection, self._opened.tables, self._id, trials)
            self._mark(connection, batch, now, there=mark is not None, completed=True)
        self._distributions = known
        self._cache[batch] = numbered(trials, numbers, ids)
        return True

    def _add(self, batch: int, trials: Sequence[FrozenTrial]) -> bool:
        """By Optuna's public interface: slow, and trial by trial, so that only the claim's owner may do it, and a rest is taken up.

        Readers see none of it until the mark is set, since `trials` goes by marks.
        """
        with writing(self._opened.engine) as connection:
            now = self._lock_study(connection)
            mark = self._mark_of(connection, batch)
            if mark is not None and (mark.completed or mark.owner != self._owner):
                return False
            self._mark(connection, batch, now, there=mark is not None, completed=False)
        self._held.add(batch)
        self._renew_from_now_on()
        there = {trial.user_attrs.get("slot") for trial in self.study.get_trials(deepcopy=False) if trial.user_attrs.get("batch") == batch}
        self.study.add_trials([trial for trial in trials if trial.user_attrs["slot"] not in there])
        with writing(self._opened.engine) as connection:
            self._mark(connection, batch, self._lock_study(connection), there=True, completed=True)
        return True

    def _read(self, missing: set[int]) -> None:
        """Put the batches into the cache, by Optuna's public interface, which reads just what is new."""
        found: dict[int, dict[int, FrozenTrial]] = {}
        for trial in self.study.get_trials(deepcopy=False):
            batch, slot = trial.user_attrs.get("batch"), trial.user_attrs.get("slot")
            if batch in missing and slot is not None:
                found.setdefault(batch, {}).setdefault(slot, trial)
        for batch, by_slot in found.items():
            self._cache[batch] = [by_slot[slot] for slot in sorted(by_slot)]

    def _renew_from_now_on(self) -> None:
        if self._renewal is None or not self._renewal.is_alive():
            self._renewal = threading.Thread(target=_renew, args=(weakref.ref(self),), name="mech-exo-claims", daemon=True)
            self._renewal.start()

    def _renew_once(self) -> bool:
        """Renew what is held; whether there is anything to come back for."""
        table = self._opened.tables.batches
        with self._lock:
            if not self._held:
                self._renewal = None
                return False
            mine = sa.and_(table.c.study_id == self._id, table.c.batch.in_(self._held), table.c.owner == self._owner, ~table.c.completed)
            try:
                with in_words(self._opened.url), writing(self._opened.engine) as connection:
                    connection.execute(sa.update(table).where(mine).values(lease_until=self._lock_study(connection) + LEASE))
            except InputError as error:
                # Tried again next time; until then the lease goes on, and `complete` bears its loss.
                _logger.warning("The claims on batches %s were not renewed. %s", sorted(self._held), error)
            return True


def _renew(reference: weakref.ref[StudyStore]) -> None:
    """Renew the claims of a store until it holds none, or is gone: a store that was forgotten must not hold its claims for ever."""
    pause = threading.Event()
    while not pause.wait(RENEWAL_SECONDS):
        store = reference()
        if store is None or not store._renew_once():  # noqa: SLF001 - the thread is the store's own
            return
        del store
