"""The deflated Sharpe ratio: the published example, limits, and how often luck passes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.overfitting import deflated_probability, deflated_sharpe, expected_maximum_sharpe, trial_variance
from mech_exo_assets.quant.performance import performance
from mech_exo_tests.quant.overfitting import panels

# Bailey and López de Prado (2014), numerical example: 100 trials whose annual Sharpe ratios have variance 1/2, five years of 250 sessions.
VARIANCE = 0.5 / 250
SHARPE, SESSIONS, SKEW, KURTOSIS = 2.5 / 250**0.5, 1250, -3.0, 10.0 - 3.0


def test_the_published_example_has_a_hurdle_of_0_1132_and_a_probability_of_0_9004():
    hurdle = expected_maximum_sharpe(VARIANCE, 100)
    assert hurdle == pytest.approx(0.1132, abs=5e-5)
    probability = deflated_probability(SHARPE, sessions=SESSIONS, skew=SKEW, kurtosis=KURTOSIS, hurdle=hurdle)
    assert probability == pytest.approx(0.9004, abs=5e-5)


def test_the_published_example_would_have_been_worth_0_9505_with_46_trials():
    hurdle = expected_maximum_sharpe(VARIANCE, 46)
    probability = deflated_probability(SHARPE, sessions=SESSIONS, skew=SKEW, kurtosis=KURTOSIS, hurdle=hurdle)
    assert probability == pytest.approx(0.9505, abs=5e-5)


def test_returns_and_their_moments_give_the_same_probability():
    returns = panels.with_truth(panels.noise(5, sessions=1250, trials=1), 2.0)[:, 0]
    found = deflated_sharpe(returns, trials=100, trial_variance=VARIANCE)
    assert found.probability == deflated_probability(
        found.sharpe, sessions=1250, skew=found.skew, kurtosis=found.kurtosis, hurdle=expected_maximum_sharpe(VARIANCE, 100)
    )
    assert found.annual_hurdle == pytest.approx(found.hurdle * 252**0.5)
    assert (found.trials, found.n_sessions) == (100, 1250)


def test_one_trial_has_no_hurdle_and_its_probability_is_the_probabilistic_sharpe_ratio():
    returns = panels.with_truth(panels.noise(6, sessions=500, trials=1), 1.0)[:, 0]
    found = deflated_sharpe(returns, trials=1, trial_variance=0.3)
    figures = performance(returns, np.datetime64("2020-01-01") + np.arange(500))
    assert found.hurdle == 0
    assert found.probability == pytest.approx(figures.probabilistic_sharpe, rel=1e-12)
    assert found.annual_sharpe == pytest.approx(figures.sharpe, rel=1e-12)
    assert (found.skew, found.kurtosis) == pytest.approx((figures.skew, figures.kurtosis), rel=1e-12)


@given(st.floats(1, 1e6), st.floats(1, 10), st.floats(1e-6, 1.0))
def test_more_trials_and_a_larger_spread_never_lower_the_hurdle(trials, more, variance):
    hurdle = expected_maximum_sharpe(variance, trials)
    assert 0 <= hurdle <= expected_maximum_sharpe(variance, trials * more)
    assert hurdle <= expected_maximum_sharpe(variance * more, trials)


@pytest.mark.parametrize(("trials", "exact"), [(2, 0.56419), (10, 1.53875), (100, 2.50759), (1000, 3.24144)])
def test_the_hurdle_is_near_the_mean_of_the_largest_of_so_many_normals(trials, exact):
    # Exact means: tables of normal order statistics (Harter 1961). The formula is the limit for many trials.
    assert expected_maximum_sharpe(1.0, trials) == pytest.approx(exact, abs=0.05)


def test_the_variance_of_trials_is_per_session_and_leaves_out_those_without_a_ratio():
    annual = np.array([1.0, 2.0, np.nan, 3.0])
    assert trial_variance(annual) == pytest.approx(1 / 252)
    assert trial_variance(annual[:1]) == 0


@pytest.mark.parametrize(
    ("returns", "says"),
    [
        (np.array([0.01, 0.02, 0.03]), "3 sessions, and it needs at least 4"),
        (np.full(100, 0.01), "100 returns of the chosen trial do not vary"),
        (np.array([0.01, 0.01, 0.02, 0.02]), "has no standard error"),
    ],
)
def test_returns_without_a_deflated_sharpe_ratio_are_refused_with_the_reason(returns, says):
    with pytest.raises(InputError, match=says):
        deflated_sharpe(returns, trials=10, trial_variance=0.001)


def test_mistakes_of_the_caller_are_value_errors():
    with pytest.raises(ValueError, match="NaN or infinite"):
        deflated_sharpe(np.array([0.01, np.nan, 0.0, 0.02]), trials=10, trial_variance=0.001)
    with pytest.raises(ValueError, match="trials is 0"):
        expected_maximum_sharpe(0.001, 0)
    with pytest.raises(ValueError, match="variance is -1"):
        expected_maximum_sharpe(-1, 5)


def test_the_best_of_worthless_trials_seldom_passes_and_a_true_one_does():
    # 5 % + 3 standard errors over 40 panels of 200 trials; a true Sharpe ratio of 3 over five years stands 6.7 standard errors above 0.
    assert np.mean(panels.deflated(range(40), sessions=1260) >= 0.95) <= 0.05 + 3 * (0.05 * 0.95 / 40) ** 0.5
    assert np.mean(panels.deflated(range(10), 3.0, sessions=1260) >= 0.95) >= 0.9


def test_the_number_of_all_trials_sets_the_right_hurdle_for_trials_that_are_alike_and_the_effective_number_one_too_low():
    found = panels.hurdles(range(40), trials=200, correlation=0.5, sessions=1260)
    best, by_number, by_effective, effective = found.mean(axis=0)
    # The common part moves all trials together, so that the mean of the best is known no better than it.
    assert by_number == pytest.approx(best, abs=3 * panels.standard_error(found[:, 0]))
    assert by_effective < 0.6 * best
    assert effective < 5
