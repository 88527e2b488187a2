"""What every kind of model can do: be fitted on some sessions, with or without early stopping.

What belongs here: the contract of a learner and its parameters. What does not: any library (`lightgbm_learner`, `xgboost_learner`,
`ridge_learner`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mech_exo_assets.quant.models.fitted import Model

if TYPE_CHECKING:
    import optuna

Parameters: TypeAlias = Mapping[str, Any]
"""Hyperparameters by name: `learning_rate`, …; shares of rows and features are fractions."""

GRADES = 10
"""Grades of relevance in a ranking: tenths of the labels' law."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """A model that was fitted with early stopping.

    Attributes
    ----------
    model : Model
        Cut at its best number of rounds.
    rounds : int or None
        That number; None for a model without rounds.
    parameters : mapping
        As they were given, and what the validation chose beside the rounds.
    predicted : ndarray of shape (n_rows,)
        Of the validation's rows.
    """

    model: Model
    rounds: int | None
    parameters: Parameters
    predicted: NDArray[np.float64]


class Learner(Protocol):
    """One kind of model on one set of rows.

    A learner reads sessions by their positions in `rows`, and nothing outside of those that it is asked for, with one exception that is
    decided when it is opened: the edges of bins come from the `reference` sessions, which end before the first test.
    The same arguments give the same model, to the last bit, on the same number of threads.
    """

    @property
    def kind(self) -> str:
        """Name of the library, or ridge."""
        ...

    def defaults(self) -> Parameters:
        """Hyperparameters where none are searched."""
        ...

    def suggest(self, trial: optuna.Trial) -> Parameters:
        """Hyperparameters of one trial of a search."""
        ...

    def fit(self, sessions: slice, parameters: Parameters, *, rounds: int | None) -> Model:
        """A model of some sessions."""
        ...

    def fit_until(self, sessions: slice, validation: slice, parameters: Parameters) -> Stopped:
        """A model of some sessions, stopped where the mean information coefficient on the validation is largest."""
        ...

    def forget(self) -> None:
        """Let go of what was kept for the next fit on the same sessions."""
        ...


def boosting_defaults() -> dict[str, Any]:
    """What both boosting libraries are given alike where nothing is searched; the size of a tree is each one's own."""
    return {"learning_rate": 0.05, "least_share": 0.005, "feature_share": 0.5, "row_share": 0.7, "l2": 10.0}


def suggested_boosting(trial: optuna.Trial) -> dict[str, Any]:
    """The same of one trial of a search."""
    return {
        "learning_rate": 0.05,
        "least_share": trial.suggest_float("least_share", 0.001, 0.05, log=True),
        "feature_share": trial.suggest_float("feature_share", 0.2, 1.0),
        "row_share": trial.suggest_float("row_share", 0.5, 1.0),
        "l2": trial.suggest_float("l2", 0.1, 100.0, log=True),
    }


def grades(label: NDArray[np.float32]) -> NDArray[np.int32]:
    """Relevance of each row for a ranking: ⌊10 Φ(label)⌋, from 0 to 9, so that a tenth of the normal scores has each."""
    edges = np.array([NormalDist().inv_cdf(share / GRADES) for share in range(1, GRADES)], np.float32)
    return np.searchsorted(edges, label, side="right").astype(np.int32)
