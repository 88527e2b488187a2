"""The tables of the group `factors`."""

from __future__ import annotations

from mech_exo_assets.schemas.table import DATE, SYMBOL, TableSchema

EXPOSURES = TableSchema(
    key="factors/exposures",
    row="One symbol on one session; one column for each factor, raw.",
    columns=(DATE, SYMBOL),
    unique=("date", "symbol"),
    time_column="date",
    one_column_per_factor=True,
)

SCORES = TableSchema(
    key="factors/scores",
    row="One symbol on one session; one column for each factor: winsorised, sector-neutral, standardised, higher is better.",
    columns=(DATE, SYMBOL),
    unique=("date", "symbol"),
    time_column="date",
    one_column_per_factor=True,
)
