"""Who is champion when: a fold over the events of the ledger.

What belongs here: reigns. What does not: the targets of a champion (`deployed`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import polars as pl

from mech_exo_assets.quant.drift.promise import Promise
from mech_exo_assets.quant.lifecycle.version import StrategyVersion
from mech_exo_assets.schemas import CHAMPION

CROWNS = ("strategy_registered", "promoted", "rolled_back", "manual_override")
"""Kinds of events after which another version is champion. A registration is one where its payload has `since`."""


class Fact(Protocol):
    """What a fold reads of an event; `storage.ledger.Event` is one."""

    @property
    def id(self) -> int:
        """Number in the ledger."""
        ...

    @property
    def time(self) -> dt.datetime:
        """When it was written, UTC."""
        ...

    @property
    def kind(self) -> str:
        """What happened."""
        ...

    @property
    def version(self) -> str | None:
        """Strategy version that it is about."""
        ...

    @property
    def actor(self) -> str:
        """Who did it."""
        ...

    @property
    def payload(self) -> Mapping[str, Any]:
        """All that was recorded."""
        ...


@dataclass(frozen=True, slots=True)
class Reign:
    """A version, from the first session whose targets it gives to the last.

    Attributes
    ----------
    event : int
        That made it champion.
    version : str
    since : date
    until : date or None
        First session that is another's; None while it is champion.
    time : datetime
    how, actor, reason : str
    """

    event: int
    version: str
    since: dt.date
    until: dt.date | None
    time: dt.datetime
    how: str
    actor: str
    reason: str


def reigns(events: Iterable[Fact]) -> list[Reign]:
    """All reigns, in their order; one that was over before its first session is not among them.

    An event makes its version champion for the sessions from its `since` on, whatever was said of them before. A first champion begins a
    new account, of another source of prices: what was before is none of its history.
    """
    found: list[Reign] = []
    for event in events:
        if event.kind not in CROWNS or "since" not in event.payload:
            continue
        since = dt.date.fromisoformat(event.payload["since"])
        if event.kind == "strategy_registered":
            found = []
        found = [
            each if each.until is not None and each.until <= since else replace(each, until=since) for each in found if each.since < since
        ]
        found.append(
            Reign(event.id, str(event.version), since, None, event.time, event.kind, event.actor, str(event.payload.get("reason", "")))
        )
    return found


def champion(events: Iterable[Fact]) -> Reign | None:
    """The newest reign: the champion of the sessions to come."""
    found = reigns(events)
    return found[-1] if found else None


def champion_at(events: Iterable[Fact], session: dt.date) -> Reign | None:
    """Whose targets those of a session are; None before the first reign."""
    return next((each for each in reversed(reigns(events)) if each.since <= session), None)


def versions(events: Iterable[Fact]) -> dict[str, StrategyVersion]:
    """Every version that was registered or built, by what it is called."""
    return {str(event.version): StrategyVersion.from_json(event.payload["content"]) for event in events if "content" in event.payload}


def previous_champion(events: Iterable[Fact]) -> str | None:
    """The version that a rollback leads back to: that of the last other reign; None where there was none."""
    found: list[Fact] = []
    for event in events:
        if event.kind in CROWNS and "since" in event.payload:
            found = [event] if event.kind == "strategy_registered" else [*found, event]
    now = found[-1].version if found else None
    return next((event.version for event in reversed(found) if event.version != now), None)


def champion_table(events: Iterable[Fact]) -> pl.DataFrame:
    """The reigns as a table in `schemas.CHAMPION`; `until` is the day before the next reign begins."""
    rows = [
        {
            "event": each.event,
            "version": each.version,
            "since": each.since,
            "until": None if each.until is None else each.until - dt.timedelta(days=1),
            "time": each.time,
            "how": {"strategy_registered": "registered"}.get(each.how, each.how),
            "actor": each.actor,
            "reason": each.reason,
        }
        for each in reigns(events)
    ]
    return pl.DataFrame(rows, schema=CHAMPION.dtypes())


def promises(events: Iterable[Fact]) -> dict[str, Promise]:
    """What each version was made champion with, by version; none where that could not be measured."""
    found = {str(event.version): event.payload["expected"] for event in events if event.payload.get("expected")}
    return {name: Promise(expected["mean"], expected["deviation"], expected["sessions"]) for name, expected in found.items()}


def deployed_on(events: Iterable[Fact]) -> dt.date | None:
    """The last session that was known when the champion became champion; None before the first."""
    crowns = [event for event in events if event.kind in CROWNS and "since" in event.payload]
    return dt.date.fromisoformat(crowns[-1].payload["as_of"]) if crowns else None
