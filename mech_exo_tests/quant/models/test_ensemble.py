from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.optimize import nnls
from scipy.stats import norm, rankdata

from mech_exo_assets.quant.models.ensemble import average_weights, joined, normal_scores, stacked_weights, weights_of
from mech_exo_assets.schemas import STACKING

STARTS = np.array([0, 5, 12, 40])


def drawn(seed, n=40):
    return np.random.default_rng(seed).normal(size=n)


def test_normal_scores_are_those_of_the_ranks_in_each_session():
    values = drawn(1)
    scores = normal_scores(values, STARTS)
    np.testing.assert_allclose(scores[5:12], norm.ppf((rankdata(values[5:12]) - 0.5) / 7))
    np.testing.assert_allclose(normal_scores(np.exp(values), STARTS), scores)


def test_an_ensemble_of_one_is_that_ones_order_and_two_opposites_cancel():
    values = drawn(2)
    np.testing.assert_array_equal(joined({"a": values}, {"a": 1.0}, STARTS), normal_scores(values, STARTS))
    np.testing.assert_allclose(joined({"a": values, "b": -values}, {"a": 0.5, "b": 0.5}, STARTS), 0.0, atol=1e-12)


def test_the_rank_average_leaves_the_baseline_out():
    assert average_weights() == {"lightgbm": 0.5, "xgboost": 0.5}


def test_stacked_weights_are_the_non_negative_least_squares_of_all_rows():
    label = drawn(3).astype(np.float32)
    predicted = {"good": label + drawn(4), "fair": label + 3 * drawn(5), "wrong": -label + drawn(6)}
    found = stacked_weights([predicted], [label], [STARTS])
    design = np.column_stack([normal_scores(each, STARTS) for each in predicted.values()])
    weights, _ = nnls(design, label.astype(np.float64))
    assert list(found.values()) == pytest.approx(list(weights / weights.sum()))
    assert found["wrong"] == 0.0
    assert found["good"] > found["fair"]


def test_where_nothing_explains_anything_there_are_no_weights():
    label = drawn(7).astype(np.float32)
    assert stacked_weights([{"wrong": -label}], [label], [STARTS]) is None


def test_weights_are_those_of_the_training_and_without_any_an_error():
    rows = [(1, "lightgbm", 0.2, ""), (1, "ridge", 0.8, ""), (2, "lightgbm", 1.0, "")]
    stacking = pl.DataFrame(rows, schema=STACKING.dtypes(), orient="row")
    assert weights_of(stacking, 1) == {"lightgbm": 0.2, "ridge": 0.8}
    assert weights_of(stacking, 2) == {"lightgbm": 1.0}
    with pytest.raises(ValueError, match="no weights of training 3"):
        weights_of(stacking, 3)
