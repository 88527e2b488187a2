"""Months and moving windows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mech_exo_assets.quant.performance import monthly_returns, rolling_sharpe
from mech_exo_tests.quant.performance.builders import days, of


def test_months_compound_their_sessions():
    sessions = np.array(["2020-01-30", "2020-01-31", "2020-02-28", "2020-04-01"], dtype="datetime64[D]")
    table = monthly_returns(np.array([0.1, 0.1, -0.5, 0.25]), sessions)
    assert table.rows() == [(2020, 1, pytest.approx(0.21)), (2020, 2, -0.5), (2020, 4, 0.25)]
    assert monthly_returns(np.zeros(0), sessions[:0]).schema == table.schema


@given(st.lists(st.floats(-0.2, 0.2), min_size=1, max_size=200))
def test_months_compound_to_the_whole(returns):
    table = monthly_returns(np.array(returns), days(len(returns)))
    assert np.prod(1 + table["value"].to_numpy()) - 1 == pytest.approx(of(*returns).total_return, abs=1e-9)


def test_a_rolling_sharpe_ratio_is_that_of_its_window():
    returns = np.random.default_rng(0).normal(0.001, 0.01, 50)
    rolling = rolling_sharpe(returns, window=21)
    assert np.isnan(rolling[:20]).all()
    for end in (21, 37, 50):
        assert rolling[end - 1] == pytest.approx(of(*returns[end - 21 : end]).sharpe, rel=1e-10)
    assert np.isnan(rolling_sharpe(returns, window=51)).all()
    assert np.isnan(rolling_sharpe(np.full(30, 0.01), window=5)).all()
    with pytest.raises(ValueError, match="at least 2"):
        rolling_sharpe(returns, window=1)


def test_a_window_with_an_unknown_return_has_no_sharpe_ratio():
    returns = np.random.default_rng(0).normal(0.001, 0.01, 20)
    returns[6] = np.nan
    assert np.flatnonzero(~np.isnan(rolling_sharpe(returns, window=5))).tolist() == [4, 5, *range(11, 20)]
