"""How large the names are: each sizing by hand, and what is promised of the sides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.quant.portfolio import risk
from mech_exo_tests.quant.portfolio.builders import NAN, matrix, random_market, random_scores, score_panel, weights_of

SCORES = arrays(
    np.float64,
    st.tuples(st.integers(1, 5), st.integers(1, 12)),
    elements=st.one_of(st.just(NAN), st.floats(-5, 5).map(lambda score: round(score, 3))),
)
GROSS = st.floats(0.1, 4)


def long_short(scores, gross=1.0):
    return weights_of(score_panel(scores), gross=gross)


def test_long_short_by_hand():
    # Mean 2; distances -1, 0, 1, 2 and -2 add up to 6 in absolute value.
    np.testing.assert_allclose(
        long_short(matrix([1.0, 2.0, 3.0, 4.0, 0.0, NAN]), 1.5), [[-0.25, 0.0, 0.25, 0.5, -0.5, 0.0]], rtol=0, atol=1e-15
    )


@given(SCORES, GROSS)
def test_long_short_has_the_gross_in_halves_on_each_side_or_no_target(scores, gross):
    for row, weights in zip(scores, long_short(scores, gross), strict=True):
        if np.isnan(weights).any():
            assert np.isnan(weights).all()
            assert np.isnan(row).all() or np.ptp(row[~np.isnan(row)]) < 1e-9
        else:
            assert weights[weights > 0].sum() == pytest.approx(gross / 2, abs=1e-9)
            assert weights[weights < 0].sum() == pytest.approx(-gross / 2, abs=1e-9)
            assert (weights[np.isnan(row)] == 0).all()


@given(SCORES)
def test_a_better_score_never_has_a_smaller_long_short_weight(scores):
    for row, weights in zip(scores, long_short(scores), strict=True):
        known = ~np.isnan(row) & ~np.isnan(weights)
        assert (np.diff(weights[known][np.argsort(row[known], kind="stable")]) >= 0).all()


@given(SCORES, st.floats(0.5, 20), st.floats(-3, 3))
def test_long_short_weights_do_not_depend_on_scale_and_level_of_the_scores(scores, scale, level):
    dispersed = [row for row in scores if (~np.isnan(row)).sum() > 1 and np.nanmax(row) - np.nanmin(row) > 0.01]
    assume(dispersed)
    chosen = np.array(dispersed)
    np.testing.assert_allclose(long_short(scale * chosen + level), long_short(chosen), rtol=0, atol=1e-9)


def test_long_short_weights_do_not_move_by_a_bit_when_unscored_names_stand_between():
    scores = np.random.default_rng(4).normal(size=(30, 41))
    wide = np.full((30, 82), NAN)
    wide[:, ::2] = scores
    np.testing.assert_array_equal(long_short(wide)[:, ::2], long_short(scores))


def test_extension_divides_each_side_by_the_distance_from_the_mean():
    # Mean 2; longs 1 and 2 away share 1.3, shorts 1 and 2 away share 0.3.
    weights = weights_of(score_panel(matrix([1.0, 2.0, 3.0, 4.0, 0.0])), kind="extension", gross=1.6, short=0.3)
    np.testing.assert_allclose(weights, [[-0.1, 0.0, 1.3 / 3, 2.6 / 3, -0.2]], rtol=1e-14)


def test_quantile_with_score_sizing_leaves_out_a_name_on_the_other_side_of_the_mean():
    # Mean 2.5: the second best name lies below it.
    weights = weights_of(score_panel(matrix([10.0, 0.0, 0.0, 0.0])), kind="quantile", quantile=0.5, sizing="score")
    np.testing.assert_allclose(weights, [[0.5, 0.0, -0.25, -0.25]], rtol=1e-15)


def steady_market(moves: np.ndarray) -> Panel:
    """Prices with the given returns from 60 sessions back, so that row t of the scores is row 60 + t here."""
    panel = score_panel(moves, start="2019-10-01")
    index = np.cumprod(1 + moves, axis=0)
    return Panel(panel.sessions, panel.symbols, {"total_return_index": index, "close": 100 * index})


def alternating(*sizes: float, count: int = 60) -> np.ndarray:
    """Returns of plus and minus a size, in turn: a standard deviation of size · √(n / (n − 1)) over an even window."""
    signs = np.where(np.arange(count) % 2, 1.0, -1.0)[:, None]
    return signs * np.array(sizes)


def last_scores(market: Panel, row: list[float]) -> Panel:
    return Panel(market.sessions[-1:], market.symbols, {"score": matrix(row)})


def test_inverse_volatility_by_hand():
    # Longs of volatility 1 and 3 per cent share 0.5 as 3 to 1; the third, long too, does not move and is not held.
    market = steady_market(alternating(0.01, 0.03, 0.0, 0.02))
    weights = weights_of(last_scores(market, [3.0, 2.0, 2.5, -4.0]), market, sizing="inverse_volatility", risk_window=10)
    np.testing.assert_allclose(weights, [[0.375, 0.125, 0.0, -0.5]], rtol=1e-12)


def test_kelly_by_hand():
    market = steady_market(alternating(0.01, 0.02, 0.04))
    deviation = np.array([0.01, 0.02, 0.04]) * np.sqrt(10 / 9)
    scores = [1.2, -0.2, -1.0]
    choices = {"sizing": "kelly", "risk_window": 10, "kelly": {"fraction": 0.5, "information_coefficient": 0.01}}
    full = 0.5 * 0.01 * np.array(scores) / deviation
    np.testing.assert_allclose(weights_of(last_scores(market, scores), market, **choices)[0], full, rtol=1e-12)
    capped = weights_of(last_scores(market, scores), market, **choices, limits={"name": 0.1})
    np.testing.assert_allclose(capped[0], [0.1, full[1], -0.1], rtol=1e-12)
    scaled = weights_of(last_scores(market, scores), market, **choices, gross=0.2)
    np.testing.assert_allclose(scaled[0], full * 0.2 / np.abs(full).sum(), rtol=1e-12)


def test_kelly_without_shorts_holds_no_name_of_negative_score():
    market = steady_market(alternating(0.01, 0.02, 0.04))
    choices = {"sizing": "kelly", "risk_window": 10}
    for kind in ({"kind": "top_n", "top_n": {"names": 3}}, {"kind": "long_only", "quantile": 1.0}):
        weights = weights_of(last_scores(market, [1.2, -0.2, -1.0]), market, **choices, **kind)[0]
        assert np.flatnonzero(weights).tolist() == [0]
        assert np.isnan(weights_of(last_scores(market, [-1.0, -2.0, -3.0]), market, **choices, **kind)).all()


def test_atr_costs_each_name_of_a_side_the_same_for_one_average_true_range():
    panel = random_market(score_panel(np.zeros((60, 8))).sessions, 8)
    scores = random_scores(panel.sessions, 8, missing=0.0)
    weights = weights_of(scores, panel, sizing="atr", atr_window=10)
    cost = np.abs(weights) * risk.average_range(panel, window=10)
    for row, side in zip(cost[40:], weights[40:], strict=True):
        for sign in (1, -1):
            of_side = row[np.sign(side) == sign]
            assert len(of_side) > 0
            np.testing.assert_allclose(of_side, of_side[0], rtol=1e-12)


@pytest.mark.parametrize(
    ("kind", "sizing"),
    [
        (kind, sizing)
        for kind in ("long_short", "quantile", "extension", "long_only", "top_n")
        for sizing in ("score", "equal", "inverse_volatility", "atr")
        if (kind, sizing) != ("top_n", "score")  # which the settings refuse
    ],
)
def test_each_side_has_its_budget(kind, sizing):
    market = random_market(score_panel(np.zeros((150, 20))).sessions, 20)
    scores = random_scores(market.sessions, 20)
    weights = weights_of(scores, market, kind=kind, sizing=sizing, gross=1.4, top_n={"names": 5})
    there = weights[~np.isnan(weights[:, 0])]
    assert len(there) > 100
    long, short = {"extension": (1.1, 0.3), "long_short": (0.7, 0.7), "quantile": (0.7, 0.7)}.get(kind, (1.4, 0.0))
    np.testing.assert_allclose(np.where(there > 0, there, 0).sum(axis=1), long, rtol=1e-12)
    np.testing.assert_allclose(np.where(there < 0, there, 0).sum(axis=1), -short, rtol=1e-12)


def test_without_a_known_risk_there_is_no_new_target():
    panel = score_panel(np.random.default_rng(3).normal(size=(40, 6)))
    market = Panel(panel.sessions, panel.symbols, {"total_return_index": np.ones(panel.shape)})
    assert np.isnan(weights_of(panel, market, sizing="inverse_volatility")).all()
    assert np.isnan(weights_of(panel, Panel(panel.sessions, panel.symbols), sizing="atr")).all()


def test_a_side_without_a_name_that_can_be_held_is_no_new_target():
    market = steady_market(alternating(0.01, 0.0, 0.0))
    assert np.isnan(weights_of(last_scores(market, [3.0, 1.0, 1.0]), market, sizing="inverse_volatility", risk_window=10)).all()
