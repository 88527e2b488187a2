"""Series become independent normal numbers, from their own past only."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.signal import lfilter
from scipy.stats import kstest, norm, rankdata

from mech_exo_assets.quant.detection.normal_scores import lasting_spread, sequential_scores, signed_scores, slopes, whitened, whitened_by

NUMBERS = arrays(np.float64, st.integers(1, 60), elements=st.integers(-5, 5).map(float))


def autocorrelated(n, *, phi=0.3, seed=0, mean=0.0):
    return mean + lfilter([1.0], [1.0, -phi], np.random.default_rng(seed).standard_normal(n + 100))[100:]


@given(NUMBERS)
def test_scores_are_those_of_the_rank_among_what_came_before(values):
    expected = [norm.ppf((rankdata(values[: t + 1])[-1] - 0.5) / (t + 1)) for t in range(len(values))]
    np.testing.assert_allclose(sequential_scores(values), expected, rtol=1e-12, atol=1e-12)


@given(NUMBERS, st.floats(0.1, 10.0), st.integers(-100, 100))
def test_scores_have_neither_unit_nor_level(values, scale, level):
    np.testing.assert_array_equal(sequential_scores(values), sequential_scores(np.round(scale * 64) / 64 * values + level))


@pytest.mark.parametrize("law", ["normal", "student", "exponential"])
def test_scores_are_standard_normal_whatever_the_law(law):
    rng = np.random.default_rng(2)
    draw = {"normal": rng.standard_normal, "student": lambda n: rng.standard_t(3, n), "exponential": lambda n: rng.exponential(size=n)}
    scores = sequential_scores(draw[law](20_000))[100:]
    assert kstest(scores, "norm").pvalue > 0.01
    assert abs(np.corrcoef(scores[1:], scores[:-1])[0, 1]) < 4 / np.sqrt(len(scores))


@pytest.mark.parametrize("lags", [1, 2, 5])
def test_whitening_fits_the_past_by_least_squares_and_keeps_the_mean(lags):
    values = autocorrelated(400, mean=2.0)
    out = whitened(values, lags=lags, least=100)
    for t in (100, 250, 399):
        phi = slopes(values[:t], lags=lags)
        past = values[t - 1 : t - lags - 1 : -1] - values[:t].mean()
        assert out.values[t] == pytest.approx(values[t] - phi @ past, rel=1e-8)
        assert out.passes[t] == pytest.approx(1 - phi.sum(), rel=1e-8)
    phi = slopes(values[:100], lags=lags)
    assert out.values[50] == pytest.approx(values[50] - phi @ (values[49 : 49 - lags : -1] - values[:100].mean()), rel=1e-8)


def test_whitened_values_have_no_autocorrelation_and_the_mean_of_the_series_in_every_part():
    values = autocorrelated(20_000, phi=0.5, mean=1.5)
    out = whitened(values, lags=1, least=252).values
    assert abs(np.corrcoef(out[1:], out[:-1])[0, 1]) < 4 / np.sqrt(len(out))
    for part in (out[:252], out[252:2000], out[2000:]):
        assert part.mean() == pytest.approx(1.5, abs=4 * 2.0 / np.sqrt(len(part)))


@pytest.mark.parametrize("at", [252, 300, 399])
def test_whitening_does_not_look_ahead(at):
    values = autocorrelated(400)
    changed = values.copy()
    changed[at + 1 :] += 5.0
    for one, other in zip(whitened(values, lags=2, least=252), whitened(changed, lags=2, least=252), strict=True):
        np.testing.assert_array_equal(one[: at + 1], other[: at + 1])


@pytest.mark.parametrize(("n", "lags"), [(60, 1), (400, 0), (0, 1)])
def test_without_lags_or_with_too_few_values_the_series_is_left_as_it_is(n, lags):
    values = autocorrelated(n)
    out = whitened(values, lags=lags, least=60)
    np.testing.assert_array_equal(out.values, values)
    np.testing.assert_array_equal(out.passes, np.ones(n))
    assert out.values is not values


def test_a_constant_series_is_not_fitted():
    out = whitened(np.full(300, 0.25), lags=1, least=100)
    np.testing.assert_array_equal(out.values, np.full(300, 0.25))


def test_too_short_a_series_has_no_slopes():
    np.testing.assert_array_equal(slopes(np.arange(60.0), lags=1), [0.0])


def test_given_slopes_are_taken_out():
    np.testing.assert_allclose(whitened_by(np.array([1.0, 2.0, 4.0]), np.array([0.5])), [0.5, 1.5, 3.0])


def test_signed_scores_tell_a_return_from_zero():
    rng = np.random.default_rng(4)
    reference = rng.standard_t(4, 5000)
    scores = signed_scores(rng.standard_t(4, 5000), reference)
    assert kstest(scores, "norm").pvalue > 0.01
    np.testing.assert_array_equal(signed_scores(np.array([0.0, -2.0, 2.0]), reference)[1:] * [-1, 1] > 0, [True, True])
    assert signed_scores(np.array([0.0]), reference)[0] == 0.0


@pytest.mark.parametrize("n", [252, 2520])
def test_independent_scores_are_hardly_ever_divided(n):
    """Of 400 series a sixth may lie above one standard error; their mean excess is then a twelfth of it (normal theory), here doubled."""
    rng = np.random.default_rng(0)
    ratios = np.array([lasting_spread(rng.standard_normal(n)) ** 2 for _ in range(400)])
    error = np.sqrt(4 * np.ceil(1.3 * np.sqrt(n)) / (3 * n))
    assert (ratios > 1).mean() < 0.2
    assert ratios.mean() - 1 < 0.166 * error


def test_luck_that_lasts_divides_by_its_long_run_spread():
    """AR(1) of 0.9 has a long-run variance of 19 variances."""
    spread = lasting_spread(autocorrelated(50_000, phi=0.9))
    assert spread == pytest.approx(np.sqrt(19), rel=0.1)


@pytest.mark.parametrize("scores", [np.arange(59.0), np.zeros(500)])
def test_too_few_scores_or_constant_ones_are_not_divided(scores):
    assert lasting_spread(scores) == 1.0
