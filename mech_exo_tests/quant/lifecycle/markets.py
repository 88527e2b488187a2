"""A simulated history for strategy versions."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache

import polars as pl

from mech_exo_assets.quant.lifecycle.deployed import History
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.quant.simulator import Planted, simulate_planted
from mech_exo_assets.settings import Strategy, load_strategy

COLUMNS = ["open", "high", "low", "close", "volume", "total_return_index"]


@lru_cache(maxsize=4)
def history(names: int = 30, sessions: int = 420, seed: int = 3) -> History:
    """Scores of two factors, of which the first ranks returns, and the market that they rank; scores from the second year on."""
    market = simulate_planted(
        [Planted("good", 0.12), Planted("idle", 1e-6)], names=names, sessions=sessions, seed=seed, first=dt.date(2019, 1, 2)
    )
    first = pl.col("adjusted_close") / pl.col("adjusted_close").first().over("symbol")
    prices = market.prices.with_columns(total_return_index=first)
    scores = market.features.pivot("feature", index=["date", "symbol"], values="value").filter(pl.col("date") >= dt.date(2020, 1, 1))
    sectors = dict(market.universe.select("symbol", "sector").iter_rows())
    return History(scores, Panel.from_frame(prices, COLUMNS), sectors, load_strategy())


def chosen(**lifecycle: object) -> Strategy:
    """The default strategy with other choices of the section `lifecycle.validation`."""
    default = load_strategy()
    validation = default.lifecycle.validation.model_copy(update=lifecycle)
    return default.model_copy(update={"lifecycle": default.lifecycle.model_copy(update={"validation": validation})})
