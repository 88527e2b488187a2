"""Run lengths are those of published tables and of simulation, and thresholds give the run length that is wanted."""

import math

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from mech_exo_assets.quant.detection.run_length import SMALLEST_DELTA, delay, mean_run_length, on_grid, threshold

DETECTORS = ("cusum", "shiryaev_roberts")


@pytest.mark.parametrize(
    ("level", "shift", "published"), [(4.0, 0.0, 335.37), (4.0, 1.0, 8.38), (5.0, 0.0, 930.89), (5.0, 1.0, 10.38), (5.0, 2.0, 4.01)]
)
def test_run_lengths_of_the_cusum_equal_the_published_table(level, shift, published):
    """One-sided CUSUM with k = 1/2; Lucas and Crosier (1982), as reprinted by Montgomery (2009), table 9.3, for the two-sided one.

    Two one-sided CUSUMs that do not interact have half the run length in control, so that the published 168 and 465 are doubled.
    """
    assert mean_run_length(1.0, level, shift=shift) == pytest.approx(published, rel=2e-3)


def simulated(detector, delta, level, shift, *, runs=4000):
    """Run lengths of many detectors side by side."""
    rng = np.random.default_rng(3)
    state, length, going = np.zeros(runs), np.zeros(runs), np.full(runs, True)
    while going.any():
        z = rng.standard_normal(runs) + shift
        state = np.maximum(0.0, state + z - delta / 2) if detector == "cusum" else (1 + state) * np.exp(delta * z - delta**2 / 2)
        length += going
        going &= state < (level if detector == "cusum" else math.exp(level))
    return length


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("delta", [0.37, 1.0, 1.6])
@pytest.mark.parametrize("changed", [False, True])
def test_the_integral_equation_agrees_with_simulation(detector, delta, changed):
    level = threshold(delta, 252.0, detector)
    shift = delta if changed else 0.0
    lengths = simulated(detector, delta, level, shift)
    error = lengths.std() / math.sqrt(len(lengths))
    assert abs(lengths.mean() - mean_run_length(delta, level, shift=shift, detector=detector)) < 4 * error


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("delta", [SMALLEST_DELTA, 0.37, 1.0, 2.5])
@pytest.mark.parametrize("run_length", [63.0, 252.0, 7560.0])
def test_a_threshold_gives_its_run_length(detector, delta, run_length):
    level = threshold(delta, run_length, detector)
    assert mean_run_length(delta, level, shift=0.0, detector=detector) == pytest.approx(run_length, rel=1e-5)


def test_where_even_the_lowest_threshold_is_silent_for_longer_it_is_that_one():
    level = threshold(4.0, 21.0)
    assert level < 0.01
    assert mean_run_length(4.0, level, shift=0.0) > 21.0


@pytest.mark.parametrize("run_length", [2.0, 0.0, math.nan])
def test_a_run_length_of_two_or_less_is_refused(run_length):
    with pytest.raises(ValueError, match="above 2 observations"):
        threshold(1.0, run_length)


@pytest.mark.parametrize("detector", DETECTORS)
def test_the_delay_of_a_detector_that_has_run_for_long_is_shorter_than_from_a_fresh_start(detector):
    for delta in (0.37, 1.0):
        level = threshold(delta, 252.0, detector)
        assert 1 < delay(delta, level, detector) < mean_run_length(delta, level, shift=delta, detector=detector)


def test_the_delay_is_that_of_changes_long_after_the_start():
    """10 000 CUSUMs run in control for 500 observations; those without an alarm then see the shift."""
    delta, runs = 0.7, 10_000
    level = threshold(delta, 1000.0)
    rng = np.random.default_rng(0)
    state = np.zeros(runs)
    for _ in range(500):
        state = np.maximum(0.0, state + rng.standard_normal(len(state)) - delta / 2)
        state = state[state < level]
    waited, alive = [], state
    for t in range(1, 2000):
        alive = np.maximum(0.0, alive + rng.standard_normal(len(alive)) + delta / 2)
        waited += [t] * int((alive >= level).sum())
        alive = alive[alive < level]
    assert not len(alive)
    assert np.mean(waited) == pytest.approx(delay(delta, level), abs=4 * np.std(waited) / math.sqrt(len(waited)))


def test_the_grid_of_shifts_moves_none_by_more_than_half_a_step_and_keeps_its_ends():
    for delta in np.geomspace(SMALLEST_DELTA, 3.9, 200):
        assert abs(math.log(on_grid(delta) / delta)) <= math.log(1.03) / 2 + 1e-12
    assert on_grid(-1.0) == on_grid(0.0) == SMALLEST_DELTA
    assert on_grid(100.0) == 4.0


def test_thresholds_are_the_same_on_any_number_of_threads_to_the_last_bit():
    found = []
    for threads in (1, 2, 4):
        threshold.cache_clear()
        with threadpool_limits(threads, user_api="blas"):
            found.append((threshold(0.25, 1e4), mean_run_length(0.5, 9.0, shift=0.0)))
    assert found[0] == found[1] == found[2]
