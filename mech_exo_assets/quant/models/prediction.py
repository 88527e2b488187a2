"""What the stored models predict, each for the sessions after its training only.

What belongs here: predictions out of sample, of each model and of the ensemble. What does not: training (`training`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from mech_exo_assets.quant.models.ensemble import joined, weights_of
from mech_exo_assets.quant.models.fitted import ENSEMBLE, Features, load
from mech_exo_assets.schemas import PREDICTIONS


class OtherFeaturesError(ValueError):
    """The stored models take features that the dataset has no more, or has new ones that they do not know."""


def prediction_table(dataset: pl.DataFrame, models: pl.DataFrame, stacking: pl.DataFrame, *, threads: int) -> pl.DataFrame:
    """Predictions of every model and of the ensemble, for the rows of some sessions.

    Each session is predicted by the training whose test it lies in. Its model was fitted on labels that were known before the test began.

    Parameters
    ----------
    dataset : DataFrame
        In `schemas.DATASET`.
    models, stacking : DataFrame
        In `schemas.MODELS` and `schemas.STACKING`.
    threads : int

    Returns
    -------
    DataFrame
        In `schemas.PREDICTIONS`, ordered by date, symbol and model; nothing for sessions before the first test.

    Raises
    ------
    OtherFeaturesError
        If a model's features are not those of the dataset.
    ValueError
        If a training has models and no weights of them in the ensemble.
    """
    rows = dataset.sort("date", "symbol")
    parts = [PREDICTIONS.empty()]
    for (fold,), group in sorted(models.partition_by("fold", as_dict=True).items()):
        first, last = group["test_from"][0], group["test_to"][0]
        inside = rows.filter((pl.col("date") >= first) & (pl.col("date") <= last if last is not None else pl.lit(True)))
        if inside.is_empty():
            continue
        parts.extend(_of_fold(inside, group, weights_of(stacking, fold), threads=threads))
    return pl.concat(parts).sort("date", "symbol", "model")


def _of_fold(rows: pl.DataFrame, models: pl.DataFrame, weights: dict[str, float], *, threads: int) -> Iterator[pl.DataFrame]:
    features = Features.from_json(models["features"][0])
    require_features(features, rows)
    matrix = features.matrix(rows)
    predicted = {
        kind: load(kind, features, text, threads=threads).predict(matrix) for kind, text in models.select("model", "text").iter_rows()
    }
    counts = rows["date"].rle().struct.field("len").cast(pl.Int64).to_numpy()
    predicted[ENSEMBLE] = joined(predicted, weights, np.concatenate([[0], np.cumsum(counts)]))
    for kind, values in predicted.items():
        yield rows.select("date", "symbol", pl.lit(kind).alias("model"), pl.Series("value", values))


def require_features(features: Features, dataset: pl.DataFrame) -> None:
    """Refuse a dataset whose features are not those that a model was trained on.

    Raises
    ------
    OtherFeaturesError
        Naming one that is missing or new.
    """
    there = set(Features.of(dataset.columns, [], with_sector=False).numeric)
    if different := sorted(there.symmetric_difference(features.numeric)):
        what = (
            "is not in the dataset any more" if different[0] in features.numeric else "is in the dataset now, and the models do not know it"
        )
        raise OtherFeaturesError(f"{different[0]} {what}. Run `mech-exo learn`, which trains models on the features that there are.")
