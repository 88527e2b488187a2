"""Whether the published tables of a book agree with each other.

What belongs here: checks over the tables as people will read them. What does not: the book's own check (`Book.identity_error`).
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True)
class Drifts:
    """Largest relative differences over all sessions; each is 0 but for rounding where the tables agree.

    Attributes
    ----------
    compounded : float
        Between the NAV, and the net returns compounded with the deposits.
    positions : float
        Between the NAV, and cash with Σ quantity × price.
    costs : float
        Between commission, spread and impact of the backtest and those of the trades, over the NAV.
    """

    compounded: float
    positions: float
    costs: float


def audit(backtest: pl.DataFrame, positions: pl.DataFrame, trades: pl.DataFrame, *, initial_nav: float) -> Drifts:
    """Compare the tables of one book.

    Parameters
    ----------
    backtest, positions, trades : DataFrame
        `schemas.BACKTEST`, `schemas.POSITIONS`, `schemas.TRADES`.
    initial_nav : float
        Currency at the start.
    """
    worth = positions.group_by("date").agg(worth=(pl.col("quantity") * pl.col("price")).sum())
    paid = trades.group_by("date").agg(paid=(pl.col("commission") + pl.col("spread") + pl.col("impact")).sum())
    days = (
        backtest.sort("date")
        .join(worth, on="date", how="left")
        .join(paid, on="date", how="left")
        .with_columns(
            base=pl.col("nav").shift(1, fill_value=initial_nav) + pl.col("flow"),
            worth=pl.col("worth").fill_null(0.0),
            paid=pl.col("paid").fill_null(0.0),
        )
    )
    compounded = pl.col("base") * (1 + pl.col("net_return"))
    cost = (pl.col("commission") + pl.col("spread") + pl.col("impact")) * pl.col("base")
    found = days.select(
        compounded=(compounded / pl.col("nav") - 1).abs().max(),
        positions=((pl.col("cash") + pl.col("worth")) / pl.col("nav") - 1).abs().max(),
        costs=((pl.col("paid") - cost) / pl.col("nav")).abs().max(),
    )
    return Drifts(*found.row(0))
