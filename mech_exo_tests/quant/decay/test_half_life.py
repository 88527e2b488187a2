"""Planted half-lives are found with their intervals, and what has none is not identified."""

import numpy as np
import pytest
from scipy.signal import lfilter

from mech_exo_assets.quant.decay import decline, half_life
from mech_exo_assets.quant.ic import information_coefficients
from mech_exo_assets.settings import load_strategy

LAGS = load_strategy().decay.lags
SESSIONS, NAMES = 2520, 300
NOISE = 1 / np.sqrt(NAMES)
PLANTED = (5, 15, 30, 60, 120)
SEEDS = 20


def lagged_ic(planted: float, seed: int) -> np.ndarray:
    """IC by the session of the return, for scores that keep half of themselves in `planted` sessions."""
    rng, keeps = np.random.default_rng(seed), 2 ** (-1 / planted)
    shocks = rng.standard_normal((SESSIONS + 300, NAMES))
    shocks[1:] *= np.sqrt(1 - keeps**2)
    scores = np.ascontiguousarray(lfilter([1], [1, -keeps], shocks, axis=0)[300:])
    returns = rng.standard_normal((SESSIONS, NAMES))
    returns[1:] += 0.045 * scores[:-1]
    later = [np.full((SESSIONS, NAMES), np.nan) for _ in LAGS]
    for matrix, lag in zip(later, LAGS, strict=True):
        matrix[: SESSIONS - 1 - lag] = returns[1 + lag :]
    ic, _ = information_coefficients([scores], later)
    out = np.full((SESSIONS, len(LAGS)), np.nan)
    for column, lag in enumerate(LAGS):
        out[lag:, column] = ic[0, column, : SESSIONS - lag]
    return out


@pytest.mark.slow
def test_planted_half_lives_are_found_and_their_intervals_cover_them():
    covered = 0
    for planted in PLANTED:
        found = [half_life(LAGS, np.arange(SESSIONS), lagged_ic(planted, seed), resamples=999, seed=0) for seed in range(SEEDS)]
        known = [each for each in found if each is not None]
        assert len(known) >= 0.9 * SEEDS
        assert np.median([each.sessions for each in known]) == pytest.approx(planted, rel=0.15)
        covered += sum(each.low <= planted <= each.high for each in known)
    assert 90 <= covered <= 99


def test_neither_noise_nor_a_rising_coefficient_has_a_half_life():
    rising = 0.02 + 0.0003 * np.array(LAGS)
    for mean, wanted in ((0.0, 38), (rising, 40)):
        found = [
            half_life(
                LAGS, np.arange(800), mean + NOISE * np.random.default_rng(seed).standard_normal((800, len(LAGS))), resamples=499, seed=0
            )
            for seed in range(40)
        ]
        # At a level of 2.5 % one of forty may be called identified by chance.
        assert sum(each is None for each in found) >= wanted


def test_the_same_seed_gives_the_same_interval_and_the_order_of_rows_does_not_matter():
    values = 0.1 * 2 ** (-np.array(LAGS) / 20) + NOISE * np.random.default_rng(1).standard_normal((600, len(LAGS)))
    one = half_life(LAGS, np.arange(600), values, resamples=199, seed=5)
    mixed = np.random.default_rng(0).permutation(600)
    assert one is not None
    assert half_life(LAGS, mixed, values[mixed], resamples=199, seed=5) == one


def test_too_few_lags_or_sessions_have_none():
    values = 0.1 * np.ones((600, 3)) * [1.0, 0.5, 0.25] + 0.001 * np.random.default_rng(0).standard_normal((600, 3))
    assert half_life((0, 10, 20), np.arange(600), values, resamples=99, seed=0) is not None
    assert half_life((0, 10), np.arange(600), values[:, :2], resamples=99, seed=0) is None
    assert half_life((0, 10, 20), np.arange(59), values[:59], resamples=99, seed=0) is None


def test_a_lag_whose_coefficient_never_moves_has_no_weight_and_so_no_half_life():
    values = 0.1 * np.array([1.0, 0.5, 0.25]) + 0.001 * np.random.default_rng(0).standard_normal((600, 3))
    values[:, 1] = 0.0
    assert half_life((0, 10, 20), np.arange(600), values, resamples=99, seed=0) is None


@pytest.mark.parametrize("planted", [250, 500, 1000])
def test_a_dying_factor_halves_in_its_planted_time(planted: int):
    """The interval's coverage is within three binomial standard errors of 95 %, or above."""
    time, found = np.arange(SESSIONS), []
    for seed in range(60):
        ic = 0.05 * 2 ** (-time / planted) + NOISE * np.random.default_rng(seed).standard_normal(SESSIONS)
        found.append(decline(time, ic, horizon=1, resamples=499, seed=0))
    known = [each for each in found if each is not None]
    assert len(known) >= 55
    assert np.median([each.sessions for each in known]) == pytest.approx(planted, rel=0.15)
    assert sum(each.low <= planted <= each.high for each in known) >= (0.95 - 3 * np.sqrt(0.95 * 0.05 / 60)) * len(known)


def test_a_factor_that_stays_or_grows_does_not_halve():
    time = np.arange(SESSIONS)
    for mean, wanted in ((0.05, 36), (0.05 * time / SESSIONS, 40)):
        found = [
            decline(time, mean + NOISE * np.random.default_rng(seed).standard_normal(SESSIONS), horizon=1, resamples=299, seed=0)
            for seed in range(40)
        ]
        assert sum(each is None for each in found) >= wanted


def test_less_than_a_year_has_no_decline():
    assert decline(np.arange(249), 0.1 * 2.0 ** (-np.arange(249) / 50), horizon=1, resamples=99, seed=0) is None
