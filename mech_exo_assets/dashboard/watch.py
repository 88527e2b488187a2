"""The state of a home for a process that shows it for days.

What belongs here: reading ledger, runs and mart again when they may have changed, and keeping what was known when one of them cannot be
read. What does not: what is shown (`pages`, `health`).
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import dagster as dg
from sqlalchemy.exc import SQLAlchemyError

from mech_exo_assets.dashboard.runs import RunLine, newest_runs
from mech_exo_assets.dashboard.view import Verified, View
from mech_exo_assets.errors import MechExoError
from mech_exo_assets.settings import Settings
from mech_exo_assets.storage.dagster_home import open_instance
from mech_exo_assets.storage.ledger import Event, Ledger
from mech_exo_assets.storage.mart_reader import MartReader

if TYPE_CHECKING:
    from mech_exo_assets.dashboard.access.users import User

FRESH_SECONDS = 2.0
"""For so long what was read of ledger and runs is not read again."""
VERIFIED_SECONDS = 60.0
"""After so long the ledger is verified again, and at once when it has new events."""

_log = logging.getLogger("mech_exo.dashboard")


@dataclass(frozen=True)
class _Known:
    """What was read last."""

    at: float = float("-inf")
    events: Sequence[Event] = ()
    runs: Sequence[RunLine] = ()
    verified: Verified | None = None
    verified_at: float = float("-inf")
    faults: dict[str, str] = field(default_factory=dict)


class Watch:
    """Reads a home for whoever asks; may be asked from many threads.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.mart = MartReader(settings.mart_path)
        self.ledger = Ledger(settings.ledger_url, settings.ledger_head_path)
        self._instance: dg.DagsterInstance | None = None
        self._known = _Known()
        self._lock = threading.Lock()

    @property
    def faults(self) -> dict[str, str]:
        """What could not be read at the last attempt, and why, by its name."""
        return dict(self._known.faults)

    @contextmanager
    def view(self, user: User | None = None) -> Generator[View]:
        """One look, consistent until the block ends."""
        self._refresh()
        known = self._known
        with self.mart.snapshot() as mart:
            yield View(self.settings, mart, known.events, known.verified, known.runs, user, dt.datetime.now(dt.UTC))

    def forget(self) -> None:
        """Read again at the next look: something was done."""
        self._known = replace(self._known, at=float("-inf"))

    def _refresh(self) -> None:
        if time.monotonic() - self._known.at < FRESH_SECONDS:
            return
        # The first look waits for what is read; later ones show what was known while somebody else reads.
        if not self._lock.acquire(blocking=self._known.at == float("-inf")):
            return
        try:
            if time.monotonic() - self._known.at >= FRESH_SECONDS:
                self._known = self._read(self._known)
        finally:
            self._lock.release()

    def _read(self, before: _Known) -> _Known:
        faults: dict[str, str] = {}
        known = before
        try:
            last = before.events[-1].id if before.events else 0
            events = [*before.events, *self.ledger.events(after=last)]
            known = replace(known, events=events)
            if len(events) != len(before.events) or time.monotonic() - before.verified_at >= VERIFIED_SECONDS:
                found = self.ledger.verify()
                known = replace(known, verified=Verified(dt.datetime.now(dt.UTC), found.events, found.fault), verified_at=time.monotonic())
        except (MechExoError, SQLAlchemyError, OSError) as error:
            # The page goes on with what was known, and says so.
            faults["database"] = _said(error)
        try:
            self._instance = self._instance or open_instance(self.settings)
            known = replace(known, runs=[] if self._instance is None else newest_runs(self._instance))
        except (MechExoError, dg.DagsterError, SQLAlchemyError, OSError) as error:
            faults["runs"] = _said(error)
        for name, why in faults.items():
            if before.faults.get(name) != why:
                _log.error("The %s cannot be read: %s", name, why)
        return replace(known, faults=faults, at=time.monotonic())


def _said(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
