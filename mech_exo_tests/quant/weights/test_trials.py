"""Tables of trials."""

from __future__ import annotations

import json
from datetime import UTC

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.quant.weights.frontier import front
from mech_exo_assets.quant.weights.search import OBJECTIVES, run, search
from mech_exo_assets.quant.weights.store import MemoryStore
from mech_exo_assets.quant.weights.trials import Remembered, frontier_table, returns_table, trial_tables
from mech_exo_assets.schemas import FRONTIER, TRIAL_RETURNS, TRIAL_WEIGHTS, TRIALS
from mech_exo_assets.storage.contracts import conform
from mech_exo_tests.quant.weights.builders import Searched, candidate, cheap_judge, history, problem_of, strategy

PAST = history(length=420, missing=0.02)


@pytest.fixture(scope="module")
def searched() -> Searched:
    limits = {"factor_share": 0.6, "turnover": 0.9}
    return Searched.of(problem_of(PAST, strategy(search={"limits": limits, "construction": {"no_trade_band": [0.0, 0.01]}})))


def test_the_tables_keep_their_contracts(searched: Searched):
    tables = searched.tables
    for schema, table in ((TRIALS, tables.trials), (TRIAL_WEIGHTS, tables.weights), (TRIAL_RETURNS, tables.returns)):
        assert conform(schema, table).height == table.height > 0
        assert not table.select(schema.unique).is_duplicated().any()


def test_every_trial_has_its_weights_which_add_up_to_1(searched: Searched):
    sums = searched.tables.weights.group_by("trial").agg(pl.col("weight").abs().sum(), pl.len())
    assert sums.height == 16
    np.testing.assert_allclose(sums["weight"], 1.0)
    assert set(sums["len"]) == {3}


def test_figures_returns_and_parameters_of_a_trial_are_those_of_its_candidate(searched: Searched):
    problem, tables = searched.problem, searched.tables
    for row in tables.trials.iter_rows(named=True):
        weights = dict(tables.weights.filter(pl.col("trial") == row["trial"]).select("factor", "weight").iter_rows())
        each = type(problem.starts["equal"])(weights, json.loads(row["construction"]))
        assert set(each.construction) == {"no_trade_band"}
        found = problem.objective.require(each)
        assert [row[name] for name in OBJECTIVES] == pytest.approx([found.sharpe, found.max_drawdown, found.calmar], rel=1e-9)
        assert row["turnover"] == pytest.approx(found.turnover)
        assert row["factor_share"] == pytest.approx(max(weights.values()))
        earned = tables.returns.filter(pl.col("trial") == row["trial"]).sort("date")
        np.testing.assert_allclose(earned["net_return"], found.net_return, atol=1e-12)
        np.testing.assert_array_equal(earned["date"].to_numpy(), problem.objective.sessions)


def test_feasible_is_what_keeps_all_limits_and_the_front_is_of_those_only(searched: Searched):
    trials = searched.tables.trials
    kept = (trials["factor_share"] <= 0.6 + 1e-12) & (trials["turnover"] <= 0.9)
    assert trials["feasible"].to_list() == kept.to_list()
    assert 0 < kept.sum() < len(kept)
    feasible = trials.filter("feasible")
    assert feasible["on_front"].to_list() == front(feasible.select(OBJECTIVES).to_numpy()).tolist()
    assert not trials.filter(~pl.col("feasible"))["on_front"].any()


def test_warm_starts_are_named(searched: Searched):
    # The strategy file has equal weights, which are tried once.
    assert list(searched.problem.starts) == ["configured", "equal", "mean_ic", "inverse_variance"]
    assert searched.tables.trials["start"].to_list()[:5] == ["configured", "mean_ic", "inverse_variance", None, None]
    assert searched.tables.trials["completed_at"].is_not_null().all()
    assert searched.tables.trials["completed_at"].dtype.time_zone == "UTC"  # ty: ignore


def test_times_are_those_of_the_trials():
    problem = problem_of(PAST, strategy())
    trials = search(problem.objective, problem.space, problem.strategy.search, MemoryStore(), seed=0)
    found = trial_tables(problem, trials).trials["completed_at"].to_list()
    assert found == [trial.datetime_complete.astimezone(UTC) for trial in trials if trial.datetime_complete]


def test_failed_trials_have_a_reason_and_no_returns():
    problem = problem_of(PAST, strategy(search={"limits": {"factor_share": None}}))

    def sometimes(candidates):
        found = problem.objective.evaluate(candidates)
        return ["no luck" if each.weights["f000"] > 0.4 else outcome for each, outcome in zip(candidates, found, strict=True)]

    starts = {"short": candidate(-1, 0, 0)}
    trials = run(sometimes, problem.space, problem.strategy.search, MemoryStore(), seed=0, starts=starts)
    tables = trial_tables(problem, trials)
    for schema, table in ((TRIALS, tables.trials), (TRIAL_WEIGHTS, tables.weights), (TRIAL_RETURNS, tables.returns)):
        conform(schema, table)
    failed = tables.trials.filter(pl.col("state") == "failed")
    assert set(failed["why"]) == {"all weights are 0", "no luck"}
    assert failed.select("sharpe", "max_drawdown", "calmar", "turnover").null_count().sum_horizontal().item() == 4 * failed.height
    assert not failed["feasible"].any()
    assert not failed["on_front"].any()
    assert not set(failed["trial"]) & set(tables.returns["trial"])
    # All weights of the first are 0, and it has none.
    assert 0 not in set(tables.weights["trial"])
    assert tables.trials["factor_share"].null_count() == 1
    complete = tables.trials.filter(pl.col("state") == "complete")
    assert complete["why"].null_count() == complete.height > 0
    assert set(complete["trial"]) == set(tables.returns["trial"])


@pytest.mark.parametrize("judge", [lambda candidates: ["never"] * len(candidates), None], ids=["all failed", "none"])
def test_without_a_complete_trial_the_tables_are_still_tables(judge):
    problem = problem_of(PAST, strategy())
    trials = [] if judge is None else run(judge, problem.space, problem.strategy.search, MemoryStore(), seed=0)
    tables = trial_tables(problem, trials)
    assert conform(TRIALS, tables.trials).height == len(trials)
    assert conform(TRIAL_RETURNS, tables.returns).is_empty()
    conform(TRIAL_WEIGHTS, tables.weights)


def test_the_front_has_the_largest_sharpe_ratio_first_and_one_chosen(searched: Searched):
    trials = searched.tables.trials
    on_front = trials.filter("on_front")["trial"].to_list()
    table = conform(FRONTIER, frontier_table(trials, on_front[-1]))
    assert sorted(table["trial"]) == on_front
    assert table["sharpe"].is_sorted(descending=True)
    assert table.filter("chosen")["trial"].to_list() == [on_front[-1]]


def test_returns_are_by_session_and_trial():
    days = PAST.market.sessions[:2]
    table = conform(TRIAL_RETURNS, returns_table(days, [3, 7], np.array([[0.1, 0.2], [0.3, 0.4]])))
    assert table.rows() == [(days[0].item(), 3, 0.1), (days[0].item(), 7, 0.2), (days[1].item(), 3, 0.3), (days[1].item(), 7, 0.4)]


def test_a_trial_is_on_the_front_by_the_values_that_were_stored():
    # The figures of a cheap judge, whatever the history says of the weights.
    problem = problem_of(PAST, strategy())
    trials = run(cheap_judge, problem.space, problem.strategy.search, MemoryStore(), seed=0)
    table = trial_tables(problem, trials).trials
    feasible = table["feasible"].to_numpy()
    values = np.array([trial.values for trial in trials])
    np.testing.assert_array_equal(table.select(OBJECTIVES).to_numpy(), values)
    wanted = np.zeros(len(values), dtype=bool)
    wanted[feasible] = front(values[feasible])
    assert table["on_front"].to_list() == wanted.tolist()


def test_what_a_candidate_earned_is_computed_once_in_a_process(searched: Searched):
    problem, asked = searched.problem, []

    class Counted:
        def evaluate(self, candidates, *, workers=1):
            asked.append(len(candidates))
            return problem.objective.evaluate(candidates, workers=workers)

    first, second = (candidate(*weights) for weights in ((1.0, 2.0), (2.0, -1.0)))
    judges = Remembered(Counted())
    alone = judges.evaluate([first])
    both = judges.evaluate([second, first, second])
    assert asked == [1, 1]
    assert both[1] is alone[0]
    assert both[0] is both[2]
    for found, expected in zip(both, problem.objective.evaluate([second, first, second]), strict=True):
        assert np.array_equal(found.net_return, expected.net_return)
