"""The walk-forward training of all models: which are fitted, where, and what their parts in the ensemble are.

What belongs here: dividing a training into the models of a kind that share hyperparameters, and what they are together. What does not: the
models of one kind (`fitting`), and what the models predict (`prediction`).

A training whose rows, choices, seed and code are those of one that is known already is not repeated: its model is taken as it is. So a day
more costs nothing until the next training is due, and a run that is repeated gives the same models.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from mech_exo_assets.quant.memory import give_back
from mech_exo_assets.quant.models.ensemble import STACKED, average_weights, stacked_weights
from mech_exo_assets.quant.models.fitted import KINDS, SECTOR, Features
from mech_exo_assets.quant.models.fitting import Fit, Fitter, Known
from mech_exo_assets.quant.models.folds import planned_trainings
from mech_exo_assets.quant.models.plan import Plan
from mech_exo_assets.quant.models.rows import TrainingRows
from mech_exo_assets.quant.panel import Dates, unique_dates
from mech_exo_assets.quant.walk_forward import Window
from mech_exo_assets.quant.years import by_year
from mech_exo_assets.settings import Strategy

_STACKED = "weights of at least 0, fitted on the validation of this training"

Progress = Callable[[int, int], None]
"""Told how many models of how many are there."""
Each = Callable[[Callable[..., Any], Sequence[tuple[Any, ...]]], Iterable[Any]]
"""Computes a function of each part elsewhere, and gives the results in the order of the parts."""


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
    """

    features: Features
    fits: list[Fit] = field(default_factory=list)
    weights: dict[int, Mapping[str, float]] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)
    skipped: dict[int, str] = field(default_factory=dict)

    @property
    def tuning(self) -> dict[tuple[str, int], str]:
        """What a search of hyperparameters gave, by kind and training, as a sentence."""
        return {(fit.kind, fit.window.number): fit.tuning for fit in self.fits if fit.tuning is not None}


def train(
    dataset: pl.LazyFrame,
    strategy: Strategy,
    *,
    asked: Collection[dt.date] = (),
    known: Known | None = None,
    progress: Progress | None = None,
    each: Each | None = None,
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
    each : callable, optional
        Where the models are fitted, those of a kind that share hyperparameters as one part; by default here, one kind after the other. The
        models are the same.

    Raises
    ------
    NoWindowError
        If the history is too short for one training.
    InputError
        If the validation leaves nothing of a training.
    """
    before, told = known or Known(), progress or _silent
    history = History.of(dataset, strategy, asked)
    if each is None:
        with history.planned() as plan:
            return _weighed(_joined(_fitted_here(plan, before), told), history, plan, before)
    parts = list(_joined(_fitted_elsewhere(history, before, each), told))
    if strategy.learning.ensemble != STACKED:
        return _weighed(parts, history, None, before)
    with history.planned() as plan:
        return _weighed(parts, history, plan, before)


@dataclass(frozen=True, eq=False)
class History:
    """What a training is done on, wherever that is.

    Attributes
    ----------
    dataset : LazyFrame
    strategy : Strategy
    features : Features
    sessions : ndarray of shape (n_sessions,), datetime64[D]
        Of the dataset.
    windows : list of Window
        All trainings of the walk-forward.
    """

    dataset: pl.LazyFrame
    strategy: Strategy
    features: Features
    sessions: Dates
    windows: list[Window]

    @classmethod
    def of(cls, dataset: pl.LazyFrame, strategy: Strategy, asked: Collection[dt.date]) -> History:
        """See `train`."""
        sessions = unique_dates(dataset.select("date").unique().collect()["date"])
        windows = planned_trainings(sessions, strategy, asked=asked)
        first = dataset.filter(pl.col("date") <= pl.lit(windows[0].train_to).cast(pl.Date))
        sectors = first.select(pl.col(SECTOR).unique()).collect()[SECTOR].to_list()
        features = Features.of(dataset.collect_schema().names(), sectors, with_sector="sector" in strategy.learning.features)
        return cls(dataset, strategy, features, sessions, windows)

    @contextmanager
    def planned(self) -> Generator[Plan]:
        """The rows on this machine's disk until the block ends, and which trainings they allow."""
        years = np.unique(self.sessions.astype("datetime64[Y]").astype(int) + 1970).tolist()
        sampled = self.sessions[:: self.strategy.learning_sample]
        with TrainingRows.of(by_year(self.dataset, years), self.features, sampled=sampled) as rows:
            give_back()
            yield Plan(rows, self.windows, self.sessions, self.strategy)


class _Part(NamedTuple):
    """Some models; how many there will be of all kinds, and which trainings have none."""

    fits: list[Fit]
    of: int
    skipped: Mapping[int, str]


def _part(plan: Plan, fits: Iterable[Fit]) -> _Part:
    return _Part(list(fits), len(plan.windows) * len(KINDS), plan.skipped)


def _fitted_here(plan: Plan, known: Known) -> Iterator[_Part]:
    """Model by model, one kind after the other, so that memory holds the bins of one library."""
    yield _part(plan, ())
    for kind in KINDS:
        fitter = Fitter(kind, plan, known)
        for group in plan.groups():
            for fit in fitter.fits(group):
                yield _part(plan, [fit])


def _fitted_elsewhere(history: History, known: Known, each: Each) -> Iterable[_Part]:
    """Part by part. How many groups there are is known where the rows are; there are no more than these."""
    groups = range(0, len(history.windows), history.strategy.learning.tuning.every or len(history.windows))
    parts = [(history, kind, number, known) for kind in KINDS for number in range(len(groups))]
    return each(models_of, parts)


def models_of(history: History, kind: str, number: int, known: Known) -> _Part:
    """The models of one kind and one group of trainings, on a machine that has nothing but the dataset."""
    with history.planned() as plan:
        group = [window for group in plan.groups()[number : number + 1] for window in group]
        return _part(plan, Fitter(kind, plan, known).fits(group))


def _joined(parts: Iterable[_Part], told: Progress) -> Iterator[_Part]:
    """The parts as they come, of which `told` hears."""
    count = 0
    for part in parts:
        if part.fits:
            count += len(part.fits)
            told(count, part.of)
        yield part


def _weighed(parts: Iterable[_Part], history: History, plan: Plan | None, known: Known) -> Training:
    """The models of all parts, and each one's part in the ensemble; stacking needs the rows again."""
    skipped: dict[int, str] = {}
    fits: list[Fit] = []
    for part in parts:
        fits += part.fits
        skipped |= part.skipped
    fits.sort(key=lambda fit: (fit.window.number, KINDS.index(fit.kind)))
    weights: dict[int, Mapping[str, float]] = {}
    reasons: dict[int, str] = {}
    # One for all trainings: each would make its bins anew.
    fitters = {} if plan is None else {kind: Fitter(kind, plan, known) for kind in KINDS}
    for number, group in groupby(fits, key=lambda fit: fit.window.number):
        weights[number], reasons[number] = _weights(list(group), plan, fitters, known)
    # What was predicted for the validations is of no use any more, and large.
    return Training(history.features, [replace(fit, validated=None) for fit in fits], weights, reasons, skipped)


def _weights(fits: list[Fit], plan: Plan | None, fitters: Mapping[str, Fitter], known: Known) -> tuple[Mapping[str, float], str]:
    """The members' weights in one training's ensemble, and where they come from."""
    if plan is None or plan.strategy.learning.ensemble != STACKED:
        return average_weights(), "equal parts of the boosted models (learning.ensemble: rank_average)"
    before = known.weights.get(fits[0].window.number, {})
    # Those of a rank average leave a model out; they were not fitted, and are none that could be kept.
    if set(before) == set(KINDS) and not any(fit.fresh for fit in fits):
        return dict(before), _STACKED
    predicted = {fit.kind: fitters[fit.kind].validated(fit) for fit in fits}
    label, starts = plan.rows.labels(plan.validation(fits[0].window)[1])
    found = stacked_weights([predicted], [label], [starts])
    if found is None:
        return average_weights(), "no model explains anything of the validation, so that the boosted models have equal parts"
    return found, _STACKED


def _silent(_done: int, _of: int) -> None:
    return None
