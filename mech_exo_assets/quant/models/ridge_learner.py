"""Ridge regression: the linear model that the others have to beat.

What belongs here: its normal equations. What does not: which sessions they are made from.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mech_exo_assets.quant.blas import one_blas_thread
from mech_exo_assets.quant.models.fitted import RIDGE, Ridge
from mech_exo_assets.quant.models.learners import Parameters, Stopped
from mech_exo_assets.quant.models.rows import TrainingRows

if TYPE_CHECKING:
    import optuna

PENALTIES = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
"""Per row and standardised feature; the validation chooses one. At 1 the slope of a lone feature is halved."""
_CONSTANT = 1e-12
"""A standard deviation below this is rounding."""


class RidgeLearner:
    """See `learners.Learner`. A penalty takes the place of rounds."""

    kind = RIDGE

    def __init__(self, rows: TrainingRows) -> None:
        self._rows = rows
        self._numeric = len(rows.features.numeric)

    def defaults(self) -> Parameters:
        """See `learners.Learner`."""
        return {}

    def suggest(self, trial: optuna.Trial) -> Parameters:  # noqa: ARG002 - the validation chooses its only parameter
        """See `learners.Learner`."""
        return {}

    def fit(self, sessions: slice, parameters: Parameters, *, rounds: int | None) -> Ridge:  # noqa: ARG002 - it has none
        """See `learners.Learner`."""
        with one_blas_thread():
            return self._models(sessions, (parameters["penalty"],))[0]

    def fit_until(self, sessions: slice, validation: slice, parameters: Parameters) -> Stopped:
        """See `learners.Learner`."""
        with one_blas_thread():
            models = self._models(sessions, PENALTIES)
        predicted = np.concatenate(
            [np.stack([model.predict(piece) for model in models]) for _, piece in self._rows.pieces(validation)], axis=1
        )
        # Of equal ones the strongest penalty.
        best = max(range(len(models)), key=lambda at: (self._rows.mean_ic(validation, predicted[at]), at))
        return Stopped(models[best], None, {**parameters, "penalty": PENALTIES[best]}, predicted[best])

    def forget(self) -> None:
        """See `learners.Learner`. Nothing is kept."""

    def _models(self, sessions: slice, penalties: tuple[float, ...]) -> list[Ridge]:
        """Ridge regressions of standardised features, one for each penalty: (R + penalty · I) b = r, with R the correlations.

        The rows are read twice, a piece at a time: for the means, which stand in for missing values, and for the products.
        """
        width, n = self._numeric, 0
        known, sums = np.zeros(width, np.int64), np.zeros(width)
        for block, _ in self._blocks(sessions):
            n += len(block)
            known += (~np.isnan(block)).sum(axis=0)
            sums += np.nan_to_num(block).sum(axis=0)
        mean = np.divide(sums, known, out=np.zeros(width), where=known > 0)
        products, with_label, label = np.zeros((width, width)), np.zeros(width), 0.0
        for block, target in self._blocks(sessions):
            centred = np.nan_to_num(block - mean)
            products += centred.T @ centred
            with_label += centred.T @ target
            label += float(target.sum())
        deviation = np.sqrt(np.diag(products) / n)
        scale = np.where(deviation > _CONSTANT, deviation, 1.0)
        values, vectors = np.linalg.eigh(products / n / np.outer(scale, scale))
        rotated = vectors.T @ (with_label / n / scale)
        return [
            Ridge(self._rows.features, label / n, mean, scale, vectors @ (rotated / (np.maximum(values, 0.0) + penalty)))
            for penalty in penalties
        ]

    def _blocks(self, sessions: slice) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        for rows, piece in self._rows.pieces(sessions):
            yield piece[:, : self._numeric].astype(np.float64), self._rows.label[rows].astype(np.float64)
