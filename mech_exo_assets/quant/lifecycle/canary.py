"""A challenger that trades a share of the capital while it is compared with the champion.

What belongs here: when there was such a share, and the targets of the whole account then. What does not: the split of what was traded
(`quant.live.sleeves`), and the verdict (`sequential_test`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from mech_exo_assets.quant.lifecycle.reigns import CROWNS, Fact, Reign
from mech_exo_assets.schemas import TARGETS

CANARY = "canary"
"""Stage of a comparison in which the challenger trades."""


@dataclass(frozen=True, slots=True)
class Canary:
    """A challenger's share of the account.

    Attributes
    ----------
    version : str
    share : float
        Of the capital.
    since : date
        First session whose targets are those of both.
    until : date or None
        First session whose targets are the champion's alone again; None while it trades.
    """

    version: str
    share: float
    since: dt.date
    until: dt.date | None


@dataclass(frozen=True, slots=True)
class Deployed:
    """Who trades from one session on: a champion, alone or beside a canary.

    Attributes
    ----------
    version : str
        The champion.
    canary : Canary or None
    since : date
    until : date or None
        First session of the next; None for the last.
    """

    version: str
    canary: Canary | None
    since: dt.date
    until: dt.date | None


def canaries(events: Sequence[Fact]) -> list[Canary]:
    """All canaries, in their order. One ends with its verdict, or with the next champion, from that event's first session on."""
    found: list[Canary] = []
    for event in events:
        payload = event.payload
        ends = event.kind == "ab_test_concluded" and payload.get("stage") == CANARY
        if found and found[-1].until is None and "since" in payload and (ends or event.kind in CROWNS):
            last = found.pop()
            until = dt.date.fromisoformat(payload["since"])
            found += [Canary(last.version, last.share, last.since, until)] if until > last.since else []
        if event.kind == "ab_test_started" and payload.get("stage") == CANARY:
            found.append(Canary(str(event.version), payload["share"], dt.date.fromisoformat(payload["since"]), None))
    return found


def deployments(reigns: Sequence[Reign], shares: Sequence[Canary]) -> list[Deployed]:
    """The reigns, cut where a canary begins and ends."""
    found = []
    for reign in reigns:
        cuts = {reign.since} | {day for each in shares for day in (each.since, each.until) if day is not None}
        inside = sorted(day for day in cuts if day >= reign.since and (reign.until is None or day < reign.until))
        for since, until in zip(inside, [*inside[1:], reign.until], strict=True):
            beside = next((each for each in shares if each.since <= since and (each.until is None or since < each.until)), None)
            found.append(Deployed(reign.version, beside, since, until))
    return found


def blended(champion: pl.DataFrame, challenger: pl.DataFrame, share: float) -> pl.DataFrame:
    """Targets of the whole account: (1 − share) · champion's + share · challenger's, in `schemas.TARGETS`.

    On a session on which only one of the two has new targets, the other keeps those that it had; before its first it has none.

    Parameters
    ----------
    champion, challenger : DataFrame
        `schemas.TARGETS`; a session without rows has no new targets.
    share : float
    """
    days = pl.concat([champion.select("date"), challenger.select("date")]).unique().sort("date")
    parts = []
    for targets, portion in ((champion, 1 - share), (challenger, share)):
        known = targets.select(of="date").unique().sort("of")
        kept = days.join_asof(known, left_on="date", right_on="of").drop_nulls()
        rows = kept.join(targets.rename({"date": "of"}), on="of")
        parts.append(rows.select("date", "symbol", weight=pl.col("weight") * portion))
    total = pl.concat(parts).group_by("date", "symbol").agg(pl.col("weight").sum())
    return total.filter(pl.col("weight") != 0).sort("date", "symbol").select(TARGETS.names)
