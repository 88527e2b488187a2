"""The book's tables: they agree with each other and with the NAV, to 1e-9, on every session."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mech_exo_assets.errors import InputError
from mech_exo_assets.schemas import BACKTEST, POSITIONS, TRADES
from mech_exo_tests.quant.backtest.ledger import NAN, Market, market
from mech_exo_tests.quant.backtest.test_run import FULL, markets


def per_session(sessions: np.ndarray, table: pl.DataFrame, column: str) -> np.ndarray:
    """Sums of a column for each session, 0 where it has no rows."""
    days = pl.DataFrame({"date": pl.Series(sessions.astype("datetime64[D]")).cast(pl.Date)})
    sums = table.group_by("date").agg(pl.col(column).sum())
    return days.join(sums, on="date", how="left")[column].fill_null(0.0).to_numpy()


@given(markets(), st.sampled_from(["close", "open"]), st.booleans(), st.integers(0, 2))
def test_cash_and_positions_make_the_nav(given_market: Market, at: str, whole: bool, lag: int):
    book = given_market.run(lag=lag, choices={"execute_at": at, "integer_shares": whole}, **FULL)
    positions = book.positions()
    assert positions.select((*BACKTEST.names[:1], "symbol")).is_duplicated().sum() == 0
    worth = positions.with_columns(worth=pl.col("quantity") * pl.col("price"))
    np.testing.assert_allclose(book.cash + per_session(book.sessions, worth, "worth"), book.nav, rtol=1e-9)
    np.testing.assert_allclose(per_session(book.sessions, positions, "weight"), book.net_exposure, rtol=1e-9, atol=1e-12)
    base = book.nav / (1 + book.net_return)
    np.testing.assert_allclose(
        per_session(book.sessions, positions, "profit"), (book.gross_return - book.interest) * base, rtol=1e-9, atol=1e-8
    )


@given(markets(), st.sampled_from(["close", "open"]), st.booleans(), st.integers(0, 2))
def test_the_trades_explain_costs_turnover_and_cash(given_market: Market, at: str, whole: bool, lag: int):
    book = given_market.run(lag=lag, choices={"execute_at": at, "integer_shares": whole}, **FULL)
    trades = book.trades()
    base = book.nav / (1 + book.net_return)
    for name in ("commission", "spread", "impact"):
        np.testing.assert_allclose(per_session(book.sessions, trades, name), getattr(book, name) * base, rtol=1e-7, atol=1e-8)
    traded = trades.filter(pl.col("reason") != "closed")
    np.testing.assert_allclose(per_session(book.sessions, traded, "notional"), book.turnover * base, rtol=1e-7, atol=1e-8)
    paid = trades.with_columns(paid=pl.col("quantity") * pl.col("price") + pl.col("commission") + pl.col("spread") + pl.col("impact"))
    cash = 10_000 - np.cumsum(per_session(book.sessions, paid, "paid")) + np.cumsum((book.interest - book.borrow) * base)
    np.testing.assert_allclose(cash, book.cash, rtol=1e-7, atol=1e-6)
    assert (trades["side"] == pl.select(pl.when(trades["quantity"] > 0).then(pl.lit("buy")).otherwise(pl.lit("sell"))).to_series()).all()


def test_a_split_doubles_the_shares_and_moves_no_money():
    book = market([[0.5], [NAN], [NAN]], [[1.0], [1.0], [1.1]], close=[[100.0], [50.0], [55.0]]).run(lag=0)
    assert book.positions()["quantity"].to_list() == [50.0, 100.0, 100.0]
    assert book.nav.tolist() == [10_000.0, 10_000.0, 10_500.0]
    assert len(book.trades()) == 1


def test_a_dividend_is_reinvested_in_the_shares_that_paid_it():
    # 2 % dividend: the close falls from 100 to 98, the index stays.
    book = market([[0.49], [NAN]], [[1.0], [1.0]], close=[[100.0], [98.0]]).run(lag=0)
    assert book.positions()["quantity"].to_list() == [49.0, 50.0]
    assert book.positions()["profit"].to_list() == [0.0, 0.0]


def test_the_tables_conform_to_their_schemas():
    book = market([[1.0], [NAN]], [[1.0], [2.0]]).run(lag=0)
    table = book.to_frame(np.array([0.3, 0.5]))
    assert table.schema == BACKTEST.empty().schema
    assert table["nav"].to_list() == book.nav.tolist()
    assert table["benchmark_return"].to_list() == [0.0, 0.5]
    assert book.positions().schema == POSITIONS.empty().schema
    assert book.trades().schema == TRADES.empty().schema


def test_a_book_without_trades_has_empty_tables():
    book = market([[0.0], [NAN]], [[1.0], [2.0]]).run(lag=0)
    assert book.trades().equals(TRADES.empty())
    assert book.positions().equals(POSITIONS.empty())


def test_at_the_open_the_benchmark_of_the_first_session_is_not_known():
    prices = [[1.0], [2.0]]
    book = market([[1.0], [NAN]], prices, open=prices).run(lag=1, choices={"execute_at": "open"})
    assert book.to_frame(np.array([0.3]))["benchmark_return"].to_list() == [None]


def test_a_book_without_trades_is_refused_with_what_to_change():
    with pytest.raises(InputError, match=r"never trades: no order is above construction.no_trade_band"):
        market([[0.1], [NAN]], [[1.0], [2.0]]).run(lag=0, band=0.2).require_trades()
    market([[0.1], [NAN]], [[1.0], [2.0]]).run(lag=0).require_trades()


def test_deposits_after_the_last_session_are_counted():
    book = market([[0.1], [NAN]], [[1.0], [2.0]]).run(lag=0)
    assert book.deposits_to_come({dt.date(2020, 1, 2): 5.0, dt.date(2020, 1, 3): 5.0}) == 1
