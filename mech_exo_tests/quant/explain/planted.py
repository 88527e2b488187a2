"""A small market with known drivers, and boosters that have learned from it."""

from __future__ import annotations

import datetime as dt
from functools import cache

import lightgbm
import numpy as np
import polars as pl
import xgboost

from mech_exo_assets.quant.models.fitted import Features, LightGbm, Ridge, Rows32, XGBoost, xgboost_types
from mech_exo_assets.schemas import MODELS

SECTORS = ("Energy", "Health", "Tech")
NUMERIC = tuple(f"f{number:02d}" for number in range(12))
FEATURES = Features(NUMERIC, SECTORS)
DRIVERS = ("f01", "f04", "f07")
"""f01 alone moves the label, f04 and f07 only together; the sector does a little."""
N_NAMES = 30


def dataset(sessions: int, *, seed: int = 0) -> pl.DataFrame:
    """`schemas.DATASET`: label = 0.6 f01 + 0.8 f04 f07 + 0.3 (Tech) + noise; a tenth of each value is missing, and some sectors."""
    rng = np.random.default_rng(seed)
    n = sessions * N_NAMES
    values = rng.normal(size=(n, len(NUMERIC))).astype(np.float32)
    values[rng.random(values.shape) < 0.1] = np.nan
    codes = np.tile(rng.integers(0, len(SECTORS) + 1, N_NAMES), sessions)
    known = np.nan_to_num(values)
    label = 0.6 * known[:, 1] + 0.8 * known[:, 4] * known[:, 7] + 0.3 * (codes == 2) + rng.normal(0.0, 0.5, n)
    days = pl.date_range(dt.date(2020, 1, 1), dt.date(2020, 1, 1) + dt.timedelta(sessions - 1), eager=True)
    return pl.DataFrame(
        {
            "date": np.repeat(days.to_numpy(), N_NAMES),
            "symbol": [f"S{name:02d}" for name in range(N_NAMES)] * sessions,
            "label": label.astype(np.float32),
            "sector": [(*SECTORS, None)[code] for code in codes],
            **{name: values[:, at] for at, name in enumerate(NUMERIC)},
        },
        schema_overrides={"date": pl.Date, "sector": pl.String},
    ).with_columns(pl.col(NUMERIC).fill_nan(None))


def light(frame: pl.DataFrame, *, rounds: int = 60, leaves: int = 7, features: Features = FEATURES) -> LightGbm:
    """A LightGBM model of a dataset."""
    choices = {"num_leaves": leaves, "learning_rate": 0.1, "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 10, "deterministic": True}
    category = [len(features.names) - 1] if features.categories else []
    data = lightgbm.Dataset(features.matrix(frame), frame["label"].to_numpy(), categorical_feature=category)
    return LightGbm(features, lightgbm.train(choices, data, rounds), 1)


def extreme(frame: pl.DataFrame, *, rounds: int = 60, depth: int = 3, features: Features = FEATURES) -> XGBoost:
    """An XGBoost model of a dataset."""
    data = xgboost.DMatrix(
        features.matrix(frame),
        frame["label"].to_numpy(),
        feature_names=list(features.names),
        feature_types=xgboost_types(features),
        enable_categorical=True,
    )
    return XGBoost(features, xgboost.train({"max_depth": depth, "eta": 0.1, "nthread": 1}, data, rounds))


def ridge() -> Ridge:
    """A ridge regression with the coefficients of the truth's linear part."""
    coefficients = np.zeros(len(NUMERIC))
    coefficients[1] = 0.6
    return Ridge(Features(NUMERIC), 0.1, np.zeros(len(NUMERIC)), np.ones(len(NUMERIC)), coefficients)


@cache
def learned() -> tuple[LightGbm, XGBoost, pl.DataFrame]:
    """Both boosters, and rows that they have not seen."""
    train = dataset(80, seed=1)
    return light(train), extreme(train), dataset(40, seed=2)


def unseen_rows() -> Rows32:
    """Rows that the boosters have not seen, as a matrix."""
    return FEATURES.matrix(learned()[2])


def models_table(frame: pl.DataFrame, *, folds: int = 3) -> pl.DataFrame:
    """`schemas.MODELS` of trainings that learn from all rows before their tests; training and tests are parts of equal length."""
    days = frame["date"].unique().sort()
    edges = [round(number * len(days) / (folds + 1)) for number in range(1, folds + 1)]
    rows = []
    for fold, edge in enumerate(edges, start=1):
        train = frame.filter(pl.col("date") < days[edge])
        last = days[edges[fold] - 1] if fold < folds else None
        models = light(train, rounds=30), extreme(train, rounds=30), ridge()
        rows += [(model.kind, fold, days[edge], last, model.features.to_json(), model.to_text()) for model in models]
    return pl.DataFrame(rows, schema=MODELS.dtypes(), orient="row")
