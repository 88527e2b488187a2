"""Trained models, and what they predicted out of sample."""

from __future__ import annotations

import polars as pl

from mech_exo_assets.schemas.table import DATE, SYMBOL, Column, TableSchema

MODEL = Column("model", pl.String, "lightgbm, xgboost or ridge; ensemble where they are joined.")
FOLD = Column("fold", pl.Int32, "Number of the training, from 1.")

_FOLDS = (
    FOLD,
    Column("train_from", pl.Date, "First session of the training."),
    Column("train_to", pl.Date, "Last session of the training; labels of later ones reach into the test or its embargo."),
    Column("train_sessions", pl.Int32, "Sessions of the training that were sampled."),
    Column("train_rows", pl.Int64, "Rows with a label in them."),
    Column("validation_from", pl.Date, "First session of the validation, which is the end of the training."),
    Column("test_from", pl.Date, "First session that the model predicts."),
    Column("test_to", pl.Date, "Last session before the next training; null for the model that is in use.", nullable=True),
    Column("rounds", pl.Int32, "Trees of the model, found by early stopping on the validation; null for ridge.", nullable=True),
    Column("train_ic", pl.Float64, "Mean rank correlation of prediction and label over the training's sessions: in sample.", nullable=True),
    Column("validation_ic", pl.Float64, "The same over the validation, by the model that was fitted before it.", nullable=True),
    Column(
        "test_ic", pl.Float64, "The same over the test's sessions whose label was known when it was trained; null without.", nullable=True
    ),
    Column("parameters", pl.String, "Hyperparameters, as JSON."),
    Column("trained_at", pl.Datetime("us", "UTC"), "When the model was fitted."),
    Column("mlflow_run", pl.String, "The run of MLflow that has its parameters, figures and model.", nullable=True),
    Column("digest", pl.String, "Of everything that the model depends on: rows, choices, seed, versions of code and library."),
)


def _folds(name: str, what: str) -> TableSchema:
    return TableSchema(key=f"learning/{name}", row=f"One training of {what} in the walk-forward.", columns=_FOLDS, unique=("fold",))


LIGHTGBM = _folds("lightgbm", "LightGBM")
XGBOOST = _folds("xgboost", "XGBoost")
RIDGE = _folds("ridge", "a ridge regression, the linear model that the others have to beat,")

TRAININGS = {"lightgbm": LIGHTGBM, "xgboost": XGBOOST, "ridge": RIDGE}
"""The table of trainings of each kind of model."""

MODELS = TableSchema(
    key="learning/models",
    row="One trained model of one training, as its library writes it.",
    columns=(
        MODEL,
        FOLD,
        Column("test_from", pl.Date, "First session that it predicts."),
        Column("test_to", pl.Date, "Last session that it predicts; null for the model that is in use.", nullable=True),
        Column("features", pl.String, "Names of its features in their order, and the categories of the sector, as JSON."),
        Column("text", pl.String, "The model: LightGBM's text, XGBoost's JSON, or the ridge's coefficients as JSON."),
    ),
    unique=("model", "fold"),
    published=False,
)

STACKING = TableSchema(
    key="learning/stacking",
    row="The weight of one model in the ensemble, from one training to the next.",
    columns=(
        FOLD,
        MODEL,
        Column("weight", pl.Float64, "At least 0; those of a training add up to 1.", unit="fraction"),
        Column("reason", pl.String, "Where it comes from."),
    ),
    unique=("fold", "model"),
)

PREDICTIONS = TableSchema(
    key="learning/predictions",
    row="What one model predicted for one symbol on one session, out of sample only: by a model that was fitted before.",
    columns=(
        DATE,
        SYMBOL,
        MODEL,
        Column(
            "value",
            pl.Float64,
            "Predicted label; of the ensemble, and with learning.objective: ranking, a score whose order counts and whose size does not.",
            source=("learning/models.text",),
        ),
    ),
    unique=("date", "symbol", "model"),
    time_column="date",
)

LEARNED_SCORES = TableSchema(
    key="learning/scores",
    row="One symbol on one session: the ensemble's prediction as the factor `ml_alpha`, made comparable as factors/scores are.",
    columns=(DATE, SYMBOL),
    unique=("date", "symbol"),
    time_column="date",
    one_column_per_factor=True,
)

REGISTERED = TableSchema(
    key="learning/registered",
    row="One alias in MLflow's registry, and the run whose model has it.",
    columns=(
        MODEL,
        Column("alias", pl.String, "champion or challenger."),
        Column("mlflow_run", pl.String, "Run of MLflow in which the model was trained."),
        Column("reason", pl.String, "What the gate says now; an alias stays where it is until another model takes it."),
    ),
    unique=("model", "alias"),
)
