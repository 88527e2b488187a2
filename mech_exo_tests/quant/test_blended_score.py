"""The composite with the machine-learned factor in it, against the definition worked out name by name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mech_exo_assets.quant.composite import blended_score

NAN = np.nan


def standardised(values: np.ndarray) -> np.ndarray:
    return (values - np.nanmean(values)) / np.nanstd(values)


def random_scores(seed: int, *, missing: float = 0.2, shape: tuple[int, int] = (6, 15)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    pair = []
    for _ in range(2):
        values = rng.standard_normal(shape)
        values[rng.random(shape) < missing] = NAN
        pair.append(np.array([standardised(row) for row in values]))
    return pair[0], pair[1]


def by_definition(composite: np.ndarray, ml_alpha: np.ndarray, weight: float) -> np.ndarray:
    """One session."""
    both = [i for i in range(len(composite)) if not np.isnan(composite[i]) and not np.isnan(ml_alpha[i])]
    mean, deviation = np.mean([ml_alpha[i] for i in both]), np.std([ml_alpha[i] for i in both])
    joined = composite.copy()
    for i in both:
        joined[i] = (1 - weight) * composite[i] + weight * (ml_alpha[i] - mean) / deviation
    return standardised(joined)


@pytest.mark.parametrize("weight", [0.05, 0.25, 1.0])
def test_the_blend_is_the_standardised_weighted_mean_of_both(weight):
    composite, ml_alpha = random_scores(1)
    found = blended_score(composite, ml_alpha, np.full(len(composite), weight))
    expected = np.array([by_definition(*rows, weight) for rows in zip(composite, ml_alpha, strict=True)])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@given(seed=st.integers(0, 10_000), weights=st.lists(st.sampled_from([0.0, 0.05, 0.5]), min_size=6, max_size=6))
def test_sessions_without_weight_are_the_composite_to_the_last_bit(seed, weights):
    composite, ml_alpha = random_scores(seed)
    found = blended_score(composite, ml_alpha, np.array(weights))
    still = np.array(weights) == 0
    np.testing.assert_array_equal(found[still], composite[still])
    np.testing.assert_array_equal(np.isnan(found), np.isnan(composite))


def test_a_session_without_any_ml_alpha_is_the_composite_to_the_last_bit():
    composite, ml_alpha = random_scores(2)
    ml_alpha[3] = NAN
    ml_alpha[4] = 7.0
    found = blended_score(composite, ml_alpha, np.full(6, 0.5))
    np.testing.assert_array_equal(found[3:5], composite[3:5])
    assert not np.array_equal(found[2], composite[2], equal_nan=True)


@given(seed=st.integers(0, 10_000))
def test_the_blend_of_a_session_does_not_depend_on_other_sessions_or_on_absent_names(seed):
    composite, ml_alpha = random_scores(seed)
    absent = np.full((6, 3), NAN)
    wider = blended_score(np.hstack([absent, composite]), np.hstack([absent, ml_alpha]), np.full(6, 0.3))[:, 3:]
    alone = np.vstack([blended_score(composite[t : t + 1], ml_alpha[t : t + 1], np.array([0.3])) for t in range(6)])
    whole = blended_score(composite, ml_alpha, np.full(6, 0.3))
    np.testing.assert_array_equal(wider, whole)
    np.testing.assert_array_equal(alone, whole)


def test_scale_and_level_of_ml_alpha_do_not_matter():
    composite, ml_alpha = random_scores(3)
    weights = np.full(6, 0.4)
    np.testing.assert_allclose(
        blended_score(composite, 5 + 100 * ml_alpha, weights), blended_score(composite, ml_alpha, weights), rtol=0, atol=1e-12
    )


def test_shapes_and_weights_that_do_not_fit_are_refused():
    composite, ml_alpha = random_scores(4)
    with pytest.raises(ValueError, match="shapes are"):
        blended_score(composite, ml_alpha[:, 1:], np.zeros(6))
    with pytest.raises(ValueError, match="shapes are"):
        blended_score(composite, ml_alpha, np.zeros(5))
    for weight in (-0.1, 1.1, NAN):
        with pytest.raises(ValueError, match=r"not in \[0, 1\]"):
            blended_score(composite, ml_alpha, np.full(6, weight))
