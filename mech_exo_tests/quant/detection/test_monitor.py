"""One factor's cycle: unproven, healthy, watch, decayed, recovered, healthy; and what it may know when."""

import math
from dataclasses import replace

import numpy as np
import pytest

from mech_exo_assets.quant.detection.monitor import Rules, follow

RULES = Rules(detector="cusum", least=252, hurdle=3.0, lags=1, probation=100, hazard=1 / 2520)
LENGTHS = (25_200.0, 2520.0)


def series(*parts, seed=0):
    """Standard normal noise about a mean that changes: (mean, observations) of each part."""
    means = np.concatenate([np.full(n, mean) for mean, n in parts])
    return means + np.random.default_rng(seed).standard_normal(len(means))


def followed(values, rules=RULES, lengths=LENGTHS):
    return follow(values, rules, lambda _: lengths)


@pytest.mark.parametrize("detector", ["cusum", "shiryaev_roberts"])
def test_a_factor_lives_dies_and_recovers(detector):
    track = followed(series((0.8, 1000), (0.0, 400), (0.8, 600), seed=37), replace(RULES, detector=detector))
    told = [change.status for change in track.changes if change.cause in ("new", "proven", "alarm", "probation")]
    assert told == ["unproven", "healthy", "decayed", "recovered", "healthy"]
    decay, recovery = track.alarms
    assert (decay.kind, recovery.kind) == ("decay", "recovery")
    assert decay.change.low <= 1000 <= decay.change.high < decay.at + 1
    assert recovery.change.low <= 1400 <= recovery.change.high
    assert decay.at - 1000 < 60
    assert decay.ic_before == pytest.approx(0.8, abs=0.2)
    assert decay.ic_after == pytest.approx(0.0, abs=0.5)
    assert recovery.ic_before == pytest.approx(0.0, abs=0.3)
    assert track.status[999] in ("healthy", "watch")
    assert set(track.status[decay.at : recovery.at]) == {"decayed"}
    assert track.status[recovery.at] == "recovered"
    assert track.status[-1] == "healthy"


def test_probation_lasts_as_long_as_it_should_and_a_watch_within_it_ends_in_recovered():
    track = followed(series((1.0, 600), (0.0, 200), (1.0, 600), seed=1))
    recovery = track.alarms[-1]
    healthy = [change.at for change in track.changes if change.cause == "probation"]
    assert healthy == [recovery.at + 1 + RULES.probation]


def test_what_is_known_at_a_session_depends_on_nothing_after_it():
    values = series((0.6, 700), (0.0, 300), (0.6, 300), seed=2)
    whole = followed(values)
    for end in (300, 701, 760, 1100):
        part = followed(values[:end])
        assert part.status == whole.status[:end]
        assert part.changes == [change for change in whole.changes if change.at < end]
        assert part.alarms == [alarm for alarm in whole.alarms if alarm.at < end]
        for name in ("z", "delta", "statistic", "threshold", "watch_threshold", "t", "alive"):
            np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[:end])


def test_noise_is_never_proven_and_raises_no_alarm():
    track = followed(series((0.0, 3000), seed=3))
    assert set(track.status) == {"unproven"}
    assert not track.alarms
    assert np.isnan(track.alive).all()


def test_nothing_is_judged_before_enough_is_known():
    track = followed(series((0.8, 252)))
    assert np.isnan(track.statistic).all()
    assert [change.cause for change in track.changes] == ["new"]
    assert followed(np.empty(0)).status == []


def test_a_watch_begins_at_its_threshold_and_ends_only_at_rest():
    track = followed(series((0.4, 4000), seed=4), lengths=(1e6, 100.0))
    watches = [change for change in track.changes if change.cause == "watch"]
    assert len(watches) >= 5
    for change in watches:
        assert track.statistic[change.at] >= track.watch_threshold[change.at]
        assert track.statistic[change.at - 1] < track.watch_threshold[change.at - 1] or track.status[change.at - 1] != "watch"
        assert change.figures["ic"] < 0.4
    for change in track.changes:
        if change.cause == "rest":
            assert track.statistic[change.at] == 0.0
            assert (track.statistic[change.at - 5 : change.at] > 0).any()


def test_scaling_the_series_changes_no_status():
    values = series((0.7, 800), (0.0, 300), seed=5)
    assert followed(values).status == followed(values * 0.125).status


def test_a_constant_series_is_followed_without_a_t():
    track = followed(np.full(400, 0.05))
    assert set(track.status) == {"unproven"}
    assert np.isnan(track.t).all()


@pytest.mark.parametrize("dead", [0.0, -0.5])
def test_the_probability_of_life_falls_when_it_dies_and_comes_back(dead):
    track = followed(series((0.8, 1000), (dead, 300), (0.8, 400), seed=6))
    alive = track.alive
    assert np.nanmedian(alive[400:1000]) > 0.95
    assert np.nanmedian(alive[1100:1300]) < 0.1
    assert alive[-1] > 0.9
    assert np.nanmin(alive) >= 0
    assert np.nanmax(alive) <= 1


def test_the_shift_that_is_watched_for_is_what_the_loss_of_the_whole_mean_does_to_the_scores():
    """With an autoregression of 0.5 a shift by one deviation of the series arrives halved, in innovations that are smaller by √0.75."""
    rng = np.random.default_rng(7)
    noise = np.zeros(6000)
    for t in range(1, 6000):
        noise[t] = 0.5 * noise[t - 1] + math.sqrt(0.75) * rng.standard_normal()
    track = followed(noise + 1.0, lengths=(1e9, 1e8))
    assert np.nanmedian(track.delta[3000:]) == pytest.approx(0.5 / math.sqrt(0.75), rel=0.1)


def test_a_factor_that_dies_while_it_is_still_young_is_judged_again_as_soon_as_it_recovers():
    """The change may be dated back into the sessions that proved the factor; these stay its working time all the same."""
    values = series((1.0, 240), (0.0, 100), (1.0, 60), seed=0)
    track = followed(values, replace(RULES, least=252), lengths=(252.0, 21.0))
    recovery = next(alarm for alarm in track.alarms if alarm.kind == "recovery")
    assert track.alarms[0].change.low < 252
    assert np.isfinite(track.statistic[recovery.at :]).all()
    assert "unproven" not in track.status[track.alarms[0].at :]


def test_scores_are_divided_where_luck_lasts():
    rng = np.random.default_rng(8)
    slow = np.zeros(3000)
    for t in range(1, 3000):
        slow[t] = 0.98 * slow[t - 1] + math.sqrt(1 - 0.98**2) * rng.standard_normal()
    values = 1.0 + rng.standard_normal(3000)
    plain, lasting = followed(values, lengths=(1e9, 1e8)), followed(values + 0.3 * slow, lengths=(1e9, 1e8))
    assert np.nanmedian(plain.delta[1500:]) == pytest.approx(1.0, rel=0.1)
    assert np.nanmedian(lasting.delta[1500:]) < 0.7
