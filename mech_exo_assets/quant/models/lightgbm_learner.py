"""Gradient boosting by LightGBM.

What belongs here: how this library is given rows, parameters and a place to stop. What does not: which sessions those are.

All rows are binned once, a piece at a time from disk, with the edges of the reference; each fit takes a subset of the bins, one byte a
value. A fit afresh would read the features again and look for edges again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from mech_exo_assets.quant.models.fitted import LIGHTGBM, LightGbm
from mech_exo_assets.quant.models.learners import GRADES, Parameters, Stopped, boosting_defaults, grades, suggested_boosting
from mech_exo_assets.quant.models.rows import TrainingRows
from mech_exo_assets.settings.learning import Learning

if TYPE_CHECKING:
    import optuna

BINS = 255
_EDGE_ROWS = 200_000
"""Rows of the reference from which edges are made, at most."""


class LightGbmLearner:
    """See `learners.Learner`."""

    kind = LIGHTGBM

    def __init__(self, rows: TrainingRows, reference: slice, choices: Learning, *, seed: int) -> None:
        self._rows, self._choices = rows, choices
        ranking = choices.objective == "ranking"
        self._fixed: dict[str, Any] = {
            "objective": "lambdarank" if ranking else "regression",
            "metric": "none",
            "max_bin": BINS,
            "bin_construct_sample_cnt": _EDGE_ROWS,
            "feature_pre_filter": False,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": choices.threads,
            "seed": seed,
            "verbosity": -1,
        }
        if ranking:
            self._fixed["label_gain"] = list(range(GRADES))
        self._target = grades(rows.label) if ranking else rows.label
        edges = self._dataset(reference, None)
        self._bins = self._dataset(slice(0, len(rows.sessions)), edges)

    def defaults(self) -> Parameters:
        """See `learners.Learner`."""
        return {"leaves": 15, **boosting_defaults()}

    def suggest(self, trial: optuna.Trial) -> Parameters:
        """See `learners.Learner`."""
        return {"leaves": trial.suggest_int("leaves", 4, 63, log=True), **suggested_boosting(trial)}

    def fit(self, sessions: slice, parameters: Parameters, *, rounds: int | None) -> LightGbm:
        """See `learners.Learner`."""
        if rounds is None:
            raise ValueError("gradient boosting needs a number of rounds")
        return self._model(lightgbm.train(self._of(parameters, sessions), self._subset(sessions), rounds))

    def fit_until(self, sessions: slice, validation: slice, parameters: Parameters) -> Stopped:
        """See `learners.Learner`."""

        def ic(predicted: NDArray[np.float64], _: lightgbm.Dataset) -> tuple[str, float, bool]:
            return "ic", self._rows.mean_ic(validation, predicted), True

        booster = lightgbm.train(
            self._of(parameters, sessions),
            self._subset(sessions),
            self._choices.rounds,
            valid_sets=[self._subset(validation)],
            feval=ic,
            callbacks=[lightgbm.early_stopping(self._choices.patience, verbose=False)],
        )
        rounds = booster.best_iteration
        model = self._model(lightgbm.Booster(model_str=booster.model_to_string(num_iteration=rounds)))
        return Stopped(model, rounds, parameters, self._rows.predicted(validation, model))

    def forget(self) -> None:
        """See `learners.Learner`. Nothing is kept."""

    def _model(self, booster: lightgbm.Booster) -> LightGbm:
        return LightGbm(self._rows.features, booster, self._choices.threads)

    def _of(self, parameters: Parameters, sessions: slice) -> dict[str, Any]:
        rows = self._rows.of_sessions(sessions)
        return self._fixed | {
            "learning_rate": parameters["learning_rate"],
            "num_leaves": parameters["leaves"],
            "min_data_in_leaf": max(20, round(parameters["least_share"] * (rows.stop - rows.start))),
            "feature_fraction": parameters["feature_share"],
            "bagging_fraction": parameters["row_share"],
            "bagging_freq": 1,
            "lambda_l2": parameters["l2"],
        }

    def _dataset(self, sessions: slice, edges: lightgbm.Dataset | None) -> lightgbm.Dataset:
        rows = self._rows.of_sessions(sessions)
        features = self._rows.features
        return lightgbm.Dataset(
            _Sequence(self._rows, rows),
            label=self._target[rows],
            reference=edges,
            group=np.diff(self._rows.starts[sessions.start : sessions.stop + 1]) if self._choices.objective == "ranking" else None,
            feature_name=list(features.names),
            categorical_feature=[len(features.names) - 1] if features.categories else [],
            params=dict(self._fixed),
        ).construct()

    def _subset(self, sessions: slice) -> lightgbm.Dataset:
        rows = self._rows.of_sessions(sessions)
        part = self._bins.subset([], params=dict(self._fixed))
        # A list of as many Python numbers would take more memory than the bins.
        part.used_indices = np.arange(rows.start, rows.stop, dtype=np.int32)  # ty: ignore[invalid-assignment] - it becomes this array anyway
        return part


class _Sequence(lightgbm.Sequence):
    """Rows on disk as the library asks for them."""

    batch_size = 1 << 15

    def __init__(self, rows: TrainingRows, part: slice) -> None:
        self._rows, self._part = rows, part
        self._held, self._piece = slice(0, 0), np.empty((0, 0), np.float32)

    def __len__(self) -> int:
        return self._part.stop - self._part.start

    def __getitem__(self, idx: int | slice | list[int]) -> NDArray[np.float64]:
        if isinstance(idx, slice):
            first, stop, _ = idx.indices(len(self))
            return self._rows.read(slice(self._part.start + first, self._part.start + stop)).astype(np.float64)
        if isinstance(idx, list):
            return np.stack([self[each] for each in idx])
        # Single rows are asked for in ascending order, when edges are looked for.
        if not self._held.start <= idx < self._held.stop:
            self._held = slice(int(idx), min(int(idx) + self.batch_size, len(self)))
            self._piece = self._rows.read(slice(self._part.start + self._held.start, self._part.start + self._held.stop))
        return self._piece[int(idx) - self._held.start].astype(np.float64)
