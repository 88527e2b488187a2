"""The test of superior predictive ability: against arch, its size, its power, and several baselines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.overfitting import superior_predictive_ability, superior_to_all, superior_to_each
from mech_exo_assets.quant.overfitting.snooping import bootstrap_variance
from mech_exo_tests.quant.overfitting import panels


def panel(seed, *, sessions=300, trials=12):
    """A baseline, and trials of unequal volatility of which some are far worse."""
    returns = panels.noise(seed, sessions=sessions, trials=trials + 1, correlation=0.3)
    returns[:, 1:] *= np.linspace(0.5, 3, trials)
    returns[:, 2:5] -= 0.004
    return returns[:, 0], returns[:, 1:]


@pytest.mark.parametrize("block", [None, 1, 20])
def test_it_is_the_test_of_arch_over_differences_to_scale(block):
    from arch.bootstrap import SPA

    baseline, trials = panel(1)
    found = superior_predictive_ability(baseline, trials, seed=7, resamples=199, block=block)
    assert found.lower < found.consistent < found.upper
    differences = trials - baseline[:, None]
    scaled = differences / differences.std(axis=0, ddof=1)
    theirs = SPA(np.zeros(300), -scaled, block_size=found.block, reps=199, seed=7)
    theirs.compute()
    np.testing.assert_allclose([found.lower, found.consistent, found.upper], (1 + 199 * theirs.pvalues) / 200, rtol=1e-12)
    np.testing.assert_allclose(bootstrap_variance(scaled, block=found.block), theirs._loss_diff_var, rtol=1e-9)


def test_arch_itself_does_not_scale():
    """Why the statistic is ours. Should this fail, arch has changed, and may be used as it is."""
    from arch.bootstrap import SPA

    baseline, trials = panel(1)
    both = []
    for studentize in (True, False):
        theirs = SPA(-baseline, -trials, block_size=10, reps=199, studentize=studentize, seed=7)
        theirs.compute()
        both.append(theirs.pvalues["upper"])
    assert both[0] == both[1]


def test_the_variance_is_that_of_resampled_means():
    from arch.bootstrap import StationaryBootstrap

    values = panels.noise(2, sessions=400, trials=1, autocorrelation=0.4)
    draws = StationaryBootstrap(10, values, seed=1)
    means = np.array([drawn.mean() for (drawn,), _ in draws.bootstrap(4000)])
    # A variance of 4 000 normal means is known to √(2/4000), 2.2 %.
    assert 400 * means.var() == pytest.approx(bootstrap_variance(values, block=10)[0], rel=0.07)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.floats(0.1, 10))
def test_p_values_are_in_order_and_neither_scale_nor_order_of_trials_counts(seed, scale):
    baseline, trials = panel(seed, sessions=100, trials=5)
    found = superior_predictive_ability(baseline, trials, seed=1, resamples=99)
    assert 0 < found.lower <= found.consistent <= found.upper <= 1
    other = superior_predictive_ability(baseline * scale, trials[:, ::-1] * scale, seed=1, resamples=99)
    assert (other.lower, other.consistent, other.upper) == (found.lower, found.consistent, found.upper)
    assert other.best == 4 - found.best


def test_the_same_seed_gives_the_same_and_another_one_nearly():
    baseline, trials = panel(3)
    first, same, other = (superior_predictive_ability(baseline, trials, seed=seed) for seed in (1, 1, 2))
    assert first == same
    assert first != other
    # 999 resamples know a p-value to √(p(1−p)/999), at most 0.016; two of them differ by less than four times √2 of it.
    assert abs(first.consistent - other.consistent) < 4 * 2**0.5 * 0.016


def test_a_superior_trial_is_found():
    returns = panels.with_truth(panels.noise(4, sessions=1260, trials=50, correlation=0.5), 4.0, trial=17)
    found = superior_predictive_ability(returns[:, 0], returns[:, 1:], seed=1)
    assert found.best == 16
    assert found.consistent <= 0.01


def test_where_every_trial_is_worse_the_p_values_are_one():
    baseline, trials = panel(5)
    found = superior_predictive_ability(baseline + 0.01, trials, seed=1)
    assert found.statistic < 0
    assert (found.lower, found.consistent, found.upper) == (1, 1, 1)


def test_a_trial_that_is_the_baseline_is_left_out():
    baseline, trials = panel(6)
    found = superior_predictive_ability(baseline, np.column_stack([baseline, trials]), seed=1)
    alone = superior_predictive_ability(baseline, trials, seed=1)
    assert (found.consistent, found.n_trials, found.best) == (alone.consistent, 12, alone.best + 1)
    with pytest.raises(InputError, match="each of 1 trials differs from the baseline by nothing or a constant"):
        superior_predictive_ability(baseline, baseline[:, None].copy(), seed=1)


def test_to_beat_all_baselines_is_to_beat_the_hardest():
    baseline, trials = panel(7)
    trials = panels.with_truth(trials, 8.0)
    named = {"weak": baseline - 0.01, "strong": baseline + 0.01}
    tests = superior_to_each(named, trials, seed=1)
    assert list(tests) == ["weak", "strong"]
    assert tests["weak"] == superior_to_each({"weak": named["weak"]}, trials, seed=1)["weak"]
    assert tests["weak"].consistent < 0.05 < tests["strong"].consistent
    assert superior_to_all(tests) is tests["strong"]
    assert superior_to_all(tests).baseline == "strong"


def test_what_cannot_be_tested_is_refused_with_the_reason():
    baseline, trials = panel(8)
    with pytest.raises(InputError, match="49 sessions are fewer than 10 blocks of 5; give at least 50 sessions"):
        superior_predictive_ability(baseline[:49], trials[:49], seed=1)
    with pytest.raises(ValueError, match="got baselines of shapes"):
        superior_predictive_ability(baseline[:-1], trials, seed=1)
    with pytest.raises(ValueError, match="got baselines of shapes"):
        superior_to_each({}, trials, seed=1)
    with pytest.raises(ValueError, match="each must be at least 1"):
        superior_predictive_ability(baseline, trials, seed=1, resamples=0)
    with pytest.raises(ValueError, match="NaN or infinite"):
        superior_predictive_ability(np.where(np.arange(300) == 5, np.nan, baseline), trials, seed=1)
    with pytest.raises(ValueError, match="at least one baseline"):
        superior_to_all({})


PANELS = 400
MOST = 0.05 + 3 * (0.05 * 0.95 / PANELS) ** 0.5


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [
        {"trials": 21},
        {"trials": 21, "correlation": 0.5},
        {"trials": 21, "correlation": 0.5, "autocorrelation": 0.2},
        {"trials": 21, "correlation": 0.5, "spread": 5.0},
        {"trials": 23, "correlation": 0.5, "baselines": 3},
    ],
)
def test_trials_that_are_no_better_are_found_superior_in_at_most_5_percent(kind):
    """400 panels of 20 trials over five years, where none differs from the baseline in truth: 5 % and three standard errors."""
    found = panels.superior(range(PANELS), sessions=1260, **kind)
    assert np.mean(found[:, 1] <= 0.05) <= MOST
