"""Trainings as tables, and back.

What belongs here: the long form of what `training` gives, and what a later training takes from it. What does not: any model.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from mech_exo_assets.quant.models.fitting import Fit, Known
from mech_exo_assets.quant.models.training import Training
from mech_exo_assets.quant.walk_forward import Window
from mech_exo_assets.schemas import MODELS, STACKING, TRAININGS


def fold_table(training: Training, kind: str, before: pl.DataFrame, *, now: dt.datetime, run: str | None) -> pl.DataFrame:
    """The trainings of one kind of model.

    Parameters
    ----------
    training : Training
    kind : str
    before : DataFrame
        The same table as it was: a model that was known keeps the time and the run of its training.
    now : datetime
        UTC; when the fresh ones were trained.
    run : str, optional
        Run of MLflow in which they are.
    """
    kept = {row["digest"]: {name: row[name] for name in ("trained_at", "mlflow_run")} for row in before.iter_rows(named=True)}
    rows = []
    for fit in training.fits:
        if fit.kind == kind:
            origin = {"trained_at": now, "mlflow_run": run} if fit.fresh else kept[fit.digest]
            measured = {name: _plain(value) for name, value in fit.figures.items() if name not in _PLANNED}
            rows.append({**measured, **_planned(fit.window, training), **origin, "digest": fit.digest})
    schema = TRAININGS[kind]
    return pl.DataFrame([{name: row[name] for name in schema.names} for row in rows], schema=schema.dtypes())


def model_table(training: Training) -> pl.DataFrame:
    """Every model as its library writes it."""
    features = training.features.to_json()
    rows = []
    for fit in training.fits:
        planned = _planned(fit.window, training)
        rows.append(
            {
                "model": fit.kind,
                **{name: planned[name] for name in ("fold", "test_from", "test_to")},
                "features": features,
                "text": fit.text,
            }
        )
    return pl.DataFrame(rows, schema=MODELS.dtypes())


def stacking_table(training: Training) -> pl.DataFrame:
    """The members' weights in the ensemble."""
    rows = [
        {"fold": number, "model": kind, "weight": weight, "reason": training.reasons[number]}
        for number, weights in training.weights.items()
        for kind, weight in weights.items()
    ]
    return pl.DataFrame(rows, schema=STACKING.dtypes())


def known_from(folds: Mapping[str, pl.DataFrame], models: pl.DataFrame, stacking: pl.DataFrame) -> Known:
    """What earlier trainings left, from their tables."""
    texts = {(row["model"], row["fold"]): row["text"] for row in models.iter_rows(named=True)}
    fits = {
        row["digest"]: (row, texts[kind, row["fold"]])
        for kind, table in folds.items()
        for row in table.iter_rows(named=True)
        if (kind, row["fold"]) in texts
    }
    weights: dict[int, dict[str, float]] = {}
    for fold, kind, weight in stacking.select("fold", "model", "weight").iter_rows():
        weights.setdefault(fold, {})[kind] = weight
    return Known(fits, weights)


_PLANNED = ("fold", "train_from", "train_to", "test_from", "test_to", "trained_at", "mlflow_run", "digest")


def _planned(window: Window, training: Training) -> dict[str, Any]:
    """Number and dates of a training; the test of the last one has no end yet."""
    last = max(fit.window.number for fit in training.fits) == window.number
    return {
        "fold": window.number,
        "train_from": _plain(window.train_from),
        "train_to": _plain(window.train_to),
        "test_from": _plain(window.test_from),
        "test_to": None if last else _plain(window.test_to),
    }


def _plain(value: object) -> object:
    """A date where it is one of numpy's."""
    return dt.date.fromisoformat(str(value.astype("datetime64[D]"))) if isinstance(value, np.datetime64) else value


def fresh_fits(training: Training, kind: str) -> list[Fit]:
    """The models of one kind that were fitted now."""
    return [fit for fit in training.fits if fit.kind == kind and fit.fresh]
