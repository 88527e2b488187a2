"""The models of one kind: hyperparameters, rounds and fit of one training after the other.

What belongs here: the order of tuning, early stopping and fitting, and what is not done again. What does not: how one model is fitted
(`learners`), which trainings there are (`plan`), and what the kinds have to do with one another (`training`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.memory import give_back
from mech_exo_assets.quant.models.catalogue import open_learner
from mech_exo_assets.quant.models.ensemble import STACKED
from mech_exo_assets.quant.models.fitted import RIDGE, Model, load
from mech_exo_assets.quant.models.learners import Learner, Parameters
from mech_exo_assets.quant.models.plan import Plan, length
from mech_exo_assets.quant.models.tuning import tune
from mech_exo_assets.quant.walk_forward import Window

_VERSION = 1
"""Raised by hand whenever the same rows and choices give another model."""
_OF_A_MODEL = ("objective", "validation", "rounds", "patience", "threads", "tuning")
"""Choices that a model depends on other than through its rows."""


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
    validated : ndarray of shape (n_rows,), optional
        What the model that was stopped early predicted for the validation, where an ensemble is stacked of it; None of one that was known
        before.
    tuning : str, optional
        What a search of hyperparameters gave, as a sentence; None where there was none.
    """

    kind: str
    window: Window
    figures: Mapping[str, Any]
    text: str
    digest: str
    fresh: bool
    validated: NDArray[np.float64] | None = None
    tuning: str | None = None


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


class Fitter:
    """Fits the models of one kind.

    Parameters
    ----------
    kind : str
    plan : Plan
    known : Known
        A model whose digest is among them is taken as it is.
    """

    def __init__(self, kind: str, plan: Plan, known: Known) -> None:
        self._kind, self._plan, self._rows, self._known = kind, plan, plan.rows, known
        self._choices, self._seed = plan.strategy.learning, plan.strategy.seed

    def fits(self, group: Sequence[Window]) -> Iterator[Fit]:
        """The models of trainings that share their hyperparameters, which are searched in the first of them."""
        shared: tuple[Parameters, str] | None = None
        for window in group:
            fit = self._fit(window, shared)
            yield fit
            if shared is None:
                shared = ({name: value for name, value in json.loads(fit.figures["parameters"]).items() if name != "penalty"}, fit.digest)

    def validated(self, fit: Fit) -> NDArray[np.float64]:
        """What a model that is stopped early predicts for the validation of its training; computed again where it was known before."""
        if fit.validated is not None:
            return fit.validated
        before, judged = self._plan.validation(fit.window)
        return self._learner.fit_until(before, judged, json.loads(fit.figures["parameters"])).predicted

    def _fit(self, window: Window, shared: tuple[Parameters, str] | None) -> Fit:
        sessions = self._plan.training(window)
        digest = self._digest(sessions, shared[1] if shared else "")
        if digest in self._known.fits:
            figures, text = self._known.fits[digest]
            return Fit(self._kind, window, self._judged_again(figures, text, window), text, digest, fresh=False)
        parameters, said = (shared[0], None) if shared else self._tuned(window)
        before, judged = self._plan.validation(window)
        stopped = self._learner.fit_until(before, judged, parameters)
        self._learner.forget()
        give_back()
        model = self._learner.fit(sessions, stopped.parameters, rounds=stopped.rounds)
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
        predicted = stopped.predicted if self._choices.ensemble == STACKED else None
        return Fit(self._kind, window, figures, model.to_text(), digest, fresh=True, validated=predicted, tuning=said)

    def _tuned(self, window: Window) -> tuple[Parameters, str | None]:
        """Hyperparameters, and what their search gave where there was one."""
        folds = self._plan.inner_folds(window)
        if not self._choices.tuning.trials or not folds or self._kind == RIDGE:
            return self._learner.defaults(), None
        found = tune(self._learner, self._rows, folds, trials=self._choices.tuning.trials, seed=self._seed)
        return found.parameters, (
            f"{found.trials} trials on {len(folds)} purged folds, {found.pruned} of them given up early; mean information coefficient of "
            f"the best {found.ic:.4f}"
        )

    def _test_ic(self, model: Model, window: Window) -> float | None:
        test = self._plan.test(window)
        return self._rows.mean_ic(test, self._rows.predicted(test, model)) if length(test) else None

    def _judged_again(self, figures: Mapping[str, Any], text: str, window: Window) -> Mapping[str, Any]:
        """The figures of a known model; where its test is another one than that it was judged on, with what is known of it by now."""
        if figures["test_to"] == window.test_to.item():
            return figures
        model = load(self._kind, self._rows.features, text, threads=self._choices.threads)
        return {**figures, "test_ic": self._test_ic(model, window)}

    @cached_property
    def _learner(self) -> Learner:
        return open_learner(self._kind, self._rows, self._plan.reference, self._choices, seed=self._seed)

    def _digest(self, sessions: slice, shared: str) -> str:
        chosen = self._choices.model_dump(mode="json", include=set(_OF_A_MODEL))
        parts = {
            "version": _VERSION,
            "kind": self._kind,
            "library": _library(self._kind),
            "features": self._rows.features.to_json(),
            "choices": chosen,
            "gap": self._plan.strategy.learning_gap,
            "seed": self._seed,
            "tuned": shared,
        }
        digest = hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16)
        for part in (self._plan.reference, sessions):
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
