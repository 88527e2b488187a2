"""What the deployed strategy would have earned by the backtest.

What belongs here: the backtest of `live/targets`. What does not: the engine (`backtest`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import numpy as np
import polars as pl

from mech_exo_assets.quant import backtest
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.schemas import LIVE_BACKTEST
from mech_exo_assets.settings.judgement import Backtest, Costs


def deployed_backtest(
    targets: pl.DataFrame,
    market: Panel,
    *,
    costs: Costs,
    choices: Backtest,
    execution_lag: int,
    no_trade_band: float,
    initial_nav: float,
    flows: Mapping[dt.date, float],
) -> tuple[backtest.Book, pl.DataFrame]:
    """The book of the targets, and the table in `schemas.LIVE_BACKTEST`, from the session of their first trade.

    Parameters
    ----------
    targets : DataFrame
        `schemas.LIVE_TARGETS`.
    market : Panel
        close and total_return_index; open and volume where the source has them.
    costs, choices, execution_lag, no_trade_band
        As `backtest.run` takes them.
    initial_nav : float
    flows : mapping of date to float
        Deposits after the first session.

    Raises
    ------
    InputError
        As `backtest.run`.
    """
    wanted = Panel.from_frame(targets, ["weight"], sessions=market.sessions, symbols=market.symbols)
    book = backtest.run(
        wanted.observed("weight"),
        market,
        costs=costs,
        choices=choices.model_copy(update={"initial_nav": initial_nav, "flows": dict(flows)}),
        execution_lag=execution_lag,
        no_trade_band=no_trade_band,
    )
    of = targets.select("date", "version").unique().sort("date")
    traded = np.searchsorted(market.sessions, of["date"].to_numpy().astype("datetime64[D]")) + execution_lag
    # What is traded at a close earns from the next session on.
    at = np.searchsorted(traded, np.arange(book.start, len(market.sessions)), side="left") - 1
    table = pl.DataFrame(
        {
            "date": pl.Series(book.sessions.astype("datetime64[D]")).cast(pl.Date),
            "gross_return": book.gross_return,
            "net_return": book.net_return,
            "commission": book.commission,
            "slippage": book.spread + book.impact,
            "turnover": book.turnover,
            "exposure": book.exposure,
            "nav": book.nav,
            "version": of["version"].gather(np.maximum(at, 0)),
        }
    )
    return book, table.select(LIVE_BACKTEST.names)
