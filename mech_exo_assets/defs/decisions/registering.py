"""Putting a strategy on record: the first champion of an account, and versions of the strategy file.

What belongs here: registrations. What does not: who is champion after the first (`crowning`).
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mech_exo_assets.defs.decisions.readings import blend_of, models_now, source_of
from mech_exo_assets.defs.decisions.trials import expected_of
from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.lifecycle.reigns import versions
from mech_exo_assets.quant.lifecycle.version import StrategyVersion, configured_version
from mech_exo_assets.schemas import LEARNED_SCORES, SCORES, factor_columns
from mech_exo_assets.settings import Strategy
from mech_exo_assets.storage.histories import history, last_session, versions_of
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.ledger import Entry, Event, Ledger

if TYPE_CHECKING:
    from mech_exo_assets.defs.resources import MarketSource
    from mech_exo_assets.sources.protocol import MarketData

EXPECTED_SESSIONS = 504
"""Sessions before its first that a configured strategy's expectation is measured on."""


def register_first(
    ledger: Ledger, lake: Lake, strategy: Strategy, market: MarketSource, *, actor: str, code: str, run_id: str | None
) -> Event | None:
    """Register the strategy of the strategy file as the first champion; None where this source has a champion already.

    Its first session is that of the source's first fill or deposit where fills come from there, and otherwise `live.backdate` sessions
    before the last one.
    """
    accounts = [event for event in ledger.events(kinds=["strategy_registered"]) if "since" in event.payload]
    source = source_of(lake)
    if accounts and accounts[-1].payload["source"] == source:
        return None
    data = market.read()
    known = lake.scan(SCORES.key).select(pl.col("date").unique()).collect()["date"].sort()
    if known.is_empty():
        return None
    since = _first_live(strategy, data, known)
    version = configured(lake, strategy, code=code, until=since)
    as_of = last_session(lake)
    expected = _expected(version, lake, strategy, known, since)
    return ledger.append(
        Entry(
            kind="strategy_registered",
            actor=actor,
            version=version.id,
            key=f"first champion/{len(accounts)}",
            payload={
                "summary": f"{version.id} is the first champion, for the sessions from {since} on: the strategy of the strategy file.",
                "reason": f"the first strategy on {source}",
                "source": source,
                "since": since.isoformat(),
                "as_of": as_of.isoformat(),
                "content": version.as_json(),
                "content_hash": version.content_hash,
                "expected": expected,
                "run_id": run_id,
            },
        )
    )


def register(ledger: Ledger, lake: Lake, strategy: Strategy, *, actor: str, code: str) -> str:
    """Put the strategy of the strategy file on record as a version, without making it champion; what it is called."""
    version = configured(lake, strategy, code=code)
    if version.id not in versions(ledger.events()):
        payload = {
            "summary": f"{version.id} was registered: the strategy of the strategy file.",
            "as_of": last_session(lake).isoformat(),
            "content": version.as_json(),
            "content_hash": version.content_hash,
        }
        ledger.append(Entry("strategy_registered", actor, payload, version=version.id, key=f"registered/{version.id}"))
    return version.id


def configured(lake: Lake, strategy: Strategy, *, code: str, until: dt.date | None = None) -> StrategyVersion:
    """The strategy of the strategy file as a version, with what the lake has now; the blend as it was decided by a session."""
    factors = factor_columns(lake.scan(SCORES.key).collect_schema().names())
    learned = lake.exists(LEARNED_SCORES.key) and "ml_alpha" in lake.scan(LEARNED_SCORES.key).collect_schema().names()
    return configured_version(
        strategy, factors, learned=learned, blend=blend_of(lake, until), models=models_now(lake), data=versions_of(lake), code=code
    )


def _first_live(strategy: Strategy, data: MarketData, known: pl.Series) -> dt.date:
    if broker_of(strategy, data) == "source":
        first = min([*data.fills["timestamp"].dt.date().to_list(), *data.cash["date"].to_list()])
        at = int(np.searchsorted(known.to_numpy(), np.datetime64(first)))
        # Traded execution_lag sessions later, which is then the first session of the account.
        return known[max(min(at, len(known) - 1) - strategy.execution_lag, 0)]
    return known[max(len(known) - 1 - strategy.live.backdate, 0)]


def broker_of(strategy: Strategy, data: MarketData) -> str:
    """Where fills come from: `source`, or `paper`."""
    if strategy.live.broker != "auto":
        return strategy.live.broker
    return "source" if data.fills.height else "paper"


def _expected(version: StrategyVersion, lake: Lake, strategy: Strategy, known: pl.Series, since: dt.date) -> dict[str, Any] | None:
    """What the version earned a session on the sessions before its first; None where there are too few, or nothing could be traded."""
    from mech_exo_assets.quant.lifecycle.deployed import version_book

    before = known.filter(known < since).tail(EXPECTED_SESSIONS)
    if len(before) < strategy.drift.min_sessions:
        return None
    past = history(lake, strategy, first=before[0])
    try:
        book = version_book(version, past)
    except InputError:
        # Nothing to trade there is nothing to expect: the stream of the alarm that needs it is not there then.
        return None
    inside = book.sessions <= np.datetime64(before[-1])
    return expected_of(book.net_return[inside][1:], first=before[0], last=before[-1])
