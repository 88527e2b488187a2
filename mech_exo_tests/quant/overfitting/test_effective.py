"""The effective number of trials: its limits, what leaves it alone, and its bias."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.overfitting import effective_trials
from mech_exo_tests.quant.overfitting import panels


@pytest.mark.parametrize("trials", [2, 20, 200])
def test_independent_trials_count_in_full(trials):
    # Without the adjustment 200 trials over 2 500 sessions would count 185.
    assert effective_trials(panels.noise(1, trials=trials)) == pytest.approx(trials, rel=0.01)


def test_more_trials_than_sessions_count_too():
    # Twice the sum of 79 800 squared correlations has a standard deviation near 8, against 400: the number is known to 2 %.
    assert effective_trials(panels.noise(2, sessions=100, trials=400)) == pytest.approx(400, rel=0.06)


def test_copies_of_one_trial_count_once():
    one = panels.noise(3, trials=1)
    assert effective_trials(np.repeat(one, 50, axis=1)) == pytest.approx(1, abs=1e-9)
    assert effective_trials(np.hstack([one, -2 * one, 3 * one + 0.01])) == pytest.approx(1, abs=1e-9)


def test_equally_correlated_trials_count_as_the_formula_says():
    n, rho = 50, 0.5
    eigenvalues = np.array([1 + (n - 1) * rho] + [1 - rho] * (n - 1))
    expected = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
    assert effective_trials(panels.noise(4, sessions=20_000, trials=n, correlation=rho)) == pytest.approx(expected, rel=0.05)


def test_it_is_the_participation_ratio_of_the_eigenvalues_but_for_the_adjustment():
    returns = panels.noise(5, sessions=60, trials=8, correlation=0.3)
    correlation = np.corrcoef(returns, rowvar=False)
    eigenvalues = np.linalg.eigvalsh(correlation)
    raw = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
    square = 1 - (1 - correlation[~np.eye(8, dtype=bool)] ** 2) * 59 / 58
    assert effective_trials(returns) == pytest.approx(64 / (8 + square.sum()), rel=1e-12)
    assert effective_trials(returns) >= raw


@given(st.integers(0, 10_000), st.integers(2, 12), st.floats(0.1, 10))
def test_order_and_scale_of_trials_and_idle_trials_change_nothing(seed, trials, scale):
    returns = panels.noise(seed, sessions=40, trials=trials, correlation=0.3)
    found = effective_trials(returns)
    assert 1 <= found <= trials
    assert effective_trials(returns[:, ::-1] * scale) == pytest.approx(found, rel=1e-9)
    assert effective_trials(np.hstack([returns, np.zeros((40, 2))])) == pytest.approx(found, rel=1e-12)


def test_what_has_no_correlation_is_refused():
    with pytest.raises(InputError, match="2 sessions"):
        effective_trials(np.ones((2, 3)))
    with pytest.raises(InputError, match="none of 3 trials has returns that vary"):
        effective_trials(np.full((10, 3), 0.001))
    with pytest.raises(ValueError, match="1 of 3 trials are NaN"):
        effective_trials(_one_unknown())


def _one_unknown():
    returns = panels.noise(0, sessions=10, trials=3)
    returns[4, 1] = np.nan
    return returns
