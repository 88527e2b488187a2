"""What a deployed strategy is held against: its own promise, and paths that were not taken.

What belongs here: reading what these take. What does not: the statistics (`quant.lifecycle`).
"""

from __future__ import annotations

import datetime as dt

import polars as pl

from mech_exo_assets.defs.decisions.readings import sessions_of
from mech_exo_assets.quant.lifecycle.reigns import reigns, versions
from mech_exo_assets.quant.panel import Vector
from mech_exo_assets.schemas import BENEFIT, IC
from mech_exo_assets.settings import Strategy
from mech_exo_assets.storage.histories import history
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.ledger import Event, Ledger


def probation_of(promotion: Event, nav: pl.DataFrame, backtest: pl.DataFrame, held_out: Vector, strategy: Strategy) -> pl.DataFrame:
    """Each session since a promotion, in `schemas.PROBATION`.

    Parameters
    ----------
    promotion : Event
    nav, backtest : DataFrame
        date and live_return of `schemas.NAV`; date and version of `schemas.LIVE_BACKTEST`.
    held_out : ndarray of shape (n,)
        Net returns of the promoted strategy on its hold-out.
    strategy : Strategy
    """
    from mech_exo_assets.quant.calendar import closes
    from mech_exo_assets.quant.lifecycle.probation import probation_table

    begin = dt.date.fromisoformat(promotion.payload["since"])
    own = backtest.filter((pl.col("version") == promotion.version) & (pl.col("date") >= begin))
    since = nav.select("date", "live_return").join(own, on="date", how="semi").sort("date")
    before = [day for day in nav["date"].to_list() if since.is_empty() or day < since["date"][0]]
    return probation_table(
        since,
        held_out,
        choices=strategy.lifecycle.probation,
        closes=closes([max(before, default=None), *since["date"].to_list()], calendar=strategy.calendar),
        version=str(promotion.version),
        event=promotion.id,
        seed=strategy.seed,
    )


def paths(ledger: Ledger, lake: Lake, strategy: Strategy, backtest: pl.DataFrame) -> pl.DataFrame:
    """Returns of the path taken, of the first champion, and of refits by the calendar, on the sessions of the live account.

    Parameters
    ----------
    backtest : DataFrame
        date and net_return of `schemas.LIVE_BACKTEST`.
    """
    from mech_exo_assets.quant.lifecycle import benefit

    events = ledger.events()
    found = reigns(events)
    if backtest.is_empty() or not found:
        return BENEFIT.empty()
    first, since = versions(events)[found[0].version], found[0].since
    past = history(lake, strategy, first=dt.date(since.year - 1, 1, 1))
    ic = lake.read(IC.key, columns=["date", "factor", "horizon", "ic"])
    others = {
        "never": benefit.never_retrained(first, since),
        "calendar": benefit.retrained_by_calendar(first, since, ic, sessions_of(lake), strategy),
    }
    joined = backtest.select("date", taken="net_return")
    for name, (spans, known) in others.items():
        joined = joined.join(benefit.path_returns(spans, known, past).rename({"net_return": name}), on="date", how="inner")
    joined = joined.sort("date")
    names = [benefit.TAKEN, *others]
    return benefit.benefit_table(joined["date"].to_numpy().astype("datetime64[D]"), {name: joined[name].to_numpy() for name in names})
