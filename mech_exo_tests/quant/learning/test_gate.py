"""The gate lets in what improves the composite, and keeps out what does not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.signal import lfilter

from mech_exo_assets.quant.composite import blended_score
from mech_exo_assets.quant.ic import information_coefficients
from mech_exo_assets.quant.learning import Verdict, gate
from mech_exo_assets.quant.learning.inference import lower_bound
from mech_exo_assets.settings.learning import Gate

CHOICES = Gate(weight=0.25, ic=0.002, confidence=0.95, sessions=126)


def series(gain: float, *, n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    without = 0.02 + 0.1 * rng.standard_normal(n)
    return without, without + gain + 0.01 * rng.standard_normal(n)


def by_name(verdict: Verdict) -> dict[str, bool]:
    return {measure.name: measure.passed for measure in verdict.measures}


def test_a_clear_gain_passes_and_says_so_in_numbers():
    without, joined = series(0.01)
    verdict = gate(without, joined, CHOICES, horizon=5)
    gains = joined - without
    assert verdict.passed
    assert (verdict.n_sessions, verdict.gain) == (300, pytest.approx(gains.mean()))
    assert verdict.low == lower_bound(gains, horizon=5, confidence=0.95)
    assert verdict.meaning.startswith("The machine-learned factor may enter the composite. 300 sessions out of sample")
    assert f"{verdict.gain:+.4f} is what ml_alpha at a weight of 0.25 adds" in verdict.meaning
    assert f"({joined.mean():.4f} with it, {without.mean():.4f} without)" in verdict.meaning
    assert f"{verdict.low:+.4f} is the lower bound of that gain at 95.0% confidence, one-sided (t {verdict.t:.2f})" in verdict.meaning


def test_each_condition_refuses_by_itself():
    without, joined = series(0.01)
    few = gate(without[:125], joined[:125], CHOICES, horizon=5)
    assert by_name(few) == {"sessions": False, "gain": True, "lower_bound": True}
    small = gate(*series(0.0015, n=3000), CHOICES, horizon=5)
    assert by_name(small) == {"sessions": True, "gain": False, "lower_bound": True}
    unsure = without + 0.003 + 0.3 * np.random.default_rng(2).standard_normal(300)
    unsure += without.mean() + 0.003 - unsure.mean()
    assert by_name(gate(without, unsure, CHOICES, horizon=5)) == {"sessions": True, "gain": True, "lower_bound": False}
    for verdict in (few, small):
        assert not verdict.passed
        assert verdict.meaning.startswith("The machine-learned factor stays out.")


def test_a_gain_that_equals_the_margin_passes_and_a_bound_of_zero_does_not():
    without = np.zeros(200)
    joined = np.tile([0.0, 0.5], 100)
    exact = gate(without, joined, CHOICES.model_copy(update={"ic": 0.25}), horizon=1)
    assert by_name(exact)["gain"]
    assert not by_name(gate(without, joined, CHOICES.model_copy(update={"ic": 0.2500001}), horizon=1))["gain"]
    same = gate(without, without, CHOICES.model_copy(update={"ic": 0.0}), horizon=1)
    assert by_name(same) == {"sessions": True, "gain": True, "lower_bound": False}
    assert "has no lower bound" in same.meaning


def test_sessions_that_are_not_known_are_left_out():
    without, joined = series(0.01)
    gaps = np.random.default_rng(1).random(300) < 0.3
    holed = np.where(gaps, np.nan, joined)
    assert gate(without, holed, CHOICES, horizon=5) == gate(without[~gaps], joined[~gaps], CHOICES, horizon=5)


def test_without_sessions_it_refuses_and_does_not_fail():
    verdict = gate(np.empty(0), np.full(0, np.nan), CHOICES, horizon=5)
    assert not verdict.passed
    assert math.isnan(verdict.gain)
    assert math.isnan(verdict.low)
    assert "0 sessions" in verdict.meaning


def test_series_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="same sessions"):
        gate(np.zeros(3), np.zeros(4), CHOICES, horizon=5)


# How often noise passes, by simulation of panels.

HORIZON, SESSIONS, NAMES = 21, 1008, 100


def drawn(seed: int, *, skill: float = 0.0, persistence: float = 0.98) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of a worthless composite and of the same with ml_alpha in it; scores last, and labels share their sessions."""
    rng = np.random.default_rng(seed)
    prices = np.cumsum(rng.standard_normal((SESSIONS + HORIZON, NAMES)), axis=0)
    label = (prices[HORIZON:] - prices[:-HORIZON]) / math.sqrt(HORIZON)

    def scores(share: float) -> np.ndarray:
        noise = rng.standard_normal((SESSIONS + 200, NAMES))
        slow = lfilter([math.sqrt(1 - persistence**2)], [1, -persistence], noise, axis=0)[200:] + share * label
        return (slow - slow.mean(axis=1, keepdims=True)) / slow.std(axis=1, keepdims=True)

    composite = scores(0.0)
    blended = blended_score(composite, scores(skill), np.full(SESSIONS, CHOICES.weight))
    ic, _ = information_coefficients([composite, blended], [label])
    return ic[0, 0], ic[1, 0]


@pytest.mark.slow
def test_noise_passes_no_more_often_than_the_confidence_allows_and_skill_passes():
    """400 worthless factors without a margin: 5 %, the same again for the kernel's bias under overlap (a 5 % test of an MA(20) rejects in
    up to 7 %: test_inference) and three binomial standard errors (3.3 points). With the margin, fewer."""
    free = CHOICES.model_copy(update={"ic": 0.0})
    passed = np.array([[gate(*drawn(seed), each, horizon=HORIZON).passed for each in (free, CHOICES)] for seed in range(400)])
    assert passed[:, 0].mean() <= 0.05 + 0.02 + 3 * math.sqrt(0.05 * 0.95 / 400)
    assert passed[:, 1].mean() <= passed[:, 0].mean()
    assert np.mean([gate(*drawn(seed, skill=0.1), CHOICES, horizon=HORIZON).passed for seed in range(20)]) == 1.0
