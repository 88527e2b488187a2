import datetime as dt

import numba
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.stats import spearmanr

from mech_exo_assets.quant import ic as ic_module
from mech_exo_assets.quant.ic import ic_table, information_coefficient, information_coefficients
from mech_exo_assets.schemas import IC

TOLERANCE = 1e-14


def matrix(n_sessions=30, n_symbols=40, *, seed=0, missing=0.1, decimals=None):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((n_sessions, n_symbols))
    if decimals is not None:
        values = values.round(decimals)
    values[rng.random(values.shape) < missing] = np.nan
    return values


def with_scipy(scores, returns, *, min_names=10):
    out = np.full(len(scores), np.nan)
    for t, (score, row) in enumerate(zip(scores, returns, strict=True)):
        both = ~np.isnan(score) & ~np.isnan(row)
        if both.sum() >= max(min_names, 2) and np.ptp(score[both]) > 0 and np.ptp(row[both]) > 0:
            out[t] = spearmanr(score[both], row[both])[0]
    return out


def test_ic_of_a_score_that_is_the_return_itself_is_one():
    returns = matrix()
    np.testing.assert_array_equal(information_coefficient(returns, returns), np.ones(30))


def test_ic_of_a_score_that_is_the_return_reversed_is_minus_one():
    returns = matrix(decimals=1)
    np.testing.assert_array_equal(information_coefficient(-returns, returns), -np.ones(30))


@pytest.mark.parametrize("decimals", [None, 1, 0])
@pytest.mark.parametrize(("score_missing", "return_missing"), [(0.0, 0.0), (0.2, 0.0), (0.0, 0.2), (0.2, 0.2)])
def test_ic_is_scipys_whichever_side_has_gaps_or_ties(score_missing, return_missing, decimals):
    scores = matrix(seed=1, missing=score_missing, decimals=decimals)
    returns = matrix(seed=2, missing=return_missing, decimals=1)
    np.testing.assert_allclose(information_coefficient(scores, returns), with_scipy(scores, returns), rtol=0, atol=TOLERANCE)


def pairs(elements):
    return array_shapes(min_dims=2, max_dims=2, max_side=30).flatmap(
        lambda shape: st.tuples(arrays(np.float64, shape, elements=elements), arrays(np.float64, shape, elements=elements))
    )


@settings(deadline=None)
@given(pairs(st.sampled_from([np.nan, -2.0, -1.0, 0.0, 0.5, 3.0])) | pairs(st.floats(-10, 10) | st.just(np.nan)))
def test_ic_of_any_numbers_is_scipys_and_within_bounds(both):
    scores, returns = both
    ours = information_coefficient(scores, returns, min_names=3)
    np.testing.assert_allclose(ours, with_scipy(scores, returns, min_names=3), rtol=0, atol=TOLERANCE)
    assert not (np.abs(ours) > 1.0).any()


@settings(deadline=None, max_examples=25)
@given(st.randoms(use_true_random=False))
def test_permuting_symbols_changes_not_one_bit(random):
    scores, returns = matrix(seed=3, decimals=1), matrix(seed=4, decimals=2)
    order = list(range(40))
    random.shuffle(order)
    np.testing.assert_array_equal(information_coefficient(scores[:, order], returns[:, order]), information_coefficient(scores, returns))


@pytest.mark.parametrize("transform", [lambda x: 3 * x + 1, np.exp, np.arctan, lambda x: x**3], ids=["scale", "exp", "arctan", "cube"])
def test_increasing_transformations_change_not_one_bit(transform):
    scores, returns = matrix(seed=5, decimals=1), matrix(seed=6)
    np.testing.assert_array_equal(information_coefficient(transform(scores), transform(returns)), information_coefficient(scores, returns))


def test_a_session_is_the_same_to_the_last_bit_whatever_other_sessions_there_are():
    scores, returns = matrix(200, seed=7), matrix(200, seed=8)
    whole = information_coefficient(scores, returns)
    np.testing.assert_array_equal(information_coefficient(scores[57:83], returns[57:83]), whole[57:83])
    np.testing.assert_array_equal(information_coefficient(scores[::7], returns[::7]), whole[::7])


def test_more_factors_and_horizons_than_fit_one_call_are_all_there():
    many = ic_module._BATCH + 3
    scores, returns = [matrix(12, seed=s) for s in range(many)], [matrix(12, seed=100 + s) for s in range(many)]
    ic, n = information_coefficients(scores, returns)
    for f, h in ((0, 0), (many - 1, 0), (0, many - 1), (many - 1, many - 1)):
        alone, names = information_coefficients([scores[f]], [returns[h]])
        np.testing.assert_array_equal(ic[f, h], alone[0, 0])
        np.testing.assert_array_equal(n[f, h], names[0, 0])
    assert not np.isnan(ic).any()


def test_the_number_of_threads_changes_not_one_bit():
    scores, returns = [matrix(300, seed=1)], [matrix(300, seed=2)]
    several = information_coefficients(scores, returns)[0]
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        np.testing.assert_array_equal(information_coefficients(scores, returns)[0], several)
    finally:
        numba.set_num_threads(threads)


def test_all_factors_and_horizons_at_once_are_what_each_is_alone():
    scores, returns = np.array([matrix(seed=s, decimals=s) for s in range(4)]), np.array([matrix(seed=10 + s) for s in range(3)])
    ic, n = information_coefficients(scores, returns)
    assert ic.shape == n.shape == (4, 3, 30)
    assert n.dtype == np.int32
    for f, score in enumerate(scores):
        for h, row in enumerate(returns):
            np.testing.assert_array_equal(ic[f, h], information_coefficient(score, row))
            np.testing.assert_array_equal(n[f, h], (~np.isnan(score) & ~np.isnan(row)).sum(axis=1))


def test_fewer_than_min_names_have_no_ic_and_their_number_is_told():
    scores = matrix(2, 12, missing=0)
    scores[1, :3] = np.nan
    ic, n = information_coefficients([scores], [matrix(2, 12, seed=1, missing=0)], min_names=10)
    np.testing.assert_array_equal(np.isnan(ic[0, 0]), [False, True])
    np.testing.assert_array_equal(n[0, 0], [12, 9])


@pytest.mark.parametrize("min_names", [0, 1])
def test_one_name_has_no_ic_whatever_is_asked_for(min_names):
    assert np.isnan(information_coefficient(np.ones((1, 1)), np.ones((1, 1)), min_names=min_names)).all()


def test_constant_scores_and_constant_returns_have_no_ic():
    flat, varied = np.ones((1, 20)), matrix(1, 20, missing=0)
    assert np.isnan(information_coefficient(flat, varied)).all()
    assert np.isnan(information_coefficient(varied, flat)).all()


def test_scores_that_are_constant_where_returns_are_known_have_no_ic():
    scores, returns = np.ones((1, 20)), matrix(1, 20, missing=0)
    scores[0, 0], returns[0, 0] = 5.0, np.nan
    assert np.isnan(information_coefficient(scores, returns)).all()


def test_nothing_known_has_no_ic():
    unknown = np.full((3, 20), np.nan)
    assert np.isnan(information_coefficient(unknown, matrix(3, 20))).all()
    assert np.isnan(information_coefficient(matrix(3, 20), unknown)).all()


def test_read_only_input_is_taken_and_left_alone():
    scores, returns = matrix(), matrix(seed=1)
    expected = information_coefficient(scores, returns)
    scores.flags.writeable = False
    np.testing.assert_array_equal(information_coefficient(scores, returns), expected)


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"shapes \[\(2, 20\), \(3, 20\)\]"):
        information_coefficient(np.ones((3, 20)), np.ones((2, 20)))
    with pytest.raises(ValueError, match=r"\(n_sessions, n_symbols\)"):
        information_coefficient(np.ones(20), np.ones(20))


@pytest.mark.parametrize(("n_factors", "n_horizons"), [(0, 2), (2, 0), (0, 0)])
def test_no_factors_or_no_horizons_give_an_empty_answer(n_factors, n_horizons):
    ic, n = information_coefficients([matrix()] * n_factors, [matrix()] * n_horizons)
    assert ic.shape == n.shape == (n_factors, n_horizons, 30 if n_factors + n_horizons else 0)


def test_the_table_holds_known_coefficients_by_date_factor_and_horizon():
    sessions = np.arange("2020-01-01", "2020-01-31", dtype="datetime64[D]")
    scores, returns = {"value": matrix(seed=1), "momentum": matrix(seed=2)}, {5: matrix(seed=3), 1: matrix(seed=4)}
    scores["value"][3] = np.nan
    table = ic_table(scores, returns, sessions, min_names=10)
    assert table.schema == pl.Schema(IC.dtypes())
    assert table.height == 30 * 4 - 2
    assert table.equals(table.sort("date", "factor", "horizon"))
    row = table.row(
        by_predicate=(pl.col("date") == dt.date(2020, 1, 5)) & (pl.col("factor") == "momentum") & (pl.col("horizon") == 5), named=True
    )
    both = ~np.isnan(scores["momentum"][4]) & ~np.isnan(returns[5][4])
    assert row["ic"] == pytest.approx(spearmanr(scores["momentum"][4][both], returns[5][4][both])[0], abs=TOLERANCE)
    assert row["n"] == both.sum()


def test_the_table_without_factors_sessions_or_knowledge_is_empty_and_keeps_its_columns():
    sessions = np.arange("2020-01-01", "2020-01-31", dtype="datetime64[D]")
    for scores, days in (({}, sessions), ({"value": matrix(0)}, sessions[:0]), ({"value": np.full((30, 40), np.nan)}, sessions)):
        table = ic_table(scores, {1: matrix(len(days))}, days, min_names=10)
        assert table.is_empty()
        assert table.schema == pl.Schema(IC.dtypes())
