"""From trials to the weights that are proposed."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant import overfitting
from mech_exo_assets.quant.weights.candidate import Candidate
from mech_exo_assets.quant.weights.choice import Choice, choice, matrix_of, optimised_table, overfitting_table, shrinkage_table
from mech_exo_assets.quant.weights.frontier import choose, objectives
from mech_exo_assets.quant.weights.search import OBJECTIVES, run
from mech_exo_assets.quant.weights.shrinkage import shrinkage
from mech_exo_assets.quant.weights.store import MemoryStore
from mech_exo_assets.quant.weights.trials import trial_tables
from mech_exo_assets.schemas import OPTIMISED, OVERFITTING, SHRINKAGE
from mech_exo_assets.storage.contracts import conform
from mech_exo_tests.quant.weights.builders import Searched, history, monitor, problem_of, strategy

PAST = history((0.15, 0.05, 0.0, 0.0), length=420, missing=0.02)


@pytest.fixture(scope="module")
def searched() -> Searched:
    return Searched.of(problem_of(PAST, strategy()))


@pytest.fixture(scope="module")
def found(searched: Searched) -> Choice:
    return searched.choice(trials_ever=40)


def again(searched: Searched, **changes: Any) -> Choice:
    """Another choice from the same trials: none of these changes a trial."""
    return searched.choice(problem=problem_of(PAST, strategy(**changes)))


@pytest.mark.parametrize("rule", ["sharpe", "calmar", "drawdown", "balanced"])
def test_the_trial_is_the_one_that_the_rule_picks_of_the_front(searched: Searched, rule: Any):
    picked = again(searched, search={"choice": rule})
    on_front = searched.tables.trials.filter("on_front")
    assert picked.trial == on_front["trial"][choose(on_front.select(OBJECTIVES).to_numpy(), rule)]
    of_trial = searched.tables.weights.filter(pl.col("trial") == picked.trial)
    assert dict(of_trial.select("factor", "weight").iter_rows()) == picked.picked.weights


def test_the_candidate_is_the_pick_with_the_validated_share_of_equal_weights(searched: Searched, found: Choice):
    problem = searched.problem
    share = shrinkage(problem.objective, problem.space, problem.strategy.search, seed=0, gap=problem.gap)
    assert found.shrinkage == share
    mixed = found.picked.mixed(problem.equal, share.share)
    assert found.candidate == mixed
    assert found.evaluation.sharpe == problem.objective.require(found.candidate).sharpe


def test_a_share_of_1_is_equal_weights(searched: Searched):
    whole = again(searched, search={"shrinkage": [1.0]})
    assert whole.candidate.weights == pytest.approx(searched.problem.equal)
    assert whole.shrinkage.sharpe == {}


def test_the_choice_is_the_same_when_it_is_made_again(searched: Searched, found: Choice):
    other = searched.choice(trials_ever=40)
    assert (other.trial, other.candidate, other.shrinkage, other.verdicts) == (
        found.trial,
        found.candidate,
        found.shrinkage,
        found.verdicts,
    )


def test_the_gate_is_judged_first_and_the_rest_is_shown(found: Choice):
    names = [verdict.measure for verdict in found.verdicts]
    assert len(set(names)) == len(names)
    judged = [verdict.passed is not None for verdict in found.verdicts]
    assert judged[:2] == [True, True]
    assert names[-5:] == [
        "effective_trials",
        "deflated_sharpe_all_trials",
        "deflated_sharpe_effective",
        "combinatorial_median_sharpe",
        "combinatorial_share_below_zero",
    ]
    assert found.passed == all(verdict.passed for verdict in found.verdicts if verdict.passed is not None)


def value(found: Choice, measure: str) -> float:
    of = {verdict.measure: verdict.value for verdict in found.verdicts}[measure]
    assert of is not None
    return of


def test_more_trials_ever_make_the_deflated_sharpe_ratio_smaller(searched: Searched):
    few, many = (value(searched.choice(trials_ever=ever), "deflated_sharpe") for ever in (16, 1000))
    assert 0 <= many < few <= 1


def test_the_hurdle_comes_from_the_spread_of_the_random_trials_and_that_of_all_is_shown():
    searched = Searched.of(problem_of(PAST, strategy(search={"trials": 24, "batch": 8, "startup": 16})))
    found = searched.choice(trials_ever=50)
    trials = searched.tables.trials
    drawn = trials.filter((pl.col("trial") < 16) & pl.col("start").is_null())
    assert 10 <= drawn.height < 16
    net = found.evaluation.net_return[found.evaluation.start :]
    for measure, rows in (("deflated_sharpe", drawn), ("deflated_sharpe_all_trials", trials)):
        of_rows = searched.tables.returns.filter(pl.col("trial").is_in(rows["trial"].implode()))
        variance = overfitting.trial_variance(objectives(matrix_of(of_rows))[:, 0])
        expected = overfitting.deflated_sharpe(net, trials=50, trial_variance=variance).probability
        assert value(found, measure) == pytest.approx(expected, abs=1e-12)


def test_measures_are_those_of_the_trials(searched: Searched, found: Choice):
    returns = matrix_of(searched.tables.returns)
    assert returns.shape == (len(searched.problem.objective.sessions), 16)
    measured = overfitting.probability_of_overfitting(returns, blocks=4)
    by_name = {verdict.measure: verdict for verdict in found.verdicts}
    assert by_name["pbo"].value == pytest.approx(measured.probability)
    assert value(found, "effective_trials") == pytest.approx(overfitting.effective_trials(returns))


def test_a_gate_that_is_not_set_judges_nothing(searched: Searched):
    free = again(searched, gates={"deflated_sharpe": None, "pbo": None, "spa": None})
    assert {verdict.passed for verdict in free.verdicts} == {None}
    assert free.passed


def test_a_result_that_fails_the_gate_is_kept_and_shown(searched: Searched):
    strict = again(searched, gates={"deflated_sharpe": 0.999999999999})
    assert not strict.passed
    assert strict.candidate == again(searched).candidate
    table = overfitting_table(strict.verdicts)
    assert table.filter(pl.col("passed").not_())["measure"].to_list() == ["deflated_sharpe"]


def test_the_tables_keep_their_contracts(searched: Searched, found: Choice):
    shares = searched.problem.strategy.search.shrinkage
    optimised = conform(OPTIMISED, optimised_table(searched.problem, found))
    assert optimised["factor"].to_list() == ["f000", "f001", "f002", "f003"]
    assert optimised["weight"].abs().sum() == pytest.approx(1)
    assert optimised["searched"].to_list() == [found.picked.weights[name] for name in optimised["factor"]]
    assert set(optimised["equal"]) == set(optimised["configured"]) == {0.25}
    assert set(optimised["share_limit"]) == {0.5}
    assert conform(OVERFITTING, overfitting_table(found.verdicts)).height == len(found.verdicts)
    shrunk = conform(SHRINKAGE, shrinkage_table(found.shrinkage, shares))
    assert shrunk["share"].to_list() == list(shares)
    assert shrunk["sharpe"].to_list() == [found.shrinkage.sharpe[share] for share in shares]
    assert shrunk.filter("chosen")["share"].to_list() == [found.shrinkage.share]


def test_shares_that_were_not_validated_have_no_sharpe_ratio(searched: Searched):
    whole = again(searched, search={"shrinkage": [0.25]})
    assert shrinkage_table(whole.shrinkage, (0.25,)).rows() == [(0.25, None, True)]


def test_the_configured_strategy_is_shown_in_the_same_scale(searched: Searched):
    problem = problem_of(PAST, strategy(composite={"weights": {"f000": 3.0, "f002": -1.0}}))
    table = optimised_table(problem, again(searched, search={"shrinkage": [0.0]}))
    assert table["configured"].to_list() == [0.75, 0.0, -0.25, 0.0]


def test_a_decayed_factor_has_no_more_than_its_share_in_the_trial_that_is_picked():
    chosen = strategy(search={"trials": 32, "limits": {"factor_share": 0.8}})
    states = monitor(PAST.market.sessions, f000="decayed")
    searched = Searched.of(problem_of(PAST, chosen, states=states, residual_ic=PAST.ic(1)))
    found = searched.choice()
    limit = searched.problem.space.share_limits["f000"]
    assert 0 < limit <= 0.8 * 0.4
    assert found.picked.weights["f000"] <= limit + 1e-12
    table = optimised_table(searched.problem, found).filter(pl.col("factor") == "f000")
    assert table["share_limit"].item() == limit
    assert table["weight"].item() <= max(limit, 0.25) + 1e-12
    # It is the best of the factors, and without the limit it would have more.
    assert Searched.of(problem_of(PAST, chosen)).choice().picked.weights["f000"] > limit


def test_where_no_trial_keeps_the_limits_the_nearest_are_told():
    searched = Searched.of(problem_of(PAST, strategy(search={"limits": {"turnover": 0.01}})))
    complete = searched.tables.trials
    with pytest.raises(InputError) as refusal:
        searched.choice()
    assert str(refusal.value) == (
        f"weight search: none of 16 trials keeps all of search.limits. The least turnover found is {complete['turnover'].min():.3f}, the "
        f"least drawdown {complete['max_drawdown'].min():.3f}, the smallest largest share {complete['factor_share'].min():.3f}. Widen a "
        "limit, or try more trials."
    )


@pytest.mark.parametrize(
    ("judge", "said"),
    [
        (
            lambda candidates: ["nothing is traded"] * len(candidates),
            "none of 16 trials could be judged (nothing is traded). Give other data",
        ),
        (None, "none of 0 trials could be judged (there are none). Give other data or a longer history."),
    ],
)
def test_where_no_trial_could_be_judged_it_is_said_why(judge: Any, said: str):
    problem = problem_of(PAST, strategy())
    trials = [] if judge is None else run(judge, problem.space, problem.strategy.search, MemoryStore(), seed=0)
    tables = trial_tables(problem, trials)
    with pytest.raises(InputError) as refusal:
        choice(problem, tables.trials, tables.weights, tables.returns, trials_ever=16)
    assert said in str(refusal.value)


def test_weights_that_cancel_out_with_equal_ones_are_refused_with_the_mend():
    alone = history([-0.2], length=420, count=20)
    chosen = {"low": -1.0, "limits": {"factor_share": None}}
    plain, halved = (problem_of(alone, strategy(search={**chosen, "shrinkage": [share]})) for share in (0.0, 0.5))
    searched = Searched.of(plain)
    assert searched.choice().candidate == Candidate({"f000": -1.0})
    with pytest.raises(InputError, match=r"cancel out where a share of 0\.5 is mixed in\. Leave that share out of search\.shrinkage\."):
        searched.choice(problem=halved)


def test_the_matrix_of_returns_is_in_the_order_of_sessions_and_trials(searched: Searched):
    shuffled = searched.tables.returns.sample(fraction=1, shuffle=True, seed=1)
    np.testing.assert_array_equal(matrix_of(shuffled), matrix_of(searched.tables.returns))
