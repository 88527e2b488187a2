"""The result on sessions that no search has seen, and what past results have realised.

What belongs here: the comparison with baselines on the hold-out, and the record of searches. What does not: the statistic of the
comparison (`quant.comparison`), and the counting of looks (`storage.studies`).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.comparison import sharpe_difference
from mech_exo_assets.quant.weights.candidate import Candidate
from mech_exo_assets.quant.weights.frontier import objectives
from mech_exo_assets.quant.weights.objective import Evaluation, Objective
from mech_exo_assets.quant.weights.problem import Problem
from mech_exo_assets.schemas import COMPARISON, HISTORY, HOLDOUT_RETURNS

OPTIMISED = "optimised"
FEWEST_REALISED = 60
"""Sessions from which on a realised Sharpe ratio is shown: that of a quarter is mostly noise, and of less it is nothing else."""


@dataclass(frozen=True, slots=True)
class Search:
    """What the record says of a search, beside what it found.

    Attributes
    ----------
    study : str
    searched_at : datetime
    versions : mapping of str to int
        Versions of `factors/scores` and `market/prices` in the lake.
    trials, trials_ever : int
    share : float
    passed : bool
    """

    study: str
    searched_at: dt.datetime
    versions: Mapping[str, int]
    trials: int
    trials_ever: int
    share: float
    passed: bool


def comparison_table(problem: Problem, optimised: Candidate, *, looks: int) -> pl.DataFrame:
    """The optimised weights and each baseline on the hold-out, as a table in `schemas.COMPARISON`.

    Parameters
    ----------
    problem : Problem
    optimised : Candidate
    looks : int
        How often the hold-out has been looked at, this look included.

    Raises
    ------
    InputError
        If something cannot be traded on the hold-out, or it has too few sessions for a difference.
    """
    outside, start = _on_holdout(problem, optimised)
    inside = problem.objective.evaluate([optimised, *problem.baselines.values()])
    sessions = problem.held_out_sessions[start:]
    rows = []
    for (name, found), in_search in zip(outside.items(), inside, strict=True):
        returns = found.net_return[start:]
        sharpe, depth, _ = objectives(returns[:, None])[0]
        row = {
            "weights": name,
            "first_date": sessions[0].item(),
            "last_date": sessions[-1].item(),
            "n_sessions": len(returns),
            "sharpe": float(sharpe),
            "sharpe_in_search": None if isinstance(in_search, str) else in_search.sharpe,
            "total_return": float(np.expm1(np.log1p(returns).sum())),
            "max_drawdown": float(depth),
            "turnover": found.turnover,
            "looks": looks,
        }
        if name != OPTIMISED:
            between = sharpe_difference(outside[OPTIMISED].net_return[start:], returns, seed=problem.strategy.seed)
            row |= {
                "difference": between.difference,
                "difference_low": _finite(between.low),
                "difference_high": _finite(between.high),
                "p_value": between.p_value,
                "detectable": _finite(between.detectable),
            }
        rows.append(row)
    return pl.DataFrame(rows, schema=COMPARISON.dtypes())


def returns_table(problem: Problem, optimised: Candidate) -> pl.DataFrame:
    """What each of the compared weights earned on the sessions of the comparison, as a table in `schemas.HOLDOUT_RETURNS`.

    Parameters
    ----------
    problem : Problem
    optimised : Candidate

    Raises
    ------
    InputError
        If something cannot be traded on the hold-out.
    """
    outside, start = _on_holdout(problem, optimised)
    sessions = pl.Series(problem.held_out_sessions[start:]).cast(pl.Date)
    parts = [
        pl.DataFrame({"date": sessions, "weights": name, "net_return": found.net_return[start:]}, schema=HOLDOUT_RETURNS.dtypes())
        for name, found in outside.items()
    ]
    return pl.concat(parts)


def history_table(
    problem: Problem, before: pl.DataFrame, done: Search, optimised: Candidate, evaluation: Evaluation, comparison: pl.DataFrame
) -> pl.DataFrame:
    """The record of searches with this one, and what the weights of each have realised until now, in `schemas.HISTORY`.

    Parameters
    ----------
    problem : Problem
    before : DataFrame
        The record as it stood; a row of the same study is kept as it was first written, but for what it has realised.
    done : Search
    optimised : Candidate
    evaluation : Evaluation
        Of `optimised`, in the search.
    comparison : DataFrame
        In `schemas.COMPARISON`.
    """
    on_holdout = {row["weights"]: row for row in comparison.iter_rows(named=True)}
    span, strategy = problem.span, problem.strategy
    row = {
        "study": done.study,
        "searched_at": done.searched_at,
        "searched_from": span.searched_from,
        "searched_to": span.searched_to,
        "holdout_from": span.holdout_from,
        "decided_on": span.holdout_to,
        "scores_version": done.versions["factors/scores"],
        "prices_version": done.versions["market/prices"],
        "seed": strategy.seed,
        "sampler": strategy.search.sampler,
        "trials": done.trials,
        "trials_ever": done.trials_ever,
        "share": done.share,
        "sharpe": evaluation.sharpe,
        "max_drawdown": evaluation.max_drawdown,
        "calmar": evaluation.calmar,
        "holdout_sharpe": on_holdout[OPTIMISED]["sharpe"],
        "holdout_equal_sharpe": on_holdout["equal"]["sharpe"],
        "looks": on_holdout[OPTIMISED]["looks"],
        "passed": done.passed,
        "weights": json.dumps(dict(optimised.weights)),
        "construction": json.dumps(dict(optimised.construction)),
    }
    kept = [each for each in before.iter_rows(named=True) if each["study"] != done.study]
    same = [each for each in before.iter_rows(named=True) if each["study"] == done.study]
    rows = [*kept, same[0] | {"trials": done.trials, "trials_ever": done.trials_ever} if same else row]
    return pl.DataFrame(
        [each | _realised(problem, each) for each in sorted(rows, key=lambda each: (each["searched_at"], each["study"]))],
        schema=HISTORY.dtypes(),
    )


def _realised(problem: Problem, row: Mapping[str, object]) -> dict[str, object]:
    """What a row's weights have earned since they were decided on, as the strategy trades now."""
    since = problem.since(np.datetime64(str(row["decided_on"])))
    if since is None:
        return {"realised_sessions": 0, "realised_sharpe": None, "realised_return": None}
    weights: dict[str, float] = json.loads(str(row["weights"]))
    found = since.evaluate([Candidate(weights, json.loads(str(row["construction"])))])[0]
    sessions = len(since.sessions)
    if isinstance(found, str):
        return {"realised_sessions": sessions, "realised_sharpe": None, "realised_return": None}
    return {
        "realised_sessions": sessions,
        "realised_sharpe": found.sharpe if sessions >= FEWEST_REALISED else None,
        "realised_return": float(np.expm1(np.log1p(found.net_return).sum())),
    }


def _on_holdout(problem: Problem, optimised: Candidate) -> tuple[dict[str, Evaluation], int]:
    """What the optimised weights and each baseline earned, and the first session on which every one of them is traded.

    All are compared from there on, over the same sessions.
    """
    outside = _judged(problem.held_out(), {OPTIMISED: optimised, **problem.baselines})
    return outside, max(found.start for found in outside.values())


def _judged(objective: Objective, candidates: Mapping[str, Candidate]) -> dict[str, Evaluation]:
    found = objective.evaluate(list(candidates.values()))
    for name, outcome in zip(candidates, found, strict=True):
        if isinstance(outcome, str):
            raise InputError(
                f"weight search: on the hold-out {name} weights cannot be judged: {outcome}. Raise search.holdout_months, or give data of "
                "that time."
            )
    return {name: outcome for name, outcome in zip(candidates, found, strict=True) if not isinstance(outcome, str)}


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
