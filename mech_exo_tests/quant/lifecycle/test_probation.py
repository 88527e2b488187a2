"""The probation: a strategy as good as expected is taken back as seldom as stated, a bad one soon."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.quant.calendar import closes, sessions
from mech_exo_assets.quant.lifecycle.probation import expected_paths, limits, probation_table
from mech_exo_assets.settings import load_strategy

CHOICES = load_strategy().lifecycle.probation
AXIS = sessions(np.datetime64("2020-01-02"), np.datetime64("2020-03-31"))
HELD_OUT = np.random.default_rng(1).standard_t(5, 504) * 0.006 + 0.0005


def judged(returns: list[float], *, sessions_: int = 2, hours: float = 48.0, rate: float = 0.01) -> pl.DataFrame:
    live = pl.DataFrame({"date": pl.Series(AXIS[1 : len(returns) + 1]).cast(pl.Date), "live_return": returns})
    choices = CHOICES.model_copy(update={"sessions": sessions_, "hours": hours, "false_rollbacks": rate})
    ends = closes(AXIS[: len(returns) + 1])
    return probation_table(live, HELD_OUT, choices=choices, closes=ends, version="v", event=7, seed=0)


def test_paths_are_those_of_the_hold_out():
    paths = expected_paths(HELD_OUT, 10, seed=0, resamples=20_000)
    assert paths[:, 0].mean() == pytest.approx(HELD_OUT.mean(), abs=4 * HELD_OUT.std() / np.sqrt(20_000))
    assert set(np.round(paths[:, 0], 12)) <= set(np.round(np.expm1(np.log1p(HELD_OUT)), 12))


@pytest.mark.parametrize(("length", "rate"), [(2, 0.01), (10, 0.05), (21, 0.01)])
def test_any_limit_is_crossed_with_the_stated_probability(length: int, rate: float):
    bounds = limits(expected_paths(HELD_OUT, length, seed=0, resamples=9_999), rate)
    fresh = expected_paths(HELD_OUT, length, seed=1, resamples=40_000)
    crossed = (fresh <= bounds).any(axis=1).mean()
    assert crossed <= rate + 3 * np.sqrt(rate * (1 - rate) * (1 / 40_000 + 1 / 9_999))
    assert crossed > 0.5 * rate


def test_an_ordinary_start_passes_after_two_sessions_and_48_hours():
    # From Thursday's close to Monday's are 96 hours, to Friday's 24.
    table = judged([0.001, 0.0005, 0.001])
    assert table["status"].to_list() == ["watching", "passed"]
    assert table["sessions"].to_list() == [1, 2]
    assert table["event"].unique().to_list() == [7]


def test_hours_alone_or_sessions_alone_are_not_enough():
    assert judged([0.001, 0.001, 0.001], sessions_=3, hours=1.0)["status"].to_list() == ["watching", "watching", "passed"]
    assert judged([0.001, 0.001, 0.001], sessions_=1, hours=100.0)["status"].to_list() == ["watching", "watching", "passed"]


def test_a_loss_beyond_what_was_to_be_expected_is_a_breach_and_stays_one():
    table = judged([-0.05, 0.06])
    assert table["status"].to_list() == ["breach", "breach"]
    assert table["live_return"][0] < table["limit"][0]
    assert table["p_value"][0] < 0.01


def test_the_power_against_three_deviations_a_session():
    chance = np.random.default_rng(5)
    found = 0
    for _ in range(100):
        returns = (chance.standard_t(5, 2) * 0.006 - 3 * HELD_OUT.std()).tolist()
        found += "breach" in judged(returns)["status"].to_list()
    assert found > 60


def test_before_the_first_session_there_is_nothing_to_judge():
    assert judged([]).is_empty()
