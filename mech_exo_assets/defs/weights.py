"""Factor weights found by a search (Dagster *assets*).

What belongs here: the tables of the group `weights`: what was tried, what was chosen, how it did on the hold-out. What does not: the search
itself (`quant.weights`), and when it runs (`schedules`).
"""

import datetime as dt
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from mech_exo_assets.defs.backtest import TRADED_PRICES
from mech_exo_assets.defs.cluster import Cluster
from mech_exo_assets.defs.progress import in_log
from mech_exo_assets.defs.tables import as_read_by, check, markdown_table, materialised, table_assets, table_input
from mech_exo_assets.schemas import (
    COMPARISON,
    FRONTIER,
    HISTORY,
    HOLDOUT_RETURNS,
    IC,
    LEARNED_SCORES,
    MONITOR,
    OPTIMISED,
    OVERFITTING,
    PRICES,
    RESIDUAL_IC,
    SCORES,
    SHRINKAGE,
    TRIAL_RETURNS,
    TRIAL_WEIGHTS,
    TRIALS,
    UNIVERSE,
    factor_columns,
)
from mech_exo_assets.settings import Strategy
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.studies import StudyDatabase

if TYPE_CHECKING:
    from mech_exo_assets.quant.weights.candidate import Candidate
    from mech_exo_assets.quant.weights.objective import Evaluation, Objective
    from mech_exo_assets.quant.weights.problem import Problem

_HISTORY_OF_ALL = {
    "scores": table_input(SCORES),
    "learned": table_input(LEARNED_SCORES, optional=True),
    "prices": table_input(PRICES, columns=[*TRADED_PRICES, "high", "low"]),
    "universe": table_input(UNIVERSE, columns=["symbol", "sector"]),
    "ic": table_input(IC, columns=["date", "factor", "horizon", "ic"]),
    "residual_ic": table_input(RESIDUAL_IC, columns=["date", "factor", "horizon", "ic"]),
    "monitor": table_input(MONITOR, columns=["date", "factor", "status", "alive"]),
}
"""What a search problem is made from."""
_RESULT = (OPTIMISED, OVERFITTING, FRONTIER, SHRINKAGE, TRIALS)
"""What the hold-out is looked at for, and the record is made from."""


@table_assets(
    {
        TRIALS: {"none_failed": "Every trial could be judged. A warning: see `why`."},
        TRIAL_WEIGHTS: {"normalised": "The absolute weights of each trial add up to 1."},
        TRIAL_RETURNS: {"before_the_holdout": "No session lies in the hold-out, nor among those that are left out before it."},
    },
    name="weights__search",
    code_version="1",
    ins=_HISTORY_OF_ALL,
)
def searched(
    context: dg.AssetExecutionContext,
    strategy: dg.ResourceParam[Strategy],
    studies: dg.ResourceParam[StudyDatabase],
    cluster: dg.ResourceParam[Cluster],
    **history: pl.DataFrame,
) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """Weights that were tried, and what each would have earned in the walk-forward's tests before the hold-out, net of costs."""
    from mech_exo_assets.quant.optuna_log import quietly
    from mech_exo_assets.quant.weights.search import DIRECTIONS, OBJECTIVES, search
    from mech_exo_assets.quant.weights.trials import Remembered, trial_tables

    problem = _problem(strategy, **history)
    store = studies.open(problem.study_name, directions=DIRECTIONS, attributes=problem.study_attributes)
    with quietly():
        store.study.set_metric_names(list(OBJECTIVES))
    before = len(store.trials())
    with cluster.sharing(_judged, problem.objective) as divided:
        judges = Remembered(problem.objective if divided is None else _Divided(divided))
        told = in_log(context.log, "trials")
        trials = search(judges, problem.space, strategy.search, store, seed=strategy.seed, starts=problem.starts, progress=told)
        tables = trial_tables(problem, trials, judges)
    failed = tables.trials.filter(pl.col("state") == "failed").height
    yield materialised(
        TRIALS,
        tables.trials,
        metadata={
            "new_trials": len(trials) - before,
            "trials_ever": studies.trial_count(strategy.search.name),
            "decayed_factors": dg.MetadataValue.json(dict(problem.multipliers)),
            "best": markdown_table(
                tables.trials.filter("feasible").sort("sharpe", descending=True).head(10).select(TRIALS.names[:8]), digits=3
            ),
            **_of_study(problem, studies),
        },
        checks=[check("none_failed", passed=failed == 0, severity=dg.AssetCheckSeverity.WARN, failed=failed)],
    )
    sums = tables.weights.group_by("trial").agg(pl.col("weight").abs().sum())
    off = sums.filter((pl.col("weight") - 1).abs() > 1e-9).height
    yield materialised(TRIAL_WEIGHTS, tables.weights, checks=[check("normalised", passed=off == 0, trials_off=off)])
    late = tables.returns.filter(pl.col("date") > problem.span.searched_to).height
    yield materialised(
        TRIAL_RETURNS,
        tables.returns,
        checks=[check("before_the_holdout", passed=late == 0, late=late, searched_to=str(problem.span.searched_to))],
    )


@dataclass(frozen=True)
class _Divided:
    """What judges candidates in parts, on other machines, whose number of threads is theirs."""

    divided: "Callable[[Sequence[Candidate]], list[Evaluation | str]]"

    def evaluate(self, candidates: "Sequence[Candidate]", *, workers: int = 1) -> "list[Evaluation | str]":
        del workers
        return self.divided(candidates)


def _judged(objective: "Objective", candidates: "Sequence[Candidate]") -> "list[Evaluation | str]":
    return objective.evaluate(candidates)


@table_assets(
    {
        FRONTIER: {"one_chosen": "Exactly one trial of the front is chosen."},
        SHRINKAGE: {"validated": "There were windows enough to validate the share of equal weights on."},
        OPTIMISED: {"within_limits": "Absolute weights add up to 1, and no factor has more than its share."},
        OVERFITTING: {"gate": "The chosen weights pass every measure that is judged. If not, they are shown and are no candidate."},
    },
    name="weights__choice",
    code_version="1",
    ins={
        "trials": table_input(TRIALS),
        "trial_weights": table_input(TRIAL_WEIGHTS),
        "trial_returns": table_input(TRIAL_RETURNS),
        # A daily refresh goes on beside a search: the history of today is not the one that the trials were judged on.
        **as_read_by(TRIALS, _HISTORY_OF_ALL),
    },
)
def chosen(
    trials: pl.DataFrame,
    trial_weights: pl.DataFrame,
    trial_returns: pl.DataFrame,
    strategy: dg.ResourceParam[Strategy],
    studies: dg.ResourceParam[StudyDatabase],
    **history: pl.DataFrame,
) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """The weights that the rule of `search.choice` picks of the front, with equal weights mixed in, and how much of them is chance."""
    from mech_exo_assets.quant.weights import choice as rules
    from mech_exo_assets.quant.weights.importance import importances
    from mech_exo_assets.quant.weights.trials import frontier_table
    from mech_exo_assets.reports import search_figures

    problem = _problem(strategy, **history)
    ever = studies.trial_count(strategy.search.name)
    found = rules.choice(problem, trials, trial_weights, trial_returns, trials_ever=ever)
    frontier, table = frontier_table(trials, found.trial), rules.optimised_table(problem, found)
    yield materialised(
        FRONTIER,
        frontier,
        metadata={
            "rule": strategy.search.choice,
            "chosen_trial": found.trial,
            "front": markdown_table(frontier, digits=3),
            "pareto": dg.MetadataValue.md(search_figures.pareto(trials, found.trial)),
            "search_history": dg.MetadataValue.md(search_figures.history(trials)),
            "importances": dg.MetadataValue.md(search_figures.importances(importances(trials, trial_weights, seed=strategy.seed))),
            "parallel_coordinates": dg.MetadataValue.md(search_figures.parallel_coordinates(trials, trial_weights, found.trial)),
            **_of_study(problem, studies),
        },
        checks=[check("one_chosen", passed=int(frontier["chosen"].sum()) == 1, front=frontier.height)],
    )
    shares = rules.shrinkage_table(found.shrinkage, strategy.search.shrinkage)
    validated = bool(found.shrinkage.sharpe)
    yield materialised(
        SHRINKAGE,
        shares,
        metadata={"reason": found.shrinkage.reason, "shares": markdown_table(shares, digits=3)},
        checks=[check("validated", passed=validated, severity=dg.AssetCheckSeverity.WARN, inner_tests=found.shrinkage.windows)],
    )
    over = table.filter(pl.col("weight").abs() > pl.col("share_limit") + 1e-9).height
    total = float(table["weight"].abs().sum())
    yield materialised(
        OPTIMISED,
        table,
        metadata={
            "candidate": found.passed,
            "trial": found.trial,
            "share_of_equal_weights": found.shrinkage.share,
            "sharpe_in_search": found.evaluation.sharpe,
            "max_drawdown_in_search": found.evaluation.max_drawdown,
            "calmar_in_search": found.evaluation.calmar,
            "turnover": found.evaluation.turnover,
            "construction": dg.MetadataValue.json(dict(found.candidate.construction)),
            "picture": dg.MetadataValue.md(search_figures.weights_by_factor(table)),
            "weights": markdown_table(table.sort(pl.col("weight").abs(), descending=True), digits=3),
        },
        checks=[check("within_limits", passed=over == 0 and abs(total - 1) < 1e-9, above_their_share=over, total=total)],
    )
    measured = rules.overfitting_table(found.verdicts)
    yield materialised(
        OVERFITTING,
        measured,
        metadata={"trials_ever": ever, "measures": markdown_table(measured, digits=3)},
        checks=[
            check(
                "gate",
                passed=found.passed,
                severity=dg.AssetCheckSeverity.WARN,
                failed=", ".join(measured.filter(pl.col("passed").not_())["measure"]) or "none",
            )
        ],
    )


@table_assets(
    {
        COMPARISON: {"better_than_equal": "On the hold-out the optimised weights have a larger Sharpe ratio than equal weights."},
        HOLDOUT_RETURNS: {"same_sessions": "All compared weights have the same sessions, and all of them lie in the hold-out."},
        HISTORY: {"recorded": "The record holds this search, and every search that it held before."},
    },
    name="weights__holdout",
    code_version="1",
    ins={
        **{schema.key.partition("/")[2]: table_input(schema) for schema in _RESULT},
        **as_read_by(OPTIMISED, {"trials": table_input(TRIALS), **_HISTORY_OF_ALL}),
    },
)
def judged_on_holdout(
    strategy: dg.ResourceParam[Strategy],
    studies: dg.ResourceParam[StudyDatabase],
    lake: dg.ResourceParam[Lake],
    **tables: pl.DataFrame,
) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """The chosen weights on the last months, which no search has seen, beside those that they would replace. Every look is counted."""
    from mech_exo_assets.quant.weights import holdout
    from mech_exo_assets.quant.weights.candidate import Candidate
    from mech_exo_assets.reports import search_figures

    optimised, overfitting, frontier, shrinkage, trials = (tables[schema.key.partition("/")[2]] for schema in _RESULT)
    problem = _problem(strategy, **{name: tables[name] for name in _HISTORY_OF_ALL})
    construction = json.loads(frontier.filter("chosen")["construction"].item())
    candidate = Candidate(dict(optimised.select("factor", "weight").iter_rows()), construction)
    span, family = problem.span, strategy.search.name
    # Counted before it is looked at: a run that dies in between has seen what it has seen.
    studies.record_look(problem.study_name, dt.datetime.now(dt.UTC))
    looks = studies.looks(family, first=span.holdout_from, last=span.holdout_to)
    table, returns = holdout.comparison_table(problem, candidate, looks=looks), holdout.returns_table(problem, candidate)
    of = {row["weights"]: row for row in table.iter_rows(named=True)}
    ahead = of[holdout.OPTIMISED]["sharpe"] - of["equal"]["sharpe"]
    yield materialised(
        COMPARISON,
        table,
        metadata={
            "sharpe": of[holdout.OPTIMISED]["sharpe"],
            "ahead_of_equal": ahead,
            "looks": looks,
            "sessions": of[holdout.OPTIMISED]["n_sessions"],
            "growth": dg.MetadataValue.md(search_figures.growth_on_holdout(returns, table)),
            "comparison": markdown_table(table.drop("first_date", "last_date", "n_sessions", "looks"), digits=3),
            **_of_study(problem, studies),
        },
        checks=[check("better_than_equal", passed=ahead > 0, severity=dg.AssetCheckSeverity.WARN, difference=ahead, looks=looks)],
    )
    counts = returns.group_by("weights").len()["len"]
    early = returns.filter(pl.col("date") < span.holdout_from).height
    yield materialised(
        HOLDOUT_RETURNS,
        returns,
        metadata={"looks": looks},
        checks=[check("same_sessions", passed=counts.n_unique() == 1 and early == 0, before_the_holdout=early, sessions=counts.max())],
    )
    read = lake.reads(OPTIMISED.key, lake.version(OPTIMISED.key))
    before = lake.read(HISTORY.key) if lake.exists(HISTORY.key) else HISTORY.empty()
    done = holdout.Search(
        study=problem.study_name,
        searched_at=trials["completed_at"].max(),  # ty: ignore[invalid-argument-type]
        versions={key: read[key] for key in (SCORES.key, PRICES.key)},
        trials=trials.height,
        trials_ever=studies.trial_count(family),
        share=float(shrinkage.filter("chosen")["share"].item()),
        passed=overfitting.filter(pl.col("passed").not_()).is_empty(),
    )
    history = holdout.history_table(problem, before, done, candidate, problem.objective.require(candidate), table)
    lost = sorted(set(before["study"]) - set(history["study"]))
    shown = history.sort("searched_at", descending=True).head(20)
    yield materialised(
        HISTORY,
        history,
        metadata={"searches": history.height, "latest": markdown_table(shown.drop("weights", "construction"), digits=3)},
        checks=[check("recorded", passed=not lost and problem.study_name in history["study"], searches_lost=len(lost))],
    )


def _problem(
    strategy: Strategy,
    *,
    scores: pl.DataFrame,
    learned: pl.DataFrame,
    prices: pl.DataFrame,
    universe: pl.DataFrame,
    **evidence: pl.DataFrame,
) -> "Problem":
    from mech_exo_assets.quant.learning.scores import with_learned
    from mech_exo_assets.quant.panel import Panel
    from mech_exo_assets.quant.weights.problem import Problem

    market = Panel.from_frame(prices, [*TRADED_PRICES[2:], "high", "low"])
    scores = with_learned(scores, learned)
    panel = Panel.from_frame(scores, factor_columns(scores.columns), sessions=market.sessions, symbols=market.symbols)
    sectors = {symbol: sector for symbol, sector in universe.iter_rows() if sector is not None}
    return Problem.of(panel, market, strategy, sectors=sectors, **evidence)


def _of_study(problem: "Problem", studies: StudyDatabase) -> dict[str, object]:
    """Where the trials of this search stand, and which sessions it has seen."""
    span = problem.span
    return {
        "study": problem.study_name,
        "database": studies.shown_url,
        "open_with": f"optuna-dashboard {studies.shown_url}",
        "searched": f"{span.searched_from} to {span.searched_to}",
        "held_out": f"{span.holdout_from} to {span.holdout_to}",
        "factors": len(problem.space.factors),
    }
