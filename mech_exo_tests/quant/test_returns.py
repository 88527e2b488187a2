import numpy as np
import pytest

from mech_exo_assets.quant.returns import forward_returns, market_return, simple_returns

INDEX = np.array([[1.0, 2.0], [1.1, np.nan], [1.21, 3.0], [2.42, 3.3]])


def test_a_simple_return_is_over_the_session_before_and_bridges_no_gap():
    expected = np.array([[np.nan, np.nan], [0.1, np.nan], [0.1, np.nan], [1.0, 0.1]])
    np.testing.assert_allclose(simple_returns(INDEX), expected, atol=1e-15)


def test_a_forward_return_starts_at_the_execution_session():
    expected = np.full((4, 2), np.nan)
    expected[0] = [0.1, np.nan]
    expected[1] = [1.0, 0.1]
    np.testing.assert_allclose(forward_returns(INDEX, horizon=1, execution_lag=1), expected, atol=1e-15)


@pytest.mark.parametrize(("horizon", "lag"), [(1, 0), (2, 1), (5, 2), (63, 1)])
def test_a_forward_return_is_what_the_formula_says(horizon, lag):
    index = np.exp(np.random.default_rng(0).normal(size=(40, 3)))
    forward = forward_returns(index, horizon=horizon, execution_lag=lag)
    for t in range(40):
        last = t + lag + horizon
        expected = index[last] / index[t + lag] - 1.0 if last < 40 else np.full(3, np.nan)
        np.testing.assert_array_equal(forward[t], expected)


def test_a_wrong_horizon_or_lag_is_refused():
    with pytest.raises(ValueError, match="horizon is 0"):
        forward_returns(INDEX, horizon=0, execution_lag=1)
    with pytest.raises(ValueError, match="execution_lag is -1"):
        forward_returns(INDEX, horizon=1, execution_lag=-1)


def test_the_market_is_the_mean_of_the_names_that_are_known():
    returns = np.array([[0.1, np.nan, 0.3], [np.nan, np.nan, np.nan], [0.1, 0.2, 0.3]])
    np.testing.assert_allclose(market_return(returns), [0.2, np.nan, 0.2], rtol=1e-15)


def test_names_without_observations_do_not_change_the_last_bit_of_the_market():
    returns = np.random.default_rng(1).normal(size=(20, 37))
    wide = np.full((20, 100), np.nan)
    wide[:, ::2][:, :37] = returns
    np.testing.assert_array_equal(market_return(wide), market_return(returns))


def test_inputs_are_not_written_to():
    frozen = INDEX.copy()
    frozen.flags.writeable = False
    simple_returns(frozen)
    market_return(frozen)
    np.testing.assert_array_equal(frozen, INDEX)
