"""What the backtest leaves: positions, trades, and the check that they agree with the flows.

What belongs here: the book and its tables. What does not: flows of each session (`flows`), how the book came about (`engine`), and
figures about it (`performance`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.backtest import kernel
from mech_exo_assets.quant.backtest.flows import Flows
from mech_exo_assets.quant.panel import Dates, Matrix, Vector
from mech_exo_assets.schemas import BACKTEST, POSITIONS, TRADES


@dataclass(frozen=True, eq=False)
class Book(Flows):
    """The book of one simulated portfolio, from the session of the first trade.

    All vectors run over `sessions`. Fractions are of the base: NAV at the previous close and the session's deposits.

    Attributes
    ----------
    sessions : ndarray of datetime64[D]
    symbols : ndarray of str
    holdings : ndarray of shape (n_sessions, n_symbols)
        Units of the total-return index that are held at each close.
    closed_names : int
        Positions that were closed since their name had stopped trading.
    carried_orders : int
        Orders that could not be filled in their session, each counted once for every session.
    inputs, start, terms
        What the kernel was run on; the book begins at row `start` of the matrices.
    average_volume : ndarray of shape (n_all_sessions, n_symbols) or None
        `costs.average_daily_volume`; None where the source has no volume.
    """

    sessions: Dates
    symbols: NDArray[np.str_]
    holdings: Matrix
    closed_names: int
    carried_orders: int
    inputs: kernel.Inputs
    start: int
    terms: kernel.Terms
    average_volume: Matrix | None

    @property
    def identity_error(self) -> float:
        """Largest relative difference between two roads to the NAV: cash and positions, and the base with all that was earned and paid.

        The first is counted in holdings, the second in flows; they share no sum.
        """
        paid = self.flows[[kernel.COMMISSION, kernel.SPREAD, kernel.IMPACT, kernel.BORROW]].sum(axis=0)
        road = self.flows[kernel.BASE] + self.flows[kernel.PROFIT] + self.flows[kernel.INTEREST] - paid
        return float(np.max(np.abs(road / self.nav - 1)))

    @property
    def flow(self) -> Vector:
        """Deposits before each session, in currency; negative is a withdrawal."""
        return self.inputs.deposits

    @property
    def unmeasured_trades(self) -> int:
        """Trades whose average daily volume was not known, so that they had neither impact nor a cap."""
        before = np.vstack([np.zeros(len(self.symbols)), self.holdings[:-1]])
        traded = self.holdings != before
        return int(np.count_nonzero(traded if self.average_volume is None else traded & ~(self.average_volume[self.start :] > 0)))

    def deposits_to_come(self, flows: Mapping[dt.date, float]) -> int:
        """How many of the chosen deposits and withdrawals lie after the last session, and are not in the book yet."""
        return sum(np.datetime64(day) > self.sessions[-1] for day in flows)

    def require_trades(self) -> None:
        """Refuse a book in which nothing was ever traded.

        Raises
        ------
        InputError
            If no order was placed.
        """
        if not self.flows[kernel.TRADED].any():
            raise InputError(
                "the backtest never trades: no order is above construction.no_trade_band, a whole share (backtest.integer_shares) and what "
                "can be traded in a session (costs.participation). Lower the band, raise backtest.initial_nav, or lift the cap."
            )

    def to_frame(self, benchmark: Vector) -> pl.DataFrame:
        """The table in `schemas.BACKTEST`.

        Parameters
        ----------
        benchmark : ndarray of shape (n_sessions,)
            Return of the benchmark in the sessions of the book. In the first it is 0 here, as the strategy's before costs: both are bought
            at its close; at the open, what a benchmark would earn in the rest of the session is not known.
        """
        compared = pl.Series(np.concatenate(([np.nan if self.terms.at_open else 0.0], benchmark[1:])), nan_to_null=True)
        columns = {name: getattr(self, name) for name in BACKTEST.names if name not in ("date", "benchmark_return")}
        return pl.DataFrame({"date": _dates(self.sessions), **columns, "benchmark_return": compared})

    def positions(self) -> pl.DataFrame:
        """The table in `schemas.POSITIONS`."""
        where, what = self._records(2, 3, changed=False)
        kernel.positions(self.holdings, self.inputs, self.start, self.terms.at_open, where, what)
        value, price, profit = what
        frame = pl.DataFrame(
            {
                **self._axes(where),
                "quantity": value / price,
                "price": price,
                "value": value,
                "weight": value / self.nav[where[0]],
                "profit": profit,
            }
        )
        return frame.select(POSITIONS.names)

    def trades(self) -> pl.DataFrame:
        """The table in `schemas.TRADES`."""
        where, what = self._records(3, 6, changed=True)
        kernel.trades(self.holdings, self.inputs, self.start, self.terms, where, what)
        quantity, price, notional, commission, spread, impact = what
        fresh = self.inputs.has_target[self.start - self.terms.lag :]
        reason = np.where(where[2] == 1, 2, np.where(fresh[where[0]], 0, 1))
        frame = pl.DataFrame(
            {
                **self._axes(where),
                "quantity": quantity,
                "price": price,
                "commission": commission,
                "spread": spread,
                "impact": impact,
                "side": _words(("sell", "buy"), quantity > 0),
                "notional": notional,
                "reason": _words(("target", "carried", "closed"), reason),
            }
        )
        return frame.select(TRADES.names)

    def _records(self, n_where: int, n_what: int, *, changed: bool) -> tuple[NDArray[np.int64], Matrix]:
        """Room for the kernel's records. NumPy asks the system for huge pages and numba does not: the first touch of numba's costs more."""
        n = kernel.changes(self.holdings, changed)
        return np.empty((n_where, n), dtype=np.int64), np.empty((n_what, n))

    def _axes(self, where: NDArray[np.int64]) -> dict[str, pl.Series]:
        return {"date": _dates(self.sessions[where[0]]), "symbol": _words(self.symbols, where[1])}


def _words(words: Sequence[str] | NDArray[np.str_], which: NDArray[np.integer] | NDArray[np.bool_]) -> pl.Series:
    """A column of some words; an array of NumPy strings would be converted one by one."""
    column = pl.Series(words, dtype=pl.String)
    return column.gather(which.astype(np.uint32)) if len(which) else column.clear()


def _dates(days: Dates) -> pl.Series:
    return pl.Series(days.astype("datetime64[D]")).cast(pl.Date)
