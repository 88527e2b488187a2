"""The Pareto front and the rules that pick one of it."""

from __future__ import annotations

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mech_exo_assets.quant.performance import performance
from mech_exo_assets.quant.weights.frontier import Rule, choose, front, objectives

ROWS = st.integers(1, 12).flatmap(lambda count: arrays.arrays(float, (count, 3), elements=st.sampled_from([-1.0, 0.0, 0.5, 1.0, 1.5, 2.0])))
RULES: tuple[Rule, ...] = ("sharpe", "drawdown", "calmar", "balanced")


def dominated(row: np.ndarray, rows: np.ndarray) -> bool:
    """By hand: another has at least the ratios and at most the drawdown, and not the same of all."""
    return any(
        other[0] >= row[0] and other[1] <= row[1] and other[2] >= row[2] and (other[0] > row[0] or other[1] < row[1] or other[2] > row[2])
        for other in rows
    )


@hypothesis.given(ROWS)
def test_the_front_is_what_no_other_dominates(values: np.ndarray):
    assert front(values).tolist() == [not dominated(row, values) for row in values]
    assert front(values).any()


def test_equal_rows_are_all_on_the_front_or_none():
    best, worse = [1.0, 0.1, 2.0], [0.5, 0.2, 1.0]
    assert front(np.array([best, worse, best, worse])).tolist() == [True, False, True, False]


def test_nothing_has_an_empty_front():
    assert front(np.empty((0, 3))).shape == (0,)


@hypothesis.given(ROWS, st.sampled_from(RULES))
def test_of_the_rows_that_a_rule_likes_best_the_first_is_chosen(values: np.ndarray, rule: Rule):
    at = choose(values, rule)
    if rule == "balanced":
        assert front(values)[at]
    else:
        column = {"sharpe": values[:, 0], "drawdown": -values[:, 1], "calmar": values[:, 2]}[rule]
        assert at == int(np.flatnonzero(column == column.max())[0])
    doubled = np.vstack([values, values])
    assert choose(doubled, rule) == at


def test_balanced_is_the_nearest_to_the_best_of_each():
    values = np.array([[2.0, 0.5, 1.0], [1.0, 0.1, 3.0], [1.9, 0.15, 2.8], [0.0, 0.9, 0.0]])
    # The last is not on the front, whose ranges are 1 to 2, 0.1 to 0.5 and 1 to 3; the third has distances 0.1, 0.125 and 0.1.
    assert [choose(values, rule) for rule in RULES] == [0, 1, 1, 2]


@hypothesis.given(ROWS, st.floats(0.1, 10), st.floats(-5, 5))
def test_the_scale_of_an_objective_does_not_change_what_is_balanced(values: np.ndarray, factor: float, shift: float):
    other = values.copy()
    other[:, 1] = factor * other[:, 1] + shift
    of_front, chosen = np.flatnonzero(front(values)), choose(values, "balanced")
    hypothesis.assume(len(np.unique(np.round(distances(values[of_front]), 6))) == len(np.unique(values[of_front], axis=0)))
    np.testing.assert_array_equal(values[choose(other, "balanced")], values[chosen])


def distances(rows: np.ndarray) -> np.ndarray:
    gains = rows * [1, -1, 1]
    spread = np.ptp(gains, axis=0)
    return (((gains.max(axis=0) - gains) / np.where(spread > 0, spread, 1)) ** 2).sum(axis=1)


def test_balanced_is_not_led_astray_by_one_that_never_lost():
    values = np.array([[0.1, 0.3, 0.1], [1.0, 0.0, np.inf], [2.0, 0.2, 2.0]])
    # Of the two on the front, the one that never lost is best in two of three; the other only in the first.
    assert choose(values, "balanced") == 1
    assert choose(values[::-1], "balanced") == 1
    # Among those that lost, an infinite ratio elsewhere makes no difference.
    closer = np.array([[1.9, 0.1, np.inf], [2.0, 0.2, 2.0], [1.0, 0.3, 3.0]])
    assert choose(closer, "balanced") == 0


RETURNS = arrays.arrays(float, st.tuples(st.integers(2, 40), st.integers(1, 4)), elements=st.floats(-0.2, 0.2).map(lambda x: round(x, 4)))


@hypothesis.given(RETURNS)
def test_objectives_are_those_of_performance(returns: np.ndarray):
    sessions = np.datetime64("2020-01-01") + np.arange(len(returns))
    for series, found in zip(returns.T, objectives(returns), strict=True):
        figures = performance(series, sessions)
        hypothesis.assume(figures.sharpe is not None)
        assert found[0] == pytest.approx(figures.sharpe, rel=1e-9)
        assert found[1] == pytest.approx(-figures.max_drawdown, abs=1e-12)
        if figures.calmar is None:
            assert found[2] == np.inf
        else:
            assert found[2] == pytest.approx(figures.calmar, rel=1e-9)


def test_returns_that_do_not_vary_are_never_chosen():
    rng = np.random.default_rng(0)
    returns = np.column_stack([np.zeros(100), rng.normal(0.001, 0.01, 100), rng.normal(0.0, 0.01, 100)])
    assert [choose(objectives(returns), rule) for rule in RULES] == [choose(objectives(returns[:, 1:]), rule) + 1 for rule in RULES]
