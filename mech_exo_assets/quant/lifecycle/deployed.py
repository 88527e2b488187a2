"""What a strategy version wants to hold, and what it would have earned.

What belongs here: targets and book of a version on a history, in one way for champion, challenger and shadows. What does not: who is
champion (`reigns`), and what was really earned (`quant.live`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from mech_exo_assets.quant import backtest
from mech_exo_assets.quant.composite import blended_score, composite_score
from mech_exo_assets.quant.factor_names import ML_ALPHA
from mech_exo_assets.quant.learning.scores import with_learned
from mech_exo_assets.quant.lifecycle.canary import Deployed, blended
from mech_exo_assets.quant.lifecycle.version import StrategyVersion
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.quant.portfolio import target_table
from mech_exo_assets.schemas import LIVE_TARGETS, TARGETS, factor_columns
from mech_exo_assets.settings import Strategy


@dataclass(frozen=True, eq=False)
class History:
    """What every version is traded on.

    Attributes
    ----------
    scores : DataFrame
        `schemas.SCORES`, with `ml_alpha` where it is known, on the sessions whose targets are wanted.
    market : Panel
        open, high, low, close, volume and total_return_index, on those sessions and on as many before as risk takes.
    sectors : mapping of str to str
    strategy : Strategy
        For what is no choice of a version: calendar, costs, execution lag.
    """

    scores: pl.DataFrame
    market: Panel
    sectors: Mapping[str, str]
    strategy: Strategy

    @classmethod
    def of(cls, scores: pl.DataFrame, learned: pl.DataFrame, market: Panel, universe: pl.DataFrame, strategy: Strategy) -> History:
        """Of the tables as the lake has them."""
        sectors = {symbol: sector for symbol, sector in universe.select("symbol", "sector").iter_rows() if sector is not None}
        return cls(with_learned(scores, learned), market, sectors, strategy)

    def since(self, first: dt.date) -> History:
        """With the scores of a session and later ones only."""
        return History(self.scores.filter(pl.col("date") >= first), self.market, self.sectors, self.strategy)


def version_targets(version: StrategyVersion, history: History) -> pl.DataFrame:
    """Target weights of a version on every session of the history, in `schemas.TARGETS`.

    A factor of the version that has no scores counts as unknown. The same version on the same history gives the same targets to the last
    bit, whoever was champion meanwhile; those of `top_n` depend on where the history begins.
    """
    if history.scores.is_empty():
        return TARGETS.empty()
    there = [name for name in factor_columns(history.scores.columns) if name in version.weights or name == ML_ALPHA]
    panel = Panel.from_frame(history.scores, there)
    score = composite_score(panel, version.weights, min_coverage=version.min_coverage)
    if version.blend and ML_ALPHA in there:
        score = blended_score(score, panel.observed(ML_ALPHA), np.full(len(panel.sessions), version.blend))
    return target_table(
        Panel(panel.sessions, panel.symbols, {"score": score}),
        history.market,
        version.sizing,
        sectors=history.sectors,
        calendar=history.strategy.calendar,
        previous=TARGETS.empty(),
    )


def version_book(version: StrategyVersion, history: History, *, initial_nav: float | None = None) -> backtest.Book:
    """What a version would have earned on the history, net of the costs of the strategy file.

    Raises
    ------
    InputError
        If it has no target that can be traded.
    """
    strategy, market = history.strategy, history.market
    wanted = Panel.from_frame(version_targets(version, history), ["weight"], sessions=market.sessions, symbols=market.symbols)
    capital = strategy.backtest.initial_nav if initial_nav is None else initial_nav
    return backtest.run(
        wanted.observed("weight"),
        market,
        costs=strategy.costs,
        choices=strategy.backtest.model_copy(update={"initial_nav": capital, "flows": {}}),
        execution_lag=strategy.execution_lag,
        no_trade_band=version.sizing.no_trade_band,
    )


def live_targets(
    deployed: Sequence[Deployed], versions: Mapping[str, StrategyVersion], history: History, decided: pl.DataFrame
) -> pl.DataFrame:
    """What the deployed strategy wanted to hold on each session, in `schemas.LIVE_TARGETS`; each session has one champion's targets.

    Where another strategy comes in between two dates of its rebalance calendar, its first session has the targets that it has had since the
    last of them: a rollback waits for no month to end.

    Parameters
    ----------
    deployed : sequence of Deployed
        Reigns and canaries of the ledger.
    versions : mapping of str to StrategyVersion
        Of the ledger.
    history : History
        From a session on that is the same at every call.
    decided : DataFrame
        The table as it was published: its sessions stay as they are.
    """
    last: dt.date | None = max(decided["date"].to_list(), default=None)
    sessions = history.scores["date"].unique().sort()
    wanted: dict[str, pl.DataFrame] = {}

    def targets(name: str) -> pl.DataFrame:
        if name not in wanted:
            wanted[name] = version_targets(versions[name], history)
        return wanted[name]

    parts = [decided]
    for each in deployed:
        if last is not None and each.until is not None and each.until <= last:
            continue
        own = targets(each.version)
        if each.canary is not None:
            own = blended(own, targets(each.canary.version), each.canary.share)
        until = pl.lit(True) if each.until is None else pl.col("date") < each.until
        new = from_first_session(own, sessions, each.since).filter((pl.col("date") >= each.since) & until)
        if last is not None:
            new = new.filter(pl.col("date") > last)
        parts.append(new.with_columns(version=pl.lit(each.version)).select(LIVE_TARGETS.names))
    return pl.concat(parts).sort("date", "symbol")


def from_first_session(targets: pl.DataFrame, sessions: pl.Series, since: dt.date) -> pl.DataFrame:
    """Targets, with those that stand on the first session of a span, if none are new on it."""
    first = sessions.filter(sessions >= since).head(1)
    before = targets.filter(pl.col("date") <= first.item()) if len(first) else targets.clear()
    if before.is_empty() or before["date"].max() == first.item():
        return targets
    standing = before.filter(pl.col("date") == pl.col("date").max()).with_columns(date=pl.lit(first.item()))
    return pl.concat([targets, standing.select(targets.columns)])
