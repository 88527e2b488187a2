"""Fills and cash of a `files:` folder: the rules for their values.

What belongs here: what a fill or a deposit must be. What does not: which session it is booked in (`quant.live`), and reading files
(`tables`).
"""

from __future__ import annotations

import polars as pl

from mech_exo_assets.sources.protocol import RAW_CASH, RAW_FILLS
from mech_exo_assets.sources.tables import Layout, Table, refuse
from mech_exo_assets.sources.validation import CORRECT_ROW, Rule, check_rows, finite, possible_day, required

FILLS = Layout(
    {"timestamp": pl.Datetime, "symbol": pl.String, "quantity": pl.Float64, "price": pl.Float64},
    {"fee": pl.Float64, "order_id": pl.String},
)
CASH = Layout({"date": pl.Date, "amount": pl.Float64}, {})
_IDENTITY = ["timestamp", "symbol", "order_id"]


def check_fills(table: Table, prices: pl.DataFrame) -> pl.DataFrame:
    """The fills with all their columns, ordered by time; a missing fee is 0, and a missing order_id empty.

    Raises
    ------
    InputError
        At the first row that is wrong; at a fill that stands there twice, or once more with other figures; at a symbol without prices.
    """
    frame = table.frame.with_columns(
        pl.col("fee").fill_null(0.0) if "fee" in table.frame.columns else pl.lit(0.0).alias("fee"),
        pl.col("order_id").fill_null("") if "order_id" in table.frame.columns else pl.lit("").alias("order_id"),
    )
    whole = Table(frame, table.name, table.place)
    check_rows(
        whole,
        [
            *map(required, ("timestamp", "symbol", "quantity", "price")),
            *map(finite, ("quantity", "price", "fee")),
            Rule(pl.col("quantity") == 0, lambda _: "quantity is 0; a fill buys (above 0) or sells (below 0) something"),
            Rule(pl.col("price") <= 0, lambda row: f"price is {row['price']}; a price must be above zero"),
        ],
    )
    _once_each(whole)
    known = prices["symbol"].unique()
    strangers = frame.with_row_index("row").filter(~pl.col("symbol").is_in(known.to_list()))
    if strangers.height:
        refuse(whole.place(int(strangers["row"][0])), f"{strangers['symbol'][0]} has no prices", mend="Add its prices, or delete the row")
    return frame.select(pl.col(name).cast(dtype) for name, dtype in RAW_FILLS.items()).sort(*_IDENTITY)


def check_cash(table: Table) -> pl.DataFrame:
    """Deposits and withdrawals, ordered by date.

    Raises
    ------
    InputError
        At the first row that is wrong.
    """
    check_rows(
        table,
        [
            *map(required, ("date", "amount")),
            finite("amount"),
            possible_day("date"),
            Rule(pl.col("amount") == 0, lambda _: "amount is 0; a deposit is above 0 and a withdrawal below 0"),
        ],
    )
    return table.frame.select(*RAW_CASH).sort("date")


def _once_each(table: Table) -> None:
    rows = table.frame.with_row_index("row")
    double = rows.filter(pl.struct(_IDENTITY).is_duplicated())
    if double.is_empty():
        return
    first = double.row(0, named=True)
    others = double.filter(pl.all_horizontal(pl.col(name) == first[name] for name in _IDENTITY))
    second = others.row(1, named=True)
    of = f"the fill of {first['symbol']} at {first['timestamp']}"
    if (second["quantity"], second["price"]) == (first["quantity"], first["price"]):
        said, mend = f"{of} stands in {table.place(first['row'])} already", "Delete one of them, or tell them apart by order_id"
    else:
        said = f"{of} contradicts {table.place(first['row'])}: {second['quantity']:g} at {second['price']:g}, there "
        said, mend = f"{said}{first['quantity']:g} at {first['price']:g}", f"{CORRECT_ROW}, or tell them apart by order_id"
    refuse(table.place(second["row"]), said, mend=mend)
