"""Errors of the Sharpe ratio, alpha and beta: by hand, against statsmodels, and calibrated by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from mech_exo_assets.quant.hac import bartlett_lags, critical_value
from mech_exo_assets.quant.performance import performance
from mech_exo_assets.quant.performance.inference import probability_above_zero, sharpe_error
from mech_exo_tests.quant.performance.builders import benchmarked, days, of


def test_the_error_of_a_sharpe_ratio_by_hand():
    # Two values as often: no skew, excess kurtosis −2 (before adjustment), where the error of the mean is all that is left.
    assert sharpe_error(0.5, skew=0.0, kurtosis=-2.0, n=101) == pytest.approx(0.1)
    # Normal returns: Lo's formula.
    assert sharpe_error(0.5, skew=0.0, kurtosis=0.0, n=101) == pytest.approx(np.sqrt(1 + 0.125) / 10)
    assert sharpe_error(0.5, skew=1.0, kurtosis=2.0, n=101) == pytest.approx(np.sqrt(1 - 0.5 + 0.25) / 10)
    assert sharpe_error(2.0, skew=3.0, kurtosis=0.0, n=5) is None


def test_the_published_example_of_a_probabilistic_sharpe_ratio():
    # Bailey and López de Prado (2012): two years of monthly returns whose monthly Sharpe ratio is 0.458, skew −2.448 and kurtosis 10.164.
    # Taken for normal, the true one is above 0 with probability 0.982; with skew and kurtosis, with 0.913.
    taken_for_normal = sharpe_error(0.458, skew=0.0, kurtosis=0.0, n=24)
    as_it_is = sharpe_error(0.458, skew=-2.448, kurtosis=10.164 - 3, n=24)
    assert taken_for_normal is not None
    assert as_it_is is not None
    assert probability_above_zero(0.458, taken_for_normal) == pytest.approx(0.982, abs=5e-4)
    assert probability_above_zero(0.458, as_it_is) == pytest.approx(0.913, abs=5e-4)


def test_a_sharpe_ratio_of_nothing_is_above_zero_by_even_chance():
    returns = np.tile([0.01, -0.01], 50)
    assert of(*returns).probabilistic_sharpe == pytest.approx(0.5)


def test_alpha_and_beta_and_their_t_are_those_of_statsmodels():
    from statsmodels.api import OLS, add_constant

    returns, benchmark = benchmarked(700)
    figures = performance(returns, days(700), benchmark=benchmark)
    fitted = OLS(returns, add_constant(benchmark)).fit(
        cov_type="HAC", cov_kwds={"maxlags": bartlett_lags(700), "use_correction": False}, use_t=False
    )
    assert (figures.alpha, figures.beta) == pytest.approx((fitted.params[0] * 252, fitted.params[1]), rel=1e-9)
    assert (figures.alpha_t, figures.beta_t) == pytest.approx(tuple(fitted.tvalues), rel=1e-9)


def test_sessions_without_a_benchmark_do_not_count_in_alpha_and_beta():
    returns, benchmark = benchmarked(300)
    known = np.arange(300) % 7 != 0
    gapped = performance(returns, days(300), benchmark=np.where(known, benchmark, np.nan))
    closed_up = performance(returns[known], days(known.sum()), benchmark=benchmark[known])
    for name in ("alpha", "alpha_t", "beta", "beta_t"):
        assert getattr(gapped, name) == getattr(closed_up, name)
    assert gapped.n_sessions == 300


@pytest.mark.parametrize(
    ("benchmark", "defined"),
    [
        (np.full(40, np.nan), set()),
        (np.where(np.arange(40) < 2, 0.01 * np.arange(40), np.nan), set()),
        (np.full(40, 0.001), set()),
        (np.where(np.arange(40) < 19, np.sin(np.arange(40)), np.nan), {"alpha", "beta"}),
        (np.where(np.arange(40) < 20, np.sin(np.arange(40)), np.nan), {"alpha", "beta", "alpha_t", "beta_t"}),
    ],
)
def test_alpha_and_beta_need_enough_of_a_benchmark_that_varies(benchmark, defined):
    figures = performance(benchmarked(40)[0], days(40), benchmark=benchmark)
    assert {name for name in ("alpha", "beta", "alpha_t", "beta_t") if getattr(figures, name) is not None} == defined


def test_a_portfolio_that_is_its_benchmark_has_beta_one_and_no_t():
    _, benchmark = benchmarked(100)
    figures = performance(2 * benchmark, days(100), benchmark=benchmark)
    assert (figures.beta, figures.alpha) == pytest.approx((2, 0), abs=1e-12)
    assert (figures.alpha_t, figures.beta_t) == (None, None)


SERIES, LENGTH = 4000, 1000
KOLMOGOROV_1_PERCENT = 1.628 / np.sqrt(SERIES)


def skewed(rng):
    """Seldom and large losses: skew −1.6, excess kurtosis 4.5, mean 0."""
    draws = -rng.gamma(1.0, 1.0, (SERIES, LENGTH)) + 1.0
    return 0.01 * (draws + 0.3 * rng.standard_t(6, (SERIES, LENGTH)))


def normal(rng):
    return 0.01 * rng.standard_normal((SERIES, LENGTH))


@pytest.mark.slow
@pytest.mark.parametrize("draw", [normal, skewed])
def test_the_probabilistic_sharpe_ratio_of_nothing_is_uniform(draw):
    returns = draw(np.random.default_rng(1))
    found = [performance(each, days(LENGTH)).probabilistic_sharpe for each in returns]
    distance = np.abs(np.sort(found) - (np.arange(SERIES) + 0.5) / SERIES).max()
    assert distance < KOLMOGOROV_1_PERCENT


@pytest.mark.slow
@pytest.mark.parametrize("draw", [normal, skewed])
def test_the_error_of_the_sharpe_ratio_is_its_spread(draw):
    # A daily Sharpe ratio of 0.2 (3.2 a year), large enough for the terms in skew and kurtosis to count.
    figures = [performance(each + 0.0022, days(LENGTH)) for each in draw(np.random.default_rng(2))]
    spread = np.std([each.sharpe for each in figures], ddof=1)
    errors = np.mean([each.sharpe_error for each in figures])
    # The standard deviation of SERIES values is known to 1/√(2·SERIES) of itself; of their moments, the formula is first order in 1/LENGTH.
    assert abs(errors / spread - 1) < 3 / np.sqrt(2 * SERIES) + 5 / LENGTH


@pytest.mark.slow
def test_the_t_of_alpha_has_its_size():
    rng = np.random.default_rng(3)
    benchmark = 0.0004 + 0.01 * rng.standard_t(5, (SERIES, LENGTH))
    # Residuals whose size depends on the benchmark's, which makes ordinary errors wrong.
    returns = 0.8 * benchmark + rng.standard_normal((SERIES, LENGTH)) * (0.002 + 0.5 * np.abs(benchmark))
    critical = critical_value(0.05, b=(bartlett_lags(LENGTH) + 1) / LENGTH)
    figures = [performance(mine, days(LENGTH), benchmark=its) for mine, its in zip(returns, benchmark, strict=True)]
    rejected = np.mean([abs(each.alpha_t) > critical for each in figures])
    assert abs(rejected - 0.05) < 3 * np.sqrt(0.05 * 0.95 / SERIES)
