"""Why models predict what they predict."""

from __future__ import annotations

import polars as pl

from mech_exo_assets.schemas.learning.models import FOLD, MODEL
from mech_exo_assets.schemas.table import Column, TableSchema

FEATURE = Column("feature", pl.String, "Name of the feature, as in learning/dataset.")

EXPLANATIONS = TableSchema(
    key="learning/explanations",
    row="How much one feature moved the predictions of one model in the test of one training.",
    columns=(
        MODEL,
        FOLD,
        FEATURE,
        Column("importance", pl.Float64, "Mean absolute contribution (SHAP value) over the explained rows.", unit="of the prediction"),
        Column("share", pl.Float64, "Of the importances of all features of this model and training.", unit="fraction"),
        Column("rank", pl.Int32, "1 is the most important."),
        Column(
            "direction",
            pl.Float64,
            "Rank correlation of the feature's value with its contribution; null where one is constant.",
            nullable=True,
        ),
        Column("rows", pl.Int32, "Rows that were explained."),
    ),
    unique=("model", "fold", "feature"),
)

DEPENDENCE = TableSchema(
    key="learning/dependence",
    row="The mean contribution of one of the most important features in one bin of its values, over all explained rows of a model.",
    columns=(
        MODEL,
        FEATURE,
        Column("bin", pl.Int32, "Number of the bin, from 1; 0 where the value is missing."),
        Column("low", pl.Float64, "Least value in the bin; null for missing values and categories.", nullable=True),
        Column("high", pl.Float64, "Largest value in it.", nullable=True),
        Column("category", pl.String, "Category, where the feature is one.", nullable=True),
        Column("contribution", pl.Float64, "Mean contribution.", unit="of the prediction"),
        Column(
            "deviation", pl.Float64, "Standard deviation of the contributions: what other features make of it.", unit="of the prediction"
        ),
        Column("rows", pl.Int32, "Rows in the bin."),
    ),
    unique=("model", "feature", "bin"),
)

INTERACTIONS = TableSchema(
    key="learning/interactions",
    row="How strongly two features act together in the model that is in use.",
    columns=(
        MODEL,
        Column("first", pl.String, "The one feature."),
        Column("second", pl.String, "The other one."),
        Column(
            "strength", pl.Float64, "Mean absolute interaction of the pair (both halves of the SHAP interaction).", unit="of the prediction"
        ),
        Column("share", pl.Float64, "Of all main effects and interactions.", unit="fraction"),
        Column("rows", pl.Int32, "Rows that were explained."),
    ),
    unique=("model", "first", "second"),
)
