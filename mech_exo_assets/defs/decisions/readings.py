"""What an act reads before it acts: sessions, source, champion, models, blend.

What belongs here: readings of lake and ledger that several acts share. What does not: an act.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import polars as pl

from mech_exo_assets.errors import MechExoError
from mech_exo_assets.quant.calendar import sessions as exchange_sessions
from mech_exo_assets.quant.lifecycle.reigns import champion, versions
from mech_exo_assets.quant.lifecycle.version import StrategyVersion
from mech_exo_assets.quant.panel import Dates, unique_dates
from mech_exo_assets.schemas import BLEND, LIVE_TARGETS, PRICES, TRAININGS
from mech_exo_assets.settings import Strategy
from mech_exo_assets.storage.histories import last_session
from mech_exo_assets.storage.lake import SOURCE, Lake
from mech_exo_assets.storage.ledger import Event, Ledger

NO_CHAMPION = "the ledger knows no champion yet. Run `mech-exo run` first."
TRIES = 20
"""How often an act is tried again when others write between its look at the ledger and its own event."""


def blend_of(lake: Lake, until: dt.date | None = None) -> float:
    """Weight of `ml_alpha` beside the composite as it was last decided, or was by a session; 0 before."""
    if not lake.exists(BLEND.key):
        return 0.0
    decided = lake.read(BLEND.key).sort("date")
    decided = decided if until is None else decided.filter(pl.col("date") <= until)
    return float(decided["weight"][-1]) if decided.height else 0.0


def models_now(lake: Lake) -> dict[str, str]:
    """The run in MLflow of the newest model of each kind."""
    found = {}
    for kind, schema in TRAININGS.items():
        runs = lake.read(schema.key).sort("fold")["mlflow_run"].drop_nulls() if lake.exists(schema.key) else []
        if len(runs):
            found[kind] = str(runs[-1])
    return found


def next_session(lake: Lake, strategy: Strategy) -> dt.date:
    """The first session whose targets are not decided yet."""
    last = last_session(lake)
    if lake.exists(LIVE_TARGETS.key):
        decided = lake.scan(LIVE_TARGETS.key).select(pl.col("date").max()).collect().item()
        last = last if decided is None else max(last, decided)
    # The longest closure since 1950 was shorter.
    coming = exchange_sessions(last + dt.timedelta(days=1), last + dt.timedelta(days=21), calendar=strategy.calendar)
    return coming[0].item()


def source_of(lake: Lake) -> str:
    """The source that the prices in the lake are of."""
    return lake.note(PRICES.key, lake.version(PRICES.key)).get(SOURCE, "")


def sessions_of(lake: Lake) -> Dates:
    """All sessions that the prices know, ascending."""
    return unique_dates(lake.scan(PRICES.key).select("date").unique().collect()["date"])


def champion_version(ledger: Ledger) -> StrategyVersion:
    """The champion of the sessions to come.

    Raises
    ------
    MechExoError
        If there is none yet.
    """
    events = ledger.events()
    now = champion(events)
    if now is None:
        raise MechExoError(NO_CHAMPION)
    return versions(events)[now.version]


def last_id(events: Sequence[Event]) -> int:
    """Number of the last event; 0 before the first."""
    return events[-1].id if events else 0
