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

    factors = [name for name in frame.columns if name not in schema.names] if schema.one_column_per_factor else []
    try:
        _contract(schema, tuple(factors)).validate(frame)
    except SchemaError as error:
        reason = str(error).splitlines()[0]
        raise ContractError(f"{schema.key}: {reason}; nothing was written.") from error
    return frame.select(*schema.names, *factors)


@lru_cache(maxsize=64)
def _contract(schema: TableSchema, factors: tuple[str, ...]) -> pa.DataFrameSchema:
    import pandera.polars as pa

    columns = {column.name: pa.Column(column.dtype, nullable=column.nullable) for column in schema.columns}
    columns |= {name: pa.Column(pl.Float64, nullable=True) for name in factors}
    return pa.DataFrameSchema(columns, strict=True)
