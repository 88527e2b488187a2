"""The weight of ml_alpha: by the stated rule, within its limits, and never by what was not known."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from mech_exo_assets.quant.learning import blend_table, blend_weights, gate
from mech_exo_assets.quant.learning.blend import HURDLE, moved
from mech_exo_assets.schemas import BLEND
from mech_exo_assets.settings.learning import Blend
from mech_exo_tests.quant.learning.world import HORIZON, LAG, nothing, strategy, world

CHOSEN = strategy()
DATES = np.busday_offset("2010-01-04", np.arange(900), roll="forward").astype("datetime64[D]")


def judged(gains: np.ndarray, *, composite: float = 0.03) -> Any:
    """What the blend looks at, with gains as given."""
    without = np.where(np.isnan(gains), np.nan, composite)
    joined = without + gains
    return SimpleNamespace(sessions=DATES[: len(gains)], ic={"composite": without, "blended": joined}, gain=joined - without)


def noisy(mean: float, n: int, seed: int = 0) -> np.ndarray:
    return mean + 0.01 * np.random.default_rng(seed).standard_normal(n)


def test_a_steady_gain_lifts_the_weight_step_by_step_to_the_maximum_once_the_gate_has_its_sessions():
    table = blend_table(judged(noisy(0.01, 700)), CHOSEN)
    choices = CHOSEN.learning.blend
    assert table["weight"][0] == 0.0
    lifted = table.filter("gate_passed")
    assert lifted["n_sessions"][0] >= CHOSEN.learning.gate.sessions > table.filter(~pl.col("gate_passed"))["n_sessions"].max()
    steps = np.arange(1, len(lifted) + 1) * choices.step
    np.testing.assert_allclose(lifted["weight"], np.minimum(steps, choices.maximum), rtol=0, atol=1e-12)
    assert lifted["weight"][-1] == choices.maximum
    assert lifted["reason"][0].startswith("Up from 0 to 0.05: the gate passes, and the gain of the last 63 known sessions is +0.0")
    assert lifted["reason"][-1].startswith("Stays at 0.5, the maximum: ")


def test_a_gain_that_turns_takes_the_weight_down_again_to_zero():
    gains = np.concatenate([noisy(0.01, 500), noisy(-0.03, 400)])
    table = blend_table(judged(gains), CHOSEN)
    assert table["weight"].max() == CHOSEN.learning.blend.maximum
    assert table["weight"][-1] == 0.0
    down = table.filter(pl.col("weight") < pl.col("previous"))
    said = {re.split(r"[,.] ", reason.split(": ")[1])[0] for reason in down["reason"]}
    assert said == {"the gate passes", "the gate does not pass"}


def test_each_row_says_what_the_gate_and_the_last_sessions_said_by_what_was_known_then():
    gains = noisy(0.004, 400, seed=3)
    gains[::7] = np.nan
    found = judged(gains)
    for row in blend_table(found, CHOSEN).iter_rows(named=True):
        at = int(np.searchsorted(found.sessions, np.datetime64(row["date"])))
        known = max(0, at - LAG - HORIZON + 1)
        verdict = gate(found.ic["composite"][:known], found.ic["blended"][:known], CHOSEN.learning.gate, horizon=HORIZON)
        assert (row["gate_passed"], row["n_sessions"]) == (verdict.passed, verdict.n_sessions)
        assert row["gate_gain"] == (None if known == 0 else verdict.gain)
        recent = found.gain[:known][~np.isnan(gains[:known])][-63:]
        assert row["gain"] == (None if known == 0 else pytest.approx(recent.mean()))


def by_rule(row: dict[str, Any]) -> int:
    if not row["gate_passed"]:
        return -1
    if row["gain"] > 0 and row["t_hac"] is not None and row["t_hac"] > HURDLE:
        return 1
    return -1 if row["gain"] < 0 else 0


@given(
    means=st.lists(st.floats(-0.03, 0.03), min_size=1, max_size=8),
    step=st.floats(0.01, 0.5),
    maximum=st.floats(0.01, 0.9),
    months=st.integers(1, 4),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60)
def test_the_weight_stays_within_limits_moves_by_a_step_at_most_and_only_as_the_rule_says(means, step, maximum, months, seed):
    blend = {"step": min(step, maximum), "maximum": maximum, "months": months}
    chosen = strategy(blend=blend, gate={"sessions": 63, "confidence": 0.6})
    gains = np.concatenate([noisy(mean, 110, seed + k) for k, mean in enumerate(means)])
    table = blend_table(judged(gains), chosen)
    weight, previous = table["weight"].to_numpy(), table["previous"].to_numpy()
    assert weight.min() >= 0
    assert weight.max() <= maximum
    np.testing.assert_array_equal(previous, np.concatenate([[0.0], weight[:-1]]))
    assert np.abs(weight - previous).max() <= blend["step"] + 1e-12
    for row in table.iter_rows(named=True):
        assert row["weight"] == moved(row["previous"], by_rule(row), chosen.learning.blend)


def test_steps_up_and_down_end_where_they_began():
    choices = Blend(step=0.05, maximum=0.5, months=1, sessions=63)
    weight = 0.0
    for direction in (1, 1, 1, 0, -1, -1, -1):
        weight = moved(weight, direction, choices)
    assert weight == 0.0
    assert moved(0.48, 1, choices) == 0.5
    assert moved(0.03, -1, choices) == 0.0


@pytest.mark.parametrize("months", [1, 3])
def test_decisions_are_on_the_first_session_of_every_so_manieth_month_from_the_first_on(months):
    dates = blend_table(judged(np.full(400, np.nan)), strategy(blend={"months": months}))["date"].to_list()
    firsts = {}
    for date in DATES[:400].astype(object):
        firsts.setdefault((date.year, date.month), date)
    assert dates == list(firsts.values())[::months]


def test_fewer_last_sessions_than_two_horizons_are_not_asked_for():
    """They have no t, and the weight could never rise."""
    table = blend_table(judged(noisy(0.01, 500)), strategy(horizons=[40], learning={"horizon": 40, "embargo": 0}, blend={"sessions": 21}))
    assert "of the last 80 known sessions" in table["reason"][-1]
    assert table["weight"].max() > 0


def test_without_predictions_there_are_no_decisions_and_the_weight_is_zero():
    found = world(sessions=80)
    table = blend_table(nothing(found).judge(CHOSEN), CHOSEN)
    assert table.is_empty()
    assert table.schema == BLEND.empty().schema
    np.testing.assert_array_equal(blend_weights(table, DATES[:5]), np.zeros(5))


def test_the_weight_of_a_session_is_that_of_the_last_decision_at_or_before_it():
    blend = pl.DataFrame({"date": DATES[[20, 10]], "weight": [0.1, 0.05]}).with_columns(pl.col("date").cast(pl.Date))
    found = blend_weights(blend, DATES[:30])
    np.testing.assert_array_equal(found, np.repeat([0.0, 0.05, 0.1], 10))


# What is not known yet.

WORLD = world(sessions=420, skill=0.15, seed=5)


@pytest.mark.parametrize("at", [200, 301, 419])
def test_no_decision_moves_when_everything_that_was_not_known_then_is_changed(at):
    dates = WORLD.labels["date"].unique().sort().to_numpy().astype("datetime64[D]")
    plain, changed = (blend_table(each.judge(CHOSEN), CHOSEN) for each in (WORLD, WORLD.changed_after(dates[at], seed=1)))
    until = pl.col("date") <= dates[at].astype(object)
    assert_frame_equal(changed.filter(until), plain.filter(until), check_exact=True)
    assert plain["weight"].max() > 0
    if at == 200:
        assert not changed.equals(plain)


@pytest.mark.parametrize("at", [150, 290])
def test_decisions_are_the_same_when_they_are_made_on_the_day(at):
    dates = WORLD.labels["date"].unique().sort().to_numpy().astype("datetime64[D]")
    plain, then = (blend_table(each.judge(CHOSEN), CHOSEN) for each in (WORLD, WORLD.until(dates[at])))
    assert_frame_equal(then, plain.filter(pl.col("date") <= dates[at].astype(object)), check_exact=True)


def test_the_first_label_that_is_not_known_would_move_a_decision_if_it_were_looked_at():
    """That the tests above can fail: with one session less between score and knowledge, a changed label reaches a decision."""
    early = CHOSEN.model_copy(update={"execution_lag": LAG - 1})
    dates = WORLD.labels["date"].unique().sort().to_numpy().astype("datetime64[D]")
    decided = blend_table(WORLD.judge(CHOSEN), CHOSEN)["date"].to_list()[-3]
    at = int(np.searchsorted(dates, np.datetime64(decided)))
    plain, changed = (blend_table(each.judge(early), early) for each in (WORLD, WORLD.changed_after(dates[at], seed=1)))
    until = pl.col("date") <= decided
    assert not changed.filter(until).equals(plain.filter(until))
