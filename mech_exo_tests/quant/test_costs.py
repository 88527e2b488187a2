"""Costs: each model against its formula, and what may be known of a session before it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mech_exo_assets.quant.costs import Tariff, average_daily_volume, capacity, commission, impact, impact_factor, spread
from mech_exo_tests.quant.backtest.ledger import FREE

NAN = np.nan
START = np.array([0])


def test_a_tariff_is_in_fractions_and_currency():
    costs = FREE.model_copy(update={"commission_bps": 2.0, "commission_per_share": 0.01, "commission_minimum": 3.0, "half_spread_bps": 2.5})
    assert Tariff.of(costs) == (0.0002, 0.01, 3.0, 0.00025)


@pytest.mark.parametrize(
    ("notional", "shares", "fee"), [(0.0, 0.0, 0.0), (1_000.0, 10.0, 3.0), (10_000.0, 200.0, 2.0 + 2.0), (100_000.0, 100.0, 21.0)]
)
def test_commission_is_by_notional_and_by_share_and_at_least_the_minimum(notional, shares, fee):
    assert commission(notional, shares, Tariff(0.0002, 0.01, 3.0, 0.0)) == pytest.approx(fee)


def test_half_the_spread_is_paid():
    assert spread(10_000.0, Tariff(0.0, 0.0, 0.0, 0.0004)) == pytest.approx(4.0)


@given(st.floats(1.0, 1e9), st.floats(1.0, 100.0), st.floats(1e-9, 1e-3))
def test_impact_over_notional_grows_with_the_square_root(notional, times, factor):
    one, more = (impact(each, factor) / each for each in (notional, notional * times))
    assert more / one == pytest.approx(times**0.5)


def test_average_volume_is_of_the_sessions_before_in_currency():
    volume = np.array([[10.0], [20.0], [NAN], [40.0], [1e9]])
    close = np.array([[2.0], [3.0], [4.0], [5.0], [6.0]])
    found = average_daily_volume(volume, close, window=3, year_starts=START)
    # Two of three sessions are enough, one is not.
    np.testing.assert_array_equal(found[:, 0], [NAN, NAN, 40.0, 40.0, 130.0])


def test_the_impact_factor_is_volatility_over_the_root_of_volume_as_known_before():
    returns = np.array([0.01, -0.01, 0.03])
    index = np.cumprod(np.concatenate(([1.0], 1 + returns)))[:, None]
    volume = np.full(index.shape, 10_000.0)
    found = impact_factor(index, volume, coefficient=2.0, window=2, year_starts=START)
    assert found[:3, 0].tolist() == [0.0, 0.0, 0.0]  # a standard deviation needs two returns
    assert found[3, 0] == pytest.approx(2.0 * np.std([0.01, -0.01], ddof=1) / 100)


def test_where_nothing_is_known_there_is_no_impact():
    index = np.cumprod(1 + np.random.default_rng(0).normal(0, 0.01, (10, 1)), axis=0)
    for volume in (NAN, 0.0):
        assert not impact_factor(index, np.full(index.shape, volume), coefficient=1.0, window=2, year_starts=START).any()


def test_capacity_is_a_share_of_the_average_and_nothing_where_nothing_was_traded():
    session = np.array([[5.0, 0.0, 5.0, NAN]])
    average = np.array([[100.0, 100.0, NAN, 100.0]])
    np.testing.assert_array_equal(capacity(session, average, participation=0.1), [[10.0, 0.0, np.inf, 10.0]])
    np.testing.assert_array_equal(capacity(session, average, participation=None), [[np.inf, 0.0, np.inf, np.inf]])
