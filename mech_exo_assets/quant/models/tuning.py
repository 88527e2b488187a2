"""Hyperparameters of a learner, searched by Optuna on purged folds of a training.

What belongs here: the search. What does not: which parameters there are (`learners`), and the folds (`folds`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from mech_exo_assets.quant.models.learners import Learner, Parameters
from mech_exo_assets.quant.models.rows import TrainingRows
from mech_exo_assets.quant.optuna_log import quietly

_BEFORE_PRUNING = 3
"""Trials that are judged on all folds before any is given up."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a search found.

    Attributes
    ----------
    parameters : mapping
    ic : float
        Mean information coefficient over the folds, of the best trial.
    trials, pruned : int
        Trials that were begun, and those of them that were given up before the last fold.
    """

    parameters: Parameters
    ic: float
    trials: int
    pruned: int


def tune(learner: Learner, rows: TrainingRows, folds: Sequence[tuple[slice, slice]], *, trials: int, seed: int) -> Tuned:
    """The hyperparameters with the largest mean information coefficient over purged folds.

    The first trial is the defaults. After each fold but the last a trial whose mean so far is below the median of the earlier trials at
    that fold is given up (`optuna.pruners.MedianPruner`). The same arguments give the same parameters.

    Parameters
    ----------
    learner : Learner
    rows : TrainingRows
        Those that the learner has.
    folds : sequence of (slice, slice)
        Positions of the sessions that are fitted on, and of those that are judged; at least one.
    trials : int
        At least 1.
    seed : int

    Raises
    ------
    ValueError
        If there is no fold.
    """
    import optuna

    if not folds:
        raise ValueError("hyperparameters need one fold at least")
    with quietly():
        study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=seed),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=_BEFORE_PRUNING, n_warmup_steps=0),
        )

    def objective(trial: optuna.Trial) -> float:
        parameters = learner.defaults() if trial.number == 0 else learner.suggest(trial)
        trial.set_user_attr("parameters", json.dumps(dict(parameters)))
        total = 0.0
        for number, (fit, judged) in enumerate(folds):
            total += rows.mean_ic(judged, learner.fit_until(fit, judged, parameters).predicted)
            trial.report(total / (number + 1), number)
            if number + 1 < len(folds) and trial.should_prune():
                raise optuna.TrialPruned
        return total / len(folds)

    with quietly():
        study.optimize(objective, n_trials=trials)
    pruned = sum(trial.state == optuna.trial.TrialState.PRUNED for trial in study.trials)
    best = study.best_trial
    return Tuned(json.loads(best.user_attrs["parameters"]), float(study.best_value), len(study.trials), pruned)
