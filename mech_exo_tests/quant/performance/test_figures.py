"""Figures of performance: against plain definitions, and against numbers worked out by hand."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mech_exo_assets.quant.performance import performance
from mech_exo_tests.quant.performance.builders import days, of


def test_known_values():
    figures = of(0.1, -0.5, 0.2)
    wealth = 1.1 * 0.5 * 1.2
    assert figures.n_sessions == 3
    assert figures.cagr == pytest.approx(wealth ** (252 / 3) - 1, rel=1e-12)
    assert figures.volatility == pytest.approx(
        np.sqrt(((0.1 + 0.2 / 3) ** 2 + (0.5 - 0.2 / 3) ** 2 + (0.2 + 0.2 / 3) ** 2) / 2 * 252), rel=1e-12
    )
    assert figures.sharpe == pytest.approx(-0.2 / 3 * 252 / figures.volatility, rel=1e-12)
    assert figures.max_drawdown == pytest.approx(-0.5, rel=1e-12)
    assert (figures.drawdown_from, figures.drawdown_to) == (np.datetime64("2020-01-01"), np.datetime64("2020-01-02"))


@given(st.lists(st.floats(-0.2, 0.2), min_size=2, max_size=60))
def test_figures_equal_their_plain_definitions(returns):
    figures = of(*returns)
    series = pd.Series(returns)
    wealth = pd.concat([pd.Series([1.0]), (1 + series).cumprod()], ignore_index=True)
    assert figures.cagr == pytest.approx(wealth.iloc[-1] ** (252 / len(returns)) - 1, rel=1e-9, abs=1e-12)
    assert figures.volatility == pytest.approx(series.std() * 252**0.5, rel=1e-9, abs=1e-12)
    assert figures.max_drawdown == pytest.approx((wealth / wealth.cummax() - 1).min(), abs=1e-12)
    if series.std() > 1e-9:
        assert figures.sharpe == pytest.approx(series.mean() / series.std() * 252**0.5, rel=1e-9, abs=1e-9)


@given(st.lists(st.floats(-0.2, 0.2), min_size=1, max_size=60))
def test_the_drawdown_lies_between_its_own_two_dates(returns):
    figures = of(*returns)
    if figures.drawdown_to is None:
        assert figures.max_drawdown == 0
        assert figures.drawdown_from is None
        return
    last = int((figures.drawdown_to - days(1)[0]).astype(int))
    first = 0 if figures.drawdown_from is None else int((figures.drawdown_from - days(1)[0]).astype(int)) + 1
    assert np.prod(1 + np.array(returns[first : last + 1])) - 1 == pytest.approx(figures.max_drawdown, abs=1e-12)


@pytest.mark.parametrize("constant", [0.001, 0.0, 1 / 3])
def test_returns_that_do_not_vary_have_no_sharpe_ratio(constant):
    figures = of(*[constant] * 7)
    assert figures.sharpe is None
    assert figures.volatility == pytest.approx(0, abs=1e-12)
    assert figures.max_drawdown == 0
    assert figures.cagr == pytest.approx((1 + constant) ** 252 - 1)


def test_returns_that_differ_by_rounding_only_have_no_sharpe_ratio():
    prices = 100 * 1.01 ** np.arange(20)
    returns = prices[1:] / prices[:-1] - 1
    assert np.ptp(returns) > 0
    assert of(*returns).sharpe is None


def test_a_single_return_has_no_volatility():
    figures = of(0.01)
    assert (figures.volatility, figures.sharpe) == (None, None)
    assert figures.cagr == pytest.approx(1.01**252 - 1)
    assert (figures.max_drawdown, figures.drawdown_from, figures.drawdown_to) == (0.0, None, None)


def test_a_loss_from_the_first_session_has_the_start_as_its_peak():
    figures = of(-0.1, -0.1, 0.05)
    assert figures.max_drawdown == pytest.approx(-0.19)
    assert figures.drawdown_from is None
    assert figures.drawdown_to.item() == date(2020, 1, 2)


def test_a_peak_that_is_held_for_a_while_is_left_on_its_last_session():
    figures = of(0.1, 0.0, 0.0, -0.2, 0.5)
    assert (figures.drawdown_from.item(), figures.drawdown_to.item()) == (date(2020, 1, 3), date(2020, 1, 4))


def test_of_two_drawdowns_the_deeper_one_is_dated():
    figures = of(0.1, -0.1, 0.3, -0.3, 0.9)
    assert (figures.drawdown_from.item(), figures.drawdown_to.item()) == (date(2020, 1, 3), date(2020, 1, 4))


def test_a_total_loss_is_minus_one():
    figures = of(0.1, -1.0, 0.0)
    assert (figures.cagr, figures.max_drawdown) == (-1.0, -1.0)


@pytest.mark.parametrize(
    ("returns", "reason"), [([], "got 0 with 0 NaN"), ([0.1, np.nan], "got 2 with 1 NaN"), ([0.1, -1.5], "at least -1, .*got -1.5")]
)
def test_returns_without_a_meaning_are_refused(returns, reason):
    with pytest.raises(ValueError, match=reason):
        of(*returns)


def test_a_drawdown_is_recovered_on_the_first_session_that_is_back_at_its_peak():
    figures = of(0.1, -0.5, 0.5, 0.5, -0.1)
    assert (figures.drawdown_from.item(), figures.drawdown_to.item()) == (date(2020, 1, 1), date(2020, 1, 2))
    assert figures.drawdown_recovered.item() == date(2020, 1, 4)
    assert figures.time_under_water == pytest.approx(3 / 5)


def test_a_drawdown_that_is_not_recovered_has_no_such_date():
    assert of(0.1, -0.5, 0.5).drawdown_recovered is None


def test_a_recovery_to_the_peak_itself_counts_although_products_are_rounded():
    losses = np.array([-0.03, -0.07, -0.11])
    gains = 1 / (1 + losses) - 1
    figures = of(0.1, *losses, *gains)
    assert figures.drawdown_recovered.item() == date(2020, 1, 7)
    assert figures.time_under_water == pytest.approx(5 / 7)


def test_ratios_of_losses_by_hand():
    figures = of(0.1, -0.5, 0.2, 0.0)
    assert figures.total_return == pytest.approx(1.1 * 0.5 * 1.2 - 1)
    assert figures.sortino == pytest.approx(-0.05 / np.sqrt(0.25 / 4) * np.sqrt(252))
    assert figures.calmar == pytest.approx(figures.cagr / 0.5)
    assert figures.hit_rate == pytest.approx(2 / 3)
    assert (figures.best, figures.best_at.item()) == (0.2, date(2020, 1, 3))
    assert (figures.worst, figures.worst_at.item()) == (-0.5, date(2020, 1, 2))


@given(st.lists(st.floats(-0.2, 0.2).map(lambda x: round(x, 5)), min_size=4, max_size=60))
def test_skew_and_kurtosis_are_those_of_pandas(returns):
    figures, series = of(*returns), pd.Series(returns)
    if series.std() > 1e-4:
        assert figures.skew == pytest.approx(series.skew(), rel=1e-9, abs=1e-9)
        assert figures.kurtosis == pytest.approx(series.kurtosis(), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("count", [1, 2, 19, 20, 21, 41, 100, 2001])
def test_the_tail_is_what_lies_at_or_below_the_quantile(count):
    returns = np.random.default_rng(count).permutation(np.linspace(-0.1, 0.1, count))
    figures = performance(returns, days(count))
    assert figures.var_95 == pytest.approx(np.quantile(returns, 0.05), abs=1e-15)
    # With distinct returns, the (n − 1)/20 lowest, rounded down, and the next one.
    assert figures.cvar_95 == pytest.approx(np.sort(returns)[: (count - 1) // 20 + 1].mean(), abs=1e-15)


def test_returns_that_tie_with_the_quantile_are_in_the_tail():
    figures = of(*[-0.1] * 5, *[0.1] * 95)
    assert (figures.var_95, figures.cvar_95) == pytest.approx((0.1 - 0.2 * 0.05, -0.1))
    assert of(*[-0.1] * 6, *[0.1] * 94).cvar_95 == pytest.approx(-0.1)


@pytest.mark.parametrize(
    ("returns", "undefined"),
    [
        ([0.01], {"volatility", "sharpe", "sortino", "calmar", "skew", "kurtosis", "sharpe_error", "probabilistic_sharpe"}),
        ([0.01, 0.02], {"sortino", "calmar", "skew", "kurtosis", "sharpe_error", "probabilistic_sharpe"}),
        ([0.01, 0.02, -0.01], {"kurtosis", "sharpe_error", "probabilistic_sharpe"}),
        ([0.0] * 9, {"sharpe", "sortino", "calmar", "hit_rate", "skew", "kurtosis", "sharpe_error", "probabilistic_sharpe"}),
    ],
)
def test_what_is_not_defined_is_none_and_everything_else_a_number(returns, undefined):
    figures = of(*returns)
    dates = {"drawdown_from", "drawdown_to", "drawdown_recovered", "best_at", "worst_at"}
    without_benchmark = {"alpha", "alpha_t", "beta", "beta_t"}
    for name in set(figures.__slots__) - dates:
        value = getattr(figures, name)
        if name in undefined | without_benchmark:
            assert value is None, name
        else:
            assert np.isfinite(value), name


@pytest.mark.parametrize(
    ("returns", "sessions", "benchmark", "reason"),
    [([0.1, np.inf], 2, None, "finite"), ([0.1, 0.1], 3, None, "one length"), ([0.1, 0.1], 2, np.zeros(1), "one length")],
)
def test_series_that_do_not_fit_together_are_refused(returns, sessions, benchmark, reason):
    with pytest.raises(ValueError, match=reason):
        performance(np.array(returns), days(sessions), benchmark=benchmark)
