"""Several models as one score.

What belongs here: how predictions of different models are made comparable and joined, and the weights of that. What does not: any model.

A model's predictions of a session become normal scores of their ranks: boosted trees predict hardly anything far from 0, each on a scale of
its own, and only the order is used of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.special import ndtri
from scipy.stats import rankdata

from mech_exo_assets.quant.models.fitted import LIGHTGBM, XGBOOST
from mech_exo_assets.quant.panel import Index

RANK_AVERAGE, STACKED = "rank_average", "stacked"
AVERAGED = (LIGHTGBM, XGBOOST)
"""Members of the rank average. The ridge regression is what they are compared with."""


def normal_scores(values: NDArray[np.float64], starts: Index) -> NDArray[np.float64]:
    """Φ⁻¹((rank − ½)/n) of each value in its session; ties get the average of their ranks.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
        Without NaN.
    starts : ndarray of shape (n_sessions + 1,), int64
        Position of the first row of each session, and behind them the number of rows.
    """
    out = np.empty(len(values))
    for first, stop in itertools.pairwise(starts.tolist()):
        out[first:stop] = ndtri((rankdata(values[first:stop]) - 0.5) / (stop - first))
    return out


def joined(predicted: Mapping[str, NDArray[np.float64]], weights: Mapping[str, float], starts: Index) -> NDArray[np.float64]:
    """The ensemble's score: the weighted mean of its members' normal scores."""
    return sum((weight * normal_scores(predicted[name], starts) for name, weight in weights.items() if weight), np.zeros(int(starts[-1])))


def weights_of(stacking: pl.DataFrame, fold: int) -> dict[str, float]:
    """The members' weights in the ensemble of one training.

    Parameters
    ----------
    stacking : DataFrame
        In `schemas.STACKING`.
    fold : int

    Raises
    ------
    ValueError
        If there are none.
    """
    weights = dict(stacking.filter(pl.col("fold") == fold).select("model", "weight").iter_rows())
    if not weights:
        raise ValueError(f"learning/stacking has no weights of training {fold}, whose models learning/models has: they are not of one run")
    return weights


def average_weights() -> dict[str, float]:
    """Weights of the rank average: equal parts of the two boosted models."""
    return dict.fromkeys(AVERAGED, 1.0 / len(AVERAGED))


def stacked_weights(
    predicted: Sequence[Mapping[str, NDArray[np.float64]]], labels: Sequence[NDArray[np.float32]], starts: Sequence[Index]
) -> dict[str, float] | None:
    """Weights of at least 0 with which the members' normal scores explain the labels best, scaled to a sum of 1.

    min_w Σ (label − Σ_m w_m score_m)², w ≥ 0 (Breiman 1996, "Stacked regressions"; Lawson and Hanson's NNLS).

    Parameters
    ----------
    predicted : sequence of mapping of str to ndarray
        For each inner fold: predictions of each model for rows that it was not fitted on.
    labels, starts : sequence of ndarray
        Of the same rows.

    Returns
    -------
    dict of str to float or None
        None where no model explains anything: all weights are 0.
    """
    names = list(predicted[0])
    scores = [np.column_stack([normal_scores(fold[name], at) for name in names]) for fold, at in zip(predicted, starts, strict=True)]
    design, target = np.concatenate(scores), np.concatenate(labels).astype(np.float64)
    # The normal equations have the same solution, and a few numbers in place of all rows.
    factor = np.asarray(np.linalg.qr(np.column_stack([design, target]), mode="r"))
    weights, _ = nnls(factor[: len(names), : len(names)], factor[: len(names), -1])
    total = float(weights.sum())
    return {name: float(weight / total) for name, weight in zip(names, weights, strict=True)} if total > 0.0 else None
