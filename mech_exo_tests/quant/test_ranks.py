import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.stats import rankdata

from mech_exo_assets.quant.ranks import average_ranks


def expected(values):
    ranks = np.full(values.shape, np.nan)
    for row, out in zip(values, ranks, strict=True):
        known = ~np.isnan(row)
        out[known] = rankdata(row[known])
    return ranks


def panel(n_sessions, n_symbols, *, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((n_sessions, n_symbols))
    values[rng.random(values.shape) < 0.05] = np.nan
    return values


any_panel = arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.floats(allow_nan=True, allow_infinity=True))
tied_panel = arrays(
    np.float64, array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.sampled_from([-1.0, -0.0, 0.0, 1.0, 2.5, np.nan])
)


@settings(deadline=None)
@given(any_panel | tied_panel)
def test_ranks_of_any_numbers_are_scipys(values):
    np.testing.assert_array_equal(average_ranks(values), expected(values))


@pytest.mark.parametrize("n_symbols", [1, 2, 500, 1023, 1024, 3000])
def test_ranks_of_short_and_long_rows_are_scipys(n_symbols):
    values = panel(5, n_symbols)
    np.testing.assert_array_equal(average_ranks(values), expected(values))
    np.testing.assert_array_equal(average_ranks(values.round(1)), expected(values.round(1)))


@pytest.mark.parametrize("n_symbols", [500, 3000])
@pytest.mark.parametrize(
    "squeeze",
    [lambda x: 1e6 + 1e-6 * x, lambda x: 1e-300 * x, lambda x: 1e300 * x, lambda x: np.sort(-(100.0 + 1e-9 * x))[:, ::-1]],
    ids=["equal to eleven digits", "below float32", "beyond float32", "descending"],
)
def test_numbers_that_float32_cannot_tell_apart_are_ranked_all_the_same(squeeze, n_symbols):
    values = squeeze(panel(3, n_symbols))
    np.testing.assert_array_equal(average_ranks(values), expected(values))


def test_minus_zero_ties_with_zero():
    np.testing.assert_array_equal(average_ranks(np.array([[0.0, -0.0, 1.0]])), [[1.5, 1.5, 3.0]])


def test_unknown_symbols_have_no_rank():
    np.testing.assert_array_equal(average_ranks(np.array([[3.0, np.nan, 1.0], [np.nan] * 3])), [[2.0, np.nan, 1.0], [np.nan] * 3])


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_an_empty_panel_has_empty_ranks(shape):
    assert average_ranks(np.empty(shape)).shape == shape


def test_read_only_and_strided_panels_are_ranked_and_left_alone():
    values = panel(6, 50)
    frozen = values.copy()
    frozen.flags.writeable = False
    np.testing.assert_array_equal(average_ranks(frozen), expected(values))
    np.testing.assert_array_equal(average_ranks(values[::2, ::3]), expected(values[::2, ::3]))
