"""Small trained models and what is recorded of them, for the tests of MLflow's part."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from mech_exo_assets.quant.models.fitted import Features, LightGbm, Model, Ridge, XGBoost, xgboost_types
from mech_exo_assets.storage.models import Training

FEATURES = Features(tuple(f"feature_{number}" for number in range(6)), ("Energy", "Health Care", "Technology"))
PNG = bytes.fromhex("89504e470d0a1a0a") + b"not shown to anybody"
PARAMETERS = {"learning_rate": 0.05, "num_leaves": 7, "objective": "regression"}
METRICS = {3: {"train_ic": 0.2, "test_ic": 0.02}, 4: {"train_ic": 0.3, "test_ic": float("nan")}, 7: {"train_ic": 0.4, "test_ic": 0.05}}


@cache
def rows() -> np.ndarray:
    """Features, of which a tenth is missing, and sectors."""
    rng = np.random.default_rng(1)
    out = rng.normal(size=(400, 7)).astype(np.float32)
    out[:, -1] = rng.integers(0, 3, 400)
    out[rng.random(out.shape) < 0.1] = np.nan
    return out


@cache
def model(kind: str) -> Model:
    """Of the given kind, which uses the sector where it can."""
    values = rows()
    label = np.nan_to_num(values[:, 0]) + (values[:, -1] == 1)
    if kind == "lightgbm":
        import lightgbm

        data = lightgbm.Dataset(values, label, feature_name=list(FEATURES.names), categorical_feature=[6])
        return LightGbm(FEATURES, lightgbm.train({"verbose": -1, "num_threads": 1, "num_leaves": 7}, data, 20), threads=1)
    if kind == "xgboost":
        import xgboost

        names, types = list(FEATURES.names), xgboost_types(FEATURES)
        table = xgboost.DMatrix(values, label, feature_names=names, feature_types=types, enable_categorical=True)
        return XGBoost(FEATURES, xgboost.train({"max_depth": 3, "nthread": 1}, table, 20))
    numeric = values[:, :6].astype(float)
    return Ridge(FEATURES, 0.25, np.nanmean(numeric, axis=0), np.nanstd(numeric, axis=0), np.linspace(-1, 1, 6))


def training(kind: str = "ridge", **changes: Any) -> Training:
    """What is recorded of it."""
    tags = {"table_version.learning/dataset": "12", "code_version": "1"}
    told = {"parameters": PARAMETERS, "metrics_by_fold": METRICS, "tags": tags, "figures": {"trainings.png": PNG}}
    return Training(kind=kind, model=model(kind), **(told | changes))
