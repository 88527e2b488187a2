"""The probability of backtest overfitting: against the definition, on noise, on truth, and at its edges."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import linregress, rankdata, t

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.overfitting import probability_of_overfitting
from mech_exo_tests.quant.overfitting import panels


def by_the_definition(returns, blocks):
    """Logits and both annual Sharpe ratios, one combination after the other, from the returns themselves."""
    length = len(returns) // blocks
    cut = returns[len(returns) - length * blocks :].reshape(blocks, length, -1)

    def sharpe(which):
        half = cut[list(which)].reshape(-1, returns.shape[1])
        return half.mean(axis=0) / half.std(axis=0, ddof=1) * 252**0.5

    rows = []
    for chosen in combinations(range(blocks), blocks // 2):
        inside, outside = sharpe(chosen), sharpe(set(range(blocks)) - set(chosen))
        best = inside.argmax()
        share = rankdata(outside)[best] / (returns.shape[1] + 1)
        rows.append((np.log(share / (1 - share)), inside[best], outside[best]))
    return np.array(rows).T


@pytest.mark.parametrize(("sessions", "trials", "blocks"), [(103, 7, 6), (64, 2, 8), (97, 30, 4), (12, 5, 2), (300, 11, 10)])
def test_it_is_the_definition(sessions, trials, blocks):
    returns = panels.with_truth(panels.noise(sessions, sessions=sessions, trials=trials), 3.0)
    found = probability_of_overfitting(returns, blocks=blocks)
    logits, inside, outside = by_the_definition(returns, blocks)
    np.testing.assert_allclose(found.logits, logits, atol=1e-12)
    np.testing.assert_allclose(found.in_sample, inside, rtol=1e-9)
    np.testing.assert_allclose(found.out_of_sample, outside, rtol=1e-9)
    assert found.probability == np.mean(logits <= 0)
    assert found.probability_of_loss == np.mean(outside < 0)
    assert found.n_combinations == comb(blocks, blocks // 2)
    line = linregress(inside, outside)
    assert (found.degradation_slope, found.degradation_intercept) == pytest.approx((line.slope, line.intercept), rel=1e-7)


def test_sessions_that_fill_no_block_are_cut_from_the_start():
    returns = panels.noise(1, sessions=67, trials=5)
    longer = probability_of_overfitting(returns, blocks=8)
    assert longer.n_sessions == 64
    np.testing.assert_array_equal(longer.logits, probability_of_overfitting(returns[3:], blocks=8).logits)


def test_on_noise_it_is_one_half():
    """20 panels of 200 worthless trials: one half lies in the 99 % interval of the mean, which is at most 0.15 wide on either side."""
    found = panels.overfitting(range(20))
    half_width = t.ppf(0.995, 19) * panels.standard_error(found)
    assert half_width < 0.15
    assert abs(found.mean() - 0.5) < half_width


def test_with_one_true_strategy_among_199_worthless_ones_it_is_near_zero():
    assert panels.overfitting(range(10), 3.0).max() < 0.01
    assert panels.overfitting(range(10), 2.0).mean() < 0.10


def test_sixteen_blocks_are_halved_in_12_870_ways():
    assert probability_of_overfitting(panels.noise(1)).n_combinations == 12_870


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 9), st.floats(0.1, 10))
def test_order_and_scale_of_trials_change_nothing(seed, trials, scale):
    returns = panels.noise(seed, sessions=48, trials=trials)
    found = probability_of_overfitting(returns, blocks=6)
    other = probability_of_overfitting(returns[:, ::-1] * scale, blocks=6)
    np.testing.assert_allclose(other.logits, found.logits, atol=1e-12)
    assert 0 <= found.probability <= 1


def test_equal_trials_share_their_ranks_and_a_choice_among_them_tells_nothing():
    copies = np.repeat(panels.noise(2, sessions=64, trials=1), 9, axis=1)
    found = probability_of_overfitting(copies, blocks=8)
    np.testing.assert_array_equal(found.logits, 0)
    assert found.probability == 1


def test_a_trial_that_rests_for_half_of_the_history_has_a_ratio_of_zero_there():
    returns = panels.noise(3, sessions=1600, trials=3) - 0.002
    returns[:800, 0] = 0.0
    found = probability_of_overfitting(returns, blocks=2)
    # The others lose; the resting one is the best of the first half, and in the second it is one of the losers.
    assert found.in_sample[0] == 0
    assert found.out_of_sample[0] < 0


def test_trials_that_never_vary_have_no_line():
    found = probability_of_overfitting(np.zeros((64, 3)), blocks=4)
    assert (found.degradation_slope, found.degradation_intercept) == (None, None)
    assert found.probability == 1


def test_what_cannot_be_cut_is_refused_with_the_reason():
    with pytest.raises(InputError, match="1 trial, and a choice needs at least 2"):
        probability_of_overfitting(panels.noise(1, sessions=100, trials=1))
    with pytest.raises(InputError, match="31 sessions make 16 blocks of 1, and a block needs at least 2; give at least 32 sessions"):
        probability_of_overfitting(panels.noise(1, sessions=31, trials=5))
    returns = panels.noise(1, sessions=100, trials=5)
    for blocks in (0, 7, 22):
        with pytest.raises(ValueError, match="even number from 2 to 20"):
            probability_of_overfitting(returns, blocks=blocks)
    returns[50, 2] = np.nan
    with pytest.raises(ValueError, match="1 of 5 trials are NaN"):
        probability_of_overfitting(returns)
    with pytest.raises(ValueError, match="got 1 dimensions"):
        probability_of_overfitting(returns[:, 0])
