"""`learning/dataset`: what models learn from."""

from __future__ import annotations

import polars as pl

from mech_exo_assets.schemas.table import DATE, SYMBOL, Column, TableSchema

DATASET = TableSchema(
    key="learning/dataset",
    row="One symbol on one session: one column for each feature, all known at the close of the session, and the label.",
    columns=(
        DATE,
        SYMBOL,
        Column(
            "label",
            pl.Float32,
            "The return from the execution session on, over the horizon that is learned, less what market and sector earned, standardised "
            "in its session; null where it is not known yet.",
            nullable=True,
            source=("market/prices.total_return_index", "market/universe.sector"),
        ),
        Column(
            "sector", pl.String, "Sector of the symbol; a category among the features.", nullable=True, source=("market/universe.sector",)
        ),
    ),
    unique=("date", "symbol"),
    time_column="date",
    one_column_per_factor=True,
    factor_dtype=pl.Float32,
    published=False,
)
