"""What every source's data must satisfy, whatever it came from.

What belongs here: the rules for the values of prices, universe, fundamentals and features, each refused with one line that names
the place, the column and the mend. What does not: reading (`tables`), and what is suspicious but usable (`quant.quality`).
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from mech_exo_assets import schemas
from mech_exo_assets.sources.tables import Table, and_more, refuse

MIN_SYMBOLS = 10
"""Fewer names than this cannot be ranked."""

ASSET_CLASSES = ("equity", "bond", "commodity", "fx", "crypto")
"""Accepted values of `universe.asset_class`."""

CORRECT_ROW = "Correct or delete the row"
"""The mend for a table that the user can edit."""

_FIRST_DAY = dt.date(1900, 1, 1)

PRICE_COLUMNS = ("open", "high", "low", "close", "adjusted_close")
NUMBER_COLUMNS = (*PRICE_COLUMNS, "volume", "dividend_amount", "split_coefficient")


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that no row may do.

    Attributes
    ----------
    broken : Expr
        True on rows that break the rule; null counts as kept.
    message : callable
        From the offending row, as a dict, to "close is -3.2; a price must be above zero".
    """

    broken: pl.Expr
    message: Callable[[dict[str, object]], str]


def check_rows(table: Table, rules: Sequence[Rule], *, mend: str = CORRECT_ROW) -> None:
    """Refuse the table at the first row that breaks the first broken rule.

    All rules are evaluated in one pass; where nothing is wrong, that is all that happens.
    """
    broken = table.frame.select(rule.broken.any().alias(str(number)) for number, rule in enumerate(rules)).row(0)
    for rule, is_broken in zip(rules, broken, strict=True):
        if is_broken:
            rows = table.frame.select(rule.broken.arg_true()).to_series()
            first = int(rows[0])
            refuse(table.place(first) + and_more(len(rows) - 1), rule.message(table.frame.row(first, named=True)), mend=mend)


def check_unique(table: Table, key: Sequence[str], *, mend: str = "Delete one of them") -> None:
    """Refuse the table where two rows have the same key, naming both places."""
    # Files come by date or by symbol; in either order, a tie would be between neighbours.
    if any(_strictly_increasing(table.frame, order) for order in (key, key[::-1])):
        return
    double = table.frame.select(pl.struct(key).is_duplicated()).to_series()
    if not double.any():
        return
    rows = table.frame.select(key).with_row_index("row").filter(double)
    first = rows.group_by(key, maintain_order=True).agg(pl.col("row").head(2)).row(0, named=True)
    one, other = first["row"]
    others = len(rows) - rows.n_unique(list(key)) - 1
    what = " and ".join(f"{name} {first[name]}" for name in key)
    refuse(
        table.place(other) + and_more(others),
        f"{what} stand{'s' * (len(key) == 1)} in {table.place(one)} already; a row may stand only once",
        mend=mend,
    )


def _strictly_increasing(frame: pl.DataFrame, key: Sequence[str]) -> bool:
    """Whether the rows are sorted by the key without a tie; nearly free, and true of most files."""
    greater = pl.lit(value=False)
    for name in reversed(key):
        column = pl.col(name)
        greater = (column > column.shift()) | ((column == column.shift()) & greater)
    return bool(frame.select(greater.slice(1).all()).item())


def check_prices(table: Table, *, mend: str = CORRECT_ROW) -> pl.DataFrame:
    """Prices in the columns of `schemas.PRICES` (but total_return_index), sorted, or a refusal.

    Parameters
    ----------
    table : Table
        With date, symbol, close and any of the other columns, as Date, String and Float64.
    mend : str
        What a person can do about a wrong row of this source.

    Returns
    -------
    DataFrame
        Sorted by date and symbol. A column that the table does not have is null; adjusted_close is then the close.

    Raises
    ------
    InputError
        At the first row that is wrong, or where there are fewer than `MIN_SYMBOLS` symbols.
    """
    frame = table.frame
    prices = [name for name in PRICE_COLUMNS if name in frame.columns]
    numbers = [name for name in NUMBER_COLUMNS if name in frame.columns]
    rules = [
        *(required(name) for name in ("date", "symbol", "close")),
        possible_day("date"),
        *(finite(name) for name in numbers),
        *(Rule(pl.col(name) <= 0, _value_message(name, "a price must be above zero")) for name in prices),
        *(
            Rule(pl.col(name) < 0, _value_message(name, "it cannot be negative"))
            for name in ("volume", "dividend_amount")
            if name in numbers
        ),
    ]
    if "split_coefficient" in numbers:
        rules.append(
            Rule(pl.col("split_coefficient") <= 0, _value_message("split_coefficient", "it must be above zero (1 where nothing happened)"))
        )
    if {"high", "low"} <= set(numbers):
        rules.append(
            Rule(pl.col("high") < pl.col("low"), lambda row: f"high is {row['high']} and low is {row['low']}; high cannot be below low")
        )
    if _has_values(frame, "adjusted_close"):
        rules.append(
            Rule(
                pl.col("adjusted_close").is_null(),
                lambda _: "adjusted_close is empty; it must be there on every row, or the column left out",
            )
        )
    check_rows(table, rules, mend=mend)
    check_unique(table, ("date", "symbol"), mend="Delete one of them" if mend == CORRECT_ROW else mend)
    symbols = frame["symbol"].n_unique()
    if symbols < MIN_SYMBOLS:
        refuse(table.name, f"holds {symbols} symbols; ranking needs at least {MIN_SYMBOLS}", mend="Add prices of more symbols")
    return _complete(frame)


def _complete(frame: pl.DataFrame) -> pl.DataFrame:
    dtypes = {name: dtype for name, dtype in schemas.PRICES.dtypes().items() if name != "total_return_index"}
    adjusted = pl.col("adjusted_close") if _has_values(frame, "adjusted_close") else pl.col("close")
    missing = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in dtypes.items() if name not in frame.columns]
    ordered = frame.with_columns(missing).with_columns(adjusted.alias("adjusted_close")).select(*dtypes)
    return ordered if _strictly_increasing(ordered, ("date", "symbol")) else ordered.sort("date", "symbol")


def price_notes(table: Table) -> list[str]:
    """One sentence for each column of prices that the table does not have."""
    missing = [name for name in NUMBER_COLUMNS if name != "close" and not _has_values(table.frame, name)]
    notes = []
    if "adjusted_close" in missing:
        missing.remove("adjusted_close")
        notes.append("adjusted_close is missing: close is used as adjusted.")
    if missing:
        notes.append(f"prices lack {', '.join(missing)}: factors and checks that need them are switched off.")
    return notes


def check_universe(table: Table, prices: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """The universe in the columns of `schemas.UNIVERSE`, one row for each symbol of `prices`, and notes.

    A list may be wider than the prices, which becomes a note: an index has members whose prices nobody kept. A symbol with prices
    that the list does not know is refused: its sector and its listing would be guessed.

    Raises
    ------
    InputError
        At the first row that is wrong.
    """
    optional = [name for name in ("asset_class", "listed_from", "listed_to") if name in table.frame.columns]
    rules = [required("symbol")]
    if "asset_class" in optional:
        accepted = ", ".join(ASSET_CLASSES)
        rules.append(
            Rule(~pl.col("asset_class").is_in(ASSET_CLASSES), lambda row: f"asset_class is '{row['asset_class']}'; accepted are {accepted}")
        )
    if {"listed_from", "listed_to"} <= set(optional):
        rules.append(
            Rule(
                pl.col("listed_to") < pl.col("listed_from"),
                lambda row: f"listed_to {row['listed_to']} is before listed_from {row['listed_from']}",
            )
        )
    check_rows(table, rules)
    check_unique(table, ("symbol",))
    priced = prices.select(pl.col("symbol").unique().sort())
    listed_only = table.frame.with_row_index("row").join(priced, on="symbol", how="anti", maintain_order="left")
    priced_only = priced.join(table.frame, on="symbol", how="anti", maintain_order="left")["symbol"].to_list()
    symbols = listed_only["symbol"].to_list()
    if priced_only:
        close = difflib.get_close_matches(priced_only[0], symbols, n=1)
        misspelt = f"; {table.place(int(listed_only['row'][symbols.index(close[0])]))} has '{close[0]}', without prices" if close else ""
        more = f" (nor have {len(priced_only) - 1} more)" if len(priced_only) > 1 else ""
        refuse(
            table.name,
            f"no row for symbol '{priced_only[0]}', which has prices{more}{misspelt}",
            mend="Add the row, or correct the symbol",
        )
    notes = [f"universe lists {_some(symbols)} without prices: left out."] if symbols else []
    return universe_of(prices, table.frame), notes


def universe_of(prices: pl.DataFrame, listed: pl.DataFrame | None = None) -> pl.DataFrame:
    """`schemas.UNIVERSE` for the symbols of `prices`, from what is listed of them."""
    symbols = prices.select(pl.col("symbol").unique().sort())
    frame = symbols if listed is None else symbols.join(listed, on="symbol", how="left", maintain_order="left")
    dtypes = schemas.UNIVERSE.dtypes()
    missing = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in dtypes.items() if name not in frame.columns]
    return frame.with_columns(missing).with_columns(pl.col("asset_class").fill_null("equity")).select(*dtypes)


def check_fundamentals(table: Table, prices: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """`schemas.FUNDAMENTALS`, long, from the wide table, and notes.

    Raises
    ------
    InputError
        At the first row that is wrong.
    """
    items = [name for name in table.frame.columns if name not in ("date", "symbol")]
    check_rows(table, [required("date"), required("symbol"), possible_day("date"), *(finite(name) for name in items)])
    check_unique(table, ("date", "symbol"))
    frame, notes = _priced(table.frame, prices, "fundamentals")
    long = [frame.select("date", "symbol", item=pl.lit(name), value=pl.col(name)).drop_nulls("value") for name in items]
    return pl.concat([schemas.FUNDAMENTALS.empty(), *long]).sort("date", "symbol", "item"), notes


def check_feature(table: Table, prices: pl.DataFrame, name: str) -> tuple[pl.DataFrame, list[str]]:
    """`schemas.FEATURES` of one feature, and notes.

    Raises
    ------
    InputError
        At the first row that is wrong.
    """
    frame = table.frame
    rules = [required("date"), required("symbol"), required("value"), possible_day("date"), finite("value")]
    if "known_at" in frame.columns:
        rules += [
            possible_day("known_at"),
            Rule(
                pl.col("known_at") < pl.col("date"),
                lambda row: f"known_at {row['known_at']} is before date {row['date']}; a value cannot be known before the day it describes",
            ),
        ]
    check_rows(table, rules)
    check_unique(table, ("date", "symbol"))
    known_at = pl.col("known_at").fill_null(pl.col("date")) if "known_at" in frame.columns else pl.col("date").alias("known_at")
    frame, notes = _priced(frame.with_columns(known_at, feature=pl.lit(name)), prices, f"features/{name}")
    return frame.select(schemas.FEATURES.names).sort("date", "symbol"), notes


def _priced(frame: pl.DataFrame, prices: pl.DataFrame, what: str) -> tuple[pl.DataFrame, list[str]]:
    symbols = prices.select(pl.col("symbol").unique())
    unknown = (
        frame.select(pl.col("symbol").unique().sort()).join(symbols, on="symbol", how="anti", maintain_order="left")["symbol"].to_list()
    )
    if not unknown:
        return frame, []
    return frame.join(symbols, on="symbol", how="semi"), [f"{what} speaks of {_some(unknown)} without prices: left out."]


def _some(symbols: Sequence[str]) -> str:
    shown = ", ".join(symbols[:5])
    return f"{len(symbols)} symbol{'s' if len(symbols) > 1 else ''} ({shown}{', …' if len(symbols) > 5 else ''})"


def _has_values(frame: pl.DataFrame, name: str) -> bool:
    return name in frame.columns and frame[name].null_count() < frame.height


def required(name: str) -> Rule:
    """No cell of a column may be empty."""
    return Rule(pl.col(name).is_null(), lambda _: f"{name} is empty; it is required")


def possible_day(name: str) -> Rule:
    """No date of a column may lie in the future, or before 1900."""
    today = dt.datetime.now(dt.UTC).date()

    def message(row: dict[str, object]) -> str:
        why = f"in the future (today is {today}, UTC)" if str(row[name]) > str(today) else f"before {_FIRST_DAY.year}"
        return f"{name} is {row[name]}, which is {why}"

    return Rule(~pl.col(name).is_between(_FIRST_DAY, today), message)


def finite(name: str) -> Rule:
    """No number of a column may be infinite."""
    return Rule(pl.col(name).is_infinite(), _value_message(name, "a number must be finite"))


def _value_message(name: str, why: str) -> Callable[[dict[str, object]], str]:
    return lambda row: f"{name} is {row[name]}; {why}"
