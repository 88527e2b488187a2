"""Combinatorial purged cross-validation: how a rule of choice does on many paths through sessions that it did not see.

What belongs here: out-of-sample Sharpe ratios of a choice among trials, path by path. What does not: the splits themselves (skfolio's), and
windows of the walk-forward (`mech_exo_assets.quant.walk_forward`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.overfitting.ratios import ANNUAL, require_trials, sharpe_ratios
from mech_exo_assets.quant.panel import Matrix, Vector

Rule: TypeAlias = Callable[[Matrix], int | Vector]
"""From the training's returns (sessions × trials) to the number of a trial, or to weights over all of them."""

_LEAST_TRAINING = 2


@dataclass(frozen=True, eq=False, slots=True)
class CombinatorialPaths:
    """Out-of-sample Sharpe ratios of a rule, one for each path.

    Attributes
    ----------
    sharpe : ndarray of shape (n_paths,)
        Annual. Each path holds every session once; 0 where its returns do not vary.
    returns : ndarray of shape (n_sessions, n_paths)
        What was chosen earned, session by session.
    mean : float
    deviation : float
        Standard deviation of the paths (n − 1). Paths share sessions, so that it is no standard error.
    share_below_zero : float
    quantiles : dict of float to float
        At 5, 25, 50, 75 and 95 %.
    n_splits : int
        Trainings.
    """

    sharpe: Vector
    returns: Matrix
    mean: float
    deviation: float
    share_below_zero: float
    quantiles: dict[float, float]
    n_splits: int


def best_sharpe(training: Matrix) -> int:
    """The trial with the largest Sharpe ratio in the training; the first of equals, and 0 where none varies."""
    ratio = sharpe_ratios(training)
    return int(np.argmax(np.where(np.isnan(ratio), -np.inf, ratio)))


def combinatorial_paths(
    returns: Matrix,
    rule: Rule = best_sharpe,
    *,
    folds: int = 10,
    test_folds: int = 2,
    purge: int = 0,
    embargo: int = 0,
) -> CombinatorialPaths:
    """Sharpe ratios of a rule's choices on every path of combinatorial purged cross-validation.

    The history is cut into `folds`. For each choice of `test_folds` of them the rule sees the others, and what it chooses earns its
    returns on the chosen ones. Each fold is tested C(folds − 1, test_folds − 1) times; the k-th tests of all folds are joined into the
    k-th path.

    Parameters
    ----------
    returns : ndarray of shape (n_sessions, n_trials)
        Simple returns of all trials, as fractions, without NaN.
    rule : callable
        Of the training's returns, (n_training, n_trials): the number of a trial, or weights over the trials.
    folds, test_folds : int
        2 ≤ test_folds < folds. The last fold is longer where the sessions do not divide.
    purge : int
        Sessions of the training that are left out on either side of a test.
    embargo : int
        Sessions of the training that are left out after a test, besides the purge.

    Raises
    ------
    InputError
        If a fold has not at least purge + embargo + 2 sessions, or a training is left with fewer than two.
    ValueError
        If returns are NaN or infinite, the folds are not possible, or the rule's answer is no trial and no weights.

    Notes
    -----
    The rule sees sessions after its test, too: paths show how stable a choice is, not what it would have earned. Source: López de Prado
    (2018), "Advances in financial machine learning", section 12.4; the splits are `skfolio.model_selection.CombinatorialPurgedCV`.
    """
    n_sessions, n_trials = require_trials(returns)
    if not 2 <= test_folds < folds:
        raise ValueError(f"folds is {folds} and test_folds is {test_folds}; wanted is 2 <= test_folds < folds")
    if purge < 0 or embargo < 0:
        raise ValueError(f"purge is {purge} and embargo is {embargo}; neither can be negative")
    length = n_sessions // folds
    if length < purge + embargo + 2:
        raise InputError(
            f"combinatorial cross-validation: {n_sessions} sessions make {folds} folds of {length}, and a fold needs at least "
            f"{purge + embargo + 2} (purge {purge} + embargo {embargo} + 2); give a longer history, or fewer folds."
        )
    from skfolio.model_selection import CombinatorialPurgedCV

    splitter = CombinatorialPurgedCV(n_folds=folds, n_test_folds=test_folds, purged_size=purge, embargo_size=embargo)
    paths = np.full((n_sessions, splitter.n_test_paths), np.nan)
    for (training, tests), numbers in zip(splitter.split(returns), splitter.get_path_ids(), strict=True):
        if len(training) < _LEAST_TRAINING:
            raise InputError(
                f"combinatorial cross-validation: purge {purge} and embargo {embargo} leave {len(training)} sessions of a training; "
                f"give a longer history, or fewer test folds than {test_folds}."
            )
        chosen = _weights(rule(returns[training]), n_trials)
        for test, number in zip(tests, numbers, strict=True):
            paths[test, number] = returns[test] @ chosen
    if np.isnan(paths).any():
        raise ValueError("the splitter's paths do not cover every session; see whether skfolio has changed")
    sharpe = np.nan_to_num(sharpe_ratios(paths), nan=0.0) * ANNUAL
    return CombinatorialPaths(
        sharpe=sharpe,
        returns=paths,
        mean=float(sharpe.mean()),
        deviation=float(sharpe.std(ddof=1)),
        share_below_zero=float(np.mean(sharpe < 0)),
        quantiles={share: float(np.quantile(sharpe, share)) for share in (0.05, 0.25, 0.5, 0.75, 0.95)},
        n_splits=splitter.n_splits,
    )


def _weights(answer: int | Vector, n_trials: int) -> Vector:
    if np.ndim(answer) == 0:
        number = int(answer)
        if number != answer or not 0 <= number < n_trials:
            raise ValueError(f"the rule chose trial {answer}; the trials are 0 to {n_trials - 1}")
        chosen = np.zeros(n_trials)
        chosen[number] = 1.0
        return chosen
    weights = np.asarray(answer, dtype=np.float64)
    if weights.shape != (n_trials,) or not np.isfinite(weights).all():
        raise ValueError(f"the rule gave weights of shape {weights.shape}; wanted are {n_trials} finite ones")
    return weights
