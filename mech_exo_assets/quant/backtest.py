"""What a portfolio that follows the targets would have earned, session by session.

What belongs here: execution and accounting. What does not: how targets come about (`portfolio`), what a trade costs (`costs`), and
figures about the result (`performance`).

The numba kernel cannot be seen by the coverage tool, which is what its `pragma: no cover` says; it is tested through `run`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import polars as pl
from numpy.typing import NDArray

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.panel import Dates, Matrix, Vector

CLOSE_AFTER = 10
"""A position without a price for so many sessions in a row is closed at its last price: the name has stopped trading."""


@dataclass(frozen=True, eq=False)
class Backtest:
    """One simulated portfolio; all vectors run over `sessions`, from the session of the first trade.

    Attributes
    ----------
    sessions : ndarray of datetime64[D]
    gross_return : ndarray
        Profit of the positions held into the session over NAV at the previous close.
    cost : ndarray
        Cost of the session's trades over NAV just before them.
    net_return : ndarray
        (1 + gross_return) · (1 − cost) − 1.
    turnover : ndarray
        Traded notional, buys and sells together, over NAV just before the trades.
    exposure : ndarray
        Sum of absolute positions over NAV, after the trades.
    nav : ndarray
        Net asset value at the close, after costs, in the currency of the prices.
    closed_names : int
        Positions that were closed since their name had stopped trading.
    """

    sessions: Dates
    gross_return: Vector
    net_return: Vector
    cost: Vector
    turnover: Vector
    exposure: Vector
    nav: Vector
    closed_names: int

    def to_frame(self) -> pl.DataFrame:
        """The table in `schemas.BACKTEST`."""
        columns = ("gross_return", "net_return", "cost", "turnover", "exposure", "nav")
        return pl.DataFrame({"date": pl.Series(self.sessions).cast(pl.Date), **{name: getattr(self, name) for name in columns}})


def run(
    targets: Matrix,
    total_return_index: Matrix,
    sessions: Dates,
    *,
    execution_lag: int,
    cost_rate: float,
    initial_nav: float,
) -> Backtest:
    """Trade towards the targets at the close, `execution_lag` sessions after each became known.

    On each session: positions earn their total return; then every name with a price is traded to target weight × NAV as it was
    before these trades, and their cost is taken from cash. Between targets, weights drift. A name without a price can be neither traded
    nor revalued; after `CLOSE_AFTER` such sessions it is closed at its last price, free of cost. Cash earns nothing.

    Parameters
    ----------
    targets : ndarray of shape (n_sessions, n_symbols)
        Weights as fractions of NAV, known at the close of each session. A row of NaN says: no new target, do not trade. In any other
        row NaN is 0: do not hold.
    total_return_index : ndarray of shape (n_sessions, n_symbols)
        Prices with dividends and splits worked in; NaN where there is none.
    sessions : ndarray of shape (n_sessions,), datetime64[D]
    execution_lag : int
        Sessions between a target and its trade; 0 trades at the same close.
    cost_rate : float
        Cost over traded notional, as a fraction.
    initial_nav : float
        Currency at the start.

    Raises
    ------
    InputError
        If no session has a target that can still be executed, or costs and losses use up the whole NAV.
    """
    has_target: NDArray[np.bool_] = np.asarray((~np.isnan(targets)).any(axis=1))
    with_target = np.flatnonzero(has_target) + execution_lag
    if not len(with_target):
        raise InputError(
            "the backtest has nothing to trade: no session has a target. Give a longer history, or lower scores.min_names or "
            "composite.min_coverage."
        )
    if with_target[0] >= len(sessions):
        first = sessions[with_target[0] - execution_lag]
        raise InputError(
            f"the backtest has nothing to trade: the first target is of {first}, and {execution_lag} sessions later the prices have ended "
            f"({sessions[-1]}). Give a longer history."
        )
    start = int(with_target[0])
    flows, closed = _simulate(
        np.ascontiguousarray(np.nan_to_num(targets)),
        has_target,
        np.ascontiguousarray(total_return_index),
        start,
        execution_lag,
        cost_rate,
        initial_nav,
    )
    gross, cost, turnover, exposure, nav = flows
    if np.any(nav <= 0):
        ruined = sessions[start + int(np.argmax(nav <= 0))]
        raise InputError(f"the backtest is ruined: losses and costs used up all NAV on {ruined}. Lower construction.gross or the costs.")
    net = (1 + gross) * (1 - cost) - 1
    return Backtest(sessions[start:], gross, net, cost, turnover, exposure, nav, closed)


@numba.njit(cache=True)
def _simulate(  # pragma: no cover
    targets: Matrix,
    has_target: np.ndarray,
    prices: Matrix,
    start: int,
    lag: int,
    cost_rate: float,
    initial_nav: float,
) -> tuple[Matrix, int]:
    n_sessions, n_symbols = prices.shape
    flows = np.zeros((5, n_sessions - start))
    value = np.zeros(n_symbols)
    last_price = np.full(n_symbols, np.nan)
    missing = np.zeros(n_symbols, dtype=np.int64)
    nav, cash, closed = initial_nav, initial_nav, 0
    for t in range(start, n_sessions):
        profit = 0.0
        for i in range(n_symbols):
            price = prices[t, i]
            if np.isnan(price):
                missing[i] += 1
                if missing[i] == CLOSE_AFTER and value[i] != 0.0:
                    cash += value[i]
                    value[i] = 0.0
                    closed += 1
                continue
            missing[i] = 0
            if value[i] != 0.0:
                earned = value[i] * (price / last_price[i] - 1.0)
                value[i] += earned
                profit += earned
            last_price[i] = price
        before = nav + profit
        traded = 0.0
        if has_target[t - lag]:
            for i in range(n_symbols):
                if not np.isnan(prices[t, i]):
                    wanted = targets[t - lag, i] * before
                    traded += abs(wanted - value[i])
                    cash -= wanted - value[i]
                    value[i] = wanted
        cost = cost_rate * traded
        cash -= cost
        held = 0.0
        absolute = 0.0
        for i in range(n_symbols):
            held += value[i]
            absolute += abs(value[i])
        flows[0, t - start] = profit / nav
        nav = cash + held
        if before <= 0.0 or nav <= 0.0:
            break  # ruined: this session's NAV stays 0
        flows[1, t - start] = cost / before
        flows[2, t - start] = traded / before
        flows[3, t - start] = absolute / nav
        flows[4, t - start] = nav
    return flows, closed
