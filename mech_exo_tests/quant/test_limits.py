"""Limits of a backtest: which are left, over which sessions, and when nothing can be said."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mech_exo_assets.quant.limits import judge
from mech_exo_assets.settings.judgement import Alerts


def days(count: int) -> np.ndarray:
    return np.datetime64("2022-01-03") + np.arange(count)


def limits(sessions: int = 20, min_sharpe: float | None = 0.0, max_drawdown: float | None = 0.2) -> Alerts:
    return Alerts(sessions=sessions, min_sharpe=min_sharpe, max_drawdown=max_drawdown)


def of(returns, **chosen):
    return judge(np.array(returns, dtype=float), days(len(returns)), limits(**chosen))


def test_known_figures_are_held_against_their_limits():
    # A fall of 10 % and one of 20 % from the first close: 0.9 · 0.8 = 0.72. The mean of the other 17 sessions is zero.
    judgement = of([0.1, -0.1, -0.2] + [0.0] * 17)
    assert judgement.judged
    assert (judgement.n_sessions, judgement.wanted) == (20, 20)
    assert (judgement.first, judgement.last) == (dt.date(2022, 1, 3), dt.date(2022, 1, 22))
    sharpe, drawdown = judgement.checks
    assert (sharpe.name, sharpe.limit, sharpe.left) == ("min_sharpe", 0.0, True)
    # Mean -0.01; squares about it: 0.11² + 0.09² + 0.19² + 17 · 0.01² = 0.058.
    assert sharpe.value == pytest.approx(-0.01 / np.sqrt(0.058 / 19) * np.sqrt(252), rel=1e-12)
    assert (drawdown.name, drawdown.limit, drawdown.left) == ("max_drawdown", 0.2, True)
    assert drawdown.value == pytest.approx(0.28, rel=1e-12)
    assert (drawdown.peak, drawdown.trough) == (dt.date(2022, 1, 3), dt.date(2022, 1, 5))
    assert judgement.breaches == judgement.checks


def test_a_drawdown_from_the_opening_value_has_no_peak_date():
    assert (of([-0.3] + [0.01] * 19).checks[1].peak, of([0.01] * 19 + [0.02]).checks[1].trough) == (None, None)


def test_a_figure_on_its_limit_keeps_it():
    judgement = of([0.25, -0.25] + [0.0, 0.0] * 9, max_drawdown=0.25)
    assert [(each.value, each.left) for each in judgement.checks] == [(0.0, False), (0.25, False)]
    assert judgement.breaches == ()


def test_only_the_last_sessions_count():
    ruin = [-0.5] * 5
    calm = [0.01, 0.02] * 10
    assert [each.name for each in of(ruin + calm, sessions=25).breaches] == ["min_sharpe", "max_drawdown"]
    judgement = of(ruin + calm, sessions=20)
    assert judgement.breaches == ()
    assert judgement.first == dt.date(2022, 1, 8)


@pytest.mark.parametrize("count", [0, 1, 19])
def test_with_fewer_sessions_than_asked_for_nothing_is_judged(count: int):
    judgement = of([-0.1] * count)
    assert not judgement.judged
    assert (judgement.n_sessions, judgement.wanted, judgement.checks, judgement.breaches) == (count, 20, (), ())
    assert judgement.last == (dt.date(2022, 1, 2) + dt.timedelta(days=count) if count else None)


def test_a_limit_that_is_not_set_is_not_judged():
    falling = [-0.05, -0.04] * 10
    assert [each.name for each in of(falling, min_sharpe=None).checks] == ["max_drawdown"]
    assert [each.name for each in of(falling, max_drawdown=None).checks] == ["min_sharpe"]
    assert of(falling, min_sharpe=None, max_drawdown=None).checks == ()


def test_a_sharpe_ratio_that_is_not_defined_is_neither_kept_nor_left():
    sharpe, drawdown = of([0.0] * 20).checks
    assert (sharpe.value, sharpe.left) == (None, None)
    assert (drawdown.value, drawdown.left) == (0.0, False)


def test_a_total_loss_is_judged():
    assert of([-1.0] + [0.0] * 19).checks[1].value == 1.0


@pytest.mark.parametrize(("returns", "complaint"), [([np.nan] + [0.0] * 19, "NaN"), ([-1.5] + [0.0] * 19, "-1.5")])
def test_returns_that_cannot_be_are_refused(returns: list[float], complaint: str):
    with pytest.raises(ValueError, match=complaint):
        of(returns)


def test_what_could_not_be_judged_stays_as_it_was():
    assert of([0.01] * 5).left_after(["max_drawdown"]) == ("max_drawdown",)
    assert of([0.0] * 20).left_after(["min_sharpe", "max_drawdown"]) == ("min_sharpe",)
    assert of([0.0] * 20).left_after([]) == ()
    assert of([-0.05, -0.04] * 10).left_after([]) == ("min_sharpe", "max_drawdown")
    assert of([-0.05, -0.04] * 10, min_sharpe=None).left_after(["min_sharpe"]) == ("max_drawdown",)


@given(st.lists(st.floats(-0.5, 0.5), min_size=20, max_size=40), st.floats(0.01, 0.5), st.floats(0.0, 0.4))
def test_a_wider_limit_is_never_left_where_a_narrower_one_is_kept(returns: list[float], limit: float, wider: float):
    narrow, wide = of(returns, max_drawdown=limit), of(returns, min_sharpe=-wider, max_drawdown=limit + wider)
    assert {each.name for each in wide.breaches} <= {each.name for each in narrow.breaches}
