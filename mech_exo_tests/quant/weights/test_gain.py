"""What a search finds where there is something to find, and what its gate lets through where there is nothing.

The figures of docs/weights.md are those of twenty and more seeds of the same markets; here are as many as a test has time for.
"""

from __future__ import annotations

import statistics

import pytest

from mech_exo_tests.quant.weights.gain_market import free, outcome, problem, seeded, strategy

pytestmark = [pytest.mark.slow, pytest.mark.long]


def test_searched_weights_are_a_tenth_better_than_equal_ones_on_the_hold_out_and_pass_the_gate():
    found = [outcome(problem(seed, strongest=0.03, chosen=seeded(strategy(), seed))) for seed in range(4)]
    assert statistics.median(each.sharpe("optimised") / each.sharpe("equal") for each in found) >= 1.1
    assert all(each.choice.passed for each in found)


def test_the_gate_lets_no_more_than_one_of_twelve_worthless_markets_through():
    # At 5 % more than one of twelve would pass in 12 % of such tests, at the 1 % that was measured in 0.6 %.
    markets = [problem(seed, strongest=0.0, chosen=seeded(free(strategy()), seed), names=60) for seed in range(12)]
    assert sum(outcome(each).choice.passed for each in markets) <= 1
