"""The example of docs/backtest.md, to the cent: its tables are read from the page and held against the engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.quant.backtest import Book
from mech_exo_tests.quant.backtest.ledger import NAN, Market

PAGE = Path(__file__).resolve().parents[3] / "docs" / "backtest.md"
CENT = 0.005 + 1e-9


def table_of_the_page(first_column: str, second_column: str) -> list[list[str]]:
    """The rows of the table with this header."""
    lines = iter(PAGE.read_text(encoding="utf-8").splitlines())
    next(line for line in lines if line.startswith(f"| {first_column} | {second_column} |"))
    next(lines)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


@pytest.fixture(scope="module")
def book() -> Book:
    """The example's market, from the page's own prices."""
    rows = table_of_the_page("session", "A")
    close = np.array([[float(cell.split(",")[0]) for cell in row[1:4]] for row in rows])
    returns = close[1:] / close[:-1] - 1
    returns[3, 0] = (51 + 1) / 50 - 1  # the dividend
    returns[3, 1] = 2 * 49 / 100 - 1  # the split
    index = np.vstack([np.ones(3), np.cumprod(1 + returns, axis=0)])
    volume = np.full(close.shape, NAN)
    volume[:, 2] = [float(row[4].replace(" ", "")) for row in rows]
    targets = np.full(close.shape, NAN)
    for t, row in enumerate(rows):
        if row[5]:
            targets[t] = [float(part.split()[1].replace("−", "-")) / 100 for part in row[5].split(",")]
    sessions = np.array([row[0].split()[1] for row in rows], dtype="datetime64[D]")

    class Dated(Market):
        @property
        def sessions(self) -> np.ndarray:
            return sessions

    return Dated(targets, index, close, None, volume).run(
        lag=1,
        choices={"initial_nav": 100_000.0},
        commission_bps=1.0,
        commission_per_share=0.005,
        commission_minimum=1.0,
        half_spread_bps=5.0,
        impact=1.0,
        participation=0.05,
        volume_window=2,
        volatility_window=2,
        borrow_bps=365.0,
        cash_interest_bps=182.5,
    )


def test_the_trades_are_those_of_the_page(book: Book):
    rows, trades = table_of_the_page("session", "symbol"), book.trades()
    assert [row[:2] for row in rows] == [
        [str(day), {"S00": "A", "S01": "B", "S02": "C"}[name]] for day, name in trades[["date", "symbol"]].iter_rows()
    ]
    assert [row[7] for row in rows] == trades["reason"].to_list()
    figures = trades.select("quantity", "price", "commission", "spread", "impact").to_numpy()
    np.testing.assert_allclose(figures, [[float(cell) for cell in row[2:7]] for row in rows], rtol=0, atol=CENT)


def test_the_cash_and_the_nav_are_those_of_the_page(book: Book):
    rows = table_of_the_page("session", "interest")
    assert [row[0] for row in rows] == [str(day) for day in book.sessions]
    base = book.nav / (1 + book.net_return)
    trading = (book.commission + book.spread + book.impact) * base
    profit = book.positions().group_by("date").agg(pl.col("profit").sum()).sort("date")["profit"].to_numpy()
    figures = np.column_stack([book.interest * base, book.borrow * base, profit, trading, book.cash, book.nav])
    np.testing.assert_allclose(figures, [[float(cell) for cell in row[1:]] for row in rows], rtol=0, atol=CENT)
