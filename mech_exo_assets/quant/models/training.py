"""The walk-forward training of all models: what is fitted on what, and what is kept from before.

What belongs here: the order of tuning, early stopping and fitting, for each training of the walk-forward. What does not: how one model is
fitted (`learners`), and what the models predict (`prediction`).

A training whose rows, choices, seed and code are those of one that is known already is not repeated: its model is taken as it is. So a day
more costs nothing until the next training is due, and a run that is repeated gives the same models.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.memory import give_back
from mech_exo_assets.quant.models.catalogue import open_learner
from mech_exo_assets.quant.models.ensemble import STACKED, average_weights, stacked_weights
from mech_exo_assets.quant.models.fitted import KINDS, RIDGE, SECTOR, Features, Model, load
from mech_exo_assets.quant.models.folds import inner_folds, planned_trainings, validation_of
from mech_exo_assets.quant.models.learners import Learner, Parameters
from mech_exo_assets.quant.models.rows import TrainingRows
from mech_exo_assets.quant.models.tuning import tune
from mech_exo_assets.quant.panel import Dates, unique_dates
from mech_exo_assets.quant.walk_forward import Window
from mech_exo_assets.quant.years import by_year
from mech_exo_assets.settings import Strategy

_VERSION = 1
"""Raised by hand whenever the same rows and choices give another model."""
_OF_A_MODEL = ("objective", "validation", "rounds", "patience", "threads", "tuning")
"""Choices that a model depends on other than through its rows."""
_STACKED = "weights of at least 0, fitted on the validation of this training"
_MIN_SESSIONS = 30
"""Sampled sessions with labels without which nothing is fitted, or judged, on a stretch."""

Progress = Callable[[int, int], None]
"""Told how many models of how many are there."""


@dataclass(frozen=True, eq=False)
class Fit:
    """One model of one training.

    Attributes
    ----------
    kind : str
    window : Window
    figures : mapping
        Columns of `schemas.LIGHTGBM` that were measured: sessions, rows, rounds, information coefficients, parameters.
    text : str
        The model, as `fitted.load` reads it.
    digest : str
        Of everything that it depends on.
    fresh : bool
        Whether it was fitted now, and not known before.
    """

    kind: str
    window: Window
    figures: Mapping[str, Any]
    text: str
    digest: str
    fresh: bool


@dataclass(frozen=True, eq=False)
class Training:
    """All trainings of a walk-forward.

    Attributes
    ----------
    features : Features
        That all models take.
    fits : list of Fit
        By training, and in it by kind.
    weights : mapping of int to mapping of str to float
        Of each training: the members' weights in the ensemble.
    reasons : mapping of int to str
        Where those come from.
    skipped : mapping of int to str
        Trainings for which there were too few rows, and why.
    tuning : mapping of (str, int) to str
        What a search of hyperparameters gave, by kind and training, as a sentence.
    """

    features: Features
    fits: list[Fit] = field(default_factory=list)
    weights: dict[int, Mapping[str, float]] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)
    skipped: dict[int, str] = field(default_factory=dict)
    tuning: dict[tuple[str, int], str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Known:
    """What earlier trainings left.

    Attributes
    ----------
    fits : mapping of str to (mapping, str)
        By digest: the figures and the text of a model.
    weights : mapping of int to mapping of str to float
        By training, of the ensemble.
    """

    fits: Mapping[str, tuple[Mapping[str, Any], str]] = field(default_factory=dict)
    weights: Mapping[int, Mapping[str, float]] = field(default_factory=dict)


def train(
    dataset: pl.LazyFrame,
    strategy: Strategy,
    *,
    asked: Collection[dt.date] = (),
    known: Known | None = None,
    progress: Progress | None = None,
) -> Training:
    """Train every model for every training of the walk-forward that is not known yet.

    For each training: hyperparameters where they are due (`tuning.tune` on purged inner folds); the number of rounds, or the penalty, by
    early stopping on the last share of the training, less the gap; then the model on the whole training. Whatever is chosen is chosen
    within the training, whose last label is known before the first session that is predicted.

    Parameters
    ----------
    dataset : LazyFrame
        In `schemas.DATASET`; read year by year.
    strategy : Strategy
    asked : collection of date
        Days after whose close a retraining was asked for; see `folds.planned_trainings`.
    known : Known, optional
    progress : callable, optional

    Raises
    ------
    NoWindowError
        If the history is too short for one training.
    InputError
        If the validation leaves nothing of a training.
    """
    sessions = unique_dates(dataset.select("date").unique().collect()["date"])
    windows = planned_trainings(sessions, strategy, asked=asked)
    first = dataset.filter(pl.col("date") <= pl.lit(windows[0].train_to).cast(pl.Date))
    sectors = first.select(pl.col(SECTOR).unique()).collect()[SECTOR].to_list()
    features = Features.of(dataset.collect_schema().names(), sectors, with_sector="sector" in strategy.learning.features)
    years = np.unique(sessions.astype("datetime64[Y]").astype(int) + 1970).tolist()
    with TrainingRows.of(by_year(dataset, years), features, sampled=sessions[:: strategy.learning_sample]) as rows:
        return _Trainer(rows, sessions, strategy, known or Known(), progress or _silent).run(windows)


class _Trainer:
    """One call of `train`."""

    def __init__(self, rows: TrainingRows, sessions: Dates, strategy: Strategy, known: Known, progress: Progress) -> None:
        self._rows, self._sessions, self._strategy, self._known, self._progress = rows, sessions, strategy, known, progress
        self._learners: dict[str, Learner] = {}
        self._reference = slice(0, 0)
        give_back()

    def run(self, windows: list[Window]) -> Training:
        done = Training(self._rows.features)
        usable = [window for window in windows if self._usable(window, done)]
        if usable:
            self._reference = self._positions(usable[0].train_from, usable[0].train_to)
        owners: dict[str, tuple[Parameters, str]] = {}
        for at, window in enumerate(usable):
            every = self._strategy.learning.tuning.every
            if at == 0 or (every and at % every == 0):
                owners.clear()
            validated: dict[str, NDArray[np.float64]] = {}
            fits = []
            for number, kind in enumerate(KINDS):
                fits.append(self._fit(kind, window, owners, done, validated))
                self._progress(at * len(KINDS) + number + 1, len(usable) * len(KINDS))
            done.fits.extend(fits)
            self._weigh(window, fits, validated, done)
        return done

    def _fit(
        self,
        kind: str,
        window: Window,
        owners: dict[str, tuple[Parameters, str]],
        done: Training,
        validated: dict[str, NDArray[np.float64]],
    ) -> Fit:
        sessions = self._positions(window.train_from, window.train_to)
        owner = owners.get(kind)
        digest = self._digest(kind, sessions, owner[1] if owner else "")
        if digest in self._known.fits:
            figures, text = self._known.fits[digest]
            fit = Fit(kind, window, self._judged_again(kind, figures, text, window), text, digest, fresh=False)
        else:
            tuned = owner[0] if owner else self._tuned(kind, window, done)
            before, judged = self._validation(window)
            stopped = self._learner(kind).fit_until(before, judged, tuned)
            self._learner(kind).forget()
            give_back()
            validated[kind] = stopped.predicted
            model = self._learner(kind).fit(sessions, stopped.parameters, rounds=stopped.rounds)
            give_back()
            rows = self._rows.of_sessions(sessions)
            figures = {
                "train_sessions": sessions.stop - sessions.start,
                "train_rows": rows.stop - rows.start,
                "validation_from": self._rows.sessions[judged.start],
                "rounds": stopped.rounds,
                "train_ic": self._rows.mean_ic(sessions, self._rows.predicted(sessions, model)),
                "validation_ic": self._rows.mean_ic(judged, stopped.predicted),
                "test_ic": self._test_ic(model, window),
                "parameters": json.dumps(dict(stopped.parameters)),
            }
            fit = Fit(kind, window, figures, model.to_text(), digest, fresh=True)
        # Trainings to come take the same hyperparameters, until they are searched again.
        owners.setdefault(
            kind, ({name: value for name, value in json.loads(fit.figures["parameters"]).items() if name != "penalty"}, digest)
        )
        return fit

    def _tuned(self, kind: str, window: Window, done: Training) -> Parameters:
        learner, choices = self._learner(kind), self._strategy.learning.tuning
        spans = inner_folds(self._sessions[window.train], folds=choices.folds, gap=self._strategy.learning_gap)
        pairs = [(self._positions(each.fit_from, each.fit_to), self._positions(each.judged_from, each.judged_to)) for each in spans]
        folds = [pair for pair in pairs if min(map(_length, pair)) >= _MIN_SESSIONS]
        if not choices.trials or not folds or kind == RIDGE:
            return learner.defaults()
        found = tune(learner, self._rows, folds, trials=choices.trials, seed=self._strategy.seed)
        done.tuning[kind, window.number] = (
            f"{found.trials} trials on {len(folds)} purged folds, {found.pruned} of them given up early; mean information coefficient of "
            f"the best {found.ic:.4f}"
        )
        return found.parameters

    def _weigh(self, window: Window, fits: list[Fit], validated: Mapping[str, NDArray[np.float64]], done: Training) -> None:
        weights, reason = average_weights(), "equal parts of the boosted models (learning.ensemble: rank_average)"
        if self._strategy.learning.ensemble == STACKED:
            known = self._known.weights.get(window.number, {})
            # Those of a rank average leave a model out; they were not fitted, and are none that could be kept.
            if set(known) == set(KINDS) and not any(fit.fresh for fit in fits):
                weights, reason = dict(known), _STACKED
            else:
                weights, reason = self._stacked(window, fits, validated)
        done.weights[window.number], done.reasons[window.number] = weights, reason

    def _stacked(self, window: Window, fits: list[Fit], validated: Mapping[str, NDArray[np.float64]]) -> tuple[dict[str, float], str]:
        before, judged = self._validation(window)
        predicted = {
            fit.kind: validated[fit.kind]
            if fit.kind in validated
            else self._learner(fit.kind).fit_until(before, judged, json.loads(fit.figures["parameters"])).predicted
            for fit in fits
        }
        label, starts = self._rows.labels(judged)
        found = stacked_weights([predicted], [label], [starts])
        if found is None:
            return average_weights(), "no model explains anything of the validation, so that the boosted models have equal parts"
        return found, _STACKED

    def _usable(self, window: Window, done: Training) -> bool:
        try:
            before, judged = self._validation(window)
        except ValueError as error:
            raise InputError(
                f"learning.validation: in the training of {window.train_from} to {window.train_to}, {error}. Lower learning.validation, "
                "learning.embargo or learning.horizon, or raise learning.train_months."
            ) from error
        least = min(_length(before), _length(judged))
        if least < _MIN_SESSIONS:
            done.skipped[window.number] = (
                f"{window.train_from} to {window.train_to}: {_length(before)} sampled sessions with labels before the validation and "
                f"{_length(judged)} in it, and {_MIN_SESSIONS} are wanted of each"
            )
        return least >= _MIN_SESSIONS

    def _validation(self, window: Window) -> tuple[slice, slice]:
        choices = self._strategy.learning
        span = validation_of(self._sessions[window.train], share=choices.validation, gap=self._strategy.learning_gap)
        return self._positions(span.fit_from, span.fit_to), self._positions(span.judged_from, span.judged_to)

    def _positions(self, first: np.datetime64, last: np.datetime64) -> slice:
        return self._rows.between(first, last)

    def _test_ic(self, model: Model, window: Window) -> float | None:
        test = self._positions(window.test_from, window.test_to)
        return self._rows.mean_ic(test, self._rows.predicted(test, model)) if _length(test) else None

    def _judged_again(self, kind: str, figures: Mapping[str, Any], text: str, window: Window) -> Mapping[str, Any]:
        """The figures of a known model; where its test is another one than that it was judged on, with what is known of it by now."""
        if figures["test_to"] == window.test_to.item():
            return figures
        model = load(kind, self._rows.features, text, threads=self._strategy.learning.threads)
        return {**figures, "test_ic": self._test_ic(model, window)}

    def _learner(self, kind: str) -> Learner:
        if kind not in self._learners:
            self._learners[kind] = open_learner(kind, self._rows, self._reference, self._strategy.learning, seed=self._strategy.seed)
        return self._learners[kind]

    def _digest(self, kind: str, sessions: slice, owner: str) -> str:
        chosen = self._strategy.learning.model_dump(mode="json", include=set(_OF_A_MODEL))
        parts = {
            "version": _VERSION,
            "kind": kind,
            "library": _library(kind),
            "features": self._rows.features.to_json(),
            "choices": chosen,
            "gap": self._strategy.learning_gap,
            "seed": self._strategy.seed,
            "tuned": owner,
        }
        digest = hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16)
        for part in (self._reference, sessions):
            digest.update(b"".join(self._rows.digests[part]))
        return digest.hexdigest()


def _library(kind: str) -> str:
    """Name and version of what computes, without loading it."""
    from importlib.metadata import PackageNotFoundError, version

    for package in {"lightgbm": ("lightgbm",), "xgboost": ("xgboost-cpu", "xgboost"), "ridge": ("numpy",)}[kind]:
        try:
            return f"{package.removesuffix('-cpu')} {version(package)}"
        except PackageNotFoundError:
            continue
    raise InputError(f"{kind} is not installed. Install the packages of requirements.lock.")


def _length(part: slice) -> int:
    return max(part.stop - part.start, 0)


def _silent(_done: int, _of: int) -> None:
    return None
