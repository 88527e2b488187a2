"""From the trials of a search to the weights that are proposed, and the measures of how much of them is chance.

What belongs here: pick, shrink, measure. What does not: the rule (`frontier`), the validation (`shrinkage`), the measures
(`quant.overfitting`), and the hold-out, which is not seen here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import polars as pl

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant import overfitting
from mech_exo_assets.quant.overfitting import Verdict
from mech_exo_assets.quant.overfitting.ratios import ANNUAL
from mech_exo_assets.quant.panel import Matrix, Vector
from mech_exo_assets.quant.weights.candidate import Candidate
from mech_exo_assets.quant.weights.frontier import choose
from mech_exo_assets.quant.weights.objective import Evaluation
from mech_exo_assets.quant.weights.problem import Problem
from mech_exo_assets.quant.weights.search import OBJECTIVES
from mech_exo_assets.quant.weights.shrinkage import Shrinkage, shrinkage
from mech_exo_assets.schemas import OPTIMISED, OVERFITTING
from mech_exo_assets.schemas import SHRINKAGE as SHRINKAGE_TABLE

EFFECTIVE = "effective_trials"
DEFLATED_BY_ALL = "deflated_sharpe_all_trials"
DEFLATED_BY_EFFECTIVE = "deflated_sharpe_effective"
PATHS = "combinatorial_median_sharpe"
LOSING_PATHS = "combinatorial_share_below_zero"
Deflated: TypeAlias = overfitting.DeflatedSharpe | overfitting.NotComputed
_FEWEST_DRAWN = 10
"""Random trials that a variance is taken from."""


@dataclass(frozen=True, eq=False)
class Choice:
    """What was chosen, and what is to be held against it.

    Attributes
    ----------
    trial : int
        Number of the trial that the rule picked.
    picked : Candidate
        Its weights.
    candidate : Candidate
        With equal weights mixed in.
    evaluation : Evaluation
        Of the candidate, in the search.
    shrinkage : Shrinkage
    verdicts : list of Verdict
    """

    trial: int
    picked: Candidate
    candidate: Candidate
    evaluation: Evaluation
    shrinkage: Shrinkage
    verdicts: list[Verdict]

    @property
    def passed(self) -> bool:
        """Whether the gate lets the candidate through."""
        return overfitting.passed(self.verdicts)


def choice(problem: Problem, trials: pl.DataFrame, weights: pl.DataFrame, returns: pl.DataFrame, *, trials_ever: int) -> Choice:
    """Pick a trial of the front, mix equal weights in, and measure.

    Parameters
    ----------
    problem : Problem
    trials, weights, returns : DataFrame
        In `schemas.TRIALS`, `schemas.TRIAL_WEIGHTS` and `schemas.TRIAL_RETURNS`.
    trials_ever : int
        Trials of all searches for this strategy, this one included.

    Raises
    ------
    InputError
        If no trial is complete and keeps the limits, or its weights and equal ones cancel out.
    """
    front = trials.filter(pl.col("on_front")).sort("trial")
    if front.is_empty():
        _refuse(trials)
    strategy = problem.strategy
    at = choose(front.select(OBJECTIVES).to_numpy(), strategy.search.choice)
    number = int(front["trial"][at])
    of_trial = dict(weights.filter(pl.col("trial") == number).select("factor", "weight").iter_rows())
    picked = Candidate({name: of_trial.get(name, 0.0) for name in problem.space.factors}, json.loads(front["construction"][at]))
    shrunk = shrinkage(problem.objective, problem.space, strategy.search, seed=strategy.seed, gap=problem.gap)
    candidate = picked.mixed(problem.space.equal, shrunk.share)
    if candidate is None:
        raise InputError(
            f"weight search: the weights of trial {number} and equal weights cancel out where a share of {shrunk.share:g} is mixed in. "
            "Leave that share out of search.shrinkage."
        )
    evaluation = problem.objective.require(candidate)
    drawn = trials.filter((pl.col("trial") < strategy.search.startup) & pl.col("start").is_null())["trial"]
    verdicts = measures(problem, matrix_of(returns), evaluation, trials_ever=trials_ever, variance=_chance(returns, drawn))
    return Choice(number, picked, candidate, evaluation, shrunk, verdicts)


def matrix_of(returns: pl.DataFrame) -> Matrix:
    """`schemas.TRIAL_RETURNS` as sessions × trials, in order."""
    ordered = returns.sort("date", "trial")
    n_trials = ordered["trial"].n_unique()
    return ordered["net_return"].to_numpy().reshape(-1, max(n_trials, 1))


def measures(problem: Problem, returns: Matrix, evaluation: Evaluation, *, trials_ever: int, variance: float) -> list[Verdict]:
    """All measures of overfitting, those that the gate judges first.

    Parameters
    ----------
    problem : Problem
    returns : ndarray of shape (n_sessions, n_trials)
        Of all complete trials.
    evaluation : Evaluation
        Of the chosen weights.
    trials_ever : int
    variance : float
        Of the Sharpe ratios of trials that were drawn at random (`overfitting.trial_variance`). Among all trials the sampler has spread the
        good from the bad, so that the better a search is, the higher its hurdle would be.
    """
    strategy, gates = problem.strategy, problem.strategy.gates
    judged = problem.objective.evaluate(list(problem.baselines.values()))
    baselines = {name: found.net_return for name, found in zip(problem.baselines, judged, strict=True) if not isinstance(found, str)}
    chosen = evaluation.net_return[evaluation.start :]
    deflated = _deflated(chosen, trials_ever, variance)
    of_gate = overfitting.judge(
        overfitting.Gate(deflated_sharpe=gates.deflated_sharpe, pbo=gates.pbo, spa=gates.spa),
        deflated=deflated,
        overfitting=overfitting.computed(lambda: overfitting.probability_of_overfitting(returns, blocks=gates.blocks)),
        spa=overfitting.computed(
            lambda: overfitting.superior_to_all(
                overfitting.superior_to_each(baselines, returns, seed=strategy.seed, resamples=gates.resamples)
            )
        ),
    )
    effective = overfitting.effective_trials(returns)
    share = max(1.0, trials_ever * effective / returns.shape[1])
    spread = overfitting.trial_variance(ANNUAL * overfitting.sharpe_ratios(returns))
    others = {
        DEFLATED_BY_ALL: (_deflated(chosen, trials_ever, spread), "with the variance of all trials in place of the random ones"),
        DEFLATED_BY_EFFECTIVE: (_deflated(chosen, share, variance), f"with {share:,.1f} independent trials in place of all"),
    }
    paths = overfitting.computed(
        lambda: overfitting.combinatorial_paths(
            returns, purge=strategy.execution_lag + strategy.fit_horizon, embargo=strategy.walk_forward.embargo
        )
    )
    return [*of_gate, *_shown(others, effective, paths, returns.shape[1])]


def _deflated(chosen: Vector, trials: float, variance: float) -> Deflated:
    return overfitting.computed(lambda: overfitting.deflated_sharpe(chosen, trials=trials, trial_variance=variance))


def _shown(
    others: Mapping[str, tuple[Deflated, str]],
    effective: float,
    paths: overfitting.CombinatorialPaths | overfitting.NotComputed,
    n_trials: int,
) -> list[Verdict]:
    """Measures that nothing is judged by."""
    rows: list[tuple[str, float | None, str]] = [
        (EFFECTIVE, effective, f"{effective:.1f} independent trials are in the {n_trials:,} of this search, by their correlations.")
    ]
    for name, (found, how) in others.items():
        if isinstance(found, overfitting.NotComputed):
            rows.append((name, None, f"Not computed: {found.reason}"))
        else:
            rows.append((name, found.probability, f"{found.probability:.3f} would be the deflated Sharpe ratio {how}."))
    if isinstance(paths, overfitting.NotComputed):
        rows += [(PATHS, None, f"Not computed: {paths.reason}"), (LOSING_PATHS, None, f"Not computed: {paths.reason}")]
    else:
        low, median, high = (paths.quantiles[share] for share in (0.05, 0.5, 0.95))
        said = f"{median:.2f} is the median annual Sharpe ratio of {len(paths.sharpe)} purged paths; 5 to 95 %: {low:.2f} to {high:.2f}."
        rows.append((PATHS, median, said))
        rows.append((LOSING_PATHS, paths.share_below_zero, f"{paths.share_below_zero:.0%} of {len(paths.sharpe)} purged paths lose."))
    return [Verdict(name, value, None, None, meaning) for name, value, meaning in rows]


def _chance(returns: pl.DataFrame, drawn: pl.Series) -> float:
    """Variance of the Sharpe ratios of the random trials; of all, where fewer than `_FEWEST_DRAWN` random ones could be judged."""
    of_drawn = returns.filter(pl.col("trial").is_in(drawn.implode()))
    enough = of_drawn["trial"].n_unique() >= _FEWEST_DRAWN
    return overfitting.trial_variance(ANNUAL * overfitting.sharpe_ratios(matrix_of(of_drawn if enough else returns)))


def optimised_table(problem: Problem, found: Choice) -> pl.DataFrame:
    """The table in `schemas.OPTIMISED`, by factor."""
    total = sum(abs(weight) for weight in problem.configured.values())
    rows = [
        {
            "factor": name,
            "weight": found.candidate.weights[name],
            "searched": found.picked.weights[name],
            "equal": problem.equal[name],
            "configured": problem.configured.get(name, 0.0) / total if total else 0.0,
            "share_limit": problem.space.share_limits[name],
        }
        for name in problem.space.factors
    ]
    return pl.DataFrame(rows, schema=OPTIMISED.dtypes())


def overfitting_table(verdicts: list[Verdict]) -> pl.DataFrame:
    """The table in `schemas.OVERFITTING`, those that are judged first."""
    rows = [(each.measure, each.value, each.threshold, each.passed, each.meaning) for each in verdicts]
    return pl.DataFrame(rows, schema=OVERFITTING.dtypes(), orient="row")


def shrinkage_table(found: Shrinkage, shares: tuple[float, ...]) -> pl.DataFrame:
    """The table in `schemas.SHRINKAGE`, by share."""
    rows: list[Mapping[str, object]] = [
        {"share": share, "sharpe": found.sharpe.get(share), "chosen": share == found.share} for share in shares
    ]
    return pl.DataFrame(rows, schema=SHRINKAGE_TABLE.dtypes())


def _refuse(trials: pl.DataFrame) -> None:
    complete = trials.filter(pl.col("state") == "complete")
    if complete.is_empty():
        why = trials["why"].drop_nulls().first() or "there are none"
        raise InputError(f"weight search: none of {trials.height} trials could be judged ({why}). Give other data or a longer history.")
    least = {name: float(complete[name].min()) for name in ("turnover", "max_drawdown", "factor_share")}  # ty: ignore[invalid-argument-type]
    raise InputError(
        f"weight search: none of {complete.height} trials keeps all of search.limits. The least turnover found is {least['turnover']:.3f}, "
        f"the least drawdown {least['max_drawdown']:.3f}, the smallest largest share {least['factor_share']:.3f}. Widen a limit, or try "
        "more trials."
    )
