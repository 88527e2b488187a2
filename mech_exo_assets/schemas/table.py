"""What a table's contract is made of, and the columns that many tables share.

What belongs here: `Column`, `TableSchema`, shared columns. What does not: any one table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name, dtype
        As stored.
    unit : str
        "fraction" (0.01 is one per cent), "sessions", "currency", "" where there is none.
    meaning : str
        One sentence for a person who did not write the code.
    nullable : bool
        Whether a value may be absent.
    source : tuple of str
        Columns it is computed from, as `group/table.column`.
    """

    name: str
    dtype: pl.DataType | type[pl.DataType]
    meaning: str
    unit: str = ""
    nullable: bool = False
    source: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableSchema:
    """A table: its key in the asset graph, what a row is, its columns, and what makes a row unique.

    Attributes
    ----------
    key : str
        `group/name`; the name of the asset, of the folder in the lake, and of the table in the mart.
    row : str
        What one row is, as a sentence.
    time_column : str or None
        The column by whose calendar year the table is partitioned; None for a table that is written whole.
    one_column_per_factor : bool
        Whether nullable columns beside the declared ones are expected, one for each factor (or feature).
    factor_dtype
        Polars type of those columns.
    published : bool
        Whether the mart has it. Tables that only models read are not published.
    """

    key: str
    row: str
    columns: tuple[Column, ...]
    unique: tuple[str, ...]
    time_column: str | None = None
    one_column_per_factor: bool = False
    factor_dtype: pl.DataType | type[pl.DataType] = pl.Float64
    published: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the declared columns, in order."""
        return tuple(column.name for column in self.columns)

    def dtypes(self) -> dict[str, pl.DataType | type[pl.DataType]]:
        """Polars types of the declared columns."""
        return {column.name: column.dtype for column in self.columns}

    def empty(self) -> pl.DataFrame:
        """A frame with the declared columns and no rows."""
        return pl.DataFrame(schema=self.dtypes())


DATE = Column("date", pl.Date, "Session, by the exchange's calendar.")
SYMBOL = Column("symbol", pl.String, "Ticker, as the source names it.")
FACTOR = Column("factor", pl.String, "Name of the factor, as in `mech_exo_assets.quant.factors`.")
HORIZON = Column("horizon", pl.Int32, "Sessions over which the forward return runs.", unit="sessions")


def factor_columns(columns: Iterable[str]) -> list[str]:
    """The factor columns of `factors/exposures` or `factors/scores`: all but date and symbol, in order."""
    return [name for name in columns if name not in ("date", "symbol")]
