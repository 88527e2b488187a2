"""Fills, and the sessions that they are booked in.

What belongs here: from raw fills to the table `live/fills`. What does not: what they add up to (`account`), and reading them (`sources`).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.calendar import closes
from mech_exo_assets.quant.panel import Dates
from mech_exo_assets.schemas import FILLS

_IDENTITY = ["timestamp", "symbol", "order_id"]


def checked(fills: pl.DataFrame, *, where: str = "fills") -> pl.DataFrame:
    """The fills, if each can be booked.

    Parameters
    ----------
    fills : DataFrame
        timestamp (UTC), symbol, quantity, price, fee, order_id.
    where : str
        What a message calls them.

    Raises
    ------
    InputError
        Naming the first row whose quantity, price or fee cannot be, or that stands there twice, the same or another.
    """
    rows = fills.with_row_index("row", offset=1)
    for wrong, said in (
        (~pl.col("quantity").is_finite() | (pl.col("quantity") == 0), "its quantity is {quantity}, and must be a number other than 0"),
        (~pl.col("price").is_finite() | (pl.col("price") <= 0), "its price is {price}, and must be above 0"),
        (~pl.col("fee").is_finite(), "its fee is {fee}, and must be a number"),
    ):
        found = rows.filter(wrong.fill_null(value=True)).head(1).to_dicts()
        if found:
            raise InputError(f"{where}, row {found[0]['row']}: {said.format(**found[0])}. Correct or delete the row; nothing was booked.")
    twice = rows.filter(pl.struct(_IDENTITY).is_duplicated()).sort(*_IDENTITY, "row")
    if twice.height:
        first = twice.row(0, named=True)
        others = twice.filter(
            (pl.col("timestamp") == first["timestamp"]) & (pl.col("symbol") == first["symbol"]) & (pl.col("order_id") == first["order_id"])
        )
        kind = "stands there twice" if others.select("quantity", "price").is_duplicated().all() else "contradicts another of the same order"
        numbers = " and ".join(str(row) for row in others["row"].to_list()[:2])
        raise InputError(
            f"{where}, rows {numbers}: a fill of {first['symbol']} at {first['timestamp']} {kind}. Keep one of them; nothing was booked."
        )
    return fills


def booked(raw: pl.DataFrame, sessions: Dates, *, calendar: str, broker: str) -> pl.DataFrame:
    """The fills with the session of each, in `schemas.FILLS`, ordered by time.

    A fill belongs to the session that was open, or the next one to open: the first session whose close is not before it. Fills after the
    last close are not booked yet.

    Parameters
    ----------
    raw : DataFrame
        timestamp (UTC), symbol, quantity, price, fee, order_id.
    sessions : ndarray of datetime64[D]
        Those of the prices, sorted.
    calendar : str
        Code of `exchange_calendars`.
    broker : str
        What the table says of their origin.

    Raises
    ------
    InputError
        As `checked`; or if a fill is before the first session.
    """
    fills = checked(raw).sort("timestamp", "symbol", "order_id")
    if fills.is_empty():
        return FILLS.empty()
    ends = closes(sessions, calendar=calendar)
    times = fills["timestamp"].to_numpy().astype("datetime64[us]")
    at = np.searchsorted(ends, times, side="left")
    if times[0] < sessions[0].astype("datetime64[us]"):
        raise InputError(f"fills: one is of {times[0]}, and prices begin on {sessions[0]}. Give earlier prices; nothing was booked.")
    known = at < len(sessions)
    dates = pl.Series("date", sessions[at[known]].astype("datetime64[D]")).cast(pl.Date)
    return fills.filter(pl.Series(known)).with_columns(dates, broker=pl.lit(broker)).select(FILLS.names)
