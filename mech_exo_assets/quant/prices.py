"""Prices made ready for everything that is computed from them.

What belongs here: keeping to the exchange's sessions, and the index that drives all returns. What does not: what is suspicious in
them (`quality`), and returns over a horizon (`returns`).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from mech_exo_assets.quant.panel import Dates


def is_session(dates: pl.Series, sessions: Dates) -> pl.Series:
    """Whether each date is a session.

    Parameters
    ----------
    dates : Series of Date
        In any order.
    sessions : ndarray of shape (n_sessions,), datetime64[D]
        Sorted.

    Returns
    -------
    Series of Boolean
        As long as `dates`.
    """
    days = dates.to_numpy().astype("datetime64[D]")
    if not len(sessions):
        return pl.Series(np.zeros(len(days), dtype=bool))
    position = np.minimum(np.searchsorted(sessions, days), len(sessions) - 1)
    return pl.Series(sessions[position] == days)


def on_sessions(prices: pl.DataFrame, sessions: Dates) -> pl.DataFrame:
    """The rows whose date is a session; the others are listed as `off_session` by `quality.findings`.

    Parameters
    ----------
    prices : DataFrame
        With `date`.
    sessions : ndarray of shape (n_sessions,), datetime64[D]
        Sorted.
    """
    inside = is_session(prices["date"], sessions)
    return prices if inside.all() else prices.filter(inside)


def total_return_index(prices: pl.DataFrame) -> pl.DataFrame:
    """Prices with the index that drives all returns: adjusted_close over the first adjusted_close of the symbol.

    A dividend or split rescales the whole adjusted history of a symbol; the index divides that scale out, so that what was
    computed once stays.

    Parameters
    ----------
    prices : DataFrame
        With date, symbol and adjusted_close; sorted by date.

    Returns
    -------
    DataFrame
        The same rows and order, and `total_return_index` as the last column.
    """
    return prices.with_columns(total_return_index=pl.col("adjusted_close") / pl.col("adjusted_close").first().over("symbol"))
