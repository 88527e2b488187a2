"""What was known when: fundamentals and features as matrices, from the day on which a figure became known.

What belongs here: the way from a long table with known dates to a panel, without looking ahead. What does not: prices.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

from mech_exo_assets.quant.panel import Dates, Index, Matrix

FUNDAMENTALS_CARRY_DAYS = 400
"""Calendar days for which a fundamental figure is used: a year, and time for a late report."""
FEATURE_CARRY_SESSIONS = 63
"""Sessions for which a feature's value is used: a quarter."""
FEATURE_PREFIX = "feature/"
"""Before the name of a feature's field in a panel, so that it cannot be taken for a price."""


def fundamentals_as_of(frame: pl.DataFrame | pl.LazyFrame, sessions: Dates, symbols: NDArray[np.str_]) -> dict[str, Matrix]:
    """Each item of `market/fundamentals` as last known at the close of each session, for at most `FUNDAMENTALS_CARRY_DAYS`."""
    named = frame.lazy().select("symbol", "value", name="item", known="date", described="date")
    return _as_of_by_name(named, sessions, symbols, carry=FUNDAMENTALS_CARRY_DAYS, carry_unit="days")


def features_as_of(frame: pl.DataFrame | pl.LazyFrame, sessions: Dates, symbols: NDArray[np.str_]) -> dict[str, Matrix]:
    """Each feature as last known at the close of each session, for at most `FEATURE_CARRY_SESSIONS`; by `feature/NAME`.

    Notes
    -----
    Of the values known by a session, the one that describes the latest date counts: a late figure for an old date replaces nothing newer.
    """
    named = frame.lazy().select("symbol", "value", name="feature", known="known_at", described="date")
    known = _as_of_by_name(named, sessions, symbols, carry=FEATURE_CARRY_SESSIONS, carry_unit="sessions")
    return {f"{FEATURE_PREFIX}{name}": matrix for name, matrix in known.items()}


def as_of(
    frame: pl.DataFrame, sessions: Dates, symbols: NDArray[np.str_], *, carry: int, carry_unit: Literal["days", "sessions"]
) -> Matrix:
    """The value that was known last at the close of each session.

    Parameters
    ----------
    frame : DataFrame
        `symbol`, `value`, `known` (day from which it may be used) and `described` (day that it describes), in any order.
    sessions : ndarray of shape (n_sessions,), datetime64[D]
    symbols : ndarray of shape (n_symbols,), str
        Rows of other symbols are left out.
    carry : int
        Days after `known`, or sessions after the first with it, for which the value is used.
    carry_unit : {"days", "sessions"}

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        NaN before the first value is known, and after the last has expired.
    """
    codes = pl.DataFrame({"symbol": pl.Series(symbols, dtype=pl.String), "code": np.arange(len(symbols), dtype=np.int64)})
    rows = (
        frame.filter(pl.col("value").is_not_null() & pl.col("value").is_not_nan())
        .join(codes, on="symbol")
        # Known on the same day: the one that describes the later date comes last, and so counts.
        .sort("code", "known", "described")
        .filter(pl.col("described") >= pl.col("described").cum_max().over("code"))
    )
    known = rows["known"].to_numpy().astype("datetime64[D]")
    first = np.searchsorted(sessions, known)
    inside = first < len(sessions)
    values = np.full((len(sessions), len(symbols)), np.nan)
    since = np.zeros(values.shape, dtype=np.int64)
    at = (first[inside], rows["code"].to_numpy()[inside])
    days = sessions.astype("datetime64[D]").astype(np.int64)
    clock = days if carry_unit == "days" else np.arange(len(sessions), dtype=np.int64)
    # Rows are ordered, so of several for one session the last is written last; NumPy promises that for assignment by index.
    values[at] = rows["value"].to_numpy()[inside]
    since[at] = (known.astype(np.int64) if carry_unit == "days" else first)[inside]
    _carry(values, since, clock, carry)
    return values


def _as_of_by_name(
    frame: pl.LazyFrame, sessions: Dates, symbols: NDArray[np.str_], *, carry: int, carry_unit: Literal["days", "sessions"]
) -> dict[str, Matrix]:
    known = frame.filter(pl.col("known") <= pl.lit(sessions[-1]).cast(pl.Date)) if len(sessions) else frame
    return {
        name: as_of(known.filter(pl.col("name") == name).collect(), sessions, symbols, carry=carry, carry_unit=carry_unit)
        for name in frame.select(pl.col("name").unique().sort()).collect()["name"]
    }


@njit(nogil=True, cache=True)
def _carry(values: Matrix, since: Index, clock: Index, limit: int) -> None:  # pragma: no cover
    n_sessions, n_symbols = values.shape
    for t in range(n_sessions):
        for j in range(n_symbols):
            if np.isnan(values[t, j]) and t > 0 and not np.isnan(values[t - 1, j]):
                values[t, j], since[t, j] = values[t - 1, j], since[t - 1, j]
            if clock[t] - since[t, j] > limit:
                values[t, j] = np.nan
