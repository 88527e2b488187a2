"""A table conforms to its schema before it is written, or it is not written.

What belongs here: the schemas of `mech_exo_assets.schemas` as pandera contracts. What does not: checks of meaning, which are asset
checks (`defs/checks.py`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import polars as pl

from mech_exo_assets.errors import MechExoError
from mech_exo_assets.schemas import TableSchema

if TYPE_CHECKING:
    import pandera.polars as pa

YEAR = "year"
"""The column of the lake that a table with a time axis is partitioned by; no table may have one of its own by that name."""


class ContractError(MechExoError):
    """A table is not what its schema promises. The fault lies in the code that made it."""


def conform(schema: TableSchema, frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with its columns in the schema's order, after a check of names, types and nulls.

    Raises
    ------
    ContractError
        Naming the table, the column and what is wrong with it.
    """
    from pandera.errors import SchemaError

    others = [name for name in frame.columns if name not in schema.names]
    if others and not schema.one_column_per_factor:
        raise ContractError(f"{schema.key}: column '{others[0]}' is not one of its columns; nothing was written.")
    taken: dict[str, str] = {name.lower(): name for name in (*schema.names, YEAR)}
    for name in others:
        if name.lower() in taken:
            raise ContractError(f"{schema.key}: factor '{name}' has the name of column '{taken[name.lower()]}'; nothing was written.")
        taken[name.lower()] = name
    try:
        _contract(schema, tuple(others)).validate(frame)
    except SchemaError as error:
        reason = str(error).splitlines()[0].replace("not in dataframe", "is missing")
        raise ContractError(f"{schema.key}: {reason}; nothing was written.") from error
    return frame.select(*schema.names, *others)


@lru_cache(maxsize=64)
def _contract(schema: TableSchema, factors: tuple[str, ...]) -> pa.DataFrameSchema:
    import pandera.polars as pa

    columns = {column.name: pa.Column(column.dtype, nullable=column.nullable) for column in schema.columns}
    columns |= {name: pa.Column(schema.factor_dtype, nullable=True) for name in factors}
    return pa.DataFrameSchema(columns)
