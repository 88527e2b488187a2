"""Constructions: what is promised about gross, neutrality and the number of names, for any scores."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.quant.portfolio import long_only, long_short, target_table
from mech_exo_assets.schemas import TARGETS

NAN = np.nan
SCORES = arrays(
    np.float64,
    st.tuples(st.integers(1, 5), st.integers(1, 12)),
    elements=st.one_of(st.just(NAN), st.floats(-5, 5).map(lambda score: round(score, 3))),
)
GROSS = st.floats(0.1, 4)


def matrix(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=float)


def score_panel(scores: np.ndarray) -> Panel:
    symbols = np.array([f"S{number:02}" for number in range(scores.shape[1])])
    return Panel(np.datetime64("2020-01-01") + np.arange(len(scores)), symbols, {"score": scores})


def test_long_short_by_hand():
    # Mean 2; distances -1, 0, 1, 2 and -2 add up to 6 in absolute value.
    np.testing.assert_allclose(
        long_short(matrix([1.0, 2.0, 3.0, 4.0, 0.0, NAN]), gross=1.5), [[-0.25, 0.0, 0.25, 0.5, -0.5, 0.0]], rtol=0, atol=1e-15
    )


@given(SCORES, GROSS)
def test_long_short_has_the_gross_in_halves_on_each_side_or_no_target(scores, gross):
    for row, weights in zip(scores, long_short(scores, gross=gross), strict=True):
        if np.isnan(weights).any():
            assert np.isnan(weights).all()
            assert np.isnan(row).all() or np.ptp(row[~np.isnan(row)]) < 1e-9
        else:
            assert weights[weights > 0].sum() == pytest.approx(gross / 2, abs=1e-9)
            assert weights[weights < 0].sum() == pytest.approx(-gross / 2, abs=1e-9)
            assert (weights[np.isnan(row)] == 0).all()


@given(SCORES)
def test_a_better_score_never_has_a_smaller_long_short_weight(scores):
    for row, weights in zip(scores, long_short(scores, gross=1.0), strict=True):
        known = ~np.isnan(row) & ~np.isnan(weights)
        assert (np.diff(weights[known][np.argsort(row[known], kind="stable")]) >= 0).all()


@given(SCORES, st.floats(0.5, 20), st.floats(-3, 3))
def test_long_short_weights_do_not_depend_on_scale_and_level_of_the_scores(scores, scale, level):
    dispersed = [row for row in scores if (~np.isnan(row)).sum() > 1 and np.nanmax(row) - np.nanmin(row) > 0.01]
    assume(dispersed)
    chosen = np.array(dispersed)
    np.testing.assert_allclose(long_short(scale * chosen + level, gross=1.0), long_short(chosen, gross=1.0), rtol=0, atol=1e-9)


@given(SCORES, st.randoms())
def test_permuting_the_symbols_permutes_the_long_short_weights(scores, random):
    order = list(range(scores.shape[1]))
    random.shuffle(order)
    np.testing.assert_allclose(long_short(scores[:, order], gross=1.0), long_short(scores, gross=1.0)[:, order], rtol=0, atol=1e-12)


@pytest.mark.parametrize("row", [[NAN, NAN, NAN], [2.0, 2.0, 2.0], [1.0, NAN, NAN]])
def test_long_short_has_no_target_without_scores_or_without_dispersion(row):
    assert np.isnan(long_short(matrix(row), gross=1.0)).all()


def test_long_short_weights_do_not_move_by_a_bit_when_unscored_names_stand_between():
    scores = np.random.default_rng(4).normal(size=(30, 41))
    wide = np.full((30, 82), NAN)
    wide[:, ::2] = scores
    np.testing.assert_array_equal(long_short(wide, gross=1.0)[:, ::2], long_short(scores, gross=1.0))


@pytest.mark.parametrize(("quantile", "held"), [(0.01, 1), (0.2, 2), (0.25, 2), (0.35, 4), (0.44, 4), (1.0, 10)])
def test_long_only_holds_the_rounded_quantile_and_at_least_one(quantile, held):
    weights = long_only(np.arange(10.0)[None, :], gross=0.8, quantile=quantile)[0]
    assert np.flatnonzero(weights).tolist() == list(range(10 - held, 10))
    np.testing.assert_allclose(weights[10 - held :], 0.8 / held, rtol=1e-15)


@given(SCORES, GROSS, st.floats(0.01, 1))
def test_long_only_weights_are_equal_add_up_to_gross_and_lie_on_the_best(scores, gross, quantile):
    for row, weights in zip(scores, long_only(scores, gross=gross, quantile=quantile), strict=True):
        scored = int((~np.isnan(row)).sum())
        if not scored:
            assert np.isnan(weights).all()
            continue
        held = weights > 0
        assert held.sum() == max(1, round(quantile * scored))
        assert weights.sum() == pytest.approx(gross)
        assert np.ptp(weights[held]) == 0
        assert not np.isnan(row[held]).any()
        left = row[~held & ~np.isnan(row)]
        assert not len(left) or row[held].min() >= left.max()


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=12, unique=True), st.floats(0.01, 1), st.randoms())
def test_permuting_the_symbols_permutes_the_long_only_weights(row, quantile, random):
    order = list(range(len(row)))
    random.shuffle(order)
    scores = matrix(row)
    np.testing.assert_array_equal(
        long_only(scores[:, order], gross=1.0, quantile=quantile), long_only(scores, gross=1.0, quantile=quantile)[:, order]
    )


def test_long_only_ties_go_by_symbol():
    assert long_only(matrix([1.0, 1.0, 1.0, 1.0]), gross=1.0, quantile=0.5).tolist() == [[0.5, 0.5, 0.0, 0.0]]
    many = long_only(matrix([float(number % 2) for number in range(100)]), gross=1.0, quantile=0.25)[0]
    assert np.flatnonzero(many).tolist() == list(range(1, 50, 2))


def test_the_target_table_has_the_held_names_only():
    table = target_table(score_panel(matrix([1.0, 2.0, 3.0, NAN], [NAN, NAN, NAN, NAN])), kind="long_short", gross=1.0, quantile=0.2)
    assert table["symbol"].to_list() == ["S00", "S02"]
    assert table["weight"].to_list() == [-0.5, 0.5]
    assert table.schema == TARGETS.empty().schema


def test_the_target_table_of_a_long_only_portfolio():
    table = target_table(score_panel(matrix([1.0, 2.0, 3.0, NAN])), kind="long_only", gross=0.9, quantile=0.34)
    assert table.select("symbol", "weight").rows() == [("S02", 0.9)]


def test_no_scores_give_an_empty_target_table():
    panel = Panel.from_frame(pl.DataFrame(schema={"date": pl.Date, "symbol": pl.String, "score": pl.Float64}), ["score"])
    table = target_table(panel, kind="long_short", gross=1.0, quantile=0.2)
    assert table.is_empty()
    assert table.schema == TARGETS.empty().schema
