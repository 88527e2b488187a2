"""The live account: average cost, profit and loss, and net asset value, from fills and closes.

What belongs here: accounting, one session after another. What does not: where fills come from (`paper`, `fills`).

The order of a session: deposits; splits and dividends on what is held; fills, in their order; valuation at the close.
    quantity ← quantity · split,  average cost ← average cost / split,  cash ← cash + quantity · dividend    (dividend per new share)
A fill that enlarges a position moves its average cost; one that reduces it realises (price − average cost) · quantity closed; one that
crosses zero closes the position and opens another at its price.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.panel import Dates, Matrix, Panel, Vector
from mech_exo_assets.schemas import FILLS, LIVE_POSITIONS, NAV

RESTATED = 1e-9
"""Relative difference from which on a NAV counts as another one."""


@dataclass
class Book:
    """The account in the middle of its sessions: what is held, at which cost, and the cash.

    Attributes
    ----------
    quantity, average_cost : ndarray of shape (n_symbols,)
    cash : float
    """

    quantity: Vector
    average_cost: Vector
    cash: float = 0.0
    realised: Vector = field(init=False)
    fees: Vector = field(init=False)
    dividends: Vector = field(init=False)
    traded: float = 0.0
    gained: float = 0.0

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begin a session: its sums are 0."""
        n = len(self.quantity)
        self.realised, self.fees, self.dividends = np.zeros(n), np.zeros(n), np.zeros(n)
        self.traded = self.gained = 0.0

    def corporate_actions(self, split: Vector, dividend: Vector) -> None:
        """Splits and dividends of a session, on what is held since the close before."""
        self.quantity = self.quantity * split
        self.average_cost = self.average_cost / split
        self.dividends = self.quantity * dividend
        self.cash += float(self.dividends.sum())

    def fill(self, at: int, quantity: float, price: float, fee: float, close: float) -> None:
        """One fill of the symbol at a position of the axis."""
        held, cost = self.quantity[at], self.average_cost[at]
        closing = 0.0 if held * quantity >= 0 else float(np.sign(quantity)) * min(abs(quantity), abs(held))
        opening = quantity - closing
        self.realised[at] += -closing * (price - cost)
        now = held + quantity
        if opening:
            kept = held + closing
            self.average_cost[at] = (kept * cost + opening * price) / now
        if abs(now) < 1e-12 * max(abs(held), abs(quantity)):
            now = 0.0
        if now == 0.0:
            self.average_cost[at] = 0.0
        self.quantity[at] = now
        self.cash -= quantity * price + fee
        self.fees[at] += fee
        self.traded += abs(quantity) * price
        self.gained += quantity * (close - price)


@dataclass(frozen=True, eq=False)
class Account:
    """The account over its sessions.

    Attributes
    ----------
    sessions : ndarray of datetime64[D]
    symbols : ndarray of str
    quantity, average_cost, price, realised, dividends, fees : ndarray of shape (n_sessions, n_symbols)
    nav_values, cash, flow, base, traded, gained : ndarray of shape (n_sessions,)
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
        If a fill has a symbol without prices, or comes before the first session; if nothing was deposited before it; if the NAV is used up.
    """
    start = int(np.searchsorted(market.sessions, np.datetime64(first)))
    sessions = market.sessions[start:]
    close = forward_filled(market["close"])
    split, dividend = actions(market)
    flow = _flows(cash, sessions, capital)
    by_session = located(fills, sessions, market.symbols)
    n = len(market.symbols)
    book = Book(np.zeros(n), np.zeros(n))
    kept: dict[str, list] = {
        name: []
        for name in ("quantity", "average_cost", "realised", "dividends", "fees", "nav", "cash", "base", "traded", "gained", "moved")
    }
    counts = np.zeros(len(sessions), dtype=np.int32)
    nav = 0.0
    for t in range(len(sessions)):
        row = start + t
        book.begin()
        base = nav + flow[t]
        if not base > 0:
            raise InputError(
                f"live account: on {sessions[t]} there is no capital ({base:g}). Add a deposit before it to 'cash', or correct the fills; "
                "nothing was computed."
            )
        book.cash += flow[t]
        worth = 0.0
        if t:
            worth = float(np.nansum(book.quantity * close[row - 1]))
            book.corporate_actions(split[row], dividend[row])
        moved = float(np.nansum(book.quantity * close[row])) - worth
        for at, quantity, price, fee in by_session.get(t, ()):
            book.fill(at, quantity, price, fee, close[row, at])
            counts[t] += 1
        nav = book.cash + float(np.nansum(book.quantity * close[row]))
        for name, value in (
            ("quantity", book.quantity.copy()),
            ("average_cost", book.average_cost.copy()),
            ("realised", book.realised),
            ("dividends", book.dividends),
            ("fees", book.fees),
            ("nav", nav),
            ("cash", book.cash),
            ("base", base),
            ("traded", book.traded),
            ("gained", book.gained),
            ("moved", moved),
        ):
            kept[name].append(value)
    matrices = {
        name: np.array(kept[name]).reshape(len(sessions), n) for name in ("quantity", "average_cost", "realised", "dividends", "fees")
    }
    vectors = {name: np.array(kept[name], dtype=np.float64) for name in ("nav", "cash", "base", "traded", "gained", "moved")}
    return Account(
        sessions=sessions,
        symbols=market.symbols,
        price=close[start:],
        nav_values=vectors.pop("nav"),
        flow=flow,
        fill_count=counts,
        **matrices,
        **vectors,
    )


def located(fills: pl.DataFrame, sessions: Dates, symbols: np.ndarray) -> dict[int, list[tuple[int, float, float, float]]]:
    """Fills by position of their session: position of the symbol, quantity, price and fee of each, in the order of time.

    Raises
    ------
    InputError
        If a symbol has no prices, or a session is not there.
    """
    found: dict[int, list[tuple[int, float, float, float]]] = {}
    axis, names = (
        {symbol: at for at, symbol in enumerate(symbols.tolist())},
        fills.select(FILLS.names).sort("timestamp", "symbol", "order_id"),
    )
    days = {day: at for at, day in enumerate(sessions.astype("datetime64[D]").tolist())}
    for _, date, symbol, quantity, price, fee, *_rest in names.iter_rows():
        if symbol not in axis:
            raise InputError(
                f"fills: {symbol} was filled on {date}, and has no prices. Add its prices, or delete the fill; nothing was computed."
            )
        if date not in days:
            raise InputError(
                f"fills: one of {symbol} is booked on {date}, which is no session of the account. Correct it; nothing was computed."
            )
        found.setdefault(days[date], []).append((axis[symbol], quantity, price, fee))
    return found


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
