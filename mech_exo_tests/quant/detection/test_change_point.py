"""The session of a change is found, and its interval holds it as often as it says."""

import numpy as np
import pytest

from mech_exo_assets.quant.detection.change_point import LEVEL, change_point
from mech_exo_assets.quant.detection.run_length import threshold


def test_an_obvious_change_is_found_to_the_session():
    found = change_point(np.r_[np.full(50, -0.5), np.full(10, 4.0)], delta=2.0)
    assert (found.at, found.low, found.high) == (50, 50, 50)


def test_a_single_observation_is_its_own_change():
    found = change_point(np.array([3.0]), delta=1.0)
    assert (found.at, found.low, found.high) == (0, 0, 0)


@pytest.mark.parametrize("delta", [0.5, 1.0, 1.6])
def test_the_interval_at_the_alarm_covers_the_change(delta):
    """Of 600 changes at a flat-prior session, as many as the level says, within three binomial standard errors, or more."""
    rng, level, covered = np.random.default_rng(0), threshold(delta, 2520.0), []
    while len(covered) < 600:
        at = int(rng.integers(100, 500))
        losses = rng.standard_normal(at + 400)
        losses[at:] += delta
        statistic, alarm = 0.0, -1
        for t, loss in enumerate(losses):
            statistic = max(0.0, statistic + loss - delta / 2)
            if statistic >= level:
                alarm = t
                break
        if alarm < at:
            continue
        found = change_point(losses[: alarm + 1], delta=delta)
        assert found.low <= found.at <= found.high <= alarm
        covered.append(found.low <= at <= found.high)
    assert np.mean(covered) >= LEVEL - 3 * np.sqrt(LEVEL * (1 - LEVEL) / len(covered))
