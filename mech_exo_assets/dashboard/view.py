"""What a page sees: one state of the mart, the ledger, the runs, and who looks.

What belongs here: readings that several pages share. What does not: how anything is shown (`parts`, `pages`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from mech_exo_assets.quant.lifecycle import episodes
from mech_exo_assets.quant.lifecycle.reigns import Reign, champion
from mech_exo_assets.schemas import DRIFT, MONITOR, PRICES, STATUS
from mech_exo_assets.settings import Settings

if TYPE_CHECKING:
    from mech_exo_assets.dashboard.access.users import User
    from mech_exo_assets.dashboard.runs import RunLine
    from mech_exo_assets.storage.ledger import Event
    from mech_exo_assets.storage.mart_reader import Snapshot

NO_DATA = "NO DATA"
WORST_FIRST = ("BREACH", "WARN", "OK", NO_DATA)
"""Statuses of drift, the most urgent first."""


@dataclass(frozen=True)
class View:
    """One look at a home.

    Attributes
    ----------
    settings : Settings
    mart : Snapshot or None
        None where nothing was published yet.
    events : sequence of Event
        Of the ledger, in their order.
    verified : Verified or None
        What the last walk along the ledger's chain has found, and when; None where there was none yet.
    runs : sequence of RunLine
        The newest runs of Dagster, newest first.
    user : User or None
        Who is signed in; None where nobody has to.
    now : datetime
        UTC.
    """

    settings: Settings
    mart: Snapshot | None
    events: Sequence[Event]
    verified: Verified | None
    runs: Sequence[RunLine]
    user: User | None
    now: dt.datetime

    def has(self, *keys: str) -> bool:
        """Whether the mart has all of these tables, with rows."""
        return self.mart is not None and self.mart.has(*keys)

    def query(self, sql: str, *parameters: object) -> pl.DataFrame:
        """Rows from the mart; asked only for tables that are there (`has`)."""
        assert self.mart is not None  # noqa: S101
        return self.mart.query(sql, parameters)

    def table(self, key: str) -> pl.DataFrame:
        """A small table as a whole."""
        group, name = key.split("/")
        return self.query(f'SELECT * FROM "{group}"."{name}"')  # noqa: S608 (keys of schemas)

    @cached_property
    def champion(self) -> Reign | None:
        """The champion of the sessions to come."""
        return champion(self.events)

    @cached_property
    def last_session(self) -> dt.date | None:
        """Of the prices that the mart has."""
        return self.query("SELECT max(date) AS date FROM market.prices").item() if self.has(PRICES.key) else None

    @cached_property
    def drift(self) -> pl.DataFrame:
        """The newest row of each window of `live/drift`, shortest window first."""
        if not self.has(DRIFT.key):
            return DRIFT.empty()
        return self.query('SELECT * FROM live.drift QUALIFY date = max(date) OVER () ORDER BY "window"')

    @cached_property
    def drift_status(self) -> str:
        """The most urgent status of all windows; NO DATA where nothing is compared."""
        found = set(self.drift["status"])
        return next((each for each in WORST_FIRST if each in found), NO_DATA)

    @cached_property
    def statuses(self) -> dict[str, int]:
        """How many factors have which status."""
        if not self.has(STATUS.key):
            return {}
        return dict(self.query("SELECT status, count(*) FROM decay.status GROUP BY status ORDER BY status").iter_rows())

    @cached_property
    def statuses_until(self) -> dt.date | None:
        """The last session that the decay monitor has seen; None where it has seen none."""
        return self.query("SELECT max(date) FROM decay.monitor").item() if self.has(MONITOR.key) else None

    @cached_property
    def groups(self) -> dict[str, dt.datetime]:
        """When a table of each group was published anew, UTC."""
        newest: dict[str, dt.datetime] = {}
        for key, held in ({} if self.mart is None else self.mart.tables).items():
            group = key.partition("/")[0]
            newest[group] = max(newest.get(group, held.published_at), held.published_at)
        return newest

    @cached_property
    def open_alerts(self) -> list[Event]:
        """Events that wait for a person, newest first."""
        return episodes.open_alerts(self.events)[::-1]

    def run_link(self, run_id: str | None) -> str | None:
        """Address of a run in the Dagster UI."""
        return None if run_id is None else f"{self.settings.ui_url.rstrip('/')}/runs/{run_id}"

    def asset_link(self, key: str) -> str:
        """Address of an asset in the Dagster UI."""
        return f"{self.settings.ui_url.rstrip('/')}/assets/{key}"


@dataclass(frozen=True, slots=True)
class Verified:
    """What a walk along the ledger's chain has found.

    Attributes
    ----------
    at : datetime
        When, UTC.
    events : int
    fault : str or None
        The first thing that is wrong; None where nothing is.
    """

    at: dt.datetime
    events: int
    fault: str | None
