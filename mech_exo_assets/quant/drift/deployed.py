"""The drift of an account whose strategy changes: each strategy is judged on its own sessions.

What belongs here: from the tables of the account to those of the drift. What does not: the figures (`windows`, `sequential`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from mech_exo_assets.quant.drift.budget import RULES, Trigger, breach_limit, trigger
from mech_exo_assets.quant.drift.promise import Promise
from mech_exo_assets.quant.drift.sequential import DIFFERENCE, EXPECTATION, alarm_table
from mech_exo_assets.quant.drift.status import BREACH
from mech_exo_assets.quant.drift.windows import drift_table
from mech_exo_assets.schemas import DRIFT
from mech_exo_assets.settings.live import Drift


@dataclass(frozen=True, eq=False)
class Found:
    """The drift of an account.

    Attributes
    ----------
    drift, alarms : DataFrame
        `schemas.DRIFT`, `schemas.DRIFT_ALARM`.
    trigger : Trigger or None
        What is to be acted on.
    standing : bool
        Whether the longest window of the strategy that is deployed is in BREACH.
    raised : tuple of str
        Streams whose CUSUM is above 0 in the last session: what an alarm told of is not over there.
    """

    drift: pl.DataFrame
    alarms: pl.DataFrame
    trigger: Trigger | None
    standing: bool
    raised: tuple[str, ...] = ()


def drift_of_account(
    nav: pl.DataFrame, backtest: pl.DataFrame, promises: Mapping[str, Promise], choices: Drift, *, after: dt.date | None
) -> Found:
    """The drift of each session, and what it calls for.

    Parameters
    ----------
    nav : DataFrame
        date and live_return of `schemas.NAV`.
    backtest : DataFrame
        `schemas.LIVE_BACKTEST`.
    promises : mapping of str to Promise
        By version; one that is not there has no stream of the expectation.
    choices : Drift
    after : date or None
        Sessions until then are not acted on.
    """
    days = nav.select("date", "live_return").join(backtest, on="date", how="inner").sort("date")
    limit = breach_limit(choices.windows[-1], choices.false_alarms_per_year / RULES)
    reigns = (
        (days["version"] != days["version"].shift(1)).fill_null(value=True).cum_sum() if days.height else pl.Series([], dtype=pl.UInt32)
    )
    parts = []
    for part in days.with_columns(reign=reigns).partition_by("reign", maintain_order=True) if days.height else []:
        dates = part["date"].to_numpy().astype("datetime64[D]")
        table = drift_table(dates, part["live_return"].to_numpy(), part["net_return"].to_numpy(), choices, limit=limit)
        early = pl.Series(dates[: choices.min_sessions - 1]).cast(pl.Date)
        parts.append(table.with_columns(beyond_chance=pl.col("beyond_chance") & ~pl.col("date").is_in(early.to_list())))
    drift = pl.concat(parts) if parts else DRIFT.empty()
    versions = days["version"].to_list()
    live = days["live_return"].to_numpy()
    promised = np.array([promises[name].at_least if name in promises else np.nan for name in versions], dtype=np.float64)
    alarms = alarm_table(
        days["date"].to_numpy().astype("datetime64[D]"),
        {DIFFERENCE: live - days["net_return"].to_numpy(), EXPECTATION: live - promised},
        versions,
        choices,
        false_alarms_per_year=choices.false_alarms_per_year / RULES,
    )
    last = drift.filter((pl.col("date") == pl.col("date").max()) & (pl.col("window") == choices.windows[-1]))
    own = days.filter(reigns == reigns[-1])["date"].min() if days.height else None
    of_own = pl.lit(value=False) if own is None else pl.col("date") >= own
    return Found(
        drift=drift,
        alarms=alarms,
        trigger=trigger(drift.filter(of_own), alarms.filter(of_own), choices, after=after),
        standing=bool(last.height) and last["status"][0] == BREACH,
        raised=tuple(alarms.filter((pl.col("date") == pl.col("date").max()) & (pl.col("statistic") > 0))["stream"]),
    )
