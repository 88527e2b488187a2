"""Measures of risk by hand, and how they meet the scores."""

from __future__ import annotations

import numpy as np
import pytest

from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.quant.portfolio import risk
from mech_exo_tests.quant.portfolio.builders import NAN, matrix, random_market, score_panel, symbols


def panel_of(**fields: np.ndarray) -> Panel:
    shape = next(iter(fields.values())).shape
    axes = score_panel(np.zeros(shape))
    return Panel(axes.sessions, axes.symbols, fields)


def column(*values: float) -> np.ndarray:
    return np.array(values)[:, None]


def test_average_range_by_hand_in_prices_without_dividends():
    # True ranges: 11 - 9 = 2; 12 - 10 (the close before, below the low) = 2; 11.5 - 8 = 3.5; each over a close of 10, 11, 9.
    close, high, low = column(10.0, 11.0, 9.0), column(11.0, 12.0, 10.5), column(9.0, 10.5, 8.0)
    measured = risk.average_range(panel_of(total_return_index=close / 10, close=close, high=high, low=low), window=1)
    np.testing.assert_allclose(measured[:, 0], [NAN, 2.0 / 11.0, 3.0 / 9.0], rtol=1e-14)
    over_two = risk.average_range(panel_of(total_return_index=close / 10, close=close, high=high, low=low), window=2)
    np.testing.assert_allclose(over_two[:, 0], [NAN, 2.0 / 11.0, 2.5 / 9.0], rtol=1e-14)


def test_a_split_and_a_dividend_are_no_range():
    close, high, low = column(10.0, 11.0, 4.5, 4.6), column(11.0, 12.0, 5.25, 4.7), column(9.0, 10.5, 4.0, 4.5)
    halved = panel_of(total_return_index=column(1.0, 1.1, 0.9, 0.92), close=close, high=high, low=low)
    whole = panel_of(
        total_return_index=column(1.0, 1.1, 0.9, 0.92),
        close=column(10.0, 11.0, 9.0, 9.2),
        high=column(11.0, 12.0, 10.5, 9.4),
        low=column(9.0, 10.5, 8.0, 9.0),
    )
    np.testing.assert_allclose(risk.average_range(halved, window=2), risk.average_range(whole, window=2), rtol=1e-14)


def test_without_any_ranges_the_true_range_is_that_of_the_closes():
    closes = panel_of(total_return_index=column(1.0, 1.1, 0.9), close=column(10.0, 11.0, 9.0))
    np.testing.assert_allclose(risk.average_range(closes, window=1)[:, 0], [NAN, 0.1 / 1.1, 0.2 / 0.9], rtol=1e-13)


def test_a_name_without_high_is_unknown_where_others_have_one():
    index = np.array([[1.0, 1.0], [1.1, 1.1]])
    market = panel_of(total_return_index=index, close=index, high=index * [1.01, NAN], low=index * 0.99)
    assert np.isnan(risk.average_range(market, window=1)[1]).tolist() == [False, True]


def test_volatility_is_the_sample_deviation_and_needs_half_of_the_window():
    index = np.cumprod(1 + np.array([0.0, 0.01, -0.02, 0.03, 0.01]))[:, None]
    index[1] = NAN  # two returns are unknown
    measured = risk.volatility(panel_of(total_return_index=index), window=4)[:, 0]
    assert np.isnan(measured[:4]).all()
    assert measured[4] == pytest.approx(np.std([0.03, 0.01], ddof=1))


def test_beta_is_the_slope_on_the_mean_of_all_names():
    rng = np.random.default_rng(2)
    common = rng.normal(size=(30, 1)) * 0.01
    index = np.cumprod(1 + common * np.array([[0.5, 1.0, 1.5]]), axis=0)
    np.testing.assert_allclose(risk.beta(panel_of(total_return_index=index), window=20)[-1], [0.5, 1.0, 1.5], rtol=1e-10)


def test_aligned_takes_the_sessions_and_symbols_of_the_scores():
    axes = score_panel(np.zeros((4, 3)))
    market = Panel(axes.sessions[[0, 1, 3]], symbols(3), {})
    measure = matrix([1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0])
    scores = Panel(axes.sessions[1:], np.array(["R", "S00", "S02", "T"]), {})
    expected = matrix([NAN, 4.0, 6.0, NAN], [NAN] * 4, [NAN, 7.0, 9.0, NAN])
    np.testing.assert_array_equal(risk.aligned(measure, market, scores), expected)
    np.testing.assert_array_equal(risk.aligned(measure, market, Panel(axes.sessions[1:], market.symbols, {}))[0], measure[1])
    assert risk.aligned(measure, market, market) is measure


def test_the_last_known_session_is_not_after_the_one_asked_for():
    axes = score_panel(np.zeros((4, 1)))
    assert risk.last_known(axes.sessions[1:3], axes.sessions).tolist() == [-1, 0, 1, 1]


def test_a_year_knows_two_calendar_years_before_it():
    days = np.arange("2015-06-01", "2020-01-01", dtype="datetime64[D]")
    market = random_market(days, 5)
    known = risk.known_in(market, 2018)
    assert (str(known.sessions[0]), str(known.sessions[-1])) == ("2016-01-01", "2018-12-31")
    assert known["close"].shape == known.shape
