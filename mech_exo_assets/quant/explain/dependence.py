"""What a feature contributes at which of its values.

What belongs here: means of contributions by bins of values. What does not: which features are worth a look (`importance`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mech_exo_assets.schemas import DEPENDENCE

BINS = 10


def dependence_of_number(model: str, feature: str, values: NDArray[np.float32], contributions: NDArray[np.floating]) -> pl.DataFrame:
    """Mean and standard deviation of a number's contributions in quantile bins of its values, as rows of `schemas.DEPENDENCE`.

    Bins end at the deciles; a value that is a decile falls into the lower bin, and bins that a tie leaves empty are left out.

    Parameters
    ----------
    model, feature : str
    values : ndarray of shape (n_rows,), float32
        NaN where missing; those rows make up bin 0.
    contributions : ndarray of shape (n_rows,)
    """
    known = ~np.isnan(values)
    found = np.zeros(len(values), np.int32)
    if known.any():
        edges = np.unique(np.quantile(values[known], np.arange(1, BINS) / BINS, method="inverted_cdf"))
        place = np.searchsorted(edges, values[known], side="left")
        found[known] = 1 + np.unique(place, return_inverse=True)[1]
    return _by_bin(model, feature, found, contributions, values=values)


def dependence_of_category(model: str, feature: str, categories: Sequence[str | None], contributions: NDArray[np.floating]) -> pl.DataFrame:
    """The same for a feature of categories: a bin for each of those that occur, in alphabetical order; 0 where it is missing."""
    names = sorted({name for name in categories if name is not None})
    number = {name: bin_ for bin_, name in enumerate(names, start=1)} | {None: 0}
    found = np.array([number[name] for name in categories], np.int32)
    table = _by_bin(model, feature, found, contributions, values=None)
    return table.with_columns(category=pl.Series([names[at - 1] if at else None for at in table["bin"]], dtype=pl.String))


def _by_bin(
    model: str, feature: str, bins: NDArray[np.int32], contributions: NDArray[np.floating], *, values: NDArray[np.float32] | None
) -> pl.DataFrame:
    frame = pl.DataFrame(
        {
            "bin": bins,
            "value": np.full(len(bins), np.nan) if values is None else values.astype(np.float64),
            "contribution": contributions.astype(np.float64),
        }
    )
    return (
        frame.with_columns(pl.col("value").fill_nan(None))
        .group_by("bin")
        .agg(
            low=pl.col("value").min(),
            high=pl.col("value").max(),
            category=pl.lit(None, pl.String).first(),
            mean=pl.col("contribution").mean(),
            deviation=pl.col("contribution").std(ddof=0),
            rows=pl.len(),
        )
        .sort("bin")
        .with_columns(model=pl.lit(model), feature=pl.lit(feature))
        .rename({"mean": "contribution"})
        .select(pl.col(name).cast(dtype) for name, dtype in DEPENDENCE.dtypes().items())
    )
