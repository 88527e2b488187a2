"""The volatility target: by hand, what counts, and whether it is met."""

from __future__ import annotations

import numpy as np
import pytest

from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.quant.portfolio.volatility import scaled_to_volatility
from mech_exo_tests.quant.portfolio.builders import NAN, matrix, score_panel, weights_of

YEAR = np.sqrt(252)


def scaled(weights, returns, *, target=0.1, window=4):
    return scaled_to_volatility(weights, returns, np.arange(len(returns)), target=target, window=window)


def test_scaled_by_hand():
    returns = matrix([0.01, 0.00], [-0.01, 0.02], [0.03, 0.01], [0.00, -0.01])
    weights = np.tile(matrix([0.5, -0.5]), (4, 1))
    earned = np.array([0.005, -0.015, 0.01, 0.005])
    out = scaled(weights, returns)
    np.testing.assert_allclose(out[3], weights[3] * 0.1 / (YEAR * np.std(earned, ddof=1)), rtol=1e-13)
    # Two of four sessions are enough, one is not.
    np.testing.assert_allclose(out[1], weights[1] * 0.1 / (YEAR * np.std(earned[:2], ddof=1)), rtol=1e-13)
    assert np.isnan(out[0]).all()


def test_an_unknown_return_is_zero_where_most_of_the_portfolio_is_known():
    returns = matrix([0.01, 0.00], [-0.01, NAN], [0.03, 0.01], [0.00, -0.01])
    earned = np.array([0.006, -0.006, 0.022, -0.004])
    weights = np.tile(matrix([0.6, 0.4]), (4, 1))
    np.testing.assert_allclose(scaled(weights, returns)[3], weights[3] * 0.1 / (YEAR * np.std(earned, ddof=1)), rtol=1e-12)


def test_a_session_without_most_of_the_portfolio_does_not_count():
    returns = matrix([0.01, 0.00], [NAN, 0.02], [0.03, 0.01], [0.00, -0.01])
    earned = np.array([0.006, 0.022, -0.004])
    weights = np.tile(matrix([0.6, 0.4]), (4, 1))
    np.testing.assert_allclose(scaled(weights, returns)[3], weights[3] * 0.1 / (YEAR * np.std(earned, ddof=1)), rtol=1e-12)


@pytest.mark.parametrize("returns", [np.zeros((5, 2)), np.full((5, 2), NAN), np.tile([[0.01], [-0.02], [0.0], [0.03], [0.01]], (1, 2))])
def test_a_portfolio_that_did_not_move_or_is_not_known_has_no_target(returns):
    # The last case: two names that move alike, one long and one short.
    assert np.isnan(scaled(np.tile(matrix([0.5, -0.5]), (5, 1)), returns)).all()


def test_rows_without_a_target_and_before_the_market_have_none():
    returns = np.random.default_rng(0).normal(size=(5, 2))
    weights = matrix([NAN, NAN], [0.5, 0.5])
    assert np.isnan(scaled_to_volatility(weights, returns, np.array([4, -1]), target=0.1, window=4)).all()


def test_realised_volatility_is_near_the_target_on_independent_returns():
    # The deviation of 252 returns errs by 1/√504 = 4.5 per cent, that of 2000 realised ones by 1.6: four times both together.
    rng = np.random.default_rng(5)
    shape = (2300, 40)
    moves = rng.normal(size=shape) * 0.02
    panel = score_panel(np.zeros(shape), start="2005-01-03")
    market = Panel(panel.sessions, panel.symbols, {"total_return_index": np.cumprod(1 + moves, axis=0)})
    scores = Panel(panel.sessions, panel.symbols, {"score": np.tile(rng.normal(size=shape[1]), (shape[0], 1))})
    weights = weights_of(scores, market, volatility_target=0.12, risk_window=250)
    earned = (weights[299:-1] * moves[300:]).sum(axis=1)
    assert np.std(earned, ddof=1) * YEAR == pytest.approx(0.12, rel=4 * np.hypot(0.045, 0.016))


def test_limits_hold_after_the_scaling():
    rng = np.random.default_rng(6)
    panel = score_panel(rng.normal(size=(200, 12)))
    market = Panel(panel.sessions, panel.symbols, {"total_return_index": np.cumprod(1 + rng.normal(size=(200, 12)) * 0.01, axis=0)})
    free = weights_of(panel, market, volatility_target=0.5)
    there = ~np.isnan(free[:, 0])
    assert np.abs(free[there]).sum(axis=1).min() > 2.0
    for limits, largest in (
        ({"gross": 2.0}, lambda row: np.abs(row).sum() / 2.0),
        ({"name": 0.2}, lambda row: np.abs(row).max() / 0.2),
        ({"sector": 1.5}, lambda row: np.abs(row).sum() / 1.5),
    ):
        held = weights_of(panel, market, volatility_target=0.5, limits=limits)[there]
        np.testing.assert_allclose([largest(row) for row in held], 1.0, rtol=1e-9)


def test_the_net_limit_scales_the_whole():
    rng = np.random.default_rng(6)
    panel = score_panel(rng.normal(size=(200, 12)))
    market = Panel(panel.sessions, panel.symbols, {"total_return_index": np.cumprod(1 + rng.normal(size=(200, 12)) * 0.01, axis=0)})
    choices = {"kind": "extension", "gross": 1.6, "volatility_target": 0.5}
    free = weights_of(panel, market, **choices)
    held = weights_of(panel, market, **choices, limits={"net": 1.1})
    there = ~np.isnan(free[:, 0])
    scale = np.minimum(1.0, 1.1 / np.abs(free[there].sum(axis=1)))
    assert scale.min() < 0.7
    np.testing.assert_allclose(held[there], free[there] * scale[:, None], rtol=1e-12, atol=1e-15)
