"""The trials of a search as tables.

What belongs here: from a study's trials to `weights/trials`, `weights/trial_weights`, `weights/trial_returns` and `weights/frontier`. What
does not: which trial is chosen (`choice`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import polars as pl

from mech_exo_assets.quant.panel import Dates, Matrix
from mech_exo_assets.quant.weights.candidate import Candidate
from mech_exo_assets.quant.weights.frontier import front
from mech_exo_assets.quant.weights.objective import Evaluation
from mech_exo_assets.quant.weights.problem import Problem
from mech_exo_assets.quant.weights.search import START, WHY, Judges
from mech_exo_assets.schemas import FRONTIER, TRIAL_RETURNS, TRIAL_WEIGHTS, TRIALS

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


class Remembered:
    """Judges that know what they were asked before: the tables of a search want what its trials have earned, and here they say so again.

    A search keeps a trial's figures, which go to a database, and its returns, one number for each session, would be computed twice.

    Parameters
    ----------
    judges : Judges
        They are asked for the candidates that are new.
    """

    def __init__(self, judges: Judges) -> None:
        self._judges = judges
        self._found: dict[_Key, Evaluation | str] = {}

    def evaluate(self, candidates: Sequence[Candidate], *, workers: int = 1) -> list[Evaluation | str]:
        """What each candidate earned, or why it cannot be judged."""
        keys = [_key(candidate) for candidate in candidates]
        new = {key: candidate for key, candidate in zip(keys, candidates, strict=True) if key not in self._found}
        if new:
            self._found.update(zip(new, self._judges.evaluate(list(new.values()), workers=workers), strict=True))
        return [self._found[key] for key in keys]


_Key: TypeAlias = tuple[tuple[tuple[str, float], ...], tuple[tuple[str, float], ...]]


def _key(candidate: Candidate) -> _Key:
    return tuple(candidate.weights.items()), tuple(candidate.construction.items())


@dataclass(frozen=True, eq=False)
class TrialTables:
    """What a search tried.

    Attributes
    ----------
    trials, weights, returns : DataFrame
        In `schemas.TRIALS`, `schemas.TRIAL_WEIGHTS` and `schemas.TRIAL_RETURNS`. Trials are numbered by batch and slot, whatever numbers
        a database has given them. Failed trials have no returns, and no weights where all were 0.
    """

    trials: pl.DataFrame
    weights: pl.DataFrame
    returns: pl.DataFrame


def trial_tables(problem: Problem, trials: Sequence[FrozenTrial], judges: Judges | None = None) -> TrialTables:
    """The tables of a study's trials; what each earned is asked for again, and is what it was.

    Parameters
    ----------
    problem : Problem
        Whose space and history the trials are of.
    trials : sequence of FrozenTrial
        By batch and slot.
    judges : Judges, optional
        What says what each earned, where it is not the problem's own objective.
    """
    candidates = [problem.space.candidate(trial.params) for trial in trials]
    complete = [number for number, trial in enumerate(trials) if trial.values is not None]
    values = np.array([trials[number].values for number in complete]).reshape(len(complete), 3)
    feasible = np.array([all(value <= 0 for value in trials[number].constraints.values()) for number in complete], dtype=bool)
    on_front = np.zeros(len(complete), dtype=bool)
    on_front[feasible] = front(values[feasible])
    keeps, undominated = dict(zip(complete, feasible.tolist(), strict=True)), dict(zip(complete, on_front.tolist(), strict=True))
    rows = [
        _row(number, trial, candidate) | {"feasible": keeps.get(number, False), "on_front": undominated.get(number, False)}
        for number, (trial, candidate) in enumerate(zip(trials, candidates, strict=True))
    ]
    weights = [
        (number, name, weight)
        for number, candidate in enumerate(candidates)
        if candidate is not None
        for name, weight in candidate.weights.items()
    ]
    judged = (judges or problem.objective).evaluate(
        [candidate for number in complete if (candidate := candidates[number]) is not None], workers=problem.strategy.search.workers
    )
    earned = np.column_stack([found.net_return for found in judged if not isinstance(found, str)]) if complete else np.empty((0, 0))
    return TrialTables(
        pl.DataFrame(rows, schema=TRIALS.dtypes()),
        pl.DataFrame(weights, schema=TRIAL_WEIGHTS.dtypes(), orient="row"),
        returns_table(problem.objective.sessions, complete, earned),
    )


def returns_table(sessions: Dates, numbers: Sequence[int], returns: Matrix) -> pl.DataFrame:
    """Returns of trials, ndarray of shape (n_sessions, n_trials), as a table in `schemas.TRIAL_RETURNS`."""
    if not numbers:
        return TRIAL_RETURNS.empty()
    return pl.DataFrame(
        {
            "date": pl.Series(np.repeat(sessions.astype("datetime64[D]"), len(numbers))).cast(pl.Date),
            "trial": np.tile(np.array(numbers, dtype=np.int32), len(sessions)),
            "net_return": returns.ravel(),
        },
        schema=TRIAL_RETURNS.dtypes(),
    )


def frontier_table(trials: pl.DataFrame, chosen: int) -> pl.DataFrame:
    """The table in `schemas.FRONTIER`, the largest Sharpe ratio first."""
    of_front = trials.filter(pl.col("on_front")).with_columns((pl.col("trial") == chosen).alias("chosen"))
    return of_front.select(FRONTIER.names).sort("sharpe", "trial", descending=[True, False])


def _row(number: int, trial: FrozenTrial, candidate: Candidate | None) -> dict[str, object]:
    sharpe, max_drawdown, calmar = trial.values if trial.values is not None else (None, None, None)
    done = trial.datetime_complete
    return {
        "trial": number,
        "state": "failed" if trial.values is None else "complete",
        "start": trial.user_attrs.get(START),
        "sharpe": sharpe,
        "max_drawdown": max_drawdown,
        "calmar": calmar,
        "turnover": trial.user_attrs.get("turnover"),
        "factor_share": None if candidate is None else candidate.factor_share,
        "construction": json.dumps({} if candidate is None else dict(candidate.construction)),
        "why": trial.user_attrs.get(WHY),
        # Optuna's times are local and say no zone.
        "completed_at": None if done is None else done.astimezone(UTC),
    }
