"""The live account: average cost, profit and loss, and net asset value, from fills and closes.

What belongs here: what the account is, and what it refuses. What does not: the loop (`kernel`), where fills come from (`paper`, `fills`).

The order of a session: deposits; splits and dividends on what is held; fills, in their order; valuation at the close.
    quantity ← quantity · split,  average cost ← average cost / split,  cash ← cash + quantity · dividend    (dividend per new share)
A fill that enlarges a position moves its average cost; one that reduces it realises (price − average cost) · quantity closed; one that
crosses zero closes the position and opens another at its price.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import polars as pl

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.live import kernel
from mech_exo_assets.quant.panel import Dates, Matrix, Panel, Vector
from mech_exo_assets.schemas import FILLS, LIVE_POSITIONS, NAV

RESTATED = 1e-9
"""Relative difference from which on a NAV counts as another one."""


@dataclass(frozen=True, eq=False)
class Account:
    """The account over its sessions.

    Attributes
    ----------
    sessions : ndarray of datetime64[D]
    symbols : ndarray of str
    quantity, average_cost, price, realised, dividends, fees : ndarray of shape (n_sessions, n_symbols)
    nav_values, cash, flow : ndarray of shape (n_sessions,)
    base : ndarray of shape (n_sessions,)
        NAV before the session and its deposits: what returns are of.
    traded, gained, moved : ndarray of shape (n_sessions,)
        Notional of the fills, quantity · (close − price) over them, and what positions held before them have moved by.
    fill_count : ndarray of shape (n_sessions,)
    """

    sessions: Dates
    symbols: np.ndarray
    quantity: Matrix
    average_cost: Matrix
    price: Matrix
    realised: Matrix
    dividends: Matrix
    fees: Matrix
    nav_values: Vector
    cash: Vector
    flow: Vector
    base: Vector
    traded: Vector
    gained: Vector
    moved: Vector
    fill_count: np.ndarray

    @property
    def identity_error(self) -> float:
        """Largest relative difference between two roads to the NAV: cash and positions, and the base with all that was earned and paid."""
        road = self.base + self.moved + self.dividends.sum(axis=1) + self.gained - self.fees.sum(axis=1)
        return float(np.max(np.abs(road / self.nav_values - 1), initial=0.0))

    @property
    def live_return(self) -> Vector:
        """Nav over the NAV before and the session's deposits, less one."""
        return self.nav_values / self.base - 1

    def positions(self) -> pl.DataFrame:
        """The table in `schemas.LIVE_POSITIONS`."""
        rows = (self.quantity != 0) | (self.realised != 0) | (self.fees != 0) | (self.dividends != 0)
        panel = Panel(self.sessions, self.symbols)
        value = self.quantity * self.price
        return panel.to_frame(
            {
                "quantity": self.quantity,
                "average_cost": np.where(self.quantity != 0, self.average_cost, np.nan),
                "price": self.price,
                "value": value,
                "realised": self.realised,
                "unrealised": np.where(self.quantity != 0, value - self.quantity * self.average_cost, 0.0),
                "dividends": self.dividends,
                "fees": self.fees,
            },
            rows=rows,
        ).select(LIVE_POSITIONS.names)

    def nav(self, before: pl.DataFrame | None = None) -> pl.DataFrame:
        """The table in `schemas.NAV`; `restated` is seen against the table as it was published before."""
        value = np.nan_to_num(self.quantity * self.price)
        unrealised = np.where(self.quantity != 0, value - self.quantity * self.average_cost, 0.0).sum(axis=1)
        table = pl.DataFrame(
            {
                "date": pl.Series(self.sessions.astype("datetime64[D]")).cast(pl.Date),
                "nav": self.nav_values,
                "cash": self.cash,
                "flow": self.flow,
                "live_return": self.live_return,
                "realised": self.realised.sum(axis=1),
                "unrealised": unrealised,
                "dividends": self.dividends.sum(axis=1),
                "fees": self.fees.sum(axis=1),
                "turnover": self.traded / self.base,
                "exposure": np.abs(value).sum(axis=1) / self.nav_values,
                "fills": pl.Series(self.fill_count, dtype=pl.Int32),
            }
        )
        if before is None or before.is_empty():
            return table.with_columns(restated=pl.lit(value=False)).select(NAV.names)
        joined = table.join(before.select("date", published="nav"), on="date", how="left", maintain_order="left")
        other = (pl.col("nav") / pl.col("published") - 1).abs() > RESTATED
        return joined.with_columns(restated=other.fill_null(value=False)).select(NAV.names)


def account(fills: pl.DataFrame, market: Panel, cash: pl.DataFrame, *, first: dt.date, capital: float | None = None) -> Account:
    """Keep the account from a session on, to the last session of the market.

    Parameters
    ----------
    fills : DataFrame
        `schemas.FILLS`.
    market : Panel
        With close; split_coefficient and dividend_amount where the source has them. A name without a price keeps its last one.
    cash : DataFrame
        date, amount: deposits and withdrawals; one of a day without a session goes to the next.
    first : date
        First session of the account.
    capital : float, optional
        Deposited before it, beside `cash`.

    Raises
    ------
    InputError
        If a fill has a symbol without prices, or comes before its first price or before the first session; if nothing was deposited before
        it; if losses, fees and withdrawals use up the NAV.
    """
    start = int(np.searchsorted(market.sessions, np.datetime64(first)))
    sessions = market.sessions[start:]
    split, dividend = actions(market)
    close = carried(market["close"], split)[start:]
    flow = _flows(cash, sessions, capital)
    booked = located(fills, sessions, market.symbols)
    counts = np.diff(booked.starts)
    unpriced = np.flatnonzero(np.isnan(close[np.repeat(np.arange(len(sessions)), counts), booked.at]))
    if len(unpriced):
        day = sessions[np.searchsorted(booked.starts, unpriced[0], side="right") - 1]
        raise InputError(
            f"fills: {market.symbols[booked.at[unpriced[0]]]} was filled on {day}, and has no price by then. Add its prices from {day} "
            "on, or correct the fill; nothing was computed."
        )
    n = len(sessions)
    kept = kernel.Kept(*(np.zeros((n, len(market.symbols))) for _ in range(5)), *(np.zeros(n) for _ in range(6)))
    at, why = kernel.keep(booked, kernel.Prices(close, split[start:], dividend[start:]), flow, kept)
    if why == kernel.NO_CAPITAL:
        raise InputError(
            f"live account: on {sessions[at]} there is no capital ({kept.base[at]:g}). Add a deposit before it to 'cash', or correct "
            "the fills; nothing was computed."
        )
    if why == kernel.USED_UP:
        raise InputError(
            f"live account: on {sessions[at]} losses, fees and withdrawals have used up the NAV ({kept.nav[at]:g}). Correct the fills, "
            "or add the missing deposit to 'cash'; nothing was computed."
        )
    columns = kept._asdict()
    return Account(
        sessions=sessions,
        symbols=market.symbols,
        price=close,
        nav_values=columns.pop("nav"),
        flow=flow,
        fill_count=counts.astype(np.int32),
        **columns,
    )


def located(fills: pl.DataFrame, sessions: Dates, symbols: np.ndarray) -> kernel.Fills:
    """Fills by positions on the axes, in the order in which they are booked: session, time, symbol, order.

    Raises
    ------
    InputError
        If a symbol has no prices, or a session is not there.
    """
    axis = pl.DataFrame({"symbol": symbols.tolist(), "at": np.arange(len(symbols))}, schema={"symbol": pl.String, "at": pl.Int64})
    rows = (
        fills.select(FILLS.names)
        .sort("date", "timestamp", "symbol", "order_id", maintain_order=True)
        .join(axis, on="symbol", how="left", maintain_order="left")
    )
    days = rows["date"].to_numpy().astype("datetime64[D]")
    session = np.searchsorted(sessions, days)
    there = np.zeros(len(days), dtype=bool)
    inside = session < len(sessions)
    there[inside] = sessions[session[inside]] == days[inside]
    strange = rows["at"].is_null().to_numpy()
    wrong = np.flatnonzero(strange | ~there)
    if len(wrong):
        _refuse(rows["symbol"][int(wrong[0])], days[wrong[0]], sessions, known=not strange[wrong[0]])
    return kernel.Fills(
        np.searchsorted(session, np.arange(len(sessions) + 1)),
        rows["at"].to_numpy(),
        *(rows[name].to_numpy() for name in ("quantity", "price", "fee")),
    )


def _refuse(symbol: str, day: np.datetime64, sessions: Dates, *, known: bool) -> NoReturn:
    if not known:
        raise InputError(
            f"fills: {symbol} was filled on {day}, and has no prices. Add its prices, or delete the fill; nothing was computed."
        )
    if len(sessions) and day < sessions[0]:
        raise InputError(
            f"fills: {symbol} was filled on {day}, and the account begins on {sessions[0]}. Add the deposit that it was traded with "
            "to 'cash', or delete the fill; nothing was computed."
        )
    raise InputError(f"fills: one of {symbol} is booked on {day}, which is no session of the account. Correct it; nothing was computed.")


def carried(close: Matrix, split: Matrix) -> Matrix:
    """The last known close of each name, in shares as they are on each session; NaN before its first."""
    shares = np.cumprod(split, axis=0)
    rows = np.where(np.isnan(close), 0, np.arange(len(close))[:, None])
    np.maximum.accumulate(rows, axis=0, out=rows)
    return np.take_along_axis(close, rows, axis=0) * (np.take_along_axis(shares, rows, axis=0) / shares)


def forward_filled(matrix: Matrix) -> Matrix:
    """The last known value of each column; NaN before its first."""
    rows = np.where(np.isnan(matrix), 0, np.arange(len(matrix))[:, None])
    np.maximum.accumulate(rows, axis=0, out=rows)
    return np.take_along_axis(matrix, rows, axis=0)


def actions(market: Panel) -> tuple[Matrix, Matrix]:
    """Splits and dividends of each session; 1 and 0 where the source has none."""
    split, dividend = market.observed("split_coefficient"), market.observed("dividend_amount")
    return np.where(np.isnan(split) | (split <= 0), 1.0, split), np.nan_to_num(dividend)


def _flows(cash: pl.DataFrame, sessions: Dates, capital: float | None) -> Vector:
    flow = np.zeros(len(sessions))
    for day, amount in cash.select("date", "amount").iter_rows():
        at = int(np.searchsorted(sessions, np.datetime64(day)))
        if at < len(flow):
            flow[at] += amount
    if capital is not None and len(flow):
        flow[0] += capital
    return flow
