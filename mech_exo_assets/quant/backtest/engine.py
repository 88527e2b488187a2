"""From targets to the book: what is checked and prepared before the kernel runs, and what it gives.

What belongs here: `run`, and `Venue` for those who run much on one market. What does not: the loop (`kernel`), cost models (`costs`),
records for people (`book`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.backtest import kernel
from mech_exo_assets.quant.backtest.book import Book
from mech_exo_assets.quant.costs import BASIS_POINT, DAYS_PER_YEAR, Tariff, average_daily_volume, capacity, impact_factor
from mech_exo_assets.quant.panel import Dates, Matrix, Panel, Vector
from mech_exo_assets.settings.judgement import Backtest, Costs


def run(targets: Matrix, market: Panel, *, costs: Costs, choices: Backtest, execution_lag: int, no_trade_band: float = 0.0) -> Book:
    """Trade towards the targets, `execution_lag` sessions after each became known, and keep the book.

    The order of a session: interest and borrow fees of the days since the last close; deposits; positions are valued at the prices of
    the execution (close or open); every name is traded to target weight × NAV as it is then, before costs; positions are valued at the
    close. Between targets, weights drift. What cannot be traded in full (no price, no volume, above the participation cap) waits, and
    is traded on the next sessions towards the same weight until it is reached or a new target comes. A position without a price for
    `CLOSE_AFTER` sessions is closed at its last price, free of cost, and counted. Every convention stands in `docs/backtest.md`.

    Parameters
    ----------
    targets : ndarray of shape (n_sessions, n_symbols)
        Weights as fractions of NAV, known at the close of each session, on the axes of `market`. A row of NaN says: no new target. In
        any other row NaN is 0: do not hold.
    market : Panel
        With total_return_index and close; open where it is traded at the open; volume where it is known.
    costs, choices
        The sections `costs` and `backtest` of the strategy.
    execution_lag : int
        Sessions between a target and its trade; 0 trades at the same close.
    no_trade_band : float
        A name whose weight is nearer than this to its new target is not traded, unless that target is 0.

    Returns
    -------
    Book
        From the session of the first trade.

    Raises
    ------
    InputError
        If no session has a target that can still be executed; if trades at the open are wanted and there are no opens; if losses, costs
        and withdrawals use up the whole NAV.
    """
    return Venue(market, costs=costs, choices=choices, execution_lag=execution_lag, no_trade_band=no_trade_band).run(targets)


class Venue:
    """Where targets are traded: prices, capacities and costs of a market, prepared once for as many targets as are to be traded.

    Attributes
    ----------
    market : Panel
    average_volume : ndarray of shape (n_sessions, n_symbols) or None
        `costs.average_daily_volume`; None where the source has no volume.
    terms : kernel.Terms
    """

    def __init__(self, market: Panel, *, costs: Costs, choices: Backtest, execution_lag: int, no_trade_band: float) -> None:
        """Prepare a market; parameters and errors are those of `run`."""
        index, close = market["total_return_index"], market["close"]
        if choices.execute_at == "open" and "open" not in market:
            raise InputError("backtest.execute_at: open, and the source has no column open. Add it, or take execute_at: close.")
        self.market, self._choices = market, choices
        self._shown = market["open"] if choices.execute_at == "open" else close
        self._execution = index if self._shown is close else self._shown * (index / close)
        self.average_volume = None
        self._capacity = self._factor = index
        years = market.year_starts()
        if "volume" in market:
            volume = market["volume"]
            self.average_volume = average_daily_volume(volume, close, window=costs.volume_window, year_starts=years)
            self._capacity = capacity(volume, self.average_volume, participation=costs.participation)
            if costs.impact > 0:
                self._factor = impact_factor(
                    index, self.average_volume, coefficient=costs.impact, window=costs.volatility_window, year_starts=years
                )
        self._in_force: tuple[Matrix, Matrix] | None = None
        daily = BASIS_POINT / DAYS_PER_YEAR
        self.terms = kernel.Terms(
            tariff=Tariff.of(costs),
            lag=execution_lag,
            initial_nav=choices.initial_nav,
            band=no_trade_band,
            borrow=costs.borrow_bps * daily,
            credit=costs.cash_interest_bps * daily,
            debit=costs.debit_interest_bps * daily,
            at_open=choices.execute_at == "open",
            whole_shares=choices.integer_shares,
            by_share=costs.commission_per_share > 0,
            capped=self._capacity is not index,
            with_impact=self._factor is not index,
        )

    def run(self, targets: Matrix, *, no_trade_band: float | None = None) -> Book:
        """The book of the targets; see `run`. By default the band is that of the venue."""
        terms = self.terms if no_trade_band is None else self.terms._replace(band=no_trade_band)
        has_target = kernel.rows_with_values(targets)
        start = _first_trade(has_target, self.market.sessions, self.terms.lag)
        inputs = self.inputs(targets, has_target, start=start)
        # NumPy asks the system for huge pages and numba does not, which takes most of the cost off the first touch.
        holdings = np.empty((len(targets) - start, targets.shape[1]))
        flows, closed, waited = kernel.simulate(inputs, start, terms, holdings)
        nav = flows[kernel.NAV]
        if np.any(nav <= 0):
            ruined = self.market.sessions[start + int(np.argmax(nav <= 0))]
            raise InputError(
                f"the backtest is ruined: losses, costs and withdrawals used up all NAV on {ruined}. Lower construction.gross, the costs "
                "or the withdrawals in backtest.flows."
            )
        sessions, symbols = self.market.sessions[start:], self.market.symbols
        return Book(flows, sessions, symbols, holdings, closed, waited, inputs, start, terms, self.average_volume)

    def in_force(self) -> tuple[Matrix, Matrix]:
        """Capacity and impact factor of each session and name, with no limit and no impact where the terms switch them off."""
        index = self.market["total_return_index"]
        if self._in_force is None:
            self._in_force = (
                self._capacity if self.terms.capped else np.full(index.shape, np.inf),
                self._factor if self.terms.with_impact else np.zeros(index.shape),
            )
        return self._in_force

    def inputs(self, targets: Matrix, has_target: NDArray[np.bool_], *, start: int) -> kernel.Inputs:
        """The kernel's arrays for a book from session `start` on; where one is not wanted, the index stands in its place, unread."""
        sessions = self.market.sessions[start:]
        return kernel.Inputs(
            targets=np.ascontiguousarray(targets),
            has_target=has_target,
            index=self.market["total_return_index"],
            execution=self._execution,
            shown=self._shown,
            close=self.market["close"],
            capacity=self._capacity,
            factor=self._factor,
            days=np.diff(sessions, prepend=sessions[:1]).astype(np.float64),
            deposits=_deposits(self._choices.flows, self.market.sessions, start),
        )


def _first_trade(has_target: NDArray[np.bool_], sessions: Dates, lag: int) -> int:
    with_target = np.flatnonzero(has_target) + lag
    if not len(with_target):
        raise InputError(
            "the backtest has nothing to trade: no session has a target. Give a longer history, or lower scores.min_names or "
            "composite.min_coverage."
        )
    if with_target[0] >= len(sessions):
        raise InputError(
            f"the backtest has nothing to trade: the first target is of {sessions[with_target[0] - lag]}, and {lag} sessions later the "
            f"prices have ended ({sessions[-1]}). Give a longer history."
        )
    return int(with_target[0])


def _deposits(flows: Mapping[dt.date, float], sessions: Dates, start: int) -> Vector:
    """Deposits of each session from `start`; one of a day without a session goes to the next, one before the start to the start."""
    deposits = np.zeros(len(sessions) - start)
    for day, amount in flows.items():
        at = max(int(np.searchsorted(sessions, np.datetime64(day))) - start, 0)
        if at < len(deposits):
            deposits[at] += amount
    return deposits
