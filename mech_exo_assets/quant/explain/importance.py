"""Which features move a model's predictions, and whether they are the same ones from training to training.

What belongs here: importances of one model and training, their stability. What does not: what a feature does at which value
(`dependence`), and how features act together (`interactions`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mech_exo_assets.quant.ic import information_coefficient
from mech_exo_assets.quant.models.fitted import Features, Rows32
from mech_exo_assets.schemas import EXPLANATIONS

TOP = 10
_LEAST_ROWS = 10
"""For a direction."""


@dataclass(frozen=True, slots=True)
class Stability:
    """How alike the importances of consecutive trainings are.

    Attributes
    ----------
    rank_correlation : float or None
        Mean over consecutive trainings of the rank correlation of their importances, over features that both have; None with one training.
    top_overlap : float or None
        Mean share of the first ten features that are among the first ten of the training before; None with one training.
    trainings : int
    """

    rank_correlation: float | None
    top_overlap: float | None
    trainings: int


def importance_table(model: str, fold: int, features: Features, rows: Rows32, contributions: NDArray[np.float64]) -> pl.DataFrame:
    """Importances of one model in one training, as a table in `schemas.EXPLANATIONS`.

    importance_f = mean |contribution_f| over rows; share_f = importance_f / Σ importance; direction_f = Spearman correlation of the
    feature's value with its contribution, over rows where the value is known.

    Parameters
    ----------
    model : str
    fold : int
    features : Features
    rows : ndarray of shape (n_rows, n_features), float32
        Out of sample; NaN where missing.
    contributions : ndarray of shape (n_rows, n_features + 1)

    Returns
    -------
    DataFrame
        Most important first; equal ones in the order of the features. Without rows it is empty. Shares are 0 where nothing contributes;
        the direction is null where value or contribution is constant, with fewer than ten known values, and for the sector, which has
        no order.
    """
    if not len(rows):
        return EXPLANATIONS.empty()
    parts = contributions[:, :-1]
    importance = np.abs(parts).mean(axis=0)
    total = importance.sum()
    direction = information_coefficient(rows.T.astype(np.float64), np.ascontiguousarray(parts.T), min_names=_LEAST_ROWS)
    if features.categories:
        direction[-1] = np.nan
    order = np.argsort(-importance, kind="stable")
    return pl.DataFrame(
        {
            "model": [model] * len(order),
            "fold": [fold] * len(order),
            "feature": [features.names[at] for at in order],
            "importance": importance[order],
            "share": importance[order] / total if total > 0.0 else np.zeros(len(order)),
            "rank": np.arange(1, len(order) + 1),
            "direction": direction[order],
            "rows": [len(rows)] * len(order),
        },
        schema=EXPLANATIONS.dtypes(),
    ).with_columns(pl.col("direction").fill_nan(None))


def stability(importances: pl.DataFrame, *, top: int = TOP) -> Stability:
    """How alike the importances of one model are from training to training.

    Parameters
    ----------
    importances : DataFrame
        `schemas.EXPLANATIONS` of one model.
    top : int
        How many of the first features are looked for in the training before.
    """
    folds = [part for _, part in importances.sort("fold", "rank").group_by("fold", maintain_order=True)]
    correlations, overlaps = [], []
    for before, after in pairwise(folds):
        both = before.select("feature", "importance").join(after.select("feature", "importance"), on="feature", suffix="_after")
        known = both.select(pl.corr(pl.col("importance").rank(), pl.col("importance_after").rank())).item()
        correlations.append(np.nan if known is None else float(known))
        first = before["feature"].head(top), after["feature"].head(top)
        overlaps.append(len(set(first[0]) & set(first[1])) / max(1, min(len(first[0]), len(first[1]))))
    numbers = [value for value in correlations if np.isfinite(value)]
    return Stability(float(np.mean(numbers)) if numbers else None, float(np.mean(overlaps)) if overlaps else None, len(folds))


def overall(importances: pl.DataFrame) -> pl.DataFrame:
    """Mean share of each feature over all trainings of each model, the largest first.

    Returns
    -------
    DataFrame
        model, feature, share; a feature that a training does not have counts 0 in it.
    """
    folds = importances.group_by("model").agg(folds=pl.col("fold").n_unique())
    shares = importances.group_by("model", "feature").agg(pl.col("share").sum()).join(folds, on="model")
    return shares.select("model", "feature", share=pl.col("share") / pl.col("folds")).sort(
        "model", "share", "feature", descending=[False, True, False]
    )
