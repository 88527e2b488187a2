"""Gradient boosting by XGBoost.

What belongs here: how this library is given rows, parameters and a place to stop. What does not: which sessions those are.

Each fit bins its rows with the edges of the reference, a piece at a time from disk; looking for edges is the longer part of binning, and
is done once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import xgboost
from numpy.typing import NDArray

from mech_exo_assets.quant.memory import give_back
from mech_exo_assets.quant.models.fitted import XGBOOST, XGBoost, xgboost_types
from mech_exo_assets.quant.models.learners import Parameters, Stopped, boosting_defaults, grades, suggested_boosting
from mech_exo_assets.quant.models.rows import TrainingRows
from mech_exo_assets.settings.learning import Learning

if TYPE_CHECKING:
    import optuna

BINS = 255
_KEPT = 3
"""Folds whose bins are kept."""

Bins: TypeAlias = tuple[xgboost.QuantileDMatrix, xgboost.QuantileDMatrix]
"""Of the sessions that are fitted on, and of those that are judged, with the same edges."""


class XGBoostLearner:
    """See `learners.Learner`."""

    kind = XGBOOST

    def __init__(self, rows: TrainingRows, reference: slice, choices: Learning, *, seed: int) -> None:
        self._rows, self._choices = rows, choices
        self._ranking = choices.objective == "ranking"
        self._fixed: dict[str, Any] = {
            "objective": "rank:ndcg" if self._ranking else "reg:squarederror",
            "disable_default_eval_metric": 1,
            "tree_method": "hist",
            "max_bin": BINS,
            "nthread": choices.threads,
            "seed": seed,
            "verbosity": 1,
        }
        if self._ranking:
            self._fixed["ndcg_exp_gain"] = False
        self._target = grades(rows.label) if self._ranking else rows.label
        self._held: dict[tuple[int, int, int, int], Bins] = {}
        # Edges are all that is wanted of the reference, so that the bins of one session are kept with them, and not those of all.
        self._edges = self._matrix(slice(reference.start, reference.start + 1), self._matrix(reference, None))

    def defaults(self) -> Parameters:
        """See `learners.Learner`."""
        return {"depth": 4, **boosting_defaults()}

    def suggest(self, trial: optuna.Trial) -> Parameters:
        """See `learners.Learner`."""
        return {"depth": trial.suggest_int("depth", 2, 7), **suggested_boosting(trial)}

    def fit(self, sessions: slice, parameters: Parameters, *, rounds: int | None) -> XGBoost:
        """See `learners.Learner`."""
        if rounds is None:
            raise ValueError("gradient boosting needs a number of rounds")
        return self._model(xgboost.train(self._of(parameters, sessions), self._matrix(sessions, self._edges), rounds))

    def fit_until(self, sessions: slice, validation: slice, parameters: Parameters) -> Stopped:
        """See `learners.Learner`."""

        def ic(predicted: NDArray[np.float32], _: xgboost.DMatrix) -> tuple[str, float]:
            return "ic", self._rows.mean_ic(validation, predicted.astype(np.float64))

        train, judged = self._kept(sessions, validation)
        booster = xgboost.train(
            self._of(parameters, sessions),
            train,
            self._choices.rounds,
            evals=[(judged, "validation")],
            custom_metric=ic,
            maximize=True,
            early_stopping_rounds=self._choices.patience,
            verbose_eval=False,
        )
        rounds = booster.best_iteration + 1
        model = self._model(booster[:rounds])
        return Stopped(model, rounds, parameters, self._rows.predicted(validation, model))

    def forget(self) -> None:
        """See `learners.Learner`."""
        self._held.clear()

    def _of(self, parameters: Parameters, sessions: slice) -> dict[str, Any]:
        rows = self._rows.of_sessions(sessions)
        # The second derivative of a row is 1 in a regression, and unknown beforehand in a ranking.
        least = 1.0 if self._ranking else max(20.0, parameters["least_share"] * (rows.stop - rows.start))
        return self._fixed | {
            "learning_rate": parameters["learning_rate"],
            "max_depth": parameters["depth"],
            "min_child_weight": least,
            "colsample_bytree": parameters["feature_share"],
            "subsample": parameters["row_share"],
            "lambda": parameters["l2"],
        }

    def _model(self, booster: xgboost.Booster) -> XGBoost:
        # Named at the end: during a training the library would compare all names with those of its matrices in every round.
        booster.feature_names = list(self._rows.features.names)
        return XGBoost(self._rows.features, booster)

    def _kept(self, sessions: slice, validation: slice) -> Bins:
        """The bins of one fold, kept for the next time: a search of hyperparameters comes back to the same few; the oldest go."""
        key = (sessions.start, sessions.stop, validation.start, validation.stop)
        if key not in self._held:
            while len(self._held) >= _KEPT:
                self._held.pop(next(iter(self._held)))
            train = self._matrix(sessions, self._edges)
            self._held[key] = (train, self._matrix(validation, train))
        return self._held[key]

    def _matrix(self, sessions: slice, edges: xgboost.QuantileDMatrix | None) -> xgboost.QuantileDMatrix:
        matrix = xgboost.QuantileDMatrix(
            _Pieces(self._rows, sessions, self._target, with_session=self._ranking),
            ref=edges,
            max_bin=BINS,
            nthread=self._choices.threads,
            enable_categorical=True,
        )
        give_back()
        return matrix


class _Pieces(xgboost.DataIter):
    """Rows on disk as the library asks for them."""

    def __init__(self, rows: TrainingRows, sessions: slice, target: NDArray[Any], *, with_session: bool) -> None:
        super().__init__()
        self._rows, self._sessions, self._target, self._with_session = rows, sessions, target, with_session
        self._pieces = rows.pieces(sessions)

    def reset(self) -> None:
        self._pieces = self._rows.pieces(self._sessions)

    def next(self, input_data: Callable[..., None]) -> bool:
        piece = next(self._pieces, None)
        if piece is None:
            return False
        rows, features = piece
        names = self._rows.features
        session = {"qid": np.searchsorted(self._rows.starts, np.arange(rows.start, rows.stop), side="right")} if self._with_session else {}
        input_data(data=features, label=self._target[rows], feature_types=xgboost_types(names), **session)
        return True
