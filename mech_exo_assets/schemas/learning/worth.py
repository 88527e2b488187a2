"""What the models are worth: compared with each other, with the linear composite, and as a part of it."""

from __future__ import annotations

import polars as pl

from mech_exo_assets.schemas.learning.models import FOLD
from mech_exo_assets.schemas.table import DATE, Column, TableSchema

MODEL_COMPARISON = TableSchema(
    key="learning/comparison",
    row="One model, the composite, or the composite with the ensemble in it, over one test or over all of them (fold 0).",
    columns=(
        Column("model", pl.String, "lightgbm, xgboost, ridge, ensemble, composite (without it) or blended (with it, at gate.weight)."),
        FOLD,
        Column("first_date", pl.Date, "First session that is judged."),
        Column("last_date", pl.Date, "Last session that is judged: the last whose return is known."),
        Column("n_sessions", pl.Int32, "Sessions that are judged: the same ones for every model."),
        Column("n_rows", pl.Int64, "Names in them, all sessions together: the same ones for every model."),
        Column("ic", pl.Float64, "Mean information coefficient with the residual return that is learned.", nullable=True),
        Column("icir", pl.Float64, "Mean over standard deviation of it.", nullable=True),
        Column("t_hac", pl.Float64, "t of the mean with a variance that allows for overlap.", nullable=True),
        Column("ic_low", pl.Float64, "Lower end of its 95 % interval, by the block bootstrap.", nullable=True),
        Column("ic_high", pl.Float64, "Upper end of it.", nullable=True),
        Column(
            "r2", pl.Float64, "1 − Σ(y − ŷ)²/Σy², against zero and not the mean; null for scores, which forecast no size.", nullable=True
        ),
        Column("spread", pl.Float64, "Mean return of the best quintile less the worst one's, annual.", unit="fraction", nullable=True),
        Column("net_spread", pl.Float64, "The same after the costs of its turnover.", unit="fraction", nullable=True),
        Column(
            "turnover", pl.Float64, "Mean share of the two quintiles that was not in them a horizon before.", unit="fraction", nullable=True
        ),
        Column("ic_difference", pl.Float64, "Mean information coefficient less the composite's on the same sessions.", nullable=True),
        Column("difference_low", pl.Float64, "Lower end of its 95 % interval.", nullable=True),
        Column("difference_high", pl.Float64, "Upper end of it.", nullable=True),
        Column("dm_t", pl.Float64, "Diebold and Mariano's t of that difference.", nullable=True),
        Column("dm_p", pl.Float64, "Two-sided p of it.", nullable=True),
        Column(
            "squared_error_t",
            pl.Float64,
            "Diebold and Mariano's t of ridge's squared error less the model's; above 0 is better than ridge; null for it and for scores.",
            nullable=True,
        ),
        Column("squared_error_p", pl.Float64, "Two-sided p of it.", nullable=True),
    ),
    unique=("model", "fold"),
)

BLEND = TableSchema(
    key="learning/blend",
    row="One decision about the weight of ml_alpha in the composite, made with what was known at the close of the date.",
    columns=(
        DATE,
        Column("weight", pl.Float64, "Weight of ml_alpha in the composite from this session on.", unit="fraction"),
        Column("previous", pl.Float64, "Weight before.", unit="fraction"),
        Column("gate_passed", pl.Boolean, "Whether the gate, on all that was known then, lets it in at all."),
        Column(
            "gain",
            pl.Float64,
            "Mean gain in information coefficient, at gate.weight, over the last blend.sessions with a known label.",
            nullable=True,
        ),
        Column("t_hac", pl.Float64, "t of that gain.", nullable=True),
        Column("gate_gain", pl.Float64, "Mean gain since the first prediction.", nullable=True),
        Column("gate_low", pl.Float64, "Lower bound of it at gate.confidence.", nullable=True),
        Column("n_sessions", pl.Int32, "Sessions with a known label since the first prediction."),
        Column("reason", pl.String, "Why the weight is what it is."),
    ),
    unique=("date",),
)
