"""Compile every kernel once, during set-up: `python -m mech_exo_assets.quant.warm_up`.

What belongs here: calling each kernel on a small market, so that the compiled code is in numba's cache when a person needs it. What does
not: anything that is computed for a person.
"""

from __future__ import annotations

import datetime as dt
import sys
import time

import numpy as np
import polars as pl

from mech_exo_assets.quant import backtest, ic, returns
from mech_exo_assets.quant.comparison import sharpe_difference
from mech_exo_assets.quant.contributions import Composition, Profits, contribution_table
from mech_exo_assets.quant.detection import watch
from mech_exo_assets.quant.drift.windows import rolling_t
from mech_exo_assets.quant.factors import available, compute
from mech_exo_assets.quant.factors.known import features_as_of
from mech_exo_assets.quant.factors.scoring import score_all
from mech_exo_assets.quant.learning.inference import mean_intervals
from mech_exo_assets.quant.live.account import account
from mech_exo_assets.quant.models.session_ic import session_ics
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.quant.portfolio import target_weights
from mech_exo_assets.quant.prices import total_return_index
from mech_exo_assets.quant.quintiles import quintile_table
from mech_exo_assets.quant.ranks import average_ranks
from mech_exo_assets.quant.residual import residual_ic_table
from mech_exo_assets.quant.simulator import simulate
from mech_exo_assets.quant.weights.candidate import Candidate
from mech_exo_assets.quant.weights.objective import Objective
from mech_exo_assets.schemas import FILLS, TARGETS
from mech_exo_assets.settings import Strategy, load_strategy


def warm_up() -> None:
    """Run the numerical chain on a dozen simulated names."""
    market = simulate(names=12, sessions=300)
    prices = total_return_index(market.prices)
    panel = Panel.from_frame(prices, [name for name in prices.columns if name not in ("date", "symbol")])
    features = features_as_of(market.features, panel.sessions, panel.symbols)
    panel = Panel(panel.sessions, panel.symbols, {**panel.fields, **features})
    factors, _ = available(panel.fields)
    exposures = compute(panel, factors)
    scores = score_all(
        exposures,
        {factor.name: factor.orientation for factor in factors},
        sector_codes=np.zeros(len(panel.symbols), dtype=np.int64),
        winsorise=0.01,
        min_sector_names=3,
        min_names=10,
    )
    forward = returns.forward_returns(panel["total_return_index"], horizon=1, execution_lag=1)
    ic.ic_table(scores, {1: forward}, panel.sessions, min_names=10)
    chosen = load_strategy()
    _diagnose(Panel(panel.sessions, panel.symbols, scores), panel, chosen)
    _construct(panel)
    _keep(panel)
    average_ranks(forward)
    _search(Panel(panel.sessions, panel.symbols, scores), panel, chosen)
    targets = np.full(panel.shape, 1 / panel.shape[1])
    book = backtest.run(targets, panel, costs=chosen.costs, choices=chosen.backtest, execution_lag=1)
    book.trades()
    sharpe_difference(*np.random.default_rng(0).standard_normal((2, 100)), seed=0, resamples=19, block=1)
    session_ics(np.zeros(12), np.zeros(12, np.float32), np.array([0, 12]))
    mean_intervals(np.random.default_rng(0).standard_normal((1, 100)), horizon=1, seed=0, resamples=19)
    contribution_table(
        Profits.of(book.positions(), book.to_frame(book.nav), years=(0, 9999)),
        Composition(Panel(panel.sessions, panel.symbols, scores), dict.fromkeys(scores, 1.0), 0.5),
        sectors={},
        target_dates=panel.sessions,
        execution_lag=1,
    )


def _search(scores: Panel, market: Panel, chosen: Strategy) -> None:
    """One candidate of a weight search; `tested` leaves no windows to be found in so short a history."""
    equal = Candidate(dict.fromkeys(scores.fields, 1 / len(scores.fields)))
    for rebalance in ("daily", "weekly"):
        construction = chosen.construction.model_copy(update={"rebalance": rebalance})
        often = chosen.model_copy(update={"construction": construction})
        Objective(scores, market, often, sectors={}, tested=slice(270, len(market.sessions))).evaluate([equal])


def _diagnose(scores: Panel, market: Panel, chosen: Strategy) -> None:
    """The tables of the group decay that have kernels."""
    residual = residual_ic_table(
        scores, market, horizons=(1,), execution_lag=1, sectors={}, choices=chosen.decay, min_names=10, years=(0, 9998)
    )
    quintile_table(scores, market, horizons=(1,), execution_lag=1, min_names=10, years=(0, 9998))
    watch(residual, market.sessions, horizon=1, execution_lag=1, choices=chosen.decay)


def _keep(market: Panel) -> None:
    """A live account with one fill, and whether it drifts."""
    day = market.sessions[0].astype(object)
    fill = (dt.datetime(2000, 1, 1), day, market.symbols[0], 1.0, 1.0, 0.0, "", "")  # noqa: DTZ001 (UTC, as in the table)
    fills = pl.DataFrame([fill], schema=FILLS.dtypes(), orient="row")
    cash = pl.DataFrame({"date": [day], "amount": [100.0]})
    account(fills, market, cash, first=day, capital=1.0)
    rolling_t(np.arange(9.0), 5)


def _construct(market: Panel) -> None:
    """Target weights, with every constraint that has a kernel."""
    chosen = load_strategy()
    limits = chosen.construction.limits.model_copy(update={"name": 0.2, "sector": 0.5, "gross": 1.0})
    construction = chosen.construction.model_copy(update={"neutral": ("beta",), "volatility_target": 0.1, "limits": limits})
    scores = Panel(market.sessions, market.symbols, {"score": returns.simple_returns(market["total_return_index"])})
    target_weights(scores, market, construction, sectors={}, calendar=chosen.calendar, previous=TARGETS.empty())


if __name__ == "__main__":
    started = time.perf_counter()
    warm_up()
    sys.stdout.write(f"Numerical kernels are compiled ({time.perf_counter() - started:.0f} s).\n")
