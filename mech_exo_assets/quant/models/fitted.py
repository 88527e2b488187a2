"""A trained model: what it takes, what it predicts, and why.

What belongs here: models as they are stored and read back, predictions, contributions. What does not: how a model is trained
(`learners`), and what its contributions add up to over many rows (`quant.explain`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mech_exo_assets.schemas import DATASET

if TYPE_CHECKING:
    import lightgbm
    import xgboost

LIGHTGBM, XGBOOST, RIDGE, ENSEMBLE = "lightgbm", "xgboost", "ridge", "ensemble"
KINDS = (LIGHTGBM, XGBOOST, RIDGE)
"""All kinds of model: the members of a stacked ensemble, and what is trained, compared and registered."""
SECTOR = "sector"

Rows32: TypeAlias = NDArray[np.float32]
"""ndarray of shape (n_rows, n_features), C-contiguous."""


@dataclass(frozen=True, slots=True)
class Features:
    """The columns that a model takes, in their order.

    Attributes
    ----------
    numeric : tuple of str
        Columns of `learning/dataset`.
    categories : tuple of str
        Sectors, of which the last column holds the position; without any, a model takes no sector.
    """

    numeric: tuple[str, ...]
    categories: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All columns, the sector last."""
        return (*self.numeric, SECTOR) if self.categories else self.numeric

    @classmethod
    def of(cls, columns: Sequence[str], sectors: Sequence[str | None], *, with_sector: bool) -> Features:
        """All feature columns of a dataset, and the sectors that occur, in alphabetical order."""
        numeric = tuple(name for name in columns if name not in DATASET.names)
        return cls(numeric, tuple(sorted({sector for sector in sectors if sector})) if with_sector else ())

    def matrix(self, frame: pl.DataFrame) -> Rows32:
        """The rows of a dataset as a model takes them; NaN where a value, or the sector, is not known."""
        out = np.empty((frame.height, len(self.names)), np.float32)
        for column, name in enumerate(self.numeric):
            out[:, column] = frame[name].cast(pl.Float32).to_numpy()
        if self.categories:
            codes = (
                frame[SECTOR]
                .cast(pl.String)
                .replace_strict(list(self.categories), list(range(len(self.categories))), default=None, return_dtype=pl.Float32)
            )
            out[:, -1] = codes.to_numpy()
        return out

    def to_json(self) -> str:
        """As `schemas.MODELS` has it."""
        return json.dumps({"numeric": self.numeric, "categories": self.categories})

    @classmethod
    def from_json(cls, text: str) -> Features:
        """The reverse of `to_json`."""
        parts = json.loads(text)
        return cls(tuple(parts["numeric"]), tuple(parts["categories"]))


class Model(Protocol):
    """A trained model. Models are not changed by use, and may be used by several threads one after another."""

    @property
    def kind(self) -> str:
        """Name of the library, or ridge."""
        ...

    @property
    def features(self) -> Features:
        """What it takes."""
        ...

    def predict(self, rows: Rows32) -> NDArray[np.float64]:
        """The predicted label of each row, ndarray of shape (n_rows,)."""
        ...

    def contributions(self, rows: Rows32) -> NDArray[np.float64]:
        """SHAP values: how much each feature moves the prediction away from the model's mean.

        Returns
        -------
        ndarray of shape (n_rows, n_features + 1)
            The last column is the same for all rows; a row sums to its prediction.
        """
        ...

    def to_text(self) -> str:
        """As `load` reads it."""
        ...


@dataclass(frozen=True, eq=False)
class LightGbm:
    """A LightGBM booster; see `Model`. Contributions are TreeSHAP by `pred_contrib` (Lundberg et al. 2020), path-dependent."""

    features: Features
    booster: lightgbm.Booster
    threads: int = 0
    kind: str = LIGHTGBM

    def predict(self, rows: Rows32) -> NDArray[np.float64]:
        """See `Model`."""
        return np.asarray(self.booster.predict(rows, num_threads=self.threads), np.float64)

    def contributions(self, rows: Rows32) -> NDArray[np.float64]:
        """See `Model`."""
        return np.asarray(self.booster.predict(rows, pred_contrib=True, num_threads=self.threads), np.float64)

    def to_text(self) -> str:
        """LightGBM's own text."""
        return self.booster.model_to_string()


@dataclass(frozen=True, eq=False)
class XGBoost:
    """An XGBoost booster; see `Model`. Contributions are TreeSHAP by `pred_contribs`; XGBoost computes in single precision."""

    features: Features
    booster: xgboost.Booster
    kind: str = XGBOOST

    def predict(self, rows: Rows32) -> NDArray[np.float64]:
        """See `Model`."""
        return self.booster.predict(self.matrix(rows), output_margin=True).astype(np.float64)

    def contributions(self, rows: Rows32) -> NDArray[np.float64]:
        """See `Model`."""
        return self.booster.predict(self.matrix(rows), pred_contribs=True).astype(np.float64)

    def matrix(self, rows: Rows32) -> xgboost.DMatrix:
        """The rows as the library takes them."""
        import xgboost

        return xgboost.DMatrix(
            rows, feature_names=list(self.features.names), feature_types=xgboost_types(self.features), enable_categorical=True
        )

    def to_text(self) -> str:
        """XGBoost's own JSON."""
        return self.booster.save_raw("json").decode()


@dataclass(frozen=True, eq=False)
class Ridge:
    """A linear model of standardised features; see `Model`. What is missing counts as the feature's mean. The sector is not used.

    prediction = intercept + Σ_f coefficient_f · (x_f − mean_f) / scale_f; contributions are the terms of that sum, the SHAP values of
    a linear model with independent features.
    """

    features: Features
    intercept: float
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    kind: str = RIDGE

    def predict(self, rows: Rows32) -> NDArray[np.float64]:
        """See `Model`."""
        return self.contributions(rows).sum(axis=1)

    def contributions(self, rows: Rows32) -> NDArray[np.float64]:
        """See `Model`."""
        numeric = rows[:, : len(self.features.numeric)].astype(np.float64)
        out = np.zeros((len(rows), len(self.features.names) + 1))
        out[:, : numeric.shape[1]] = np.nan_to_num((numeric - self.mean) / self.scale) * self.coefficients
        out[:, -1] = self.intercept
        return out

    def to_text(self) -> str:
        """Its numbers as JSON."""
        numbers = {name: getattr(self, name).tolist() for name in ("mean", "scale", "coefficients")}
        return json.dumps({"intercept": self.intercept, **numbers})


def load(kind: str, features: Features, text: str, *, threads: int = 0) -> Model:
    """A model from its text.

    Parameters
    ----------
    kind : {"lightgbm", "xgboost", "ridge"}
    features : Features
    text : str
        As `Model.to_text` gave it.
    threads : int
        Of predictions; 0 takes what the library takes.

    Raises
    ------
    ValueError
        If there is no such kind.
    """
    if kind == LIGHTGBM:
        import lightgbm

        return LightGbm(features, lightgbm.Booster(model_str=text), threads)
    if kind == XGBOOST:
        import xgboost

        booster = xgboost.Booster({"nthread": threads} if threads else {})
        booster.load_model(bytearray(text.encode()))
        return XGBoost(features, booster)
    if kind == RIDGE:
        numbers: dict[str, Any] = json.loads(text)
        mean, scale, coefficients = (np.array(numbers[name]) for name in ("mean", "scale", "coefficients"))
        return Ridge(features, float(numbers["intercept"]), mean, scale, coefficients)
    raise ValueError(f"kind is '{kind}'; there are {LIGHTGBM}, {XGBOOST} and {RIDGE}")


def xgboost_types(features: Features) -> list[str]:
    """XGBoost's types of the features: quantities, and the sector as a category."""
    return ["q"] * len(features.numeric) + ["c"] * (len(features.names) - len(features.numeric))
