"""Which names are held, for every kind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mech_exo_assets.quant.portfolio.selection import Distances, positions, run_starts, sides, top_n_sides
from mech_exo_assets.settings.portfolio import TopN
from mech_exo_tests.quant.portfolio.builders import NAN, construct, matrix, score_panel, table_of, weights_of

SCORES = arrays(
    np.float64,
    st.tuples(st.integers(1, 5), st.integers(1, 12)),
    elements=st.one_of(st.just(NAN), st.floats(-5, 5).map(lambda score: round(score, 3))),
)


def sides_of(scores, **choices):
    return sides(scores, Distances.of(scores), construct(**choices))


def top_n(scores, names, *, leave=1.0, min_holding=0, entered=None, numbers=None):
    held = top_n_sides(
        positions(scores),
        ~np.isnan(scores),
        TopN(names=names, leave=leave, min_holding=min_holding),
        numbers=np.arange(len(scores)) + 10 if numbers is None else np.array(numbers),
        entered=np.full(scores.shape[1], -1) if entered is None else np.array(entered),
    )
    return [np.flatnonzero(row).tolist() for row in held]


def test_positions_rank_the_best_first_ties_by_symbol_and_unknown_names_last():
    assert positions(matrix([1.0, NAN, 3.0, 1.0])).tolist() == [[1, 3, 0, 2]]


def test_long_short_and_extension_are_long_above_the_mean_and_short_below():
    for kind in ("long_short", "extension"):
        assert sides_of(matrix([1.0, 2.0, 3.0, NAN]), kind=kind).tolist() == [[-1, 0, 1, 0]]


def test_quantile_is_long_the_best_and_short_the_worst():
    assert sides_of(matrix([5.0, 4.0, 3.0, NAN, 2.0, 1.0, 0.0]), kind="quantile", quantile=0.3).tolist() == [[1, 1, 0, 0, 0, -1, -1]]


@pytest.mark.parametrize(("count", "quantile", "each"), [(2, 0.1, 1), (3, 0.5, 1), (7, 0.5, 3), (10, 0.25, 2), (10, 0.35, 4), (5, 0.5, 2)])
def test_quantile_rounds_halves_to_even_with_one_name_at_least_and_no_name_on_both_sides(count, quantile, each):
    side = sides_of(np.arange(float(count))[None, :], kind="quantile", quantile=quantile)[0]
    assert (side > 0).sum() == (side < 0).sum() == each
    assert (side[:each] == -1).all()
    assert (side[count - each :] == 1).all()


def test_quantile_ties_go_by_symbol_on_both_sides():
    assert sides_of(matrix([2.0, 1.0, 1.0, 1.0, 1.0, 0.0]), kind="quantile", quantile=0.33).tolist() == [[1, 1, 0, 0, -1, -1]]


@pytest.mark.parametrize("kind", ["long_short", "quantile", "extension"])
@pytest.mark.parametrize("row", [[NAN, NAN, NAN], [2.0, 2.0, 2.0], [1.0, NAN, NAN]])
def test_there_is_no_target_with_shorts_without_scores_or_without_dispersion(kind, row):
    assert np.isnan(weights_of(score_panel(matrix(row)), kind=kind)).all()


@pytest.mark.parametrize(("quantile", "held"), [(0.01, 1), (0.2, 2), (0.25, 2), (0.35, 4), (0.44, 4), (1.0, 10)])
def test_long_only_holds_the_rounded_quantile_and_at_least_one(quantile, held):
    weights = weights_of(score_panel(np.arange(10.0)[None, :]), kind="long_only", gross=0.8, quantile=quantile)[0]
    assert np.flatnonzero(weights).tolist() == list(range(10 - held, 10))
    np.testing.assert_allclose(weights[10 - held :], 0.8 / held, rtol=1e-15)


@given(SCORES, st.floats(0.1, 4), st.floats(0.01, 1))
def test_long_only_weights_are_equal_add_up_to_gross_and_lie_on_the_best(scores, gross, quantile):
    for row, weights in zip(scores, weights_of(score_panel(scores), kind="long_only", gross=gross, quantile=quantile), strict=True):
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


def test_long_only_ties_go_by_symbol():
    assert weights_of(score_panel(matrix([1.0, 1.0, 1.0, 1.0])), kind="long_only", quantile=0.5).tolist() == [[0.5, 0.5, 0.0, 0.0]]
    many = sides_of(matrix([float(number % 2) for number in range(100)]), kind="long_only", quantile=0.25)[0]
    assert np.flatnonzero(many).tolist() == list(range(1, 50, 2))


def test_top_n_without_bands_holds_the_best():
    assert top_n(matrix([3.0, 2.0, 1.0, 0.0], [0.0, 1.0, 2.0, 3.0]), 2) == [[0, 1], [2, 3]]


def test_top_n_keeps_a_name_until_its_rank_is_above_the_leaving_rank():
    # Name 0 falls to rank 2, 3 (= 1.5 · 2) and 4: it leaves at 4, and the best name that is not held takes its place.
    scores = matrix([9.0, 8.0, 1.0, 0.0], [7.0, 8.0, 1.0, 0.0], [7.0, 9.0, 8.0, 0.0], [0.0, 9.0, 8.0, 7.0])
    assert top_n(scores, 2, leave=1.5) == [[0, 1], [0, 1], [0, 1], [1, 2]]


def test_top_n_holds_a_name_for_the_minimum_of_exchange_sessions():
    scores = matrix([3.0, 2.0, 1.0], [1.0, 3.0, 2.0], [1.0, 3.0, 2.0], [1.0, 3.0, 2.0])
    assert top_n(scores, 1, min_holding=3) == [[0], [0], [0], [1]]
    # The scores lack two sessions of the exchange: they count.
    assert top_n(scores, 1, min_holding=3, numbers=[10, 11, 14, 15]) == [[0], [0], [1], [1]]


def test_top_n_drops_a_name_without_a_score_at_once_and_takes_it_anew_later():
    scores = matrix([3.0, 2.0, 1.0], [NAN, 2.0, 1.0], [3.0, 2.0, 1.0])
    assert top_n(scores, 1, leave=2.0, min_holding=100) == [[0], [1], [1]]


def test_top_n_leaves_everything_as_it_was_on_a_session_without_scores():
    scores = matrix([3.0, 2.0, 1.0], [NAN, NAN, NAN], [2.5, 3.0, 1.0])
    assert top_n(scores, 1, leave=2.0) == [[0], [], [0]]


def test_top_n_has_no_place_for_others_while_the_minimum_holding_keeps_its_names():
    scores = matrix([3.0, 2.0, 1.0, 0.0], [0.0, 1.0, 2.0, 3.0])
    assert top_n(scores, 2, min_holding=5) == [[0, 1], [0, 1]]


def test_top_n_takes_up_what_was_held_before():
    scores = matrix([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert top_n(scores, 1, min_holding=4, entered=[7, -1, -1]) == [[0], [2]]


@given(SCORES, st.integers(1, 4), st.floats(1, 3), st.integers(0, 3))
def test_top_n_never_holds_more_than_so_many_and_fills_all_places(scores, names, leave, min_holding):
    for row, held in zip(scores, top_n(scores, names, leave=leave, min_holding=min_holding), strict=True):
        assert len(held) == min(names, int((~np.isnan(row)).sum()))
        assert not np.isnan(row[held]).any()


@given(SCORES, st.integers(1, 4))
def test_top_n_without_bands_is_the_same_as_the_best_by_rank(scores, names):
    for place, held in zip(positions(scores), top_n(scores, names), strict=True):
        assert set(held) <= set(np.flatnonzero(place < names).tolist())


def test_top_n_weights_are_gross_over_the_names():
    weights = weights_of(score_panel(matrix([4.0, 3.0, 2.0, 1.0])), kind="top_n", gross=0.9, top_n={"names": 3})
    np.testing.assert_allclose(weights, [[0.3, 0.3, 0.3, 0.0]], rtol=1e-15)


def test_the_run_of_a_held_name_starts_after_the_last_date_without_it():
    dates = np.array(["2020-01-02", "2020-01-03", "2020-01-06"], dtype="datetime64[D]")
    held = np.array([[1, 1, 0, 1], [1, 0, 0, 1], [1, 1, 1, 0]], dtype=bool)
    assert run_starts(held, dates).astype(str).tolist() == ["2020-01-02", "2020-01-06", "2020-01-06", "NaT"]
    assert np.isnat(run_starts(held[:0], dates[:0])).all()


def test_top_n_goes_on_from_the_targets_of_the_year_before():
    before = table_of(score_panel(matrix([3.0, 2.0, 1.0], [3.0, 2.0, 1.0]), start="2019-12-30"), kind="top_n", top_n={"names": 1})
    scores = score_panel(np.tile(matrix([1.0, 2.0, 3.0]), (4, 1)), start="2020-01-02")
    choices = {"kind": "top_n", "top_n": {"names": 1, "leave": 1.0, "min_holding": 4}}
    # Entered on 30 December; 2, 3 and 6 January are the second, third and fourth session after it (31 December is the first).
    weights = weights_of(scores, previous=before, **choices)
    assert [np.flatnonzero(row).tolist() for row in weights] == [[0], [0], [2], [2]]
    # Rows of other years say nothing of who was held at the end of the last.
    alone = weights_of(score_panel(scores["score"], start="2021-01-04"), previous=before, **choices)
    assert [np.flatnonzero(row).tolist() for row in alone] == [[2]] * 4
