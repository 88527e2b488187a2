"""What every source of market data promises.

What belongs here: the protocol and the value that it returns. What does not: how any one source gets its data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import polars as pl

RAW_FILLS: dict[str, pl.DataType | type[pl.DataType]] = {
    "timestamp": pl.Datetime("us"),
    "symbol": pl.String,
    "quantity": pl.Float64,
    "price": pl.Float64,
    "fee": pl.Float64,
    "order_id": pl.String,
}
RAW_CASH: dict[str, pl.DataType | type[pl.DataType]] = {"date": pl.Date, "amount": pl.Float64}


@dataclass(frozen=True, eq=False)
class MarketData:
    """One consistent reading of a source: validated, ordered, and in the columns of `mech_exo_assets.schemas`.

    Attributes
    ----------
    prices : DataFrame
        All columns of `schemas.PRICES` but total_return_index, sorted by date and symbol; a column that the source does not have is
        null throughout. Where the source has no adjusted_close, it equals close, and a note says so.
    universe : DataFrame
        `schemas.UNIVERSE`; one row for each symbol of `prices`, sorted by symbol. asset_class is "equity" where the source is silent.
    fundamentals : DataFrame
        `schemas.FUNDAMENTALS`; empty where the source has none.
    features : DataFrame
        `schemas.FEATURES`; empty where the source has none.
    notes : tuple of str
        What a person should know about this reading, one sentence each ("adjusted_close is missing: close is used as adjusted.").
    fills : DataFrame
        timestamp (UTC), symbol, quantity, price, fee, order_id; empty where the source has none.
    cash : DataFrame
        date, amount: deposits and withdrawals; empty where the source has none.
    """

    prices: pl.DataFrame
    universe: pl.DataFrame
    fundamentals: pl.DataFrame
    features: pl.DataFrame
    notes: tuple[str, ...] = field(default=())
    fills: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=RAW_FILLS))
    cash: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=RAW_CASH))


@runtime_checkable
class Source(Protocol):
    """A place that market data comes from.

    An implementation promises:

    - `uri` names it completely: `open_source(source.uri)` opens the same source.
    - Opening does no work beyond parsing the URI; `stamp` and `load` read.
    - `feature_names` are the features of `load`, found without reading data, and none where the source is not there.
    - `load` returns data that is valid as a whole, or raises `InputError` with one line that names file, row, column and mend.
    - `load` is deterministic as long as `stamp` does not change.
    """

    @property
    def uri(self) -> str:
        """The URI of this source."""
        ...

    def stamp(self) -> Mapping[str, str]:
        """What was there when: a small mapping that changes whenever `load` could return something else. Cheap; reads no data."""
        ...

    def feature_names(self) -> tuple[str, ...]:
        """Names of the features that `load` gives, sorted. Cheap; raises nothing, since `load` says what is wrong."""
        ...

    def load(self) -> MarketData:
        """Read and validate everything.

        Raises
        ------
        InputError
            If anything is missing or wrong.
        """
        ...
