"""Whether a challenger is better: the verdicts, and how often a worthless one is promoted."""

from __future__ import annotations

import numpy as np
import pytest

from mech_exo_assets.quant.calendar import sessions
from mech_exo_assets.quant.lifecycle.ab_test import on_holdout, promotes
from mech_exo_assets.settings import load_strategy

CHOICES = load_strategy().lifecycle.ab_test.model_copy(update={"resamples": 999})
AXIS = sessions(np.datetime64("2019-01-01"), np.datetime64("2020-12-31"))


def judged(gain: float, *, impaired: bool = False, seed: int = 1, n: int = 400, own: float = 0.004) -> dict:
    chance = np.random.default_rng(seed)
    common = chance.normal(0.0005, 0.008, n)
    one, other = common + chance.normal(gain, own, n), common + chance.normal(0, own, n)
    table = on_holdout(one, other, AXIS[:n], impaired=impaired, choices=CHOICES, seed=0, version="b", champion_version="a")
    return table.row(0, named=True)


def test_one_that_is_much_better_is_better():
    row = judged(0.002)
    assert row["verdict"] == "better"
    assert row["low"] > 0
    assert row["p_value"] < 0.1
    assert f"above {row['low']:+.2f}" in row["reason"]


def test_one_that_is_much_worse_is_worse():
    row = judged(-0.002)
    assert row["verdict"] == "worse"
    assert row["p_value"] > 0.9


def test_one_that_is_as_good_is_undecided():
    assert judged(0.0)["verdict"] == "undecided"


def test_where_the_champion_is_in_breach_it_is_enough_not_to_be_much_worse():
    row = judged(0.0, impaired=True, own=0.0005)
    assert row["verdict"] == "not worse"
    assert row["wanted"] == -CHOICES.margin
    assert "since the champion is in breach" in row["reason"]
    assert judged(-0.002, impaired=True)["verdict"] == "worse"


def test_too_few_sessions_decide_nothing():
    row = judged(0.01, n=59)
    assert (row["verdict"], row["sharpe"]) == ("undecided", None)
    assert "59 sessions are too few" in row["reason"]


@pytest.mark.parametrize(("verdict", "promoted"), [("better", True), ("not worse", True), ("undecided", False), ("worse", False)])
def test_only_a_better_or_not_worse_one_is_promoted(verdict: str, promoted: bool):
    assert promotes(verdict, "holdout") is promoted
    assert promotes(verdict, "shadow") is False


def test_a_challenger_that_is_no_better_is_promoted_as_seldom_as_stated():
    found = sum(judged(0.0, seed=seed)["verdict"] == "better" for seed in range(120))
    stated = 120 * (1 - CHOICES.confidence)
    assert found <= stated + 3 * np.sqrt(stated * CHOICES.confidence)
