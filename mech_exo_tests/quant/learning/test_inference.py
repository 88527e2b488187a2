"""Intervals, bounds and the test of two forecasts: against the definition, statsmodels, and by their size under overlap."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from mech_exo_assets.quant.hac import bartlett_lags, critical_value, long_run_variance, mean_test, p_value
from mech_exo_assets.quant.learning import inference
from mech_exo_assets.quant.learning.inference import diebold_mariano, lower_bound, mean_intervals


def overlapping(n: int, *, horizon: int = 21, seed: int = 0, mean: float = 0.0) -> np.ndarray:
    """Values of standard deviation 1 that share all but one of `horizon` sessions with their neighbours."""
    steps = np.random.default_rng(seed).standard_normal(n + horizon - 1)
    return mean + np.convolve(steps, np.ones(horizon) / math.sqrt(horizon), "valid")


def test_each_resample_is_what_the_definition_says():
    series = np.array([overlapping(203, seed=1), overlapping(203, seed=2) ** 2])
    starts = np.random.default_rng(0).integers(203, size=(40, 10), dtype=np.int32)
    lags = bartlett_lags(203, horizon=21)
    centred = series - series.mean(axis=1, keepdims=True)
    found = inference._resampled(centred, starts, 21, lags + 1)
    for values, row in zip(centred, found, strict=True):
        for start, t in zip(starts, row, strict=True):
            drawn = np.concatenate([values[(first + np.arange(21)) % 203] for first in start])[:203]
            assert t == pytest.approx(drawn.mean() / math.sqrt(long_run_variance(drawn, lags=lags) / 203), rel=1e-9)


def test_the_interval_follows_from_the_resamples():
    values = overlapping(420, mean=0.3, seed=4)
    ((low, high),) = mean_intervals(values[None], horizon=21, seed=7, resamples=199)
    starts = np.random.default_rng(7).integers(420, size=(199, 20), dtype=np.int32)
    test = mean_test(values, horizon=21)
    drawn = np.sort(np.abs(inference._resampled((values - values.mean())[None], starts, 21, test.lags + 1)[0]))
    # 10 of 199 and the sample itself are 5 %.
    half = drawn[-10] * test.standard_error
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), rel=1e-9)


def test_series_have_the_interval_that_they_have_alone_and_unit_and_sign_go_through():
    values = np.array([overlapping(300, seed=seed) for seed in range(3)])
    together = mean_intervals(values, horizon=5, seed=1, resamples=99)
    assert together == [mean_intervals(row[None], horizon=5, seed=1, resamples=99)[0] for row in values]
    ((low, high),) = mean_intervals(-1e-6 * values[:1], horizon=5, seed=1, resamples=99)
    assert (-1e6 * high, -1e6 * low) == pytest.approx(together[0], rel=1e-9)


def test_short_and_constant_series_have_no_interval():
    for values in (np.arange(209.0), np.zeros(300), np.full(300, 0.3), np.eye(1, 300)[0]):
        ((low, high),) = mean_intervals(values[None], horizon=21, seed=1, resamples=99)
        assert math.isnan(low)
        assert math.isnan(high)
    assert not math.isnan(mean_intervals(overlapping(210)[None], horizon=21, seed=1, resamples=99)[0][0])


@given(seed=st.integers(0, 1000), n=st.integers(45, 400), confidence=st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_the_bound_is_above_zero_exactly_where_the_one_sided_test_rejects(seed, n, confidence):
    values = overlapping(n, mean=0.7, seed=seed)
    test = mean_test(values, horizon=21)
    one_sided = p_value(test.t, b=(test.lags + 1) / n) / 2 if test.t > 0 else 1.0
    assert (lower_bound(values, horizon=21, confidence=confidence) > 0) == (one_sided < 1 - confidence)


def test_the_bound_is_mean_less_quantile_times_error():
    values = overlapping(500, mean=0.2)
    lags = bartlett_lags(500, horizon=21)
    fit = sm.OLS(values, np.ones(500)).fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False})
    expected = fit.params.item() - critical_value(0.1, b=(lags + 1) / 500) * fit.bse.item()
    assert lower_bound(values, horizon=21, confidence=0.95) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("values", [np.empty(0), overlapping(41), np.full(100, 0.2)])
def test_short_and_constant_series_have_no_bound(values):
    assert math.isnan(lower_bound(values, horizon=21, confidence=0.95))


def test_diebold_mariano_equals_statsmodels_on_the_difference_of_losses():
    rng = np.random.default_rng(3)
    errors = rng.standard_normal((2, 400)) * np.array([[1.0], [1.1]])
    losses = errors**2
    found = diebold_mariano(losses[0], losses[1], horizon=5)
    lags = bartlett_lags(400, horizon=5)
    fit = sm.OLS(losses[1] - losses[0], np.ones(400)).fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False})
    assert found.t == pytest.approx(fit.tvalues.item(), rel=1e-10)
    assert found.p_value == p_value(found.t, b=(lags + 1) / 400)
    assert diebold_mariano(losses[1], losses[0], horizon=5).t == -found.t


def test_diebold_mariano_worked_by_hand():
    """Differences 1, 3, 2, 6, 3: mean 3, deviations −2, 0, −1, 3, 0: C0 = 14/5, C1 = −3/5, C2 = 2/5, C3 = −6/5. With L = 3 the
    Bartlett weights are 3/4, 2/4, 1/4: S = (14 + 2·(−3·0.75 + 2·0.5 − 6·0.25))/5 = 8.5/5, t = 3/√(1.7/5)."""
    losses = np.array([1.0, 1.0, 2.0, 0.0, 1.0])
    other = losses + np.array([1.0, 3.0, 2.0, 6.0, 3.0])
    found = diebold_mariano(losses, other, horizon=1)
    assert found.lags == 3
    assert found.t == pytest.approx(3 / math.sqrt(1.7 / 5), rel=1e-12)


# Size under overlap, by simulation.

N_SERIES = 1000


def three_errors(share: float) -> float:
    return 3 * math.sqrt(share * (1 - share) / N_SERIES)


def shares(n: int) -> tuple[float, float, float]:
    """Of null series at h = 21: intervals that miss 0, Diebold-Mariano tests that reject, and lower bounds above 0."""
    found = np.zeros(3)
    for seed in range(N_SERIES):
        values = overlapping(n, seed=seed)
        ((low, high),) = mean_intervals(values[None], horizon=21, seed=seed, resamples=999)
        tested = diebold_mariano(np.zeros(n), values, horizon=21)
        found += [low > 0 or high < 0, tested.p_value <= 0.05, lower_bound(values, horizon=21, confidence=0.95) > 0]
    return tuple(found / N_SERIES)


def missed_variance(n: int) -> float:
    """Size of a two-sided 5 % test by the kernel's bias alone: the variance that it expects over the true one, both exact for an MA(20)."""
    lags = bartlett_lags(n, horizon=21)
    lag = np.arange(n)
    covariance = np.maximum(0.0, 1 - lag / 21)
    true = covariance[0] + 2 * float(((1 - lag / n) * covariance)[1:].sum())
    expected = covariance[0] + 2 * float((np.maximum(0.0, 1 - lag / (lags + 1)) * (1 - lag / n) * covariance)[1:].sum())
    return p_value(critical_value(0.05, b=(lags + 1) / n) * math.sqrt(expected / true), b=(lags + 1) / n)


@pytest.mark.slow
@pytest.mark.parametrize("n", [252, 504, 1008, 2520])
def test_sizes_under_overlap_are_those_of_the_kernels_bias_and_less_for_the_bootstrap(n):
    """Fixed-b does not know the bias of the kernel under an MA(20), whose part of the size is exact (`missed_variance`); that the mean is
    estimated from dependent values adds to it, at most as much again. Then three binomial standard errors of 1 000 series. The studentised
    bootstrap has much of the bias on both sides: its size is at most that of fixed-b, within the error of a paired difference."""
    missed, rejected, passed = shares(n)
    bias = missed_variance(n) - 0.05
    assert 0 < bias < 0.02
    assert rejected == pytest.approx(0.05 + bias, abs=bias + three_errors(0.05))
    assert passed == pytest.approx(0.05 + bias, abs=bias + three_errors(0.05))
    assert missed <= rejected + 0.005
    assert missed == pytest.approx(0.05, abs=bias + three_errors(0.05))
