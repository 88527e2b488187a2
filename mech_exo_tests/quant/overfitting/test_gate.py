"""The gate: what passes, what fails, and that nothing passes for want of a number."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.overfitting import (
    BacktestOverfitting,
    DeflatedSharpe,
    Gate,
    NotComputed,
    SpaTest,
    computed,
    deflated_sharpe,
    judge,
    passed,
    probability_of_overfitting,
)

DEFLATED = DeflatedSharpe(probability=0.95, sharpe=0.1, hurdle=0.05, trials=200, n_sessions=1260, skew=0.0, kurtosis=0.0)
OVERFITTING = BacktestOverfitting(0.5, np.zeros(2), np.zeros(2), np.zeros(2), 0.0, None, None, 12_870, 1260, 200, 16)
SPA = SpaTest(0.04, 0.05, 0.06, 2.0, 3, "equal weights", 999, 11, 1260, 200)
GATE = Gate(deflated_sharpe=0.95, pbo=0.5, spa=0.05)


def verdicts(gate=GATE, deflated=DEFLATED, overfitting=OVERFITTING, spa=SPA):
    return judge(gate, deflated=deflated, overfitting=overfitting, spa=spa)


def test_what_meets_every_threshold_passes():
    found = verdicts()
    assert [verdict.measure for verdict in found] == ["deflated_sharpe", "pbo", "spa"]
    assert [verdict.value for verdict in found] == [0.95, 0.5, 0.05]
    assert [verdict.threshold for verdict in found] == [0.95, 0.5, 0.05]
    assert [verdict.passed for verdict in found] == [True, True, True]
    assert passed(found)


@pytest.mark.parametrize(
    ("worse", "which"),
    [
        ({"deflated": dataclasses.replace(DEFLATED, probability=0.9499)}, 0),
        ({"overfitting": dataclasses.replace(OVERFITTING, probability=0.5001)}, 1),
        ({"spa": dataclasses.replace(SPA, consistent=0.0501)}, 2),
    ],
)
def test_one_measure_beyond_its_threshold_fails_the_gate(worse, which):
    found = verdicts(**worse)
    assert [verdict.passed for verdict in found] == [i != which for i in range(3)]
    assert not passed(found)


@pytest.mark.parametrize("argument", ["deflated", "overfitting", "spa"])
@pytest.mark.parametrize("without", [NotComputed("one trial only."), "nan"])
def test_a_measure_that_could_not_be_computed_fails_the_gate_and_says_why(argument, without):
    known = {"deflated": DEFLATED, "overfitting": OVERFITTING, "spa": SPA}[argument]
    figure = "consistent" if argument == "spa" else "probability"
    found = verdicts(**{argument: dataclasses.replace(known, **{figure: float("nan")}) if without == "nan" else without})
    failed = [verdict for verdict in found if not verdict.passed]
    assert len(failed) == 1
    assert failed[0].value is None
    assert failed[0].passed is False
    assert failed[0].meaning == f"Not computed: {'the value is not a number.' if without == 'nan' else 'one trial only.'}"
    assert not passed(found)


def test_a_measure_without_a_threshold_is_shown_and_not_judged():
    gate = Gate(deflated_sharpe=None, pbo=0.5, spa=None)
    found = verdicts(gate, deflated=dataclasses.replace(DEFLATED, probability=0.01), spa=NotComputed("too short."))
    assert [verdict.passed for verdict in found] == [None, True, None]
    assert [verdict.value for verdict in found] == [0.01, 0.5, None]
    assert found[0].meaning.endswith("Not judged.")
    assert found[2].meaning == "Not computed: too short."
    assert passed(found)


def test_meanings_begin_with_the_number_and_hold_what_it_is_compared_with():
    deflated, overfitting, spa = (verdict.meaning for verdict in verdicts())
    assert deflated.startswith("0.950 is the probability that the true Sharpe ratio (found: 1.59 a year) is above 0.79")
    assert "200 worthless trials" in deflated
    assert overfitting.startswith("0.500 of 12,870 splits")
    assert spa.startswith("0.050")
    assert "equal weights" in spa
    assert deflated.endswith("Wanted: at least 0.95.")
    assert overfitting.endswith("Wanted: at most 0.5.")


def test_an_error_of_the_input_becomes_the_reason_and_a_mistake_stays_one():
    found = computed(lambda: probability_of_overfitting(np.zeros((100, 1))))
    assert isinstance(found, NotComputed)
    assert found.reason.startswith("probability of overfitting: 1 trial")
    with pytest.raises(ValueError, match="NaN"):
        computed(lambda: probability_of_overfitting(np.full((100, 2), np.nan)))
    known = computed(lambda: deflated_sharpe(np.tile([0.01, -0.005], 50), trials=1, trial_variance=0.0))
    assert isinstance(known, DeflatedSharpe)


def test_thresholds_are_probabilities_and_no_verdict_is_no_pass():
    with pytest.raises(InputError, match=r"gates.pbo: 1.5 is no probability"):
        Gate(pbo=1.5)
    with pytest.raises(ValueError, match="got none"):
        passed([])
