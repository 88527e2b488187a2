"""The models gain where the truth has interactions, and claim nothing where it is linear. `gain_market` prints the figures of 20 seeds."""

from __future__ import annotations

import numpy as np
import pytest

from mech_exo_tests.quant.learning.gain_market import gains

SEEDS = 4


@pytest.mark.slow
@pytest.mark.long
def test_with_interactions_the_ensemble_beats_the_linear_composite_by_a_twentieth_and_the_gate_lets_it_in():
    found = gains(interactions=True, seeds=SEEDS)
    assert np.median([each.ratio for each in found]) >= 1.05
    assert sum(each.passed for each in found) >= SEEDS - 1
    assert np.median([each.ensemble - each.ridge for each in found]) > 0


@pytest.mark.slow
@pytest.mark.long
def test_in_a_linear_world_no_gain_is_claimed():
    found = gains(interactions=False, seeds=SEEDS)
    assert not any(each.passed for each in found)
    assert np.median([each.ratio for each in found]) < 1
