"""One name on one session: why it is ranked where it is.

What belongs here: the predictions of a session, ranks, and the contributions of one name. What does not: many sessions (`engine`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mech_exo_assets.quant.explain.additivity import checked_contributions
from mech_exo_assets.quant.models.ensemble import joined, normal_scores
from mech_exo_assets.quant.models.fitted import SECTOR, Features, Model, load


@dataclass(frozen=True, slots=True)
class NameExplained:
    """What one model says of one name.

    Attributes
    ----------
    model : str
    prediction : float
        Predicted label.
    base : float
        What all names share: the model's mean over its training. Base and contributions sum to the prediction.
    mean : float
        Mean prediction of the session's names.
    rank : int
        Among the session's names, 1 for the highest prediction; equal ones go by symbol.
    score : float
        Φ⁻¹((r − ½)/n), r from the lowest prediction up: what enters the ensemble.
    weight : float
        Of the model in the ensemble; 0 for one that is not in it.
    gap : float
        Between the prediction and the sum of its contributions.
    contributions : DataFrame
        Largest absolute contribution first. Columns: feature; value (null where missing, and for the sector); category (the sector, else
        null); contribution; share, contribution / (prediction − base), null where that is 0; relative, the contribution less its mean over
        the session's names. The relative ones sum to prediction − mean: what every name of the session has is no reason for a rank.
    """

    model: str
    prediction: float
    base: float
    mean: float
    rank: int
    score: float
    weight: float
    gap: float
    contributions: pl.DataFrame


@dataclass(frozen=True, slots=True)
class SessionExplained:
    """What all models say of one name on one session.

    Attributes
    ----------
    date : date
    symbol : str
    n : int
        Names of the session.
    rank : int
        In the ensemble, 1 for the best.
    score : float
        Of the ensemble: Σ weight · score of the models.
    models : tuple of NameExplained
    """

    date: dt.date
    symbol: str
    n: int
    rank: int
    score: float
    models: tuple[NameExplained, ...]

    def of(self, model: str) -> NameExplained:
        """What one model says.

        Raises
        ------
        ValueError
            If it is not among them.
        """
        for each in self.models:
            if each.model == model:
                return each
        raise ValueError(f"{model} is not among the models; there are {', '.join(each.model for each in self.models)}")


def in_use(models: pl.DataFrame, date: dt.date) -> pl.DataFrame:
    """The rows of `schemas.MODELS` whose models predict a session; none before the first test."""
    reaches = pl.col("test_to").is_null() | (pl.col("test_to") >= date)
    return models.filter(pl.col("test_from") <= date, reaches).sort("fold").unique("model", keep="last", maintain_order=True)


def loaded(models: pl.DataFrame, *, threads: int = 0) -> dict[str, Model]:
    """The models of some rows of `schemas.MODELS`, one for each kind, by name."""
    rows = models.select("model", "features", "text").iter_rows()
    return {name: load(name, Features.from_json(features), text, threads=threads) for name, features, text in rows}


def explain_session(session: pl.DataFrame, models: Mapping[str, Model], symbol: str, *, weights: Mapping[str, float]) -> SessionExplained:
    """Why a name is ranked where it is on a session.

    Parameters
    ----------
    session : DataFrame
        All rows of one session in `schemas.DATASET`.
    models : mapping of str to Model
        Those in use on the session.
    symbol : str
    weights : mapping of str to float
        Of the models in the ensemble.

    Raises
    ------
    ValueError
        If the rows are not of one session, the symbol is not among them, a model with a weight is not there, or contributions do not sum to
        the prediction.
    """
    dates = session["date"].unique().to_list()
    if len(dates) != 1:
        raise ValueError(f"the rows are of {len(dates)} sessions; give those of one")
    absent = sorted(name for name, weight in weights.items() if weight and name not in models)
    if absent:
        raise ValueError(f"the ensemble has a weight for {absent[0]}, which is not among the models")
    rows = session.sort("symbol")
    symbols = rows["symbol"].to_list()
    if symbol not in symbols:
        raise ValueError(f"{symbol} is not among the {len(symbols)} names of {dates[0]}")
    at, starts = symbols.index(symbol), np.array([0, rows.height], np.int64)
    predicted: dict[str, NDArray[np.float64]] = {}
    explained = []
    for name, model in models.items():
        matrix = model.features.matrix(rows)
        contributions, prediction, gap = checked_contributions(model, matrix, where=f"{name} on {dates[0]}")
        predicted[name] = prediction
        explained.append(
            NameExplained(
                model=name,
                prediction=float(prediction[at]),
                base=float(contributions[at, -1]),
                mean=float(prediction.mean()),
                rank=_rank(prediction, at),
                score=float(normal_scores(prediction, starts)[at]),
                weight=float(weights.get(name, 0.0)),
                gap=gap,
                contributions=_table(model, rows[at], contributions, at),
            )
        )
    score = joined(predicted, weights, starts)
    return SessionExplained(dates[0], symbol, rows.height, _rank(score, at), float(score[at]), tuple(explained))


def _rank(values: NDArray[np.float64], at: int) -> int:
    """1 for the highest; of equal values the one that comes first."""
    return 1 + int((values > values[at]).sum() + (values[:at] == values[at]).sum())


def _table(model: Model, row: pl.DataFrame, contributions: NDArray[np.float64], at: int) -> pl.DataFrame:
    names, own = model.features.names, contributions[at, :-1]
    distance = float(own.sum())
    values = [None if name == SECTOR else row[name].cast(pl.Float64).fill_nan(None).item() for name in names]
    categories = [row[SECTOR].cast(pl.String).item() if name == SECTOR else None for name in names]
    return (
        pl.DataFrame(
            {
                "feature": names,
                "value": values,
                "category": categories,
                "contribution": own,
                "share": own / distance if distance else np.full(len(own), np.nan),
                "relative": own - contributions[:, :-1].mean(axis=0),
            },
            schema={
                "feature": pl.String,
                "value": pl.Float64,
                "category": pl.String,
                "contribution": pl.Float64,
                "share": pl.Float64,
                "relative": pl.Float64,
            },
        )
        .with_columns(pl.col("share").fill_nan(None))
        .sort(pl.col("contribution").abs(), descending=True, maintain_order=True)
    )
