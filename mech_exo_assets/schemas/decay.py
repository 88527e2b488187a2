"""The tables of the group `decay`."""

from __future__ import annotations

import polars as pl

from mech_exo_assets.schemas.table import DATE, FACTOR, HORIZON, Column, TableSchema

IC = TableSchema(
    key="decay/ic",
    row="One factor, horizon and session.",
    columns=(
        DATE,
        FACTOR,
        HORIZON,
        Column(
            "ic",
            pl.Float64,
            "Rank correlation of the factor's score with the forward return, over the session's names.",
            source=("factors/scores.*", "market/forward_returns.value"),
        ),
        Column("n", pl.Int32, "Names that had both.", unit="names"),
    ),
    unique=("date", "factor", "horizon"),
    time_column="date",
)

STATISTICS = TableSchema(
    key="decay/statistics",
    row="One factor and horizon, over the whole history.",
    columns=(
        FACTOR,
        HORIZON,
        Column("mean_ic", pl.Float64, "Mean information coefficient.", source=("decay/ic.ic",)),
        Column("icir", pl.Float64, "Mean over standard deviation of the IC, not annualised.", nullable=True, source=("decay/ic.ic",)),
        Column("t_hac", pl.Float64, "t of the mean IC with Bartlett (Newey-West) variance.", nullable=True, source=("decay/ic.ic",)),
        Column("p_value", pl.Float64, "Two-sided, from the fixed-b distribution of t_hac.", nullable=True, source=("decay/ic.ic",)),
        Column("q_value", pl.Float64, "Benjamini-Yekutieli, over all factors and horizons.", nullable=True, source=("decay/ic.ic",)),
        Column("n_sessions", pl.Int32, "Sessions with an IC.", unit="sessions"),
        Column("first_date", pl.Date, "First session with an IC."),
        Column("last_date", pl.Date, "Last session with an IC."),
    ),
    unique=("factor", "horizon"),
)
