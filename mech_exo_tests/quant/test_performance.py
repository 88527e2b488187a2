"""Performance: against plain definitions, and against numbers worked out by hand."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mech_exo_assets.quant.performance import performance


def days(count: int) -> np.ndarray:
    return np.datetime64("2020-01-01") + np.arange(count)


def of(*returns: float):
    return performance(np.array(returns), days(len(returns)))


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
