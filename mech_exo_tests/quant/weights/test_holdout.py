"""The comparison on the hold-out, and the record of searches."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.comparison import sharpe_difference
from mech_exo_assets.quant.performance import performance
from mech_exo_assets.quant.weights.candidate import Candidate
from mech_exo_assets.quant.weights.holdout import Search, comparison_table, history_table, returns_table
from mech_exo_assets.quant.weights.problem import Problem
from mech_exo_assets.schemas import COMPARISON, HISTORY, HOLDOUT_RETURNS
from mech_exo_assets.storage.contracts import conform
from mech_exo_tests.quant.weights.builders import NAN, candidate, history, problem_of, strategy

PAST = history((0.15, 0.05, 0.0), length=520, missing=0.02)
OPTIMISED = candidate(0.7, 0.2, 0.1)
NOW = dt.datetime(2017, 1, 20, 12, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def problem() -> Problem:
    return problem_of(PAST, strategy(composite={"weights": {"f001": 1.0}}))


@pytest.fixture(scope="module")
def table(problem: Problem) -> pl.DataFrame:
    return comparison_table(problem, OPTIMISED, looks=3)


def search_of(problem: Problem, *, study: str | None = None, at: dt.datetime = NOW, trials: int = 16) -> Search:
    versions = {"factors/scores": 7, "market/prices": 9}
    return Search(study or problem.study_name, at, versions, trials=trials, trials_ever=trials + 24, share=0.25, passed=True)


def record(problem: Problem, before: pl.DataFrame | None = None, **changes) -> pl.DataFrame:
    comparison = comparison_table(problem, OPTIMISED, looks=3)
    found = history_table(
        problem,
        HISTORY.empty() if before is None else before,
        search_of(problem, **changes),
        OPTIMISED,
        problem.objective.require(OPTIMISED),
        comparison,
    )
    return conform(HISTORY, found)


def test_the_comparison_keeps_its_contract_and_passes_looks_through(table: pl.DataFrame):
    assert conform(COMPARISON, table)["weights"].to_list() == ["optimised", "configured", "equal", "mean_ic"]
    assert set(table["looks"]) == {3}


def test_figures_are_those_of_a_plain_objective_on_the_hold_out(problem: Problem, table: pl.DataFrame):
    judged = PAST.objective(problem.strategy, tested=problem.span.held_out)
    for row in table.iter_rows(named=True):
        each = {"optimised": OPTIMISED, **problem.baselines}[row["weights"]]
        found = judged.require(each)
        # The first session with a trade is the second one: a score is traded a session later.
        returns, days = found.net_return[1:], judged.sessions[1:]
        figures = performance(returns, days)
        assert (row["first_date"], row["last_date"], row["n_sessions"]) == (days[0].item(), days[-1].item(), len(days))
        assert row["sharpe"] == pytest.approx(figures.sharpe)
        assert row["max_drawdown"] == pytest.approx(-figures.max_drawdown)
        assert row["total_return"] == pytest.approx(figures.total_return)
        assert row["turnover"] == pytest.approx(found.turnover)
        assert row["sharpe_in_search"] == pytest.approx(problem.objective.require(each).sharpe)


def test_differences_are_those_of_the_statistic_and_the_optimised_have_none(problem: Problem, table: pl.DataFrame):
    judged, names = problem.held_out(), ("difference", "difference_low", "difference_high", "p_value", "detectable")
    optimised, *others = table.iter_rows(named=True)
    assert [optimised[name] for name in names] == [None] * 5
    for row in others:
        returns = [judged.require(each).net_return[1:] for each in (OPTIMISED, problem.baselines[row["weights"]])]
        between = sharpe_difference(*returns, seed=0)
        wanted = [between.difference, between.low, between.high, between.p_value, between.detectable]
        assert [row[name] for name in names] == pytest.approx(wanted)
        assert row["difference"] == pytest.approx(optimised["sharpe"] - row["sharpe"])


def test_all_are_compared_over_the_sessions_on_which_all_are_traded(problem: Problem):
    start = problem.span.held_out.start
    late = PAST.scores["f001"].copy()
    late[start : start + 20] = NAN
    found = problem_of(PAST.with_scores(f001=late), problem.strategy)
    table = comparison_table(found, OPTIMISED, looks=1)
    assert set(table["first_date"]) == {PAST.market.sessions[start + 21].item()}
    returns = conform(HOLDOUT_RETURNS, returns_table(found, OPTIMISED))
    for row in table.iter_rows(named=True):
        earned = returns.filter(pl.col("weights") == row["weights"])
        assert (earned["date"].min(), earned["date"].max(), earned.height) == (row["first_date"], row["last_date"], row["n_sessions"])
        assert np.expm1(np.log1p(earned["net_return"].to_numpy()).sum()) == pytest.approx(row["total_return"])


def test_the_comparison_sees_nothing_before_the_hold_out_but_what_costs_look_back_on(problem: Problem):
    # Costs look back on prices; of scores nothing before the hold-out counts.
    turned = {
        name: np.where(np.arange(520)[:, None] < problem.span.held_out.start, -matrix, matrix)
        for name, matrix in PAST.scores.fields.items()
    }
    other = replace(problem, scores=PAST.with_scores(**turned).scores)
    assert_frame_equal(returns_table(other, OPTIMISED), returns_table(problem, OPTIMISED), check_exact=True)


def test_what_cannot_be_traded_on_the_hold_out_is_named(problem: Problem):
    gone = np.where(np.arange(520)[:, None] >= problem.span.held_out.start, NAN, PAST.scores["f001"])
    found = problem_of(PAST.with_scores(f001=gone), problem.strategy)
    with pytest.raises(InputError) as refusal:
        comparison_table(found, OPTIMISED, looks=1)
    assert str(refusal.value) == (
        "weight search: on the hold-out configured weights cannot be judged: nothing is traded. Raise search.holdout_months, or give data "
        "of that time."
    )


def test_a_search_is_recorded_with_what_it_was_and_promised(problem: Problem, table: pl.DataFrame):
    row = record(problem).row(0, named=True)
    span, inside = problem.span, problem.objective.require(OPTIMISED)
    of = {each["weights"]: each for each in table.iter_rows(named=True)}
    wanted = {
        "study": problem.study_name,
        "searched_at": NOW,
        "searched_from": span.searched_from,
        "searched_to": span.searched_to,
        "holdout_from": span.holdout_from,
        "decided_on": span.holdout_to,
        "scores_version": 7,
        "prices_version": 9,
        "seed": 0,
        "sampler": "tpe",
        "trials": 16,
        "trials_ever": 40,
        "share": 0.25,
        "sharpe": inside.sharpe,
        "max_drawdown": inside.max_drawdown,
        "calmar": inside.calmar,
        "holdout_sharpe": of["optimised"]["sharpe"],
        "holdout_equal_sharpe": of["equal"]["sharpe"],
        "looks": 3,
        "passed": True,
        "construction": "{}",
        # Nothing has come since.
        "realised_sessions": 0,
        "realised_sharpe": None,
        "realised_return": None,
    }
    assert {name: row[name] for name in wanted} == wanted
    assert json.loads(row["weights"]) == OPTIMISED.weights


def earlier(stop: int) -> Problem:
    return problem_of(PAST.until(stop), strategy(composite={"weights": {"f001": 1.0}}))


def test_the_record_keeps_old_rows_and_adds_what_they_realised_since(problem: Problem):
    old = earlier(430)
    first = record(old, at=NOW - dt.timedelta(days=90))
    both = record(problem, first)
    assert both["study"].to_list() == [old.study_name, problem.study_name]
    realised = ["realised_sessions", "realised_sharpe", "realised_return"]
    assert_frame_equal(both.head(1).drop(realised), first.drop(realised), check_exact=True)
    since = PAST.objective(problem.strategy, tested=slice(430, 520)).require(OPTIMISED)
    row = both.row(0, named=True)
    assert row["realised_sessions"] == 90
    assert row["realised_sharpe"] == since.sharpe
    assert row["realised_return"] == pytest.approx(np.prod(1 + since.net_return) - 1)


def test_before_60_sessions_there_is_a_return_and_no_sharpe_ratio(problem: Problem):
    row = record(problem, record(earlier(480), at=NOW - dt.timedelta(days=30))).row(0, named=True)
    assert row["realised_sessions"] == 40
    assert row["realised_sharpe"] is None
    assert row["realised_return"] is not None


def test_before_the_first_trade_nothing_is_realised(problem: Problem):
    row = record(problem, record(earlier(519), at=NOW - dt.timedelta(days=1))).row(0, named=True)
    assert (row["realised_sessions"], row["realised_sharpe"], row["realised_return"]) == (1, None, None)


def test_a_search_that_is_repeated_keeps_its_row_but_for_the_number_of_trials(problem: Problem):
    first = record(problem)
    again = record(problem, first, at=NOW + dt.timedelta(days=7), trials=32)
    assert again.height == 1
    counts = {"trials": 32, "trials_ever": 56}
    assert_frame_equal(again, first.with_columns(**{name: pl.lit(count, pl.Int32) for name, count in counts.items()}))


def test_the_record_is_in_the_order_of_searches(problem: Problem):
    later = record(problem, study="another", at=NOW + dt.timedelta(days=1))
    both = record(problem, later)
    assert both["study"].to_list() == [problem.study_name, "another"]
    assert record(earlier(430), both, at=NOW).height == 3


def test_opened_parameters_are_recorded_and_traded_with_since():
    chosen = strategy(composite={"weights": {"f001": 1.0}}, search={"construction": {"no_trade_band": [0.0, 0.05]}})
    banded = candidate(0.7, 0.2, 0.1, construction={"no_trade_band": 0.03})
    old = problem_of(PAST.until(430), chosen)
    now = problem_of(PAST, chosen)
    table = comparison_table(old, banded, looks=1)
    first = history_table(old, HISTORY.empty(), search_of(old), banded, old.objective.require(banded), table)
    row = history_table(now, first, search_of(now), banded, now.objective.require(banded), table).row(0, named=True)
    assert json.loads(row["construction"]) == {"no_trade_band": 0.03}
    since = PAST.objective(chosen, tested=slice(430, 520))
    assert row["realised_sharpe"] == since.require(banded).sharpe
    assert row["realised_sharpe"] != since.require(OPTIMISED).sharpe


def test_a_factor_that_is_gone_since_is_not_traded_and_the_others_are(problem: Problem):
    old = record(earlier(430), at=NOW - dt.timedelta(days=90))
    fewer = replace(problem, scores=PAST.until(520).scores)
    scores = {name: matrix for name, matrix in fewer.scores.fields.items() if name != "f002"}
    fewer = replace(fewer, scores=type(fewer.scores)(fewer.scores.sessions, fewer.scores.symbols, scores))
    row = record(fewer, old).row(0, named=True)
    since = PAST.objective(problem.strategy, tested=slice(430, 520)).require(Candidate({"f000": 7 / 9, "f001": 2 / 9}))
    assert row["realised_sharpe"] == pytest.approx(since.sharpe, rel=0.05)
