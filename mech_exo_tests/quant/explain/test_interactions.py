"""Interactions: the definition, XGBoost's own, what was planted, and trees that are refused."""

from __future__ import annotations

import dataclasses

import lightgbm
import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from mech_exo_assets.quant.explain import interactions as module
from mech_exo_assets.quant.explain.interactions import affordable_rows, has_trees, interaction_table, interaction_values
from mech_exo_assets.quant.explain.leaves import leaves_of
from mech_exo_assets.quant.models.fitted import Features, LightGbm, XGBoost
from mech_exo_tests.quant.explain import brute_force
from mech_exo_tests.quant.explain.planted import FEATURES, dataset, extreme, learned, light, ridge, unseen_rows

SMALL = Features(("f01", "f04", "f07", "f02"), FEATURES.categories)


@pytest.mark.parametrize("make", [light, extreme])
def test_contributions_and_interactions_of_tiny_trees_are_shapleys_by_definition(make):
    train = dataset(20, seed=3)
    model = make(train, rounds=4, features=SMALL)
    rows = SMALL.matrix(dataset(1, seed=4))[:30]
    assert np.isnan(rows).any(axis=0).all()
    found, contributions = interaction_values(model, rows), model.contributions(rows)
    for at, row in enumerate(rows):
        expected = brute_force.shapley(model, row, tuple(range(5)))
        np.testing.assert_allclose(contributions[at, :-1], expected, atol=2e-7)
        pairs = brute_force.interactions(model, row, tuple(range(5)))
        np.testing.assert_allclose(found[at] - np.diag(np.diag(found[at])), pairs, atol=2e-7)
        np.testing.assert_allclose(found[at].sum(axis=1), expected, atol=2e-7)
    assert np.abs(found[:, 4, :4]).max() > 0.0  # the sector acts as well


def test_interactions_equal_xgboosts_own():
    _, model, _ = learned()
    rows = unseen_rows()[:60]
    theirs = model.booster.predict(model.matrix(rows), pred_interactions=True)[:, :-1, :-1]
    np.testing.assert_allclose(interaction_values(model, rows), theirs, atol=1e-6)


def test_interactions_of_lightgbm_sum_to_its_contributions():
    model, _, _ = learned()
    rows = unseen_rows()
    found = interaction_values(model, rows)
    np.testing.assert_allclose(found.sum(axis=2), model.contributions(rows)[:, :-1], atol=1e-12)
    np.testing.assert_array_equal(found, found.transpose(0, 2, 1))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), leaves=st.integers(2, 40), rounds=st.integers(1, 5))
def test_trees_of_any_shape_are_read_as_the_library_reads_them(seed, leaves, rounds):
    model = light(dataset(10, seed=seed), rounds=rounds, leaves=leaves)
    rows = FEATURES.matrix(dataset(3, seed=seed + 1))
    np.testing.assert_allclose(interaction_values(model, rows).sum(axis=2), model.contributions(rows)[:, :-1], atol=1e-12)


@pytest.mark.parametrize("which", [0, 1])
def test_the_planted_pair_is_the_strongest_interaction(which):
    model = learned()[which]
    table = interaction_table(model.kind, model, unseen_rows())
    assert table.row(0)[:3] == (model.kind, "f04", "f07")
    assert table["strength"].is_sorted(descending=True)
    assert 0.0 < table["share"].sum() < 1.0


@pytest.mark.parametrize("which", [0, 1])
def test_strength_is_the_mean_absolute_interaction_and_shares_are_of_all_effects(which):
    model, rows = learned()[which], unseen_rows()[:77]
    values = np.abs(interaction_values(model, rows)).mean(axis=0)
    table = interaction_table("m", model, rows, most=10_000)
    names = list(FEATURES.names)
    for first, second, strength, share in table.select("first", "second", "strength", "share").iter_rows():
        i, j = names.index(first), names.index(second)
        assert i < j
        assert strength == pytest.approx(2 * values[i, j], rel=1e-12)
        assert share == pytest.approx(2 * values[i, j] / values.sum(), rel=1e-12)
    assert table.height == np.count_nonzero(np.triu(values, 1))
    assert set(table["rows"]) == {77}


def test_rows_are_limited_by_what_they_cost():
    model = learned()[0]
    leaves = leaves_of(model)
    assert affordable_rows(leaves, 2e9) == pytest.approx(affordable_rows(leaves, 4e9) / 2, rel=0.01)
    cost = 4e9 / affordable_rows(leaves, 4e9)
    table = interaction_table("m", model, unseen_rows(), work=50.5 * cost)
    assert set(table["rows"]) == {50}
    assert set(interaction_table("m", model, unseen_rows(), work=0.0)["rows"]) == {1}


def test_no_rows_and_a_single_leaf_have_no_interactions():
    train = dataset(5)
    assert interaction_table("m", learned()[0], unseen_rows()[:0]).is_empty()
    constant = light(train.with_columns(label=0.0), rounds=1)
    assert interaction_table("m", constant, FEATURES.matrix(train)).is_empty()


def test_a_ridge_regression_has_no_trees():
    assert has_trees(learned()[0])
    assert has_trees(learned()[1])
    assert not has_trees(ridge())


def test_trees_that_are_read_wrongly_are_an_error(monkeypatch):
    model = learned()[0]
    monkeypatch.setattr(module, "leaves_of", lambda _: (leaves := leaves_of(model))._replace(cover=leaves.cover**0.5))
    with pytest.raises(ValueError, match=r"m: row \d+, feature \d+: contribution .* its trees are read wrongly"):
        interaction_table("m", model, unseen_rows()[:20])


def _trained(**choices):
    train = dataset(20)
    rows = np.nan_to_num(FEATURES.matrix(train))
    return rows, train["label"].to_numpy(), {"verbosity": -1, "num_threads": 1} | choices


def test_boosters_that_are_not_read_are_refused():
    rows, label, choices = _trained(linear_tree=True)
    linear = lightgbm.train(choices, lightgbm.Dataset(rows, label, params={"linear_tree": True, "verbosity": -1}), 2)
    with pytest.raises(ValueError, match="linear leaves"):
        leaves_of(LightGbm(FEATURES, linear))
    rows, label, choices = _trained(zero_as_missing=True)
    zeros = lightgbm.train(choices, lightgbm.Dataset(np.where(rows > 0, rows, 0), label, params=choices), 2)
    with pytest.raises(ValueError, match="zeros for missing"):
        leaves_of(LightGbm(FEATURES, zeros))
    line = xgboost.train({"booster": "gblinear", "nthread": 1}, xgboost.DMatrix(rows, label), 2)
    with pytest.raises(ValueError, match="not made of trees"):
        leaves_of(XGBoost(FEATURES, line))


def test_without_missing_values_in_training_a_missing_one_counts_as_lightgbm_counts_it():
    rows, label, choices = _trained()
    model = LightGbm(dataclasses.replace(FEATURES), lightgbm.train(choices, lightgbm.Dataset(rows, label), 10), 1)
    with_gaps = unseen_rows()
    np.testing.assert_allclose(interaction_values(model, with_gaps).sum(axis=2), model.contributions(with_gaps)[:, :-1], atol=1e-12)
