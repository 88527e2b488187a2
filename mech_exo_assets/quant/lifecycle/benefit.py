"""What retraining has brought: the path taken beside those that were not.

What belongs here: the paths that were not taken, and their comparison over the same sessions. What does not: the path taken (`quant.live`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import polars as pl

from mech_exo_assets.quant.comparison import MIN_SESSIONS, sharpe_difference
from mech_exo_assets.quant.factor_names import ML_ALPHA
from mech_exo_assets.quant.lifecycle.canary import deployments
from mech_exo_assets.quant.lifecycle.deployed import History, live_targets
from mech_exo_assets.quant.lifecycle.reigns import Reign
from mech_exo_assets.quant.lifecycle.version import StrategyVersion
from mech_exo_assets.quant.live.expected import deployed_backtest
from mech_exo_assets.quant.panel import Dates, Vector
from mech_exo_assets.quant.performance import performance
from mech_exo_assets.quant.performance.inference import NO_VARIATION
from mech_exo_assets.quant.weights.known import mean_ic_weights
from mech_exo_assets.schemas import BENEFIT, LIVE_TARGETS
from mech_exo_assets.settings import Strategy

TAKEN = "taken"


def never_retrained(first: StrategyVersion, since: dt.date) -> tuple[list[Reign], dict[str, StrategyVersion]]:
    """The first champion, for ever."""
    return [_reign(first.id, since)], {first.id: first}


def retrained_by_calendar(
    first: StrategyVersion, since: dt.date, ic: pl.DataFrame, sessions: Dates, strategy: Strategy
) -> tuple[list[Reign], dict[str, StrategyVersion]]:
    """The first champion, and every `lifecycle.calendar_months` a version whose factors are weighted by their mean IC until then.

    w_f ∝ max(mean IC of f, 0) over all coefficients that were known at the close before; no gate is asked. Where no factor has a positive
    one, the version before goes on.

    Parameters
    ----------
    first : StrategyVersion
    since : date
        First session of the live account.
    ic : DataFrame
        `schemas.IC`.
    sessions : ndarray of datetime64[D]
        All that are known.
    strategy : Strategy
    """
    reigns, versions = never_retrained(first, since)
    months = sessions.astype("datetime64[M]").astype(int)
    begin = int(np.searchsorted(sessions, np.datetime64(since)))
    if begin >= len(sessions):
        return reigns, versions
    period = (months - months[begin]) // strategy.lifecycle.calendar_months
    factors = sorted(set(ic["factor"].unique()) - {ML_ALPHA})
    for at in np.flatnonzero(np.concatenate([[False], period[1:] != period[:-1]]) & (np.arange(len(sessions)) > begin)):
        weights = mean_ic_weights(ic, sessions[:at], strategy, factors=factors)
        if any(weights.values()):
            version = replace(first, weights={name: weight for name, weight in weights.items() if weight}, blend=0.0, models={})
            versions[version.id] = version
            reigns[-1] = replace(reigns[-1], until=sessions[at].item())
            reigns.append(_reign(version.id, sessions[at].item()))
    return reigns, versions


def path_returns(reigns: list[Reign], versions: dict[str, StrategyVersion], history: History) -> pl.DataFrame:
    """What a succession of versions would have earned: date and net_return, by the backtest."""
    targets = live_targets(deployments(reigns, ()), versions, history, LIVE_TARGETS.empty())
    strategy = history.strategy
    _, table = deployed_backtest(
        targets,
        history.market,
        costs=strategy.costs,
        choices=strategy.backtest,
        execution_lag=strategy.execution_lag,
        no_trade_band=versions[reigns[-1].version].sizing.no_trade_band,
        initial_nav=strategy.backtest.initial_nav,
        flows={},
    )
    return table.select("date", "net_return")


def _reign(version: str, since: dt.date) -> Reign:
    return Reign(0, version, since, None, dt.datetime.combine(since, dt.time(), dt.UTC), "shadow", "shadow", "")


def benefit_table(sessions: Dates, paths: Mapping[str, Vector]) -> pl.DataFrame:
    """Returns of each path, in `schemas.BENEFIT`.

    Parameters
    ----------
    sessions : ndarray of shape (n,), datetime64[D]
    paths : mapping of str to ndarray of shape (n,)
        Net returns: `taken`, and those that were not.
    """
    days = pl.Series("date", sessions.astype("datetime64[D]")).cast(pl.Date)
    parts = [
        pl.DataFrame({"date": days, "path": pl.Series([name] * len(days), dtype=pl.String), "net_return": values})
        for name, values in paths.items()
    ]
    return pl.concat(parts).select(BENEFIT.names) if parts else BENEFIT.empty()


def benefit_figures(table: pl.DataFrame, *, seed: int) -> pl.DataFrame:
    """Growth, Sharpe ratio and drawdown of each path, and by how much the Sharpe ratio of the path taken is larger, with its interval.

    Parameters
    ----------
    table : DataFrame
        `schemas.BENEFIT`.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        path, sessions, cagr, sharpe, max_drawdown, ahead, ahead_low, ahead_high (95 %); the last three null for the path taken itself, for
        fewer than 60 sessions, and where a path does not trade.
    """
    by_path = {str(name): part.sort("date") for (name,), part in table.partition_by("path", as_dict=True).items()}
    rows = []
    for name, part in sorted(by_path.items(), key=lambda item: item[0] != TAKEN):
        returns = part["net_return"].to_numpy()
        row: dict[str, object] = {"path": name, "sessions": len(returns)}
        if len(returns) > 1 and returns.std() > NO_VARIATION:
            figures = performance(returns, part["date"].to_numpy().astype("datetime64[D]"))
            row |= {"cagr": figures.cagr, "sharpe": figures.sharpe, "max_drawdown": figures.max_drawdown}
        taken = by_path[TAKEN]["net_return"].to_numpy()
        if name != TAKEN and len(returns) >= MIN_SESSIONS and min(returns.std(), taken.std()) > NO_VARIATION:
            found = sharpe_difference(taken, returns, seed=seed)
            row |= {"ahead": found.difference, "ahead_low": _finite(found.low), "ahead_high": _finite(found.high)}
        rows.append(row)
    names = ("cagr", "sharpe", "max_drawdown", "ahead", "ahead_low", "ahead_high")
    return pl.DataFrame(rows, schema={"path": pl.String, "sessions": pl.Int32, **dict.fromkeys(names, pl.Float64)})


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
